"""The pixels of an exposure that are low, in a file: what the static mask is made from.

A bit a pixel, compressed: bad pixels are few, so a file has some thousandths of the size of the
exposure's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.onepass.sky import ChipPixels
from skymosaic.sky.static_mask import too_low

Flags = NDArray[np.bool_]


def save_low(path: Path, chips: list[ChipPixels], thresholds: list[float]) -> list[list[int]]:
    """Write which pixels of an exposure's chips are low; return how many, by threshold and chip.

    Parameters
    ----------
    path : Path
        The new file, ``.npz``.
    chips : list of ChipPixels
        Of the exposure.
    thresholds : list of float
        Standard deviations below the mode (`static_sig`), a set of pixels each.
    """
    packed: dict[str, NDArray[np.uint8]] = {}
    counts = []
    for which, sigma in enumerate(thresholds):
        lows = [too_low(chip.image, sigma) for chip in chips]
        for chip, low in zip(chips, lows, strict=True):
            packed[_name(which, chip.place.extver)] = np.packbits(low)
        counts.append([int(np.count_nonzero(low)) for low in lows])
    # numpy knows arguments of these names only by their type; they are numbers and a sign.
    arrays: Mapping[str, NDArray[np.uint8]] = packed
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return counts


def read_low(
    file: IO[bytes], which: int, shapes: Mapping[int, tuple[int, int]]
) -> dict[int, Flags]:
    """Return the low pixels of each chip by EXTVER.

    Parameters
    ----------
    file : binary file
        As `save_low` wrote it.
    which : int
        The threshold, by its place among those that it was written for.
    shapes : mapping of int to (int, int)
        Rows and columns of the chips, by EXTVER.
    """
    with np.load(file, allow_pickle=False) as arrays:
        return {
            extver: np.unpackbits(arrays[_name(which, extver)], count=rows * columns)
            .reshape(rows, columns)
            .view(np.bool_)
            for extver, (rows, columns) in shapes.items()
        }


def _name(which: int, extver: int) -> str:
    return f"{which}_{extver}"
