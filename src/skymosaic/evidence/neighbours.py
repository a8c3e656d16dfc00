"""Which exposures are near one another: found by place, without a look at every pair of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from skymosaic.evidence.cells import Cells

Indices = NDArray[np.int64]

BLOCK = 256  # cells along the side of a part of the grid


class Neighbours:
    """Exposures by the place of their windows on the grid of cells.

    Parameters
    ----------
    cells : sequence of Cells
        Of all exposures.
    """

    def __init__(self, cells: Sequence[Cells]) -> None:
        corner = np.array([one.corner for one in cells], dtype=np.int64).reshape(-1, 2)
        shape = np.array([one.level.shape for one in cells], dtype=np.int64).reshape(-1, 2)
        self._start, self._stop = corner, corner + shape
        # A window touches four bins at most.
        self._side = shape.max(axis=0, initial=1)
        bins: dict[tuple[int, int], list[int]] = {}
        for number in range(len(cells)):
            for place in self._bins(number):
                bins.setdefault(place, []).append(number)
        self._by_bin = {place: np.array(its, dtype=np.int64) for place, its in bins.items()}

    def __len__(self) -> int:
        return len(self._start)

    def _bins(self, number: int) -> Iterator[tuple[int, int]]:
        first = self._start[number] // self._side
        last = (self._stop[number] - 1) // self._side
        for row in range(int(first[0]), int(last[0]) + 1):
            for column in range(int(first[1]), int(last[1]) + 1):
                yield row, column

    def of(self, number: int) -> Indices:
        """Return the exposures whose windows share a cell with that of one, in their order."""
        near = np.unique(np.concatenate([self._by_bin[place] for place in self._bins(number)]))
        apart = (self._start[near] >= self._stop[number]) | (
            self._stop[near] <= self._start[number]
        )
        return near[~apart.any(axis=1) & (near != number)]

    def at(self, row: int, column: int) -> Indices:
        """Return the exposures whose windows hold a cell, in their order."""
        place = (row // int(self._side[0]), column // int(self._side[1]))
        near = self._by_bin.get(place, np.zeros(0, dtype=np.int64))
        cell = np.array([row, column])
        return near[((self._start[near] <= cell) & (cell < self._stop[near])).all(axis=1)]

    def shared(self, number: int, others: Indices) -> Indices:
        """Return how many cells the window of an exposure shares with those of others."""
        start = np.maximum(self._start[number], self._start[others])
        stop = np.minimum(self._stop[number], self._stop[others])
        return np.asarray(np.maximum(stop - start, 0).prod(axis=1))

    def count(self) -> int:
        """Return how many pairs of windows share a cell."""
        return sum(len(self.of(number)) for number in range(len(self))) // 2

    def pairs(self, each: int | None = None) -> Indices:
        """Return the pairs to measure, shape (n, 2), in order.

        Parameters
        ----------
        each : int, optional
            For each exposure, so many pairs with the largest windows in common; which of equal
            ones is decided by a scrambled order, the same in each run. Default: all.
        """
        found = []
        for number in range(len(self)):
            near = self.of(number)
            if each is None:
                chosen = near[near > number]
            else:
                order = np.lexsort((_scrambled(number, near), -self.shared(number, near)))
                chosen = near[order[:each]]
            both = np.stack([np.full(len(chosen), number), chosen], axis=1)
            found.append(np.sort(both, axis=1))
        if not found:
            return np.zeros((0, 2), dtype=np.int64)
        return np.unique(np.concatenate(found), axis=0)

    def between(self, labels: Indices) -> Iterator[tuple[int, int]]:
        """Give the pairs of exposures with different labels, those that share most first."""
        found = []
        for number in range(len(self)):
            near = self.of(number)
            near = near[(near > number) & (labels[near] != labels[number])]
            shared = self.shared(number, near)
            found.append(np.stack([np.full(len(near), number), near, shared], axis=1))
        rows = np.concatenate(found) if found else np.zeros((0, 3), dtype=np.int64)
        for number, other, _ in rows[np.argsort(-rows[:, 2], kind="stable")]:
            yield int(number), int(other)

    def middles(self, pairs: Indices) -> Indices:
        """Return row and column of the middle of what each pair shares, shape (n, 2)."""
        one, other = pairs.T
        start = np.maximum(self._start[one], self._start[other])
        stop = np.minimum(self._stop[one], self._stop[other])
        return np.asarray((start + stop) // 2)

    def in_blocks(self, pairs: Indices, side: int = BLOCK) -> list[Indices]:
        """Return pairs by the block of the grid that holds the middle of what they share.

        Parameters
        ----------
        pairs : array, shape (n, 2)
            Of exposures.
        side : int
            Cells along the side of a block.

        Returns
        -------
        list of array, shape (n, 2)
            Each pair is in one of them; the blocks are in the order of their rows and columns.
        """
        block = self.middles(pairs) // side
        order = np.lexsort((block[:, 1], block[:, 0]))
        ends = np.flatnonzero((np.diff(block[order], axis=0) != 0).any(axis=1)) + 1
        return [pairs[np.sort(part)] for part in np.split(order, ends)] if len(pairs) else []


def _scrambled(number: int, others: Indices) -> NDArray[np.uint64]:
    """Return a number for each pair that follows no order (the finaliser of SplitMix64)."""
    low, high = np.minimum(number, others), np.maximum(number, others)
    key = (low.astype(np.uint64) << np.uint64(32)) | high.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        key = (key ^ (key >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(key ^ (key >> np.uint64(31)))
