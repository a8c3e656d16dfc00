"""Where simulated exposures of WFC3/IR point, with which errors, and under which skies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skymosaic.archive.simulated.filters import FILTERS, tile_of
from skymosaic.archive.simulated.names import IR_FILTER, MAXIMUM_DITHERS
from skymosaic.archive.simulated.plane import FloatArray, deproject, project
from skymosaic.archive.simulated.proposal import (
    REFERENCE_TILE,
    cd_of,
    crval_of,
    field_center,
    rows_of,
    tiles_of_proposal,
)
from skymosaic.archive.simulated.seeds import generator
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.errors import CampaignError

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

    def as_truth(self) -> dict[str, float]:
        """Return it as files of true values hold it."""
        return {"dra_cosdec": self.dra, "ddec": self.ddec, "roll": self.roll}


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
    published = [visit + row["rootname"][6:] for row in rows_of(tile_of(visit))]
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


def place_of(simulation: Simulation, tile: str, dither: int) -> tuple[float, float]:
    """Return the true CRVAL of a dither of a tile."""
    rows = rows_of(tile)
    center = field_center()
    offsets = np.array([_offset(crval_of(row), center) for row in rows])
    if dither < len(rows):
        offset = offsets[dither]
    else:
        random = generator(simulation.seed, tile, "dither", dither)
        offset = offsets.mean(axis=0) + random.uniform(-_EXTRA_DITHER, _EXTRA_DITHER, 2)
    plane = offset * simulation.shrink + np.array(simulation.displace.get(tile, (0.0, 0.0)))
    if simulation.size == "small" and dither == 1:
        # The published dither is 59.5 pixels; shrunk it is a whole number of them, which would
        # leave the undersampled stars' positions wrong by the same fraction in both exposures.
        plane = plane + cd_of(rows[0]).sum(axis=1) * 0.5 * 3600.0
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
    rows = rows_of(tile)
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
    rows = rows_of(tile)
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
