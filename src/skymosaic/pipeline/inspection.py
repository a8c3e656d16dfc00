"""What may be mosaicked, and tables of what is known of the exposures and drizzled images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table

from skymosaic.drizzle.order import Detector, flags_ignored
from skymosaic.errors import InputError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.health import ChipHealth, Ignored
from skymosaic.hst.usable import Allowed, left_out, require_engine, require_usable, why_refused

_COLUMNS: dict[str, tuple[type, str | None, str]] = {
    "rootname": (str, None, "IPPPSSOOT of the exposure; file stem of a drizzled image"),
    "asn_id": (str, None, "association"),
    "detector": (str, None, "detector"),
    "filter": (str, None, "filter"),
    "exptime": (float, "s", "exposure time"),
    "postarg1": (float, "arcsec", "offset of the pointing along detector axis 1"),
    "postarg2": (float, "arcsec", "offset of the pointing along detector axis 2"),
    "orientation": (float, "deg", "position angle of the y axis of the first chip, east of north"),
    "wcsname": (str, None, "name of the primary WCS of the first chip"),
}
_SHOWN = {"exptime": ".1f", "postarg1": ".2f", "postarg2": ".2f", "orientation": ".3f"}
_SHOWN |= {"good": ".4f", "lowest": ".4g", "highest": ".4g"}


@dataclass(frozen=True)
class Rules:
    """What a campaign file says of the exposures that it takes."""

    mixed: bool = False
    """There may be several detectors and filters."""
    allowed: Allowed = field(default_factory=Allowed)
    needs: str | None = None
    """What in the file needs exposures that the one-pass engine takes; None: nothing."""
    leave_out: bool = False
    """Images that cannot be used are left out, and not refused."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """AstroDrizzle's parameters that the file sets: they tell which flags of DQ are ignored."""

    def ignored(self, image: Exposure) -> Ignored:
        """Return the flags of DQ that do not make a pixel of an exposure bad."""
        return flags_ignored((image.instrument, image.detector), self.parameters)

    def ignored_by(self, images: Sequence[Exposure]) -> dict[Detector, Ignored]:
        """Return the same of each detector that exposures are of."""
        first: dict[Detector, Exposure] = {}
        for image in images:
            if not image.drizzled:
                first.setdefault((image.instrument, image.detector), image)
        return {detector: self.ignored(image) for detector, image in sorted(first.items())}


@dataclass(frozen=True)
class Judgement:
    """Which images are taken."""

    taken: Sequence[Exposure]
    left_out: Sequence[str]
    """A line for each image that is not, with its reason."""
    refused: InputError | None
    """Why they are refused all together; None: they are taken."""


def judge(images: Sequence[Exposure], rules: Rules, unread: Sequence[str] = ()) -> Judgement:
    """Return which images are taken, and which are refused or left out.

    Parameters
    ----------
    images : sequence of Exposure
        What was retrieved.
    rules : Rules
        What the campaign file says.
    unread : sequence of str
        Why files were left out that could not be read.
    """
    unusable: dict[str, str] = {}
    if rules.leave_out:
        for image in images:
            if (why := why_refused(image, rules.allowed)) is not None:
                unusable[image.name] = why
    taken = [image for image in images if image.name not in unusable]
    refused = find_refusal(taken, rules)
    reasons = [*unread, *unusable.values()]
    if reasons and not any(not image.drizzled for image in taken):
        refused = InputError(f"every exposure was left out; the first because {reasons[0]}")
    return Judgement(taken, [left_out(why) for why in reasons], refused)


def find_refusal(images: Sequence[Exposure], rules: Rules) -> InputError | None:
    """Return why images are refused; None: they are taken."""
    try:
        require_usable(images, rules.allowed)
    except InputError as error:
        return InputError(f"{error} (or set source.on_bad_file: leave_out)")
    try:
        require_engine(images, rules.needs)
        if not rules.mixed:
            require_one_kind(images)
    except InputError as error:
        return error
    return None


def require_one_kind(images: Sequence[Exposure]) -> None:
    """Refuse images of several detectors or filters: a mosaic of them means nothing.

    Raises
    ------
    InputError
        There are several. The message names an image of each.
    """
    kinds: dict[str, str] = {}
    for image in images:
        kind = f"{image.instrument}/{image.detector} {image.filter}"
        kinds.setdefault(kind, image.name)
    if len(kinds) > 1:
        found = ", ".join(f"{kind} ({name})" for kind, name in sorted(kinds.items()))
        raise InputError(
            f"these images are of {len(kinds)} kinds: {found}; choose those of one, or set "
            "source.allow_mixed: true where the source has it"
        )


_Health = Sequence[ChipHealth]
_PIXELS: dict[str, tuple[type, str | None, str, Callable[[_Health], Any]]] = {
    "good": (
        float,
        None,
        "share of the pixels that DQ leaves for the sky",
        lambda chips: sum(one.good for one in chips) / sum(one.pixels for one in chips),
    ),
    "nan_good": (
        int,
        None,
        "good pixels that are not numbers",
        lambda chips: sum(one.missing for one in chips),
    ),
    "nan_flagged": (
        int,
        None,
        "flagged pixels that are not numbers: private copies get the chip's median there",
        lambda chips: sum(one.flagged_missing for one in chips),
    ),
    "lowest": (
        float,
        None,
        "lowest good pixel, in the units of the file",
        lambda chips: min((one.lowest for one in chips if one.lowest is not None), default=None),
    ),
    "highest": (
        float,
        None,
        "highest good pixel, in the units of the file",
        lambda chips: max((one.highest for one in chips if one.highest is not None), default=None),
    ),
}
"""Columns that are there where somebody looked at the pixels."""


def inspection_table(images: Sequence[Exposure]) -> Table:
    """Return a table of exposures or of drizzled images, a row each, sorted by rootname.

    Columns: rootname, asn_id, detector, filter, exptime (s), postarg1, postarg2 (arcsec),
    orientation (degrees), wcsname; of exposures whose pixels were looked at, good (share),
    nan_good, nan_flagged (pixels), lowest, highest (in the units of the file).
    """
    images = sorted(images, key=lambda image: image.rootname)
    rows = [
        (
            image.rootname,
            image.asn_id,
            image.detector,
            image.filter,
            image.exptime,
            image.postarg1,
            image.postarg2,
            round(image.chips[0].orientation, 4),
            image.chips[0].wcsname,
        )
        for image in images
    ]
    table = Table(
        rows=rows or None, names=list(_COLUMNS), dtype=[kind for kind, _, _ in _COLUMNS.values()]
    )
    for name, (_, unit, description) in _COLUMNS.items():
        table[name].unit = unit
        table[name].description = description
    if any(image.health for image in images):
        for name, (kind, unit, description, measure) in _PIXELS.items():
            values = [measure(image.health) if image.health else None for image in images]
            table[name] = MaskedColumn(
                np.array([kind(0) if value is None else value for value in values], dtype=kind),
                mask=[value is None for value in values],
                unit=unit,
                description=description,
            )
    for name, shown in _SHOWN.items():
        if name in table.colnames:
            table[name].info.format = shown
    return table
