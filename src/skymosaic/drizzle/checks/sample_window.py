"""Which part of a mosaic AstroDrizzle makes again, to check the one-pass engine.

A window of the output grid that few exposures reach: what AstroDrizzle makes of these alone is then
the whole mosaic there. It is chosen from footprints, so it costs nothing and is always the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.grid import Grid
from skymosaic.errors import DrizzleError
from skymosaic.hst.exposure import Exposure

Floats = NDArray[np.float64]

_FEW = 4
"""Exposures that are taken where a window can be had with so many."""
MOST = 12
"""Where each place has more, `_FEW` of them are drizzled by both engines instead."""
_ACROSS = 8  # windows along the shortest side of a chip ...
SIDES = (16, 128)  # ... but not smaller or larger than that, pixels of the grid
_MARGIN = 16  # pixels of the grid: what a kernel reaches beyond a chip's corners, and more
_BENT = 0.02  # of a chip's longest side, by which distortion bends its edges at most
_LOOKED_AT = 256  # windows among which the exposures that share least are sought
_PLACES = 1 << 24  # of windows on the grid, at most, that are looked at


@dataclass(frozen=True)
class Window:
    """Some pixels of the output grid, and exposures that reach them.

    Parameters
    ----------
    x, y : int
        Its first column and row, from 0.
    columns, rows : int
        Its size.
    exposures : tuple of str
        Rootnames.
    whole : bool
        Whether no other exposure reaches it, so that these alone make the mosaic there.
    """

    x: int
    y: int
    columns: int
    rows: int
    exposures: tuple[str, ...]
    whole: bool

    def of(self, grid: Grid) -> Grid:
        """Return these pixels of a grid as a grid of its own."""
        crpix = (grid.crpix[0] - self.x, grid.crpix[1] - self.y)
        return replace(grid, crpix=crpix, shape=(self.columns, self.rows))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "exposures": list(self.exposures)}


def choose_window(
    exposures: Sequence[Exposure], grid: Grid, pairs: Sequence[tuple[str, str, float]]
) -> Window:
    """Choose the window: covered by as many exposures as possible, but reached by few.

    Parameters
    ----------
    exposures : sequence of Exposure
        All that are drizzled.
    grid : Grid
        The output grid.
    pairs : sequence of (str, str, float)
        Which overlap, and the area that they share: of equal windows that one is taken whose
        exposures share least, because they differ most.

    Raises
    ------
    DrizzleError
        No exposure lies on the grid.
    """
    wcs = grid.wcs()
    every = [[wcs.all_world2pix(polygon, 0) for polygon in e.polygons] for e in exposures]
    sides = [np.hypot(*(p - np.roll(p, 1, axis=0)).T) for one in every for p in one]
    side = int(np.clip(min(s.min() for s in sides) // _ACROSS, *SIDES))
    margin = max(_MARGIN, _BENT * max(float(s.max()) for s in sides))
    while True:
        window = _choose(exposures, every, grid, pairs, side, margin)
        if window is not None:
            return window
        # Large pixels make small chips, and a grid of the user's own may have a corner of them.
        side //= 2
        if not side or math.prod(-(-size // max(side // 2, 1)) for size in grid.shape) > _PLACES:
            raise DrizzleError(
                "no exposure covers the output grid; look at their WCS, or set a smaller "
                "final_scale"
            )


def _choose(
    exposures: Sequence[Exposure],
    every: Sequence[Sequence[Floats]],
    grid: Grid,
    pairs: Sequence[tuple[str, str, float]],
    side: int,
    margin: float,
) -> Window | None:
    """Choose among windows of `side` pixels of the grid; None: no chip holds a whole one."""
    columns, rows = (min(side, size) for size in grid.shape)
    step = max(side // 2, 1)
    xs, ys = (
        np.arange(0, size - own + 1, step)
        for size, own in zip(grid.shape, (columns, rows), strict=True)
    )
    half = ((columns - 1) / 2, (rows - 1) / 2)
    reached, covered = (np.zeros((len(ys), len(xs)), dtype=np.int32) for _ in range(2))
    for polygons in every:
        # Only the windows in the box around an exposure are asked for.
        corners = np.concatenate(polygons)
        low, high = corners.min(axis=0) - margin, corners.max(axis=0) + margin
        here = np.s_[
            np.searchsorted(ys, low[1] - rows) : np.searchsorted(ys, high[1], "right"),
            np.searchsorted(xs, low[0] - columns) : np.searchsorted(xs, high[0], "right"),
        ]
        x, y = xs[here[1]] + half[0], ys[here[0], None] + half[1]
        reached[here] += _any(_meets(p, x, y, half, margin) for p in polygons)
        covered[here] += _any(_holds(p, x, y, half) for p in polygons)
    chosen, whole = _best(reached, covered)
    if not len(chosen):
        return None
    chosen = chosen[:: -(-len(chosen) // _LOOKED_AT)]
    left, top = xs[chosen[:, 1]], ys[chosen[:, 0]]
    x, y = left + half[0], top + half[1]
    meets = np.stack([_any(_meets(p, x, y, half, margin) for p in one) for one in every])
    names = np.array([exposure.rootname for exposure in exposures])
    sets = [tuple(names[one].tolist()) for one in meets.T]
    least = min(sets, key=lambda one: (_shared(one, pairs), one))
    places = [index for index, one in enumerate(sets) if one == least]
    middle = places[len(places) // 2]
    taken = least if whole else least[:: -(-len(least) // _FEW)]
    return Window(int(left[middle]), int(top[middle]), columns, rows, taken, whole)


def _best(reached: NDArray[np.int32], covered: NDArray[np.int32]) -> tuple[NDArray[np.intp], bool]:
    """Return the indices of the best windows, and whether few enough exposures reach them.

    Where exposures overlap, more is checked than where one is alone.
    """
    for most, least in ((_FEW, 2), (MOST, 2), (_FEW, 1), (MOST, 1), (None, 1)):
        able = covered >= least
        if most is not None:
            able &= reached <= most
        if not able.any():
            continue
        if most == _FEW:
            able &= covered == covered[able].max()
        able &= reached == reached[able].min()
        able &= covered == covered[able].max()
        return np.argwhere(able), most is not None
    return np.empty((0, 2), dtype=np.intp), False


def _shared(names: Sequence[str], pairs: Sequence[tuple[str, str, float]]) -> float:
    its = set(names)
    return sum(area for a, b, area in pairs if a in its and b in its)


def _any(parts: Any) -> NDArray[np.bool_]:
    return np.logical_or.reduce(list(parts))


def _edges(polygon: Floats) -> list[tuple[Floats, Floats]]:
    """Return a corner and the unit normal that points outward, for each edge."""
    ahead = np.roll(polygon, -1, axis=0)
    turns = float(np.sum(polygon[:, 0] * ahead[:, 1] - ahead[:, 0] * polygon[:, 1]))
    along = (ahead - polygon) * (1.0 if turns > 0 else -1.0)
    normals = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.hypot(*along.T)[:, None]
    return list(zip(polygon, normals, strict=True))


def _meets(
    polygon: Floats, x: Any, y: Any, half: tuple[float, float], margin: float
) -> NDArray[np.bool_]:
    """Tell which windows, by their middles, reach into a convex polygon that is wider by `margin`.

    Two convex shapes are apart where a line along an edge of either separates them.
    """
    low, high = polygon.min(axis=0) - margin, polygon.max(axis=0) + margin
    found = (x + half[0] >= low[0]) & (x - half[0] <= high[0])
    found = found & (y + half[1] >= low[1]) & (y - half[1] <= high[1])
    for corner, normal in _edges(polygon):
        nearest = normal[0] * (x - corner[0]) + normal[1] * (y - corner[1])
        nearest = nearest - abs(normal[0]) * half[0] - abs(normal[1]) * half[1]
        found &= nearest <= margin
    return np.asarray(found)


def _holds(polygon: Floats, x: Any, y: Any, half: tuple[float, float]) -> NDArray[np.bool_]:
    """Tell which windows, by their middles, lie in a convex polygon."""
    found = np.ones(np.broadcast_shapes(np.shape(x), np.shape(y)), dtype=bool)
    for corner, normal in _edges(polygon):
        farthest = normal[0] * (x - corner[0]) + normal[1] * (y - corner[1])
        farthest = farthest + abs(normal[0]) * half[0] + abs(normal[1]) * half[1]
        found &= farthest <= 0
    return found
