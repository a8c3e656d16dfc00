"""Mosaics made small enough to look at."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skymosaic.errors import SkyError
from skymosaic.sky.row_blocks import reduce_rows

Floats = NDArray[np.floating]


class Rows(Protocol):
    """An image of which some rows are read at a time; an array is one, too."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    def __getitem__(self, rows: slice, /) -> Any:
        """Return some rows."""


MAX_SIDE = 1200  # pixels
_ROWS = 64


def reduce_image(
    image: Rows, weight: Rows | None = None, max_side: int = MAX_SIDE
) -> NDArray[np.float32]:
    """Return the image in blocks of pixels, each the mean of its valid ones.

    Parameters
    ----------
    image : Rows of shape (ny, nx)
        The mosaic; one that is in a file (an HDU's ``section``) is read strip by strip.
    weight : Rows of shape (ny, nx), optional
        Its weight map; pixels of weight 0 are not valid, nor are those that are not finite.
    max_side : int
        Longest side of the result in pixels, at least 1.

    Returns
    -------
    ndarray of shape (ceil(ny / b), ceil(nx / b)), float32
        With b the smallest block that keeps both sides within `max_side`; NaN where no pixel is
        valid.

    Raises
    ------
    SkyError
        If the image is not a picture or the weight has another shape.
    """
    if (
        len(image.shape) != 2
        or 0 in image.shape
        or (weight is not None and weight.shape != image.shape)
    ):
        raise SkyError(
            f"cannot preview an image of shape {image.shape} with a weight of shape "
            f"{None if weight is None else weight.shape}: both must be on one two-dimensional grid"
        )
    block = block_side(image.shape, max_side)
    columns = np.arange(0, image.shape[1], block)
    # Some blocks of rows at a time: to read them from a file costs by the piece.
    height = block * max(_ROWS // block, 1)
    found = []
    for top in range(0, image.shape[0], height):
        strip = np.asarray(image[top : top + height], dtype=np.float64)
        valid = np.isfinite(strip)
        if weight is not None:
            valid &= np.asarray(weight[top : top + height]) > 0
        total, count = (
            np.add.reduceat(reduce_rows(np.add, plane, block), columns, axis=1)
            for plane in (np.where(valid, strip, 0.0), valid.astype(np.intp))
        )
        found.append(np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32))
    return np.concatenate(found)


def block_side(shape: tuple[int, ...], max_side: int = MAX_SIDE) -> int:
    """Return the side of the blocks in which `reduce_image` reduces an image of this shape."""
    return math.ceil(max(shape) / max_side)
