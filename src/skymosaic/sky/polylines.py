"""Chains of points with fewer corners.

As scikit-image's ``approximate_polygon``, whose module imports all of scipy's signal processing:
0.7 s in each process that draws one outline.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def simplified(chain: Floats, tolerance: float) -> Floats:
    """Return those of some points that keep the chain between them within a tolerance.

    By Douglas and Peucker (1973): of the points between two that are kept, the farthest one is
    kept, too, where it is farther than the tolerance from the line between the two.

    Parameters
    ----------
    chain : array, shape (n, 2)
        The points, in their order. The first and the last one are kept.
    tolerance : float
        Distance, in the points' unit; above 0.
    """
    kept = np.zeros(len(chain), dtype=bool)
    kept[[0, -1]] = True
    parts = [(0, len(chain) - 1)]
    while parts:
        start, end = parts.pop()
        distances = _distances(chain[start + 1 : end], chain[start], chain[end])
        if (distances > tolerance).any():
            farthest = start + 1 + int(np.argmax(distances))
            kept[farthest] = True
            parts += [(farthest, end), (start, farthest)]
    return chain[kept]


def _distances(points: Floats, start: Floats, end: Floats) -> Floats:
    """Return how far points are from the line between two others, which ends there."""
    line = end - start
    from_start, from_end = points - start, points - end
    beside = (from_start @ line > 0) & (-(from_end @ line) > 0)
    angle = -np.arctan2(line[0], line[1])
    level = start[1] * np.sin(angle) + start[0] * np.cos(angle)
    across = np.abs(points[:, 0] * np.cos(angle) + points[:, 1] * np.sin(angle) - level)
    to_ends = np.minimum(np.hypot(*from_start.T), np.hypot(*from_end.T))
    return np.asarray(np.where(beside, across, to_ends))
