"""Single values of headers of HST, as its instruments write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from astropy.io import fits
from astropy.io.fits.card import Undefined

from skymosaic.errors import InputError


def detector_of(header: fits.Header, instrument: str) -> str:
    """Return the detector that a primary header tells; empty where it tells none."""
    if instrument == "NICMOS" and "CAMERA" in header:
        return f"NIC{header['CAMERA']}"
    return str(header.get("DETECTOR", "")).strip()


def association_of(header: fits.Header) -> str:
    """Return the association that a primary header tells; empty where it tells none."""
    name = str(header.get("ASN_ID", "")).strip()
    return "" if name.upper() == "NONE" else name  # as the archive writes for single exposures


def filter_of(header: fits.Header) -> str:
    """Return the filters that a primary header tells, joined by ``+``; CLEAR without any."""
    # WFPC2's FILTER1 and FILTER2 are numbers; the names are beside them.
    keys = ("FILTNAM1", "FILTNAM2") if "FILTNAM1" in header else ("FILTER", "FILTER1", "FILTER2")
    names = [str(header[key]).strip() for key in keys if key in header]
    used = [name for name in names if name and not name.upper().startswith("CLEAR")]
    return "+".join(used) or "CLEAR"


def text_of(header: fits.Header, name: str, nothing: Sequence[str] = ()) -> str:
    """Return a text of a header; empty where there is none, or one of those that say nothing."""
    value = header.get(name, "")
    text = value.strip() if isinstance(value, str) else ""  # a card may have no value
    return "" if text in nothing else text


def number_of(path: Path, header: fits.Header, name: str, default: float | None = None) -> float:
    """Return a number of a header.

    Raises
    ------
    KeyError
        There is none, and no `default`.
    InputError
        It is no number; the message names the file.
    """
    value = header[name] if default is None else header.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{path}: {name} is {value!r}, not a number; fetch it again") from None


def is_blank(header: fits.Header, name: str) -> bool:
    """Tell whether a header lacks a keyword, or its value."""
    return name not in header or header[name] is None or isinstance(header[name], Undefined)
