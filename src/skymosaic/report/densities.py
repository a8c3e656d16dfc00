"""Many exposures in few bins: what figures show where single marks would hide one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymosaic.evidence.residuals import Residual

Floats = NDArray[np.float64]

MOST_MARKS = 400
"""Marks of a figure, one for each row or exposure; more are drawn by density."""
MATRIX_BINS = 100  # along the side of a matrix of pairs
SKY_BINS = 64  # along the longer side of a map
SCATTER_BINS = (60, 40)  # along the exposures, along the sky
_NAMED = 3  # exposures of a bin of the map


@dataclass(frozen=True)
class ResidualBin:
    """The residuals between two lots of exposures."""

    row: int
    column: int
    largest: Residual
    """With the sign of row minus column."""
    pairs: int


def bins_of_pairs(
    residuals: Sequence[Residual], names: Sequence[str], bins: int = MATRIX_BINS
) -> list[ResidualBin]:
    """Return the largest residual between any two lots of exposures, above the diagonal.

    Parameters
    ----------
    residuals : sequence of Residual
        Of one method.
    names : sequence of str
        All exposures, in the order of the matrix.
    bins : int
        Along each side.
    """
    each, _ = lots(len(names), bins)
    place = {name: number // each for number, name in enumerate(names)}
    found: dict[tuple[int, int], tuple[Residual, int]] = {}
    for one in residuals:
        row, column, its = place[one.a], place[one.b], one
        if row > column:
            row, column = column, row
            its = Residual(one.method, one.b, one.a, -one.residual, one.error, -one.of_noise)
        before, count = found.get((row, column), (its, 0))
        larger = its if abs(its.residual) > abs(before.residual) else before
        found[row, column] = (larger, count + 1)
    return [ResidualBin(row, column, *found[row, column]) for row, column in sorted(found)]


def lots(count: int, bins: int = MATRIX_BINS) -> tuple[int, int]:
    """Return how many exposures make a lot, and how many lots there are."""
    each = max(-(-count // bins), 1)
    return each, -(-count // each)


@dataclass(frozen=True)
class DepthMap:
    """How many exposures cover each part of the sky.

    Parameters
    ----------
    x, y : array
        Edges of the bins.
    depth : array of int, shape (len(y) - 1, len(x) - 1)
        Exposures that cover the middle of a bin.
    names : mapping of (int, int) to sequence of str
        The first of them, by row and column.
    """

    x: Floats
    y: Floats
    depth: NDArray[np.int64]
    names: Mapping[tuple[int, int], Sequence[str]]


def depth_map(polygons: Mapping[str, Sequence[Floats]], bins: int = SKY_BINS) -> DepthMap:
    """Return the depth of exposures on a plane.

    Parameters
    ----------
    polygons : mapping of str to sequence of array, shape (n, 2)
        Corners of each chip of an exposure, on a plane.
    bins : int
        Along the longer side.
    """
    from matplotlib.path import Path as Outline  # who only reads `MOST_MARKS` draws nothing

    corners = np.concatenate([chip for chips in polygons.values() for chip in chips])
    low, high = corners.min(axis=0), corners.max(axis=0)
    side = float((high - low).max()) / bins or 1.0
    count = np.maximum(np.ceil((high - low) / side).astype(int), 1)
    x, y = (low[axis] + side * np.arange(count[axis] + 1) for axis in (0, 1))
    depth = np.zeros((count[1], count[0]), dtype=np.int64)
    names: dict[tuple[int, int], list[str]] = {}
    for name, chips in polygons.items():
        covered = np.zeros(depth.shape, dtype=bool)
        for chip in chips:
            first = np.clip(((chip.min(axis=0) - low) // side).astype(int), 0, count - 1)
            last = np.clip(((chip.max(axis=0) - low) // side).astype(int), 0, count - 1)
            columns = np.arange(first[0], last[0] + 1)
            rows = np.arange(first[1], last[1] + 1)
            middles = np.stack(np.meshgrid(x[columns], y[rows]), axis=-1) + side / 2
            inside = Outline(chip).contains_points(middles.reshape(-1, 2))
            window = np.ix_(rows, columns)
            covered[window] |= inside.reshape(len(rows), len(columns))
        depth += covered
        for row, column in np.argwhere(covered):
            its = names.setdefault((int(row), int(column)), [])
            if len(its) < _NAMED:
                its.append(name)
    return DepthMap(x, y, depth, names)


@dataclass(frozen=True)
class ScatterBins:
    """Values of many rows in bins; arrays have one entry a bin that is not empty.

    Parameters
    ----------
    x, y : array
        Middles of the bins.
    count : array of int
        Values in each.
    width, height : float
        Of a bin.
    """

    x: Floats
    y: Floats
    count: NDArray[np.int64]
    width: float
    height: float


def scatter_bins(values: np.ma.MaskedArray, limits: tuple[float, float]) -> ScatterBins:
    """Return how many values of a column lie in each bin of row and value.

    Parameters
    ----------
    values : masked array, shape (n,)
        What is masked is not counted.
    limits : (float, float)
        Of the values.
    """
    known = ~np.ma.getmaskarray(values)
    index = np.flatnonzero(known)
    size = max(len(values), 1)
    low, high = limits if limits[1] > limits[0] else (limits[0] - 0.5, limits[0] + 0.5)
    counts, x, y = np.histogram2d(
        index,
        np.asarray(values.filled(low))[known],
        bins=SCATTER_BINS,
        range=((-0.5, size - 0.5), (low, high)),
    )
    column, row = np.nonzero(counts)
    width, height = float(x[1] - x[0]), float(y[1] - y[0])
    number = counts[column, row].astype(np.int64)
    return ScatterBins(x[column] + width / 2, y[row] + height / 2, number, width, height)
