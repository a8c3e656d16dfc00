"""Steps in a mosaic where one more exposure begins to contribute, measured on the mosaic alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from skymosaic.evidence.cells import CellGrid, Cells, Floats
from skymosaic.evidence.neighbours import Neighbours
from skymosaic.evidence.pairs import MEDIAN, clipped_median
from skymosaic.evidence.residuals import LEAST_STENCILS, Seam
from skymosaic.evidence.rounding import rounding_of

ARM = 3  # cells on each side of an edge
GAPS = (1, 2)  # cells between, which the exposure may cover in part
NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class ExposureEdge:
    """Where one exposure begins, among the same others on both sides.

    Parameters
    ----------
    exposure : int
        Whose edge.
    others : tuple of int
        Exposures on both sides.
    inside, outside : array of int, shape (n, 3)
        Cells as flat indices, along a row or a column, nearest to the edge first.
    gap : array of int, shape (n,)
        Cells between inside and outside.
    """

    exposure: int
    others: tuple[int, ...]
    inside: NDArray[np.int64]
    outside: NDArray[np.int64]
    gap: NDArray[np.int64]


def find_edges(cells: Sequence[Cells], shape: tuple[int, int]) -> list[ExposureEdge]:
    """Return every edge that is long enough to measure a step across.

    Parameters
    ----------
    cells : sequence of Cells
        Of all exposures.
    shape : (int, int)
        Of the grid.
    """
    random = np.random.default_rng(0)
    marks = random.integers(1, 2**62, size=len(cells))
    label, clean = np.zeros(shape, dtype=np.int64), np.ones(shape, dtype=bool)
    for one, mark in zip(cells, marks, strict=True):
        whole = binary_erosion(one.covered, NEIGHBOURS)
        label[one.window] ^= np.where(whole, mark, 0)
        clean[one.window] &= whole | ~one.covered  # not the rim, which it may cover in part
    label[~clean] = 0
    by_mark = {int(mark): number for number, mark in enumerate(marks)}
    flat = np.arange(label.size).reshape(shape)
    found = [
        _edges_along(label, flat, by_mark, cells, shape[1]),
        _edges_along(label.T, flat.T, by_mark, cells, shape[1]),
    ]
    near = Neighbours(cells)
    edges = []
    for name in found[0].keys() | found[1].keys():
        # Rows and columns cross the same cells where an edge is oblique: take the more numerous.
        inside, outside, gap = max((part[name] for part in found if name in part), key=_length)
        if len(gap) >= LEAST_STENCILS:
            exposure, first = name[0], int(outside[0, 0])
            others = tuple(
                int(number)
                for number in near.at(*divmod(first, shape[1]))
                if covers(cells[number], first, shape[1])
            )
            edges.append(ExposureEdge(exposure, others, inside, outside, gap))
    return sorted(edges, key=lambda edge: (edge.exposure, edge.others))


_Stencils = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _length(stencils: _Stencils) -> int:
    return len(stencils[2])


def _edges_along(
    label: NDArray[np.int64],
    flat: NDArray[np.int64],
    by_mark: Mapping[int, int],
    cells: Sequence[Cells],
    columns: int,
) -> dict[tuple[int, int], _Stencils]:
    """Return the stencils along rows, by the exposure whose edge it is and the label outside."""
    found: dict[tuple[int, int], list[_Stencils]] = {}
    marks = np.array(sorted(by_mark), dtype=np.int64)
    for gap in GAPS:
        length = 2 * ARM + gap
        if label.shape[1] < length:
            continue
        at = [label[:, k : label.shape[1] - length + 1 + k] for k in range(length)]
        left, right = at[ARM - 1], at[ARM + gap]
        valid = (left != 0) & (right != 0) & (left != right)
        for k in range(ARM):
            valid &= (at[k] == left) & (at[ARM + gap + k] == right)
        for k in range(ARM, ARM + gap):
            valid &= at[k] == 0
        difference = np.where(valid, left ^ right, 0)
        row, column = np.nonzero(valid & np.isin(difference, marks))
        if row.size == 0:
            continue
        near = np.stack([flat[row, column + k] for k in range(ARM - 1, -1, -1)], axis=1)
        far = np.stack([flat[row, column + k] for k in range(ARM + gap, length)], axis=1)
        kinds = np.stack([difference[row, column], left[row, column], right[row, column]], axis=1)
        every, which = np.unique(kinds, axis=0, return_inverse=True)
        order = np.argsort(which.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(which.ravel()))[:-1]
        for kind, these in zip(every, np.split(order, ends), strict=True):
            exposure = by_mark[int(kind[0])]
            inside, outside, rest = near[these], far[these], kind[2]
            if not covers(cells[exposure], int(inside[0, 0]), columns):
                inside, outside, rest = outside, inside, kind[1]
            found.setdefault((exposure, int(rest)), []).append(
                (inside, outside, np.full(len(inside), gap))
            )
    return {
        name: (
            np.concatenate([part[0] for part in parts]),
            np.concatenate([part[1] for part in parts]),
            np.concatenate([part[2] for part in parts]),
        )
        for name, parts in found.items()
    }


def covers(one: Cells, cell: int, columns: int) -> bool:
    """Tell whether an exposure has pixels in a cell, given by its flat index."""
    row, column = cell // columns - one.corner[0], cell % columns - one.corner[1]
    inside = 0 <= row < one.covered.shape[0] and 0 <= column < one.covered.shape[1]
    return inside and bool(one.covered[row, column])


def steps(image: Floats, edges: Sequence[ExposureEdge]) -> list[tuple[float, float, int]]:
    """Return the step across each edge: its size, standard error, and stencils that remained.

    Both sides are extrapolated to the edge along a straight line through three cells, so that a
    gradient of the scene is no step.

    Parameters
    ----------
    image : array, shape (rows, columns)
        A mosaic in cells, NaN where there is no data.
    edges : sequence of Edge
        As from `find_edges`.

    Returns
    -------
    list of (float, float, int)
        In the units of the image, inside minus outside; NaN where too few stencils are valid.
    """
    values, least = image.ravel(), rounding_of(image)
    found = []
    for edge in edges:
        reach = np.asarray(0.5 * (edge.gap + 1.0), dtype=np.float64)
        step = at_edge(values[edge.inside], reach) - at_edge(values[edge.outside], reach)
        step = step[np.isfinite(step)]
        if step.size < LEAST_STENCILS:
            found.append((float("nan"), float("nan"), int(step.size)))
            continue
        median, scatter, kept = clipped_median(step)
        # Neighbouring stencils along the edge share no cell.
        error = MEDIAN * scatter / float(np.sqrt(kept.sum()))
        found.append((median, max(error, least), int(kept.sum())))
    return found


def at_edge(arm: Floats, reach: Floats) -> Floats:
    """Return the value at an edge of straight lines through three cells, shape (n, 3).

    Parameters
    ----------
    arm : array, shape (n, 3)
        Values of the cells, nearest to the edge first.
    reach : array, shape (n,)
        Cells from the nearest one to the edge, plus a half.
    """
    slope = 0.5 * (arm[:, 0] - arm[:, 2])
    return np.asarray(arm.mean(axis=1) + slope * (reach + 1.0))


def measure_seams(
    method: str,
    image: Floats,
    edges: Sequence[ExposureEdge],
    cells: Sequence[Cells],
    left: Floats,
    grid: CellGrid,
) -> list[Seam]:
    """Return the step of a method's mosaic across each edge.

    Parameters
    ----------
    method : str
        The sky method.
    image : array, shape (rows, columns)
        Its mosaic in cells, e-/s in a pixel of the common size; NaN where there is no data.
    edges : sequence of Edge
        As from `find_edges`.
    cells : sequence of Cells
        Of all exposures: their names and weights.
    left : array, shape (n,)
        What the method leaves of each exposure's level, from the overlaps; NaN where unknown.
    grid : CellGrid
        For the places of the edges.
    """
    weight = np.array([one.weight for one in cells])
    seams = []
    for edge, (step, error, count) in zip(edges, steps(image, edges), strict=True):
        if not np.isfinite(step):
            continue
        others = list(edge.others)
        mean = np.average(left[others], weights=weight[others])
        share = weight[edge.exposure] / (weight[edge.exposure] + weight[others].sum())
        expected = float(share * (left[edge.exposure] - mean))
        row, column = np.divmod(np.stack([edge.inside[:, 0], edge.outside[:, 0]]), grid.shape[1])
        ra, dec = grid.world(float(np.median(column)), float(np.median(row)))
        seams.append(
            Seam(
                method=method,
                exposure=cells[edge.exposure].rootname,
                others=tuple(cells[other].rootname for other in others),
                step=step,
                error=error,
                expected=expected if np.isfinite(expected) else None,
                cells=count,
                ra=ra,
                dec=dec,
            )
        )
    return seams
