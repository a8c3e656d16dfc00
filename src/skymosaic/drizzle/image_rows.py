"""The pixels of a product, read from its file some rows at a time.

astropy parses a header before it gives a pixel, and that of a mosaic has a thousand cards and more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.chip_cards import read_image_header
from skymosaic.errors import DamagedError

_TYPES: dict[int, np.dtype[np.floating[Any]]] = {-32: np.dtype(">f4"), -64: np.dtype(">f8")}


class ImageRows:
    """The primary image of a product, which stays in its file; nothing is mapped.

    Parameters
    ----------
    path : Path
        The file. Its pixels are floating-point numbers, as AstroDrizzle writes them.
    """

    def __init__(self, path: Path) -> None:
        product, self._start = read_image_header(path)
        self.path, self.header = path, product.header
        """The cards that are not of the chips."""
        self.shape = (int(self.header["NAXIS2"]), int(self.header["NAXIS1"]))
        self._type = _TYPES[self.header["BITPIX"]]

    def __getitem__(self, rows: slice) -> NDArray[np.floating[Any]]:
        """Return some rows, as they stand in the file: the other bytes first.

        Raises
        ------
        DamagedError
            The file ends before them.
        """
        first, last, _ = rows.indices(self.shape[0])
        columns = self.shape[1]
        found = np.empty((max(last - first, 0), columns), dtype=self._type)
        with self.path.open("rb") as file:
            file.seek(self._start + first * columns * self._type.itemsize)
            count = file.readinto(found.reshape(-1).view(np.uint8).data)
        if count != found.nbytes:
            raise DamagedError(
                f"{self.path.name} ends within its pixels, at row {first} or later; "
                "`skymosaic run` makes it again"
            )
        return found
