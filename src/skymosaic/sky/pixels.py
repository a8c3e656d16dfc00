"""From the sky to the pixels of a chip: which of them lie in a region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_TOLERANCE = 1e-4  # pixels; astropy's default, at which it stops to invert the distortion
_ITERATIONS = 20


def world_to_pixels(wcs: WCS, polygons: Sequence[Floats]) -> list[Floats]:
    """Return the pixel coordinates of many polygons, each as if it were transformed alone.

    astropy inverts the distortion by iterating until the worst of the points that it was given has
    converged, to 1e-4 pixels. A corner of the chip lies at half a pixel exactly, where the last
    digit decides to which pixel it is rounded: so the iterations are made for all polygons at once,
    and each takes the one that it would have stopped at.

    Parameters
    ----------
    wcs : WCS
        Of the chip.
    polygons : sequence of array, shape (n, 2)
        RA, Dec in degrees.

    Returns
    -------
    list of array, shape (n, 2)
        x, y from 0.
    """
    if not polygons:
        return []
    world = np.concatenate(polygons)
    starts = np.cumsum([0, *map(len, polygons)])[:-1]
    owner = np.repeat(np.arange(len(polygons)), [len(polygon) for polygon in polygons])
    linear = wcs.wcs_world2pix(world, 0)
    if not wcs.has_distortion:
        return np.split(linear, starts[1:])
    pixels = linear.copy()
    active = np.ones(len(polygons), dtype=bool)
    for _ in range(_ITERATIONS):
        moving = active[owner]
        step = wcs.pix2foc(pixels[moving], 0) - linear[moving]
        pixels[moving] -= step
        moved = np.zeros(len(world))
        moved[moving] = np.sum(step * step, axis=1)
        active &= np.maximum.reduceat(moved, starts) >= _TOLERANCE**2
        if not active.any():
            break
    return np.split(pixels, starts[1:])


def filled(vertices: Integers, shape: tuple[int, int]) -> Integers:
    """Return the pixels of a polygon as skypac's scan-line fill finds them.

    A row belongs to the edges that begin at or below it and end above it; the last row to those of
    the row before. Between the first and the second crossing, the third and the fourth, ..., each
    rounded up, all pixels are inside, both ends included. (stsci.skypac.region.Polygon.scan)

    Parameters
    ----------
    vertices : array of int, shape (n, 2)
        x, y of the corners from 0; the last is the first again. They may lie outside of the chip.
    shape : (int, int)
        Rows, columns of the chip.

    Returns
    -------
    array of int, shape (m, 3)
        Row, first column, column after the last; sorted, no pixel twice.
    """
    nothing = np.zeros((0, 3), dtype=np.int64)
    vertices = np.asarray(vertices, dtype=np.int64)
    left, bottom = vertices.min(axis=0)
    right, top = vertices.max(axis=0)
    if right == left or top == bottom:
        return nothing
    rows = np.arange(max(bottom, 0), min(top + 1, shape[0]))
    if len(rows) == 0:
        return nothing
    # skypac moves a polygon with negative corners into the positive quadrant first: the same
    # integers, so only the rounding of the crossings depends on it.
    shift = np.minimum(vertices.min(axis=0), 0)
    starts, ends = (vertices - shift)[:-1], (vertices - shift)[1:]
    y = (rows - shift[1])[:, None].astype(np.float64)
    along = (ends - starts).astype(np.float64)
    low, high = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
    at = np.minimum(y, top - shift[1] - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.ceil((y - starts[:, 1]) / along[:, 1] * along[:, 0] + starts[:, 0])
    crossing[~((low <= at) & (at < high))] = np.inf
    crossing.sort(axis=1)
    first, last = crossing[:, 0::2], crossing[:, 1::2]
    first = first[:, : last.shape[1]]  # a crossing without partner bounds nothing
    row, pair = np.nonzero(np.isfinite(last))
    start = np.maximum(first[row, pair].astype(np.int64) + shift[0], 0)
    stop = np.minimum(last[row, pair].astype(np.int64) + shift[0] + 1, shape[1])
    if (stop < 0).any():
        # numpy counts a negative end of a slice from the other side, and skypac lets it.
        stop = np.where(stop < 0, np.maximum(stop + shape[1], 0), stop)
        return _intervals(as_mask(np.stack([rows[row], start, stop], axis=1), shape))
    # Two intervals of a row may share their ends.
    same = np.concatenate([[False], row[1:] == row[:-1]])
    before = np.concatenate([[0], stop[:-1]])
    start = np.where(same, np.maximum(start, before), start)
    kept = start < stop
    return np.stack([rows[row[kept]], start[kept], stop[kept]], axis=1)


def as_mask(intervals: Integers, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask of the pixels in `intervals`."""
    mask = np.zeros(shape, dtype=bool)
    for row, start, stop in intervals:
        mask[row, start:stop] = True
    return mask


def united(regions: Sequence[Integers], shape: tuple[int, int]) -> Integers:
    """Return the intervals of pixels that lie in any of several regions."""
    if len(regions) == 1:
        return regions[0]
    return _intervals(np.logical_or.reduce([as_mask(region, shape) for region in regions]))


def _intervals(mask: NDArray[np.bool_]) -> Integers:
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, start = np.nonzero(edges == 1)
    return np.stack([row, start, np.nonzero(edges == -1)[1]], axis=1).astype(np.int64)
