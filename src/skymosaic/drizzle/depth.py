"""How many exposures cover the points of the output grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.grid import Grid
from skymosaic.sky.overlaps import Polygon

_ACROSS = 32
"""Points along the shortest side of a chip: its area is right to some per cent."""
_MOST_POINTS = 4e6  # of a mosaic: 16 MB


@dataclass(frozen=True)
class Depth:
    """How much of the covered area has how many exposures.

    Parameters
    ----------
    points : tuple of (int, int)
        Number of exposures, and the points of a regular grid that so many cover; the first is one
        exposure or more, ascending.
    """

    points: tuple[tuple[int, int], ...]

    @property
    def median(self) -> int:
        """The most exposures that at least half of the covered area has; 0 where there is none."""
        return max((n for n, _ in self.points if self.share(n) >= 0.5), default=0)

    def share(self, least: int, most: int | None = None) -> float:
        """Return the share of the covered area that has from `least` to `most` exposures."""
        total = sum(points for _, points in self.points)
        chosen = sum(p for n, p in self.points if least <= n and (most is None or n <= most))
        return chosen / total if total else 0.0


def depth_of(footprints: Iterable[Sequence[Polygon]], grid: Grid) -> Depth:
    """Return how many exposures cover the points of an output grid.

    Parameters
    ----------
    footprints : iterable of sequences of array of shape (n, 2)
        For each exposure the corners of its chips: RA, Dec in degrees.
    grid : Grid
        The output grid. The points lie on it at equal distances, 32 across the shortest side of a
        chip, at most 4 million in all.

    Notes
    -----
    The time grows with the number of exposures: of each, the points in the box around it are asked
    for.
    """
    wcs = grid.wcs()
    exposures = [[wcs.all_world2pix(polygon, 0) for polygon in one] for one in footprints]
    columns, rows = grid.shape
    step = max(
        1.0,
        min((_shortest_side(polygon) for one in exposures for polygon in one), default=0) / _ACROSS,
        (columns * rows / _MOST_POINTS) ** 0.5,
    )
    counts = np.zeros((int(rows / step) + 1, int(columns / step) + 1), dtype=np.int32)
    for polygons in exposures:
        # Chips of one exposure may touch; a point in both is covered once.
        window, covered = _covered([polygon / step for polygon in polygons], counts.shape)
        counts[window] += covered
    numbers, points = np.unique(counts[counts > 0], return_counts=True)
    return Depth(tuple(zip(numbers.tolist(), points.tolist(), strict=True)))


def _shortest_side(polygon: NDArray[np.float64]) -> float:
    sides = np.hypot(*(polygon - np.roll(polygon, 1, axis=0)).T)
    return float(sides.min())


def _covered(
    polygons: Sequence[NDArray[np.float64]], shape: tuple[int, int]
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Return the box around polygons, and which of its points lie in one of them."""
    corners = np.concatenate(polygons)
    first = np.clip(np.floor(corners.min(axis=0)), 0, shape[::-1]).astype(int)
    last = np.clip(np.ceil(corners.max(axis=0)) + 1, first, shape[::-1]).astype(int)
    x, y = (np.arange(start, stop, dtype=float) for start, stop in zip(first, last, strict=True))
    inside = np.zeros((len(y), len(x)), dtype=bool)
    for polygon in polygons:
        inside |= _inside(polygon, x, y)
    return (slice(first[1], last[1]), slice(first[0], last[0])), inside


def _inside(
    polygon: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which points of a grid lie in a polygon: those from which a ray crosses it oddly."""
    odd = np.zeros((len(y), len(x)), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crossed = (y0 > y) != (y1 > y)
        at = x0 + (y[crossed] - y0) * (x1 - x0) / (y1 - y0) if y0 != y1 else y[:0]
        odd[crossed] ^= x[None, :] < at[:, None]
    return odd
