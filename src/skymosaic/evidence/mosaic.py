"""The mosaic in cells: from its preview, or put together from the exposures' own cells."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skymosaic.evidence.cells import Cells, Floats
from skymosaic.evidence.reduction import Floats as Image


def in_cells(preview: Image, blocks: int, shape: tuple[int, int]) -> Floats:
    """Return a mosaic in cells, each the median of its blocks of pixels.

    Parameters
    ----------
    preview : array, shape (ny, nx)
        The mosaic as `reduction.reduce_image` made it; NaN where there is no data.
    blocks : int
        Pixels of the preview along the side of a cell.
    shape : (int, int)
        Of the grid of cells.

    Returns
    -------
    array, shape `shape`
        NaN where a block of the cell has no data.
    """
    padded = np.full((shape[0] * blocks, shape[1] * blocks), np.nan)
    padded[: preview.shape[0], : preview.shape[1]] = preview[: padded.shape[0], : padded.shape[1]]
    stacked = padded.reshape(shape[0], blocks, shape[1], blocks).swapaxes(1, 2)
    return np.median(stacked.reshape(*shape, blocks * blocks), axis=2)


def combined(
    cells: Sequence[Cells], skies: Floats, shape: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Return the mean of the exposures less their skies, and the variance that noise gives it.

    Each is weighted by exposure time and valid pixels, as AstroDrizzle's weight map is.

    Parameters
    ----------
    cells : sequence of Cells
        Of the exposures.
    skies : array, shape (n,)
        To subtract, e-/s.
    shape : (int, int)
        Of the grid.

    Returns
    -------
    mosaic, variance : array, shape `shape`
        NaN where no exposure fills the cell.
    """
    total, weight, noise = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for one, sky in zip(cells, skies, strict=True):
        full = np.isfinite(one.level)
        share = np.where(full, one.weight * one.count, 0.0)
        total[one.window] += share * np.where(full, one.level - sky, 0.0)
        weight[one.window] += share
        with np.errstate(divide="ignore", invalid="ignore"):
            # The median of n pixels scatters by 1.2533 s / sqrt(n).
            own = np.where(full, share**2 * (1.2533 * one.noise) ** 2 / one.count, 0.0)
        noise[one.window] += own
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            np.where(weight > 0, total / weight, np.nan),
            np.where(weight > 0, noise / weight**2, np.nan),
        )


def weighted_mean(cells: Sequence[Cells], values: Floats, shape: tuple[int, int]) -> Floats:
    """Return in each cell the mean of the exposures' values that fall on it, weighted as above."""
    total, weight = np.zeros(shape), np.zeros(shape)
    for one, value in zip(cells, values, strict=True):
        share = np.where(np.isfinite(one.level), one.weight * one.count, 0.0)
        total[one.window] += share * value
        weight[one.window] += share
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(weight > 0, total / weight, np.nan)


def cropped(cells: Sequence[Cells], side: int) -> tuple[list[Cells], tuple[int, int]]:
    """Return exposures on the part of the grid that they are on, and its shape.

    Parameters
    ----------
    cells : sequence of Cells
        Of some exposures, one or more.
    side : int
        The part begins at a multiple of it, along rows and columns.
    """
    corner = np.array([one.corner for one in cells])
    start = corner.min(axis=0) // side * side
    shape = (corner + [one.level.shape for one in cells]).max(axis=0) - start
    moved = [
        replace(one, corner=(int(row), int(column)))
        for one, (row, column) in zip(cells, corner - start, strict=True)
    ]
    return moved, (int(shape[0]), int(shape[1]))


def in_blocks(image: Floats, side: int) -> Floats:
    """Return an image in larger cells as shape (rows, columns, side * side), NaN beyond its rim."""
    rows, columns = (-(-length // side) for length in image.shape)
    padded = np.full((rows * side, columns * side), np.nan)
    padded[: image.shape[0], : image.shape[1]] = image
    return padded.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(rows, columns, -1)


def nanmedian(values: Floats) -> Floats:
    """Return the median along the last axis without a warning where all is NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmedian(values, axis=-1)
