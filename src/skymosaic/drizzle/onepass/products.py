"""The mosaics' files: headers like AstroDrizzle's, pixels written some rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.chip_cards import ProductHeader

_BLOCK = 2880
_TYPES = {-32: np.dtype(">f4"), 32: np.dtype(">i4")}


class ImageFile:
    """A FITS file whose primary image is written from its first row to its last.

    Parameters
    ----------
    path : Path
        The new file.
    header : ProductHeader
        Of the image; its size and type are set from the next two.
    shape : tuple of int
        As of a numpy array.
    bitpix : int
        -32 for float32, 32 for int32.
    """

    def __init__(
        self, path: Path, header: ProductHeader, shape: tuple[int, ...], bitpix: int = -32
    ) -> None:
        self.path = path
        self._dtype, self._shape = _TYPES[bitpix], shape
        header = header.copy()
        cards = header.header
        cards["BITPIX"], cards["NAXIS"] = bitpix, len(shape)
        for axis in range(1, len(shape) + 1):
            after = "NAXIS" if axis == 1 else f"NAXIS{axis - 1}"
            cards.set(f"NAXIS{axis}", shape[-axis], after=after)
        with path.open("wb") as file:
            file.write(header.as_bytes())
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


def with_mean_sky(header: ProductHeader, values: Sequence[float | None]) -> ProductHeader:
    """Return a header with the mean of what was subtracted, where its instrument's has one."""
    known = [value for value in values if value is not None]
    if "MDRIZSKY" in header.header:
        header = header.copy()
        if known:
            header.header["MDRIZSKY"] = float(np.mean(known))
        else:
            del header.header["MDRIZSKY"]
    return header
