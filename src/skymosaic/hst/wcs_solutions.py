"""The WCS solutions that a file holds: the primary one, alternates, and headerlets.

MAST's files hold several: what the telescope believed, corrected guide stars (a priori), and fits
to catalogues of stars (a posteriori). One of them is the primary WCS (CRVAL1, ...); others are
alternates in the same header (CRVAL1A, ...; FITS WCS paper I), or lie in HDRLET extensions, each a
FITS file of its own (stwcs' headerlets).
"""

from __future__ import annotations

import gzip
import io
import re
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from astropy.io import fits

from skymosaic.errors import InputError
from skymosaic.hst.cards import text_of
from skymosaic.hst.headers import HeaderUnit, read_headers

_CARDS = re.compile(
    r"(WCSNAME|WCSTYPE|HDRNAME|CATALOG|NMATCH|RMS_RA|RMS_DEC|CRDER[12])[A-Z]?|NMATCHES"
    r"|DISTNAME|COMPRESS|XTENSION|FITGEOM"
)
_LARGEST = 200_000_000
"""Bytes of a headerlet; those of two chips with all tables take 100 kB."""
_IN_DEGREES = 1e-3
"""An rms below this is in degrees: of the tools that write headerlets some take degrees, others
mas, and 0.001 mas is no error that a star has, as 3.6 arcsec is none."""


@dataclass(frozen=True)
class Solution:
    """One WCS solution of an exposure, or of a drizzled image."""

    name: str
    """WCSNAME."""
    primary: bool = False
    """Whether this is the WCS that the file is used with."""
    alternate: str = ""
    """The letter of the alternate WCS that it is, too; empty: of none."""
    headerlet: int = 0
    """EXTVER of the HDRLET extension that holds it; 0: of none."""
    wcstype: str = ""
    """What it was made from, in words; empty where the file does not tell."""
    catalogue: str = ""
    """The catalogue of stars that it was fitted to; empty where the file does not tell."""
    matches: int | None = None
    """Stars in the fit; None where the file does not tell, or there was no fit."""
    rms_ra: float | None = None
    """Rms residual of the fit in RA, mas; None likewise."""
    rms_dec: float | None = None
    """In Dec, mas."""

    @property
    def held_as(self) -> str:
        """Where it is in the file, for people."""
        parts = [
            *(["primary"] if self.primary else []),
            *([f"alternate {self.alternate}"] if self.alternate else []),
            *([f"headerlet {self.headerlet}"] if self.headerlet else []),
        ]
        return ", ".join(parts)


def read_solutions(file: BinaryIO, name: str) -> list[Solution]:
    """Return the WCS solutions of a file: the primary one first, then by name.

    Parameters
    ----------
    file : binary file
        An exposure or drizzled image, at its beginning.
    name : str
        Of the file, for errors.

    Returns
    -------
    list of Solution
        One a WCSNAME. What has only a headerlet that cannot be read is left out: nobody could use
        it.

    Raises
    ------
    InputError
        This is no FITS file, or is truncated.
    """
    try:
        units = read_headers(file, _CARDS)
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be read as FITS ({error}); fetch it again") from None
    first = next((unit.header for unit in units if unit.name == "SCI"), units[0].header)
    found: dict[str, Solution] = {}
    for solution in (*_of_header(first), *_of_headerlets(file, units)):
        known = found.get(solution.name)
        found[solution.name] = solution if known is None else _joined(known, solution)
    return sorted(found.values(), key=lambda one: (not one.primary, one.name))


def read_solutions_of(path: Path) -> list[Solution]:
    """Return the WCS solutions of a file by its path; as `read_solutions`."""
    with path.open("rb") as file:
        return read_solutions(file, path.name)


def _of_header(header: fits.Header) -> list[Solution]:
    """Return the primary solution and the alternates of a SCI extension."""
    return [
        _solution(header, key, primary=not key, alternate=key)
        for key in ("", *string.ascii_uppercase)
        if text_of(header, f"WCSNAME{key}")
    ]


def _solution(
    header: fits.Header,
    key: str = "",
    *,
    primary: bool = False,
    alternate: str = "",
    headerlet: int = 0,
) -> Solution:
    matches = _whole(header, f"NMATCH{key}") or (0 if key else _whole(header, "NMATCHES"))
    in_ra, in_dec = (
        _rms(header, f"RMS_{axis}{key}", f"CRDER{number}{key}")
        for number, axis in ((1, "RA"), (2, "DEC"))
    )
    return Solution(
        name=text_of(header, f"WCSNAME{key}"),
        primary=primary,
        alternate=alternate,
        headerlet=headerlet,
        wcstype=text_of(header, f"WCSTYPE{key}"),
        catalogue=text_of(header, f"CATALOG{key}", nothing=("N/A", "NONE", "None")).strip(),
        matches=matches or None,
        rms_ra=in_ra,
        rms_dec=in_dec,
    )


def _of_headerlets(file: BinaryIO, units: Sequence[HeaderUnit]) -> list[Solution]:
    found = []
    for unit in units:
        if unit.name != "HDRLET" or text_of(unit.header, "XTENSION") == "IMAGE":
            continue
        inside = _headerlet(file, unit)
        if inside is not None and text_of(inside, "WCSNAME"):
            found.append(_solution(inside, headerlet=unit.ver))
    return found


def _headerlet(file: BinaryIO, unit: HeaderUnit) -> fits.Header | None:
    """Return the first header of the FITS file in an extension; None where it cannot be read."""
    size = min(unit.end - unit.start, _LARGEST)
    file.seek(unit.start)
    content = file.read(size)
    try:
        if unit.header.get("COMPRESS") is True:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(_LARGEST)
        inside = read_headers(io.BytesIO(content), _CARDS)
    except (OSError, EOFError, ValueError, zlib.error):
        return None
    # What it was made from stands beside the numbers of the first chip.
    header = inside[0].header
    chip = next((one.header for one in inside if one.name == "SIPWCS"), fits.Header())
    if "WCSTYPE" not in header and "WCSTYPE" in chip:
        header["WCSTYPE"] = chip["WCSTYPE"]
    return header


def _joined(known: Solution, other: Solution) -> Solution:
    """Return what two places of a file say of the solution of one name."""
    return Solution(
        name=known.name,
        primary=known.primary or other.primary,
        alternate=known.alternate or other.alternate,
        headerlet=known.headerlet or other.headerlet,
        wcstype=known.wcstype or other.wcstype,
        catalogue=known.catalogue or other.catalogue,
        matches=known.matches or other.matches,
        rms_ra=other.rms_ra if known.rms_ra is None else known.rms_ra,
        rms_dec=other.rms_dec if known.rms_dec is None else known.rms_dec,
    )


def _whole(header: fits.Header, name: str) -> int:
    value = header.get(name)
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return max(0, int(value)) if plain and value == value and abs(value) < 1e9 else 0


def _rms(header: fits.Header, name: str, in_degrees: str) -> float | None:
    """Return an rms in mas; None where there is none, or one of no fit (0, -1)."""
    for keyword in (name, in_degrees):
        value = header.get(keyword)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9:
            degrees = keyword == in_degrees or value < _IN_DEGREES
            return float(value) * 3.6e6 if degrees else float(value)
    return None
