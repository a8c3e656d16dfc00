"""The sky engine on files: what each method would subtract from the exposures of a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.drizzle.memory import HELD
from skymosaic.drizzle.parameters import flags
from skymosaic.drizzle.static_masks import ChipArea, StaticMasks, find_masks, rule_of, sigma_of
from skymosaic.drizzle.summaries import SwappedFootprints
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.flagging import cleared
from skymosaic.hst.usable import require_engine
from skymosaic.methods import METHODS
from skymosaic.sky.layout import Layout, plan_layout
from skymosaic.sky.matching import Skies, compute_skies
from skymosaic.sky.measuring import ChipSky, good_pixels, measure_sample
from skymosaic.sky.samples import Sample
from skymosaic.sky.source_mask import SourceMask
from skymosaic.sky.static_rule import Rule
from skymosaic.sky.statistics import Singles, Statistic
from skymosaic.sky.swapped import SwappedOverlaps, swapped_overlaps

_WCS = re.compile(
    "(WCSAXES|CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CD[12]_|PC[12]_|PV[12]_|LONPOLE|LATPOLE|RADESYS|EQUINOX"
    "|A_|B_|AP_|BP_|NAXIS|DATE-OBS|MJD-OBS)[A-Z0-9_]* *="
)
_TABLES = re.compile("(CPDIS|DP[12]|D2IM|AXISCORR)[A-Z0-9_]* *=")

Mask = tuple[Rule, float]
"""A static mask's rule and threshold."""


@dataclass(frozen=True)
class SkySettings:
    """How the sky is measured: AstroDrizzle's parameters of steps 1 and 2.

    Parameters
    ----------
    statistic : Statistic
        The statistic.
    sky_bits : int or None
        Flags that do not make a pixel bad; None: DQ is not used.
    static : Rule or None
        When a pixel is in the static mask; None: there is no mask.
    static_sig : float
        Of the static mask.
    use_static : bool
        Whether the static mask is used for the sky.
    resetbits : int
        Flags that are cleared before anything else.
    """

    statistic: Statistic = field(default_factory=Statistic)
    sky_bits: int | None = 0
    static: Rule | None = "once"
    static_sig: float = 4.0
    use_static: bool = True
    resetbits: int = 0

    @staticmethod
    def from_parameters(parameters: Mapping[str, Any]) -> SkySettings:
        """Return what AstroDrizzle's parameters ask for; those not given are its defaults."""
        names = Statistic.__dataclass_fields__
        given = {name: parameters[name] for name in names if name in parameters}
        return SkySettings(
            Statistic(**given),
            flags(parameters.get("sky_bits", "0")),
            rule_of(parameters),
            sigma_of(parameters),
            parameters.get("use_static", True),
            flags(parameters.get("resetbits", "4096")) or 0,
        )

    @property
    def mask(self) -> Mask | None:
        """The static mask that the sky is measured with: its rule and its threshold."""
        return (self.static, self.static_sig) if self.static and self.use_static else None


@dataclass(frozen=True)
class ChipPixels:
    """One chip as its file has it."""

    image: Singles
    flags: NDArray[np.integer]
    place: ChipArea


def read_chips(
    path: Path, exposure: Exposure, resetbits: int = 0
) -> tuple[list[ChipPixels], list[WCS]]:
    """Read the pixels, flags and WCS of each chip of an exposure.

    Raises
    ------
    InputError
        The instrument's data are not in electrons.
    """
    with fits.open(path, memmap=False) as hdus:
        chips = _pixels_of(hdus, exposure, resetbits)
        return chips, [_read_wcs(path, hdus, hdus["SCI", chip.extver]) for chip in exposure.chips]


def read_pixels(path: Path, exposure: Exposure, resetbits: int = 0) -> list[ChipPixels]:
    """Read the pixels and flags of each chip; errors as for `read_chips`."""
    with fits.open(path, memmap=False) as hdus:
        return _pixels_of(hdus, exposure, resetbits)


def _pixels_of(hdus: fits.HDUList, exposure: Exposure, resetbits: int) -> list[ChipPixels]:
    # AstroDrizzle converts the data of others to electrons, and masks more pixels.
    require_engine([exposure], "drizzle.engine: onepass")
    chips = []
    for chip in exposure.chips:
        science = hdus["SCI", chip.extver]
        image = np.asarray(science.data, dtype=np.float32)
        flags = cleared(hdus["DQ", chip.extver].data, resetbits)
        chips.append(ChipPixels(image, flags, ChipArea.of(exposure, chip.extver, science.header)))
    return chips


def read_wcs(path: Path, exposure: Exposure) -> list[WCS]:
    """Read the WCS of each chip of an exposure, with its distortion."""
    with fits.open(path, memmap=False) as hdus:
        return [_read_wcs(path, hdus, hdus["SCI", chip.extver]) for chip in exposure.chips]


def _read_wcs(path: Path, hdus: fits.HDUList, science: fits.ImageHDU) -> WCS:
    """Return the WCS of a chip with its distortion.

    astropy looks through all of a header several times, and HST's are long: it gets the keywords
    of the WCS alone.
    """
    place = science.fileinfo()
    with path.open("rb") as file:
        file.seek(place["hdrLoc"])
        text = file.read(place["datLoc"] - place["hdrLoc"]).decode("ascii")
    cards = [text[i : i + 80] for i in range(0, len(text), 80)]
    if any(_TABLES.match(card) for card in cards):  # distortion in other extensions
        header = science.header
    else:
        header = fits.Header.fromstring("".join(card for card in cards if _WCS.match(card)))
    wcs = WCS(header, hdus)
    wcs.array_shape = science.shape
    return wcs


class Exposures:
    """The exposures of a folder, whose pixels are read once if memory allows."""

    def __init__(
        self,
        folder: Path,
        exposures: Sequence[Exposure],
        resetbits: int,
        *,
        swapped_footprints: bool = False,
    ) -> None:
        self.folder, self.exposures, self._resetbits = folder, exposures, resetbits
        self._swapped = swapped_footprints
        self._held: dict[str, list[ChipPixels]] = {}
        self._room = HELD
        self._wcs: dict[str, list[WCS]] = {}
        self._places: dict[str, list[ChipArea]] = {}
        self._masks: dict[tuple[Rule | None, float], StaticMasks] = {}

    def __iter__(self) -> Iterator[list[ChipPixels]]:
        for exposure in self.exposures:
            yield self._held.get(exposure.name) or self._read(exposure)

    def _read(self, exposure: Exposure) -> list[ChipPixels]:
        path = self.folder / exposure.name
        chips, self._wcs[exposure.name] = read_chips(path, exposure, self._resetbits)
        self._places[exposure.name] = [chip.place for chip in chips]
        size = sum(chip.image.nbytes + chip.flags.nbytes for chip in chips)
        if size <= self._room:
            self._held[exposure.name] = chips
            self._room -= size
        return chips

    def static_masks(self, rule: Rule | None, static_sig: float) -> StaticMasks:
        """Return the static masks; errors as for `static_masks.find_masks`."""
        key = rule, static_sig
        if key not in self._masks:
            chips = ((chip.place, chip.image) for chips in self for chip in chips)
            self._masks[key] = find_masks(chips, rule, static_sig)
        return self._masks[key]

    def places(self) -> Iterator[list[ChipArea]]:
        """Return where the pixels of the chips of each exposure lie on their detector."""
        for exposure in self.exposures:
            if exposure.name not in self._places:
                self._read(exposure)
            yield self._places[exposure.name]

    def wcs(self) -> Iterator[list[WCS]]:
        """Return the WCS of the chips of each exposure."""
        for exposure in self.exposures:
            if exposure.name not in self._wcs:
                self._read(exposure)
            yield self._wcs[exposure.name]

    def layout(self) -> Layout:
        """Return the overlaps of all chips."""
        return self._layout(swapped=self._swapped)

    def swapped_overlaps(self) -> SwappedOverlaps:
        """Return what exchanged rows and columns do to the overlaps."""
        return swapped_overlaps(self._layout(swapped=False).pairs, self._layout(swapped=True))

    def swapped_by_name(self) -> SwappedFootprints:
        """Return the same with the names of chips and exposures."""
        found = self.swapped_overlaps()
        chips = [f"{e.rootname}[SCI,{chip.extver}]" for e in self.exposures for chip in e.chips]
        return SwappedFootprints(
            found.overlap,
            [(chips[a], chips[b]) for a, b in found.missed],
            [[self.exposures[i].rootname for i in group] for group in found.groups],
        )

    def _layout(self, *, swapped: bool) -> Layout:
        chips, owners = [], []
        for index, found in enumerate(self.wcs()):
            chips += found
            owners += [index] * len(found)
        return plan_layout(chips, owners, swapped=swapped)


def measure_skies(
    folder: Path,
    exposures: Sequence[Exposure],
    settings: Mapping[str, SkySettings],
    methods: Sequence[str] = METHODS,
    *,
    pixels: Exposures | None = None,
) -> dict[str, Skies]:
    """Return what each method would subtract, for each way to measure the sky.

    Parameters
    ----------
    folder : Path
        Holds the exposures; they are read only.
    exposures : sequence of Exposure
        Which.
    settings : mapping of str to SkySettings
        Ways to measure the sky by any names; they share ``resetbits``.
    methods : sequence of str
        The sky methods.
    pixels : Exposures or None
        Where the caller has read them already.

    Raises
    ------
    InputError
        An instrument's data are not in electrons.
    SkyError
        A method finds no sky.
    """
    return {
        name: compute_skies(one.layout, one.chips, one.brightness, methods)
        for name, one in measure_all(folder, exposures, settings, pixels=pixels).items()
    }


@dataclass(frozen=True)
class MeasuredChips:
    """What all methods start from: parameters as for `sky.matching.compute_skies`."""

    layout: Layout
    chips: Sequence[ChipSky]
    brightness: Sequence[float]


def measure_all(
    folder: Path,
    exposures: Sequence[Exposure],
    settings: Mapping[str, SkySettings],
    *,
    pixels: Exposures | None = None,
    sources: SourceMask | None = None,
) -> dict[str, MeasuredChips]:
    """Measure every chip in each way; parameters and errors as for `measure_skies`.

    `sources`: pixels of the sky that do not count.
    """
    (resetbits,) = {way.resetbits for way in settings.values()}
    pixels = pixels or Exposures(folder, exposures, resetbits)
    layout = pixels.layout()
    masks = {way.mask: pixels.static_masks(*way.mask) for way in settings.values() if way.mask}
    measured: dict[str, list[ChipSky]] = {name: [] for name in settings}
    index = 0
    for chips, found in zip(pixels, pixels.wcs(), strict=True):
        for chip, wcs in zip(chips, found, strict=True):
            user = None if sources is None else sources.usable(wcs, chip.image.shape)
            lows = {key: one.low(chip.place) for key, one in masks.items()}
            for name, one in measure_chip(layout, index, chip, settings, lows, user).items():
                measured[name].append(one)
            index += 1
    brightness = [e.brightness_factor(chip.extver) for e in exposures for chip in e.chips]
    return {name: MeasuredChips(layout, each, brightness) for name, each in measured.items()}


def measure_chip(
    layout: Layout,
    index: int,
    chip: ChipPixels,
    settings: Mapping[str, SkySettings],
    lows: Mapping[Mask, NDArray[np.bool_] | None],
    user: NDArray[np.bool_] | None = None,
) -> dict[str, ChipSky]:
    """Measure one chip in each way.

    Parameters
    ----------
    layout : Layout
        Where its overlaps are.
    index : int
        Of the chip in the layout.
    chip : ChipPixels
        Its pixels.
    settings : mapping of str to SkySettings
        The ways, by any names.
    lows : mapping of (Rule, float) to array of bool, shape (rows, columns), or None
        Its pixels in the static mask of each of the ways; None: there is none.
    user : array of bool, same shape, or None
        Pixels that may be used; None: all.
    """
    samples: dict[tuple[Any, ...], Sample] = {}
    measured = {}
    for name, way in settings.items():
        if (way.sky_bits, way.mask) not in samples:
            low = lows.get(way.mask) if way.mask else None
            good = good_pixels(chip.flags, way.sky_bits, low, user, shape=chip.image.shape)
            samples[way.sky_bits, way.mask] = Sample(chip.image, good)
        sample = samples[way.sky_bits, way.mask]
        measured[name] = measure_sample(layout, index, sample, way.statistic)
    return measured


def write_skyfile(path: Path, exposures: Sequence[Exposure], subtracted: Sequence[float]) -> None:
    """Write the sky of every chip as AstroDrizzle's ``skyfile``: a file name, its chips' values.

    With it AstroDrizzle subtracts these values instead of computing its own.
    """
    values = iter(subtracted)
    lines = [
        " ".join([exposure.name, *(repr(next(values)) for _ in exposure.chips)])
        for exposure in exposures
    ]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
