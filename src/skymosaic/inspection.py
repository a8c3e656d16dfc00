"""What may be mosaicked, and tables of what is known of the exposures and drizzled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from astropy.table import Table

from skymosaic.errors import InputError
from skymosaic.exposure import Exposure
from skymosaic.usable import Allowed, require_engine, require_usable

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


@dataclass(frozen=True)
class Rules:
    """What a campaign file says of the exposures that it takes."""

    mixed: bool = False
    """There may be several detectors and filters."""
    allowed: Allowed = field(default_factory=Allowed)
    needs: str | None = None
    """What in the file needs exposures that the one-pass engine takes; None: nothing."""


def find_refusal(images: Sequence[Exposure], rules: Rules) -> InputError | None:
    """Return why images are refused; None: they are taken."""
    try:
        require_usable(images, rules.allowed)
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


def inspection_table(images: Sequence[Exposure]) -> Table:
    """Return a table of exposures or of drizzled images, a row each, sorted by rootname.

    Columns: rootname, asn_id, detector, filter, exptime (s), postarg1, postarg2 (arcsec),
    orientation (degrees), wcsname.
    """
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
        for image in sorted(images, key=lambda image: image.rootname)
    ]
    table = Table(
        rows=rows or None, names=list(_COLUMNS), dtype=[kind for kind, _, _ in _COLUMNS.values()]
    )
    for name, (_, unit, description) in _COLUMNS.items():
        table[name].unit = unit
        table[name].description = description
        if name in _SHOWN:
            table[name].info.format = _SHOWN[name]
    return table
