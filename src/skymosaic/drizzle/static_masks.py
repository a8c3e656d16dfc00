"""The static masks of a run, by chip: found in its exposures, told of, and given to AstroDrizzle.

AstroDrizzle has one rule, ``static``: a pixel that is low in any exposure is masked in all. The
value ``repeated`` of that parameter is this project's: see `sky.static_mask`. AstroDrizzle is then
called with its own step off, and finds the pixels flagged in DQ of its private copies.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skymosaic.drizzle.parameters import flags
from skymosaic.drizzle.summaries import MaskSummary
from skymosaic.errors import DrizzleError, SkyError
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.flagging import flag_copies, free_flag
from skymosaic.hst.opened import opened_chips
from skymosaic.sky.static_mask import LowPixels, StaticMask, too_low
from skymosaic.sky.static_rule import Rule
from skymosaic.sky.statistics import Singles

REPEATED: Rule = "repeated"
"""The value of `static` that is not AstroDrizzle's."""
WARNED = 0.05
"""Share of a chip's pixels above which a mask is warned of ..."""
REFUSED = 0.5
"""... and above which it is refused."""
_SIGMA = 4.0  # AstroDrizzle's own default of static_sig
_ALL = 0xFFFF
_IGNORED = ("sky_bits", "driz_sep_bits", "final_bits")


@dataclass(frozen=True)
class ChipArea:
    """Which pixels of a detector a chip of a file holds.

    Parameters
    ----------
    detector : str
        INSTRUME/DETECTOR.
    chip : int
        CCDCHIP, else EXTVER.
    extver : int
        EXTVER of the SCI extension.
    rows, columns : int
        Size.
    x, y : float
        Where a subarray begins: LTV1 and LTV2 with their signs changed, pixels.
    """

    detector: str
    chip: int
    extver: int
    rows: int
    columns: int
    x: float = 0.0
    y: float = 0.0

    @staticmethod
    def of(exposure: Exposure, extver: int, header: fits.Header) -> ChipArea:
        """Return where the pixels of a SCI extension lie."""
        return ChipArea(
            f"{exposure.instrument}/{exposure.detector}".rstrip("/"),
            int(header.get("CCDCHIP", extver)),
            extver,
            header["NAXIS2"],
            header["NAXIS1"],
            -float(header.get("LTV1", 0.0)),
            -float(header.get("LTV2", 0.0)),
        )

    def key(self, rule: Rule) -> Hashable:
        """Return what chips that share a mask have in common.

        AstroDrizzle goes by size and number alone. What asks for the same pixel of the detector
        to be low has to ask where a subarray lies, too.
        """
        if rule == "once":
            return self.rows, self.columns, self.extver
        return self.detector, self.chip, self.rows, self.columns, self.x, self.y

    def __str__(self) -> str:
        corner = f" from ({self.x + 1:g}, {self.y + 1:g})" if self.x or self.y else ""
        return f"{self.detector} [SCI,{self.extver}] of {self.columns} x {self.rows} pixels{corner}"


@dataclass(frozen=True)
class StaticMasks:
    """The static masks of some exposures under one rule; without a rule there are none."""

    rule: Rule | None = None
    masks: Mapping[Hashable, StaticMask] = field(default_factory=dict)
    places: Mapping[Hashable, ChipArea] = field(default_factory=dict)
    """The first chip that has the mask."""

    def low(self, place: ChipArea) -> NDArray[np.bool_] | None:
        """Return which pixels of a chip are masked; None: there is no mask."""
        mask = None if self.rule is None else self.masks.get(place.key(self.rule))
        return None if mask is None else mask.low

    def summaries(self) -> list[MaskSummary]:
        """Return what is recorded of each mask."""
        if self.rule is None:
            return []
        return [
            MaskSummary(
                detector=place.detector,
                chip=place.extver,
                columns=place.columns,
                rows=place.rows,
                name=str(place),
                rule=self.rule,
                exposures=mask.exposures,
                needed=mask.needed,
                masked=mask.masked,
                share=mask.share,
            )
            for key, mask in self.masks.items()
            for place in (self.places[key],)
        ]


def rule_of(parameters: Mapping[str, Any]) -> Rule | None:
    """Return the rule that `static` of a run's parameters asks for; None: no static mask."""
    static = parameters.get("static", True)
    if static == REPEATED:
        return "repeated"
    return "once" if static else None


def sigma_of(parameters: Mapping[str, Any]) -> float:
    """Return `static_sig`: standard deviations below the mode at which a pixel is low."""
    return float(parameters.get("static_sig", _SIGMA))


def find_masks(
    chips: Iterable[tuple[ChipArea, Singles]], rule: Rule | None, static_sig: float
) -> StaticMasks:
    """Look for low pixels in all exposures, one chip at a time.

    Parameters
    ----------
    chips : iterable of (Place, array of float32)
        The chips of all exposures.
    rule : Rule or None
        When a pixel is masked; None: never.
    static_sig : float
        Standard deviations below the mode at which a pixel is low.

    Raises
    ------
    SkyError
        A mask would leave out more than half of a chip.
    """
    if rule is None:
        return StaticMasks()
    return merge_masks(((place, too_low(image, static_sig)) for place, image in chips), rule)


def merge_masks(chips: Iterable[tuple[ChipArea, NDArray[np.bool_]]], rule: Rule) -> StaticMasks:
    """Return the masks of chips whose low pixels are known, one chip held at a time.

    Parameters
    ----------
    chips : iterable of (ChipArea, array of bool, shape (rows, columns))
        The chips of all exposures, and which of their pixels are low.
    rule : Rule
        When a pixel is masked.

    Raises
    ------
    SkyError
        A mask would leave out more than half of a chip.
    """
    found: dict[Hashable, LowPixels] = {}
    places: dict[Hashable, ChipArea] = {}
    for place, low in chips:
        key = place.key(rule)
        if key not in found:
            found[key], places[key] = LowPixels(low.shape), place
        found[key].add(low)
    masks = StaticMasks(rule, {key: one.mask(rule) for key, one in found.items()}, places)
    for one in masks.summaries():
        if one.share > REFUSED:
            raise SkyError(refusal(one))
    return masks


def masks_of_files(
    folder: Path, exposures: Sequence[Exposure], parameters: Mapping[str, Any]
) -> StaticMasks:
    """Return the static masks of the exposures in a folder; errors as for `find_masks`."""
    return find_masks(_read(folder, exposures), rule_of(parameters), sigma_of(parameters))


def _read(folder: Path, exposures: Sequence[Exposure]) -> Iterator[tuple[ChipArea, Singles]]:
    for exposure, chip, hdus in opened_chips(folder, exposures):
        science = hdus["SCI", chip.extver]
        place = ChipArea.of(exposure, chip.extver, science.header)
        yield place, np.asarray(science.data, dtype=np.float32)


def flag_repeated(
    folder: Path, exposures: Sequence[Exposure], masks: StaticMasks, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return parameters that AstroDrizzle knows; `repeated` masks become flags in DQ of its copies.

    The flag is one that no exposure carries, and it is taken off the flags that are ignored. So
    it means bad, and no other pixel changes. With `use_static` off it is ignored for the sky, as
    AstroDrizzle would its own mask. Products have no DQ: the flag stays in the copies.

    Parameters
    ----------
    folder : Path
        Holds private copies of the exposures, which are changed.
    exposures : sequence of Exposure
        Which.
    masks : StaticMasks
        Of these exposures.
    parameters : mapping
        As from `drizzle.parameters.resolve`.

    Raises
    ------
    DrizzleError
        All 16 flags are in use.
    """
    if rule_of(parameters) != REPEATED:
        return dict(parameters)
    bit = _flag_of_none(folder, exposures, parameters)
    flag_copies(folder, exposures, lambda *chip: masks.low(ChipArea.of(*chip)), bit)
    return {**parameters, "static": False, **_ignoring(parameters, bit)}


def _flag_of_none(
    folder: Path, exposures: Sequence[Exposure], parameters: Mapping[str, Any]
) -> int:
    # AstroDrizzle clears resetbits first, and flags cosmic rays with crbit.
    used = _flags(parameters.get("resetbits", "4096"), 0)
    used |= int(parameters.get("crbit") or 4096)
    for _, chip, hdus in opened_chips(folder, exposures):
        words = hdus["DQ", chip.extver].data
        used |= int(np.bitwise_or.reduce(words, axis=None)) & _ALL
    free = free_flag(used)
    if free is None:
        raise DrizzleError(
            "sky.static: repeated gives AstroDrizzle its mask as a flag in DQ, and these exposures "
            "use all 16 flags; set sky.static: none"
        )
    return free


def _ignoring(parameters: Mapping[str, Any], bit: int) -> dict[str, str]:
    """Return the parameters that list flags to ignore, with which the flag is bad."""
    ignored = {}
    for name in _IGNORED:
        good = _flags(parameters.get(name, "0"), _ALL) & ~bit
        if name == "sky_bits" and not parameters.get("use_static", True):
            good |= bit
        ignored[name] = str(good)
    return ignored


def _flags(value: object, without: int) -> int:
    """Return the flags that a parameter names, 16 bits; `without`: where DQ is not used."""
    named = flags(value)
    return without if named is None else named & _ALL


def percent(share: float) -> str:
    """Return a share as people read it."""
    return f"{100 * share:.3g}%"


def warning(mask: MaskSummary) -> str | None:
    """Return what is to be known of a mask; None: nothing."""
    if mask.share <= WARNED:
        return None
    return f"The static mask leaves out {_what(mask)}"


def refusal(mask: MaskSummary) -> str:
    """Return why a mask is refused."""
    return f"the static mask would leave out {_what(mask)}"


def _what(mask: MaskSummary) -> str:
    said = f"{percent(mask.share)} of {mask.name}: the pixels that are low (static_sig) in "
    if mask.rule == "once":
        return (
            f"{said}any of {counted(mask.exposures, 'exposure')}. Random low pixels add up in "
            "it. Set sky.static: repeated to mask pixels that are low in several exposures, or "
            "sky.static: none to mask none"
        )
    return (
        f"{said}{mask.needed} or more of {mask.exposures} exposures. These are more than bad "
        "pixels: look at the exposures. Set sky.static: none to mask none"
    )
