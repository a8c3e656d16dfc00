"""The blocks that the sums of a mosaic are cut into: rectangles of its grid, a task each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.memory import ROWS
from skymosaic.drizzle.onepass.stored import Box
from skymosaic.hst.exposure import Exposure

SIDE = 1024
"""Pixels along a side of a block, about."""
_REACH = 16  # pixels of the grid that a kernel reaches beyond a chip, and more
_BENT = 0.02  # of a chip's longest side, by which distortion bends its edges at most


@dataclass(frozen=True)
class Block:
    """A block, and who may have pixels in it."""

    name: str
    """Such as ``x01y03``: column and row, from 1."""
    box: Box
    exposures: list[str]
    """Rootnames, in the order of the campaign."""


def blocks_of(
    grid: Grid, exposures: Sequence[Exposure], side: int = SIDE, reach: int = 0
) -> list[Block]:
    """Cut a grid into blocks, whose size depends on the grid alone.

    Parameters
    ----------
    grid : Grid
        The output grid.
    exposures : sequence of Exposure
        All. A few more are named of a block than have pixels in it: what bounds them is a
        rectangle around their corners.
    side : int
        About how many pixels a side has.
    reach : int
        Pixels beyond the last column and row of a block in which exposures count, too.

    Returns
    -------
    list of Block
        By rows, then columns. Blocks begin at multiples of the rows that are summed at a time.
    """
    edges = [_edges(size, side) for size in grid.shape]
    pixels = grid.pixels
    named: dict[tuple[int, int], list[str]] = {}
    for exposure in exposures:
        touched: set[tuple[int, int]] = set()
        for polygon in exposure.polygons:
            corners = pixels.to_pixels(_vectors(polygon)) - 1.0
            beyond = _REACH + _BENT * float(np.ptp(corners, axis=0).max())
            low, high = corners.min(axis=0) - beyond - reach, corners.max(axis=0) + beyond
            if not np.isfinite(low).all() or not np.isfinite(high).all():
                continue
            spans = [
                range(
                    max(int(np.searchsorted(edge, a, "right")) - 1, 0),
                    min(int(np.searchsorted(edge, b, "right")), len(edge) - 1),
                )
                for edge, a, b in zip(edges, low, high, strict=True)
            ]
            touched |= {(x, y) for x in spans[0] for y in spans[1]}
        for place in touched:
            named.setdefault(place, []).append(exposure.rootname)
    digits = max(2, len(str(max(map(len, edges)))))
    return [
        Block(
            f"x{x + 1:0{digits}d}y{y + 1:0{digits}d}",
            Box(
                int(edges[0][x]),
                int(edges[1][y]),
                int(edges[0][x + 1] - edges[0][x]),
                int(edges[1][y + 1] - edges[1][y]),
            ),
            named.get((x, y), []),
        )
        for y in range(len(edges[1]) - 1)
        for x in range(len(edges[0]) - 1)
    ]


class NearBlocks:
    """Finds the blocks of a grid that a rectangle meets.

    Parameters
    ----------
    blocks : sequence of Block
        As from `blocks_of`.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = {(block.box.x, block.box.y): block for block in blocks}
        self._x, self._y = (sorted({place[axis] for place in self._blocks}) for axis in (0, 1))

    def of(self, box: Box) -> list[Block]:
        """Return those that a rectangle meets, by rows, then columns."""
        columns, rows = (
            edges[max(bisect_right(edges, first) - 1, 0) : bisect_left(edges, end)]
            for edges, first, end in ((self._x, box.x, box.right), (self._y, box.y, box.bottom))
        )
        return [self._blocks[x, y] for y in rows for x in columns]


def _edges(size: int, side: int) -> np.ndarray:
    """Return where blocks begin along an axis, and where the last one ends."""
    count = max(round(size / side), 1)
    step = -(-size // (count * ROWS)) * ROWS
    return np.append(np.arange(0, size, step), size)


def _vectors(polygon: np.ndarray) -> np.ndarray:
    ra, dec = np.radians(polygon.T)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
