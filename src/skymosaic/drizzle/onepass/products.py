"""The mosaics' files: headers like AstroDrizzle's, pixels written some rows at a time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from numpy.typing import NDArray

_BLOCK = 2880
_TYPES = {-32: np.dtype(">f4"), 32: np.dtype(">i4")}


class ImageFile:
    """A FITS file whose primary image is written from its first row to its last.

    Parameters
    ----------
    path : Path
        The new file.
    header : Header
        Of the image; its size and type are set from the next two.
    shape : tuple of int
        As of a numpy array.
    bitpix : int
        -32 for float32, 32 for int32.
    """

    def __init__(
        self, path: Path, header: fits.Header, shape: tuple[int, ...], bitpix: int = -32
    ) -> None:
        self.path = path
        self._dtype, self._shape = _TYPES[bitpix], shape
        header = header.copy()
        header["BITPIX"], header["NAXIS"] = bitpix, len(shape)
        for axis in range(1, header["NAXIS"] + 1):
            after = "NAXIS" if axis == 1 else f"NAXIS{axis - 1}"
            header.set(f"NAXIS{axis}", shape[-axis], after=after)
        with warnings.catch_warnings():
            # Beside a long name of a product there is no room for all of AstroDrizzle's comment.
            warnings.filterwarnings("ignore", "Card is too long", VerifyWarning)
            cards = header.tostring().encode("ascii")
        with path.open("wb") as file:
            file.write(cards)
            self._start = file.tell()
            size = int(np.prod(shape)) * 4
            file.truncate(self._start + -(-size // _BLOCK) * _BLOCK)
        self._file = path.open("r+b", buffering=0)

    def write(self, first: int, rows: NDArray[np.float32] | NDArray[np.int32]) -> None:
        """Write full rows from `first` on; of a cube, of every plane."""
        columns = self._shape[-1]
        for plane, part in enumerate(rows if rows.ndim == 3 else rows[None]):
            row = plane * self._shape[-2] + first
            self._file.seek(self._start + row * columns * 4)
            self._file.write(part.astype(self._dtype, order="C").data)

    def finish(self, extension: bytes = b"") -> None:
        """Append an extension and close."""
        self._file.close()
        if extension:
            with self.path.open("ab") as file:
                file.write(extension)


def completed(header: fits.Header, old: str, new: str, version: str) -> fits.Header:
    """Return a header whose names of products begin with another root name.

    AstroDrizzle writes them to FILENAME, ROOTNAME and DnnnOUDA, DnnnOUWE, DnnnOUCO, and the version
    of the resampler to DnnnVER.
    """
    header = header.copy()
    for card in header.cards:
        name = card.keyword
        if name in ("FILENAME", "ROOTNAME") or name[4:] in ("OUDA", "OUWE", "OUCO"):
            value = str(card.value)
            if value.startswith(old):
                header[name] = new + value.removeprefix(old)
        elif name[4:] == "VER" and name[0] == "D" and name[1:4].isdigit():
            header[name] = version
    return header


def with_mean_sky(header: fits.Header, values: Sequence[float | None]) -> fits.Header:
    """Return a header with the mean of what was subtracted, where its instrument's has one."""
    known = [value for value in values if value is not None]
    if "MDRIZSKY" in header:
        header = header.copy()
        if known:
            header["MDRIZSKY"] = float(np.mean(known))
        else:
            del header["MDRIZSKY"]
    return header
