"""Polygons against rectangles whose sides are the axes: many at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skymosaic.sky.pixel_grid import Floats

Booleans = NDArray[np.bool_]


def clipped_edges(corners: Floats, low: Floats, high: Floats) -> tuple[Floats, Booleans]:
    """Cut the edges of polygons to what lies inside a rectangle each (Liang & Barsky 1984).

    Parameters
    ----------
    corners : array, shape (m, n, 2)
        Of m polygons, in order; a corner may be repeated, so that all have as many.
    low, high : array, shape (m, 2) or (2,)
        Corners of the rectangles.

    Returns
    -------
    ends : array, shape (m, n, 2, 2)
        Both ends of what is left of each edge.
    inside : array of bool, shape (m, n)
        Whether something is left that lies within the rectangle, not along its border.
    """
    step = np.roll(corners, -1, axis=1) - corners
    with np.errstate(divide="ignore", invalid="ignore"):
        enter, leave = ((np.asarray(bound)[..., None, :] - corners) / step for bound in (low, high))
    enter, leave = np.minimum(enter, leave), np.maximum(enter, leave)
    # An edge that runs along an axis stays inside or outside of the other's bounds.
    within = (corners > np.asarray(low)[..., None, :]) & (corners < np.asarray(high)[..., None, :])
    level = step == 0.0
    enter = np.where(level, np.where(within, -np.inf, np.inf), enter)
    leave = np.where(level, np.where(within, np.inf, -np.inf), leave)
    first = np.maximum(enter.max(axis=-1), 0.0)
    last = np.minimum(leave.min(axis=-1), 1.0)
    inside = first < last
    share = np.where(inside[..., None], np.stack([first, last], axis=-1), 0.0)
    return corners[..., None, :] + share[..., None] * step[..., None, :], inside


def contains(corners: Floats, points: Floats) -> Booleans:
    """Tell whether polygons hold a point each, by the even-odd rule.

    Parameters
    ----------
    corners : array, shape (m, n, 2)
        Of the polygons.
    points : array, shape (m, 2) or (2,)
        The points.
    """
    x, y = np.moveaxis(corners - np.asarray(points)[..., None, :], -1, 0)
    x_next, y_next = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    crosses = (y > 0.0) != (y_next > 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x - y * (x_next - x) / (y_next - y)
    return np.asarray((crosses & (at > 0.0)).sum(axis=1) % 2 == 1)


def overlap(corners: Floats, low: Floats, high: Floats) -> Booleans:
    """Tell which polygons share an area with a rectangle each: shapes as in `clipped_edges`.

    Either an edge enters the rectangle, or the polygon holds all of the rectangle or nothing of it.
    """
    _, inside = clipped_edges(corners, low, high)
    found = np.asarray(inside.any(axis=1))
    middle = np.broadcast_to((np.asarray(low) + np.asarray(high)) / 2.0, (len(corners), 2))
    found[~found] = contains(corners[~found], middle[~found])
    return found
