"""Tables of what is known of exposures and drizzled images before they are aligned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table

from skymosaic.hst.exposure import Exposure
from skymosaic.hst.health import ChipHealth

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
