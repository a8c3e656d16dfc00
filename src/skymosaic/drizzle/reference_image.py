"""The grid of a FITS image, for `drizzle.grid: {like: FILE}` and AstroDrizzle's final_refimage."""

from __future__ import annotations

import hashlib
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning, WcsError

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.sky_cell import SkyCellPart
from skymosaic.errors import InputError
from skymosaic.sky.pixel_grid import NEAREST_TO_POLE

_EXTENSION = re.compile(r"(?P<file>.+)\[(?P<extension>[^\[\]]+)\]")
_SQUARE = (
    "name an image on a tangent plane with square pixels, north and east as on the sky, such as "
    "one that AstroDrizzle made; or give drizzle.grid the numbers: ra, dec, scale, rotation, "
    "columns and rows"
)
_TABLES = ("CPDIS1", "CPDIS2", "D2IMDIS1", "D2IMDIS2", "A_ORDER", "B_ORDER")
_HALF_TURN = 180.0  # degrees, LONPOLE of every tangent plane whose y axis is that of its CD matrix
_FRAMES = ("", "ICRS", "FK5")
_EQUINOX = 2000.0
_OF_THE_MATRIX = re.compile(r"(CD|PC)[12]_[12]|CDELT[12]|CROTA[12]")
_PROJECTION = re.compile(r"PV[12]_\d+")


@dataclass(frozen=True)
class Reference:
    """A grid that was read.

    Parameters
    ----------
    grid : Grid
        The grid.
    name : str
        Where it is from, for people: ``FILE[SCI,1]``, or ``STORE/CAMPAIGN``.
    sha256 : str
        Of the header that told it; empty where a campaign's plan did.
    cell : SkyCellPart or None
        The sky cell that it is the grid of, if any.
    """

    grid: Grid
    name: str
    sha256: str = ""
    cell: SkyCellPart | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: a part of the key of a step that depends on it."""
        return {"grid": self.grid.to_dict(), **({"sha256": self.sha256} if self.sha256 else {})}


def split_extension(text: str) -> tuple[str, str]:
    """Return a file's name and the extension behind it, ``file.fits[sci,1]``; empty for none."""
    found = _EXTENSION.fullmatch(text)
    return (text, "") if found is None else (found["file"], found["extension"].strip())


def read_reference(file: Path | BinaryIO, name: str, extension: str = "") -> Reference:
    """Return the grid of an image; pixels are not read.

    Parameters
    ----------
    file : Path or binary file
        FITS, packed or not.
    name : str
        What people call it.
    extension : str
        Number or name of its extension, such as ``1`` or ``sci,1``; empty: the first that is called
        SCI and has a WCS, else the first with a WCS.

    Raises
    ------
    InputError
        It is no FITS file, has no such extension, or its grid is one that the engines cannot make.
    """
    with _fits_errors(name), warnings.catch_warnings():
        warnings.simplefilter("ignore", (FITSFixedWarning, fits.verify.VerifyWarning))
        with fits.open(file, memmap=False) as hdus:
            hdu, label = _image_in(hdus, name, extension)
            header = hdu.header.copy()
            title = f"{name}[{label}]"
            if not hdu.is_image:
                raise InputError(f"{title} is a table, and no image; {_SQUARE}")
            checksum = hashlib.sha256(header.tostring().encode()).hexdigest()
            return Reference(_grid_of(header, title), title, checksum)


@contextmanager
def _fits_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, fits.VerifyError) as error:
        if isinstance(error, FileNotFoundError):
            raise InputError(f"there is no file {name}; correct drizzle.grid") from None
        raise InputError(
            f"{name} cannot be read as a FITS image ({error}); name another, or fetch it again"
        ) from None


def _image_in(hdus: fits.HDUList, name: str, extension: str) -> tuple[Any, str]:
    """Return the image that tells the grid, and what its extension is called."""
    if extension:
        key: Any = extension
        if extension.isdecimal():
            key = int(extension)
        elif "," in extension:
            word, _, ver = extension.rpartition(",")
            key = (word.strip().upper(), int(ver)) if ver.strip().isdecimal() else extension
        try:
            return hdus[key], _label(hdus, hdus.index_of(key))
        except (KeyError, IndexError):
            known = ", ".join(_label(hdus, index) for index in range(len(hdus)))
            raise InputError(f"{name} has no extension {extension}: it has {known}") from None
    with_wcs = [i for i, hdu in enumerate(hdus) if hdu.is_image and "CRVAL1" in hdu.header]
    if not with_wcs:
        raise InputError(f"{name} has no WCS (no extension has CRVAL1); {_SQUARE}")
    science = [index for index in with_wcs if hdus[index].name == "SCI"]
    index = (science or with_wcs)[0]
    return hdus[index], _label(hdus, index)


def _label(hdus: fits.HDUList, index: int) -> str:
    hdu = hdus[index]
    return f"{hdu.name},{hdu.ver}" if index and hdu.name else str(index)


def _require_numbers(header: fits.Header, name: str) -> None:
    """Refuse a header in which a keyword of the grid is missing or no number.

    Of what is missing, or cannot be read, wcslib takes 0 (1 on the diagonal) without a word.
    """
    present = [key for key in header if _OF_THE_MATRIX.fullmatch(key)]
    if not present:
        raise InputError(f"{name} has no CD matrix (nor PC and CDELT); {_SQUARE}")
    if found := [key for key in header if _PROJECTION.fullmatch(key)]:
        raise InputError(f"{name} has {found[0]}, and a plain tangent plane is wanted; {_SQUARE}")
    for key in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", *present):
        try:
            value = header[key]
        except KeyError:
            raise InputError(f"{name} has no {key}; {_SQUARE}") from None
        except fits.VerifyError:
            value = "no value that FITS knows"
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            raise InputError(f"{name}: {key} is {value}, not a number; {_SQUARE}")


def _grid_of(header: fits.Header, name: str) -> Grid:
    """Return the grid of a header; refuse what the engines cannot make, by name."""
    size = [header.get("NAXIS1", 0), header.get("NAXIS2", 0)]
    if header.get("NAXIS") != 2 or min(size) < 1:
        raise InputError(
            f"{name} has NAXIS = {header.get('NAXIS')}, and the grid of an image with two axes is "
            f"wanted; {_SQUARE}"
        )
    types = [str(header.get(f"CTYPE{axis}", "")).strip() for axis in (1, 2)]
    if found := [key for key in _TABLES if header.get(key)] or [t for t in types if "-SIP" in t]:
        raise InputError(f"{name} has distortion ({found[0]}), as exposures have; {_SQUARE}")
    if types != ["RA---TAN", "DEC--TAN"]:
        raise InputError(
            f"{name}: CTYPE is {' and '.join(types)}, and the engines make RA---TAN and DEC--TAN "
            f"alone; {_SQUARE}"
        )
    _require_numbers(header, name)
    try:
        wcs = WCS(header, naxis=2)
    except (WcsError, ValueError, KeyError) as error:
        # wcslib's own text has the lines of its code in it.
        lines = [line for line in str(error).splitlines() if not line.startswith("ERROR")]
        raise InputError(
            f"{name}: its WCS cannot be read ({' '.join(lines).rstrip('.')}); {_SQUARE}"
        ) from None
    # Without RADESYS the equinox tells the frame.
    frame, equinox = wcs.wcs.radesys.strip().upper(), wcs.wcs.equinox
    if frame not in _FRAMES:
        raise InputError(f"{name}: RADESYS is {frame}, not ICRS or FK5; {_SQUARE}")
    if frame == "FK5" and math.isfinite(equinox) and equinox != _EQUINOX:
        raise InputError(f"{name}: EQUINOX is {equinox:g}, not {_EQUINOX:g}; {_SQUARE}")
    if wcs.wcs.lonpole != _HALF_TURN:
        raise InputError(f"{name}: LONPOLE is {wcs.wcs.lonpole:g}, not 180; {_SQUARE}")
    (cd11, cd12), (cd21, cd22) = wcs.pixel_scale_matrix.tolist()
    (ra, dec), (x, y) = wcs.wcs.crval.tolist(), wcs.wcs.crpix.tolist()
    # Mosaics have no LONPOLE.
    crval = (ra, min(dec, NEAREST_TO_POLE))
    try:
        return Grid.of_matrix(crval, (x, y), ((cd11, cd12), (cd21, cd22)), (size[0], size[1]))
    except ValueError as error:
        raise InputError(f"{name}: {error}; {_SQUARE}") from None
