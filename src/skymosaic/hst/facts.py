"""What tells the exposures of one mosaic from those of another, from the head of their files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from astropy.io import fits

from skymosaic.errors import InputError
from skymosaic.hst.cards import association_of, detector_of, filter_of
from skymosaic.hst.headers import choose_cards

FACTS_BYTES = 64 * 1024
"""The beginning of a file in which these cards are: a drizzled image lists its exposures later."""
_CARDS = re.compile(
    r"PROPOSID|TARGNAME|INSTRUME|DETECTOR|CAMERA|FILTER\d?|FILTNAM\d|EXPSTART|TEXPSTRT|ASN_ID"
)


@dataclass(frozen=True)
class FileFacts:
    """What is known of an exposure or drizzled image before its file is fetched."""

    proposal: str
    target: str
    instrument: str
    """Instrument and detector, such as ``WFC3/IR``."""
    filter: str
    start: float | None = None
    """When it began, MJD (days); of a drizzled image the first exposure. None: not known."""
    association: str = ""
    """ASN_ID in small letters; empty where there is none, or it is not known."""


def read_facts(beginning: bytes, name: str) -> FileFacts:
    """Return the facts that the primary header of a FITS file tells.

    Parameters
    ----------
    beginning : bytes
        At least `FACTS_BYTES` of the file, or all of it.
    name : str
        What people call the file.

    Raises
    ------
    InputError
        It is no FITS file of HST's.
    """
    if not beginning.startswith(b"SIMPLE  ="):
        raise InputError(f"{name} is not FITS: it does not begin with SIMPLE; fetch it again")
    text = beginning.decode("latin-1")
    header = fits.Header.fromstring(choose_cards(text[: len(text) // 80 * 80], _CARDS))
    if "INSTRUME" not in header:
        raise InputError(f"{name} has no INSTRUME in its primary header; fetch it again")
    return facts_of(header)


def facts_of(header: fits.Header) -> FileFacts:
    """Return the facts that a primary header tells."""
    instrument = str(header["INSTRUME"]).strip()
    start = header.get("EXPSTART", header.get("TEXPSTRT"))
    detector = detector_of(header, instrument)
    return FileFacts(
        proposal=str(header.get("PROPOSID", "")).strip(),
        target=str(header.get("TARGNAME", "")).strip(),
        instrument=f"{instrument}/{detector}" if detector else instrument,
        filter=filter_of(header),
        start=float(start) if isinstance(start, int | float) else None,
        association=association_of(header).lower(),
    )
