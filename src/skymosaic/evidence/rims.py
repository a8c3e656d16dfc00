"""Steps at the edges of exposures that overlap so densely that no edge is free of others.

`seams` asks for stretches of the mosaic in which one exposure alone begins. With dithers of less
than a cell, or with dozens of exposures at each place, there are none. Here all edges of an
exposure are taken together, whatever else begins or ends beside them; the step that the exposures
call for is measured with the same stencils, on the image of what is left of their levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from skymosaic.evidence.cells import CellGrid, Cells, Floats
from skymosaic.evidence.neighbours import Neighbours
from skymosaic.evidence.pairs import clipped_median
from skymosaic.evidence.residuals import LEAST_STENCILS, Seam
from skymosaic.evidence.rounding import rounding_of
from skymosaic.evidence.seams import (
    ARM,
    GAPS,
    NEIGHBOURS,
    ExposureEdge,
    at_edge,
    covers,
)

FEW = 0.1
"""Share of the exposures below which those with an edge of their own are too few to tell."""
_PLACES = 17  # along the edges of an exposure, where others are looked for


def find_rims(cells: Sequence[Cells], shape: tuple[int, int]) -> list[ExposureEdge]:
    """Return all edges of each exposure that overlaps another, as one.

    Parameters
    ----------
    cells : sequence of Cells
        Of all exposures.
    shape : (int, int)
        Of the grid.
    """
    near = Neighbours(cells)
    found = []
    for number, one in enumerate(cells):
        if not len(near.of(number)):
            continue
        inside, outside, gap = _stencils(one, shape)
        if len(gap) >= LEAST_STENCILS:
            others = _on_both_sides(cells, near, inside, outside, shape[1])
            found.append(ExposureEdge(number, others, inside, outside, gap))
    return found


_Stencils = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _stencils(one: Cells, shape: tuple[int, int]) -> _Stencils:
    """Return the stencils across the edges of one exposure, each cell at the edge once."""
    reach = 2 * ARM + max(GAPS)
    covered = np.pad(one.covered, reach)
    whole = np.pad(binary_erosion(one.covered, NEIGHBOURS), reach)
    rows, columns = np.indices(covered.shape)
    rows += one.corner[0] - reach
    columns += one.corner[1] - reach
    within = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    flat = np.where(within, rows * shape[1] + columns, -1)
    along = [_along_rows(whole, covered, flat)]
    along.append(_along_rows(whole.T, covered.T, flat.T))
    new = ~np.isin(along[1][0][:, 0], along[0][0][:, 0])
    return (
        np.concatenate([along[0][0], along[1][0][new]]),
        np.concatenate([along[0][1], along[1][1][new]]),
        np.concatenate([along[0][2], along[1][2][new]]),
    )


def _along_rows(
    whole: NDArray[np.bool_], covered: NDArray[np.bool_], flat: NDArray[np.int64]
) -> _Stencils:
    inside, outside, gaps = [], [], []
    for gap in GAPS:
        length = 2 * ARM + gap
        starts = whole.shape[1] - length + 1
        at = [slice(k, k + starts) for k in range(length)]
        for towards in (list(range(length)), list(range(length))[::-1]):
            # From the innermost cell to the outermost.
            first, last = towards[:ARM], towards[ARM + gap :]
            valid = np.ones((whole.shape[0], starts), dtype=bool)
            for k in first:
                valid &= whole[:, at[k]]
            for k in towards[ARM : ARM + gap]:
                valid &= covered[:, at[k]] & ~whole[:, at[k]]
            for k in last:
                valid &= ~covered[:, at[k]] & (flat[:, at[k]] >= 0)
            row, column = np.nonzero(valid)
            inside.append(np.stack([flat[row, column + k] for k in reversed(first)], axis=1))
            outside.append(np.stack([flat[row, column + k] for k in last], axis=1))
            gaps.append(np.full(len(row), gap))
    return np.concatenate(inside), np.concatenate(outside), np.concatenate(gaps)


def _on_both_sides(
    cells: Sequence[Cells],
    near: Neighbours,
    inside: NDArray[np.int64],
    outside: NDArray[np.int64],
    columns: int,
) -> tuple[int, ...]:
    """Return the exposures on both sides of the edge at its middle, or near it where none are."""
    places = np.linspace(0, len(inside) - 1, _PLACES).round().astype(int)
    for place in sorted(places, key=lambda place: abs(2 * place - len(inside))):
        one, other = int(inside[place, 0]), int(outside[place, 0])
        both = tuple(
            int(another)
            for another in near.at(*divmod(other, columns))
            if covers(cells[another], one, columns) and covers(cells[another], other, columns)
        )
        if both:
            return both
    return ()


def measure_rims(
    method: str,
    image: Floats,
    edges: Sequence[ExposureEdge],
    cells: Sequence[Cells],
    left: Floats,
    grid: CellGrid,
) -> list[Seam]:
    """Return the mean step of a method's mosaic across the edges of each exposure.

    Parameters
    ----------
    method : str
        The sky method.
    image : array, shape (rows, columns)
        Its mosaic in cells, e-/s in a pixel of the common size; NaN where there is no data.
    edges : sequence of ExposureEdge
        As from `find_rims`.
    cells : sequence of Cells
        Of all exposures.
    left : array, shape (n,)
        What the method leaves of each exposure's level, from the overlaps.
    grid : CellGrid
        For the places of the edges.
    """
    called_for = _what_is_left(cells, left, grid.shape).ravel()
    values, least = image.ravel(), rounding_of(image)
    seams = []
    for edge in edges:
        reach = np.asarray(0.5 * (edge.gap + 1.0), dtype=np.float64)
        step, expected = (
            at_edge(one[edge.inside], reach) - at_edge(one[edge.outside], reach)
            for one in (values, called_for)
        )
        valid = np.isfinite(step) & np.isfinite(expected)
        if int(valid.sum()) < LEAST_STENCILS:
            continue
        _, _, kept = clipped_median(step[valid])
        count = int(kept.sum())
        # Means, because those of what was measured and of what was called for can be compared.
        scatter = float(np.std(step[valid][kept], ddof=1))
        nearest = edge.inside[valid, 0]
        row, column = divmod(int(nearest[len(nearest) // 2]), grid.shape[1])
        ra, dec = grid.world(float(column), float(row))
        seams.append(
            Seam(
                method=method,
                exposure=cells[edge.exposure].rootname,
                others=tuple(cells[other].rootname for other in edge.others),
                step=float(np.mean(step[valid][kept])),
                error=max(scatter / float(np.sqrt(count)), least),
                expected=float(np.mean(expected[valid][kept])),
                cells=count,
                ra=ra,
                dec=dec,
            )
        )
    return seams


def _what_is_left(cells: Sequence[Cells], left: Floats, shape: tuple[int, int]) -> Floats:
    """Return the mean of what is left of the exposures, by time and pixels; at their rims, too."""
    total, weight = np.zeros(shape), np.zeros(shape)
    for one, value in zip(cells, left, strict=True):
        share = one.weight * one.count
        total[one.window] += share * value
        weight[one.window] += share
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(weight > 0, total / weight, np.nan)
