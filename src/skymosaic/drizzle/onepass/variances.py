"""The variances of one exposure's chips in a file of their own, and what they are made with.

The file has what the strips of its drizzled chips have (`stored`), one plane in place of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.onepass.stored import Box, StoredChip, read_pieces, read_plane
from skymosaic.drizzle.onepass.sums import Piece


def box_around(chips: Sequence[StoredChip]) -> Box | None:
    """Return the rectangle of the grid around some chips; None where none meets the grid."""
    met = [chip for chip in chips if chip.rows and chip.columns]
    if not met:
        return None
    x, y = min(chip.x for chip in met), min(chip.y for chip in met)
    right = max(chip.x + chip.columns for chip in met)
    return Box(x, y, right - x, max(chip.y + chip.rows for chip in met) - y)


def write_inverse(path: Path, box: Box, weights: Iterable[tuple[Box, NDArray[np.float32]]]) -> None:
    """Write 1 over the weights of the mosaic in a rectangle of it, 0 where there are none.

    Parameters
    ----------
    path : Path
        The new file, ``.npy``.
    box : Box
        The rectangle.
    weights : iterable of (Box, array of float32, shape (rows, columns))
        The weights in some rectangles, which need not lie in it.
    """
    shape = (box.rows, box.columns)
    inverse = np.lib.format.open_memmap(path, mode="w+", dtype="<f4", shape=shape)
    for place, weight in weights:
        shared = place.shared(box)
        if shared is None:
            continue
        part = weight[shared.within(place)]
        inverse[shared.within(box)] = np.divide(
            np.float32(1.0), part, out=np.zeros(part.shape, np.float32), where=part > 0
        )
    inverse.flush()


def store_variances(path: Path, chips: Sequence[StoredChip], folder: Path) -> None:
    """Write the variances of an exposure's chips into one file.

    Parameters
    ----------
    path : Path
        The new file.
    chips : sequence of StoredChip
        As they were drizzled alone, numbered in their order.
    folder : Path
        Has a file of each, as `drizzlepac_calls.variance_functions` writes it.
    """
    parts = [np.zeros(0, dtype=np.float32)]
    for number, chip in enumerate(chips):
        if not (chip.rows and chip.columns):
            continue
        variance = np.load(folder / f"{number}_var.npy")
        for top, bottom, x, columns, _ in chip.each_strip():
            left = x - chip.x
            part = variance[top - chip.y : bottom - chip.y, left : left + columns]
            parts.append(part.ravel())
    np.save(path, np.concatenate(parts))


def read_variances(
    pixels: BinaryIO, variances: BinaryIO, chip: StoredChip, box: Box
) -> Iterator[Piece]:
    """Read the variances of a chip in a rectangle of the grid, in place of data, and its weights.

    Parameters
    ----------
    pixels, variances : binary file
        What `store_chips` and `store_variances` wrote of an exposure.
    chip : StoredChip
        One of its chips.
    box : Box
        The rectangle; places of the pieces are in it, from 0.
    """
    drizzled, beside = read_pieces(pixels, chip, box), read_plane(variances, chip, box)
    for piece, variance in zip(drizzled, beside, strict=True):
        yield piece._replace(science=variance)
