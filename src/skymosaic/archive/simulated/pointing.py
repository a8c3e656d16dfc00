"""Where simulated exposures point: the tiles of HST proposal 12812, dithers, pointing errors."""

from __future__ import annotations

import csv
import functools
import importlib.resources
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from skymosaic.archive.simulated.filters import FILTERS, tile_of
from skymosaic.archive.simulated.names import (
    CCDS,
    DEFAULT_SCENES,
    DITHERS,
    INSTRUMENTS,
    IR_FILTER,
    MAXIMUM_DITHERS,
    SCENES,
    FilterName,
    InstrumentName,
    SceneName,
)
from skymosaic.archive.simulated.plane import FloatArray, deproject, project
from skymosaic.errors import CampaignError

DETECTOR_SIZE = 1014
SUBARRAY_SIZE = 256
REFERENCE_TILE = "54"
CCD_TILES = ("01", "02", "03", "04", "05", "06", "07", "08", "09")

_VISIT_PREFIX = "ibxl"
_POINTING_RMS = 0.18  # arcsec an axis: with two axes, 2 pixels rms
_POINTING_LIMIT = 0.5  # arcsec: 4 pixels
_ROLL_LIMIT = 0.03  # deg
_EXTRA_DITHER = 2.0  # arcsec, half the width of the square of generated dithers, at full size
_EQUAL_SKY = 0.85  # e-/s, in the scene of equal skies
_LEFT_OVER = 0.05  # e-/s: what is left at most where the sky had been subtracted before
_SKIES_ALIKE = ("equal-skies", "filled")
_SKY_CHANGE = 0.1  # e-/s: by how much a visit's sky differs from the published one, other scenes


@dataclass(frozen=True)
class Simulation:
    """What to simulate.

    Attributes
    ----------
    seed : int
        All that is random follows from it and from names, so that an exposure is the same
        whichever others are made, and in whatever order.
    size : {'full', 'small'}
        ``full``: 1014 x 1014 pixels. ``small``: the 256 x 256 subarray; the mosaic's pattern and
        the scene shrink about the reference tile by the same factor, the point-spread function
        does not. Of CCDs: both chips, or a part of 256 x 512 pixels of each, at the gap.
    tiles : tuple of str
        Last two characters of the visits to make, such as ``('54', '51')``; empty means all nine,
        of CCDs the first two of ``('01', ..., '09')``.
    dithers : int or None
        Exposures a visit; None: two, of CCDs three. WFC3/IR: the first two are the published
        ones; further ones are generated.
    displace : mapping of str to (float, float)
        True offset of a tile on the sky, (east, north) in arcsec, added to its published place.
    scene : str or None
        What is there to see, and what the skies are; None: ``horsehead``, of CCDs ``sparse``.
        ``horsehead``: a nebula everywhere.
        ``sparse``: stars only. ``nebula``: one in the middle. ``equal-skies``: the same, and all
        skies are one. ``one-sided``: emission that rises towards one side. ``filled``: emission
        everywhere, over skies that were subtracted before but for a rest. ``saturated``: stars,
        one of them saturated in the overlap of tiles 54 and 51, with a ghost in the exposures of
        51 alone; of CCDs tiles 01 and 02.
    instrument : {'wfc3-ir', 'acs-wfc', 'wfc3-uvis'}
        What observes. The others' options are those of the two CCD cameras:
    chip_step : float
        Sky of chip 2 (SCI,1) minus sky of chip 1 (SCI,2), over their mean.
    sky : float or None
        Mean sky of the visits, e-/s a pixel; None: what is usual for the instrument.
    cosmic_rays : bool
        Whether there are any.
    filter : str or None
        WFC3/IR: what it observes with; None: F160W. Visits of another filter point where those of
        F160W do, with pointing errors and skies of their own, and see the same scene.
    """

    seed: int = 12812
    size: Literal["full", "small"] = "full"
    tiles: tuple[str, ...] = ()
    dithers: int | None = None
    displace: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scene: SceneName | None = None
    instrument: InstrumentName = "wfc3-ir"
    chip_step: float = 0.0
    sky: float | None = None
    cosmic_rays: bool = True
    filter: FilterName | None = None

    def __post_init__(self) -> None:
        if self.instrument not in INSTRUMENTS:
            raise CampaignError(
                f"simulated instrument: {self.instrument!r} is unknown; "
                f"choose from {', '.join(INSTRUMENTS)}"
            )
        dithers = DITHERS[self.instrument] if self.dithers is None else self.dithers
        object.__setattr__(self, "dithers", dithers)
        if self.scene is None:
            object.__setattr__(self, "scene", DEFAULT_SCENES[self.instrument])
        self._check_filter()
        self._check_ccd_options()
        known = CCD_TILES if self.is_ccd else tiles_of_proposal()
        for name, wanted in (("tiles", self.tiles), ("displace", tuple(self.displace))):
            unknown = [tile for tile in wanted if tile not in known]
            if unknown:
                raise CampaignError(
                    f"simulated {name}: no tile {unknown[0]!r} in "
                    f"{'the pattern' if self.is_ccd else 'proposal 12812'}; "
                    f"choose from {', '.join(known)}"
                )
        if len(set(self.tiles)) != len(self.tiles):
            raise CampaignError(f"simulated tiles: {self.tiles} names a tile twice; name it once")
        if self.size not in ("full", "small"):
            raise CampaignError(f"simulated size: {self.size!r} is unknown; choose full or small")
        if self.scene not in SCENES:
            raise CampaignError(
                f"simulated scene: {self.scene!r} is unknown; choose from {', '.join(SCENES)}"
            )
        if not 1 <= dithers <= MAXIMUM_DITHERS:
            raise CampaignError(
                f"simulated dithers: {dithers} is out of range; "
                f"choose 1 to {MAXIMUM_DITHERS} exposures a visit"
            )
        if self.seed < 0:
            raise CampaignError(f"simulated seed: {self.seed} is negative; choose 0 or above")

    def _check_filter(self) -> None:
        if self.is_ccd:
            if self.filter is not None:
                raise CampaignError(
                    f"simulated filter: {self.instrument} has one filter only; leave filter "
                    "and filters out, or choose the instrument wfc3-ir"
                )
            return
        if self.filter is None:
            object.__setattr__(self, "filter", IR_FILTER)
        if self.filter not in FILTERS:
            raise CampaignError(
                f"simulated filter: {self.filter!r} is unknown; choose from {', '.join(FILTERS)}"
            )

    def _check_ccd_options(self) -> None:
        plain = self.chip_step == 0.0 and self.sky is None and self.cosmic_rays
        if not self.is_ccd and not plain:
            raise CampaignError(
                f"simulated instrument: chip_step, sky and cosmic_rays are not for "
                f"{self.instrument}; leave them out, or choose {' or '.join(CCDS)}"
            )
        if not -1.0 < self.chip_step < 1.0:
            raise CampaignError(
                f"simulated chip_step: {self.chip_step} is no share of the sky; "
                "choose one between -1 and 1, such as 0.01"
            )
        if self.sky is not None and not 0.0 <= self.sky < 1e6:
            raise CampaignError(
                f"simulated sky: {self.sky} is out of range; choose 0 to 1e6 e-/s a pixel"
            )

    @property
    def is_ccd(self) -> bool:
        """Whether the instrument has CCDs: two chips, electrons, cosmic rays."""
        return self.instrument in CCDS

    @property
    def ir_filter(self) -> FilterName:
        """The filter of WFC3/IR."""
        return self.filter or IR_FILTER

    @property
    def pixels(self) -> int:
        """Length of each axis of an exposure, in pixels."""
        return DETECTOR_SIZE if self.size == "full" else SUBARRAY_SIZE

    @property
    def shrink(self) -> float:
        """Factor by which the mosaic's pattern and the scene are shrunk; 1 at full size."""
        return self.pixels / DETECTOR_SIZE

    @property
    def corner(self) -> int:
        """First detector pixel of the exposure along each axis, counted from 0."""
        return (DETECTOR_SIZE - self.pixels) // 2


@dataclass(frozen=True)
class LinearWcs:
    """The linear part of a world coordinate system: CRVAL (deg), CRPIX (pix), CD (deg/pix)."""

    crval: tuple[float, float]
    crpix: tuple[float, float]
    cd: tuple[tuple[float, float], tuple[float, float]]

    @property
    def orientation(self) -> float:
        """Position angle of the y axis, degrees east of north."""
        return float(np.degrees(np.arctan2(self.cd[0][1], self.cd[1][1])))


@dataclass(frozen=True)
class PointingError:
    """What the header's WCS is off by: header minus truth.

    ``dra`` is along right ascension times cos(declination), ``ddec`` along declination, both in
    arcsec; ``roll`` in degrees, counted from north to east, about the tile's centre.
    """

    dra: float = 0.0
    ddec: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True)
class PlannedExposure:
    """One exposure of the plan, with its true WCS and the one its header gets."""

    rootname: str
    visit: str
    number: int
    exptime: float
    postarg: tuple[float, float]
    stale_mdrizsky: float
    sky: float
    true_wcs: LinearWcs
    header_wcs: LinearWcs
    error: PointingError


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the random generator of a name: the same for a seed in every process."""
    words = [zlib.crc32(str(name).encode()) for name in names]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


@functools.cache
def _published() -> tuple[dict[str, str], ...]:
    source = (
        importlib.resources.files("skymosaic.archive.simulated") / "data" / "proposal_12812.csv"
    )
    lines = source.read_text(encoding="ascii").splitlines()
    return tuple(csv.DictReader(line for line in lines if not line.startswith("#")))


@functools.cache
def tiles_of_proposal() -> tuple[str, ...]:
    """Return the proposal's nine tiles, by the last two characters of the visit."""
    return tuple(dict.fromkeys(row["rootname"][4:6] for row in _published()))


def _rows(tile: str) -> list[dict[str, str]]:
    return [row for row in _published() if row["rootname"][4:6] == tile]


def _crval(row: dict[str, str]) -> tuple[float, float]:
    return float(row["crval1"]), float(row["crval2"])


def field_center() -> tuple[float, float]:
    """Return (ra, dec) in degrees of the reference tile: the origin of the scene."""
    return _crval(_rows(REFERENCE_TILE)[0])


def visits_of(simulation: Simulation) -> tuple[str, ...]:
    """Return the visits to simulate, in the proposal's order."""
    wanted = simulation.tiles or tiles_of_proposal()
    letter = FILTERS[simulation.ir_filter].letter
    return tuple(
        f"{_VISIT_PREFIX}{letter}{tile[1]}" for tile in tiles_of_proposal() if tile in wanted
    )


def rootnames_of(simulation: Simulation, visit: str) -> list[str]:
    """Return the rootnames of a visit: the published ones, then generated ones."""
    if visit not in visits_of(simulation):
        raise CampaignError(
            f"visit {visit!r} is not in this simulation; "
            f"choose from {', '.join(visits_of(simulation))}"
        )
    # Those of another filter end as the published ones of the tile do.
    published = [visit + row["rootname"][6:] for row in _rows(tile_of(visit))]
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [*published, *(f"{visit}z{letter}q" for letter in letters)][: simulation.dithers]


def pointing_error(simulation: Simulation, visit: str) -> PointingError:
    """Return the error that all exposures of a visit share; the reference tile in F160W has none.

    The visits of other filters are others, with guide stars of their own: they have errors all.
    """
    if visit.endswith(REFERENCE_TILE):
        return PointingError()
    return draw_pointing_error(simulation.seed, visit)


def draw_pointing_error(seed: int, visit: str) -> PointingError:
    """Return a visit's error, as large as those of guide stars."""
    random = generator(seed, visit, "pointing")
    shift = random.normal(0.0, _POINTING_RMS, 2)
    shift *= min(1.0, _POINTING_LIMIT / float(np.hypot(*shift)))
    roll = random.uniform(-_ROLL_LIMIT, _ROLL_LIMIT)
    return PointingError(float(shift[0]), float(shift[1]), float(roll))


def _offset(position: tuple[float, float], center: tuple[float, float]) -> FloatArray:
    return project(np.array(position[0]), np.array(position[1]), center)


def _with_error(true: LinearWcs, error: PointingError, center: tuple[float, float]) -> LinearWcs:
    cos, sin = np.cos(np.radians(error.roll)), np.sin(np.radians(error.roll))
    turn = np.array([[cos, sin], [-sin, cos]])
    offset = turn @ _offset(true.crval, center)
    ra, dec = deproject(offset + np.array([error.dra, error.ddec]), center)
    cd = turn @ np.array(true.cd)
    return replace(
        true,
        crval=(float(ra), float(dec)),
        cd=((float(cd[0, 0]), float(cd[0, 1])), (float(cd[1, 0]), float(cd[1, 1]))),
    )


def _cd(row: dict[str, str]) -> FloatArray:
    return np.array([[float(row[f"cd{i}_{j}"]) for j in (1, 2)] for i in (1, 2)])


def place_of(simulation: Simulation, tile: str, dither: int) -> tuple[float, float]:
    """Return the true CRVAL of a dither of a tile."""
    rows = _rows(tile)
    center = field_center()
    offsets = np.array([_offset(_crval(row), center) for row in rows])
    if dither < len(rows):
        offset = offsets[dither]
    else:
        random = generator(simulation.seed, tile, "dither", dither)
        offset = offsets.mean(axis=0) + random.uniform(-_EXTRA_DITHER, _EXTRA_DITHER, 2)
    plane = offset * simulation.shrink + np.array(simulation.displace.get(tile, (0.0, 0.0)))
    if simulation.size == "small" and dither == 1:
        # The published dither is 59.5 pixels; shrunk it is a whole number of them, which would
        # leave the undersampled stars' positions wrong by the same fraction in both exposures.
        plane = plane + _cd(rows[0]).sum(axis=1) * 0.5 * 3600.0
    ra, dec = deproject(plane, center)
    return float(ra), float(dec)


def _sky(simulation: Simulation, tile: str, dither: int) -> float:
    """Return the sky of an exposure, e-/s."""
    sky = _sky_in_f160w(simulation, tile, dither)
    if simulation.ir_filter == IR_FILTER:
        return sky
    # The zodiacal light has a colour, and changes between the visits of two filters.
    change = generator(simulation.seed, tile, simulation.ir_filter, "sky").uniform(-0.1, 0.1)
    own = 0.0 if simulation.scene in _SKIES_ALIKE else float(change)
    return FILTERS[simulation.ir_filter].sky * sky * (1.0 + own)


def _sky_in_f160w(simulation: Simulation, tile: str, dither: int) -> float:
    if simulation.scene == "equal-skies":
        return _EQUAL_SKY
    if simulation.scene == "filled":
        return float(generator(simulation.seed, tile, "rest", dither).uniform(0.0, _LEFT_OVER))
    rows = _rows(tile)
    sky = float(rows[dither % len(rows)]["localmin"])
    if dither >= len(rows):
        # The two exposures of a visit differ by about 0.01 e-/s; generated ones vary as much.
        sky += float(generator(simulation.seed, tile, "sky", dither).uniform(-0.01, 0.01))
    if simulation.scene != "horsehead":
        change = generator(simulation.seed, tile, "visit's sky").uniform(-_SKY_CHANGE, _SKY_CHANGE)
        sky += float(change)
    return sky


def _number(simulation: Simulation, tile: str, dither: int) -> int:
    """Return the place of an exposure in time: the published filter first, then the others."""
    tiles = tiles_of_proposal()
    others = [name for name in FILTERS if name != IR_FILTER]
    turn = [IR_FILTER, *others].index(simulation.ir_filter)
    return (turn * len(tiles) + tiles.index(tile)) * MAXIMUM_DITHERS + dither


def plan_exposure(simulation: Simulation, visit: str, dither: int) -> PlannedExposure:
    """Return one exposure of a visit, ``dither`` counted from 0."""
    tile = tile_of(visit)
    rows = _rows(tile)
    row = rows[dither % len(rows)]
    true = LinearWcs(
        crval=place_of(simulation, tile, dither),
        crpix=(
            float(row["crpix1"]) - simulation.corner,
            float(row["crpix2"]) - simulation.corner,
        ),
        cd=(
            (float(row["cd1_1"]), float(row["cd1_2"])),
            (float(row["cd2_1"]), float(row["cd2_2"])),
        ),
    )
    middle = np.mean([place_of(simulation, tile, k) for k in range(len(rows))], axis=0)
    error = pointing_error(simulation, visit)
    return PlannedExposure(
        rootname=rootnames_of(simulation, visit)[dither],
        visit=visit,
        number=_number(simulation, tile, dither),
        exptime=float(row["exptime"]),
        postarg=(
            float(row["postarg1"]) * simulation.shrink,
            float(row["postarg2"]) * simulation.shrink,
        ),
        stale_mdrizsky=float(row["mdrizsky"]),
        sky=_sky(simulation, tile, dither),
        true_wcs=true,
        header_wcs=_with_error(true, error, (float(middle[0]), float(middle[1]))),
        error=error,
    )
