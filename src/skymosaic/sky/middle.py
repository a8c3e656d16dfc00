"""The median of many values that lie in many parts, none of which has all: to the last bit.

Values are counted by their first bits. So it is known in which few of these bins the middle ones
lie, and each part gives what it has in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
Counts = tuple[NDArray[np.uint32], NDArray[np.int64]]
"""Bins in ascending order, and how many values lie in each."""
_BITS = 16  # of 32, by which values are told apart at first: sign, exponent, 7 bits of the fraction


@dataclass(frozen=True)
class Middle:
    """Where the middle values lie.

    Parameters
    ----------
    first, last : int
        The bins.
    below : int
        How many values lie below the first of them (count).
    values : int
        How many values there are (count).
    """

    first: int
    last: int
    below: int
    values: int


def counts_of(values: Singles) -> Counts:
    """Count values, none of which is negative, by their first bits."""
    bins, counts = np.unique(_bins(values), return_counts=True)
    return bins.astype(np.uint32), counts.astype(np.int64)


def _bins(values: Singles) -> NDArray[np.uint32]:
    # Of numbers of one sign the bits are in the order of the numbers.
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return np.asarray(bits >> np.uint32(_BITS), dtype=np.uint32)


def find_middle(parts: Iterable[Counts]) -> Middle | None:
    """Return where the middle values of all parts lie; None where there are no values."""
    every = list(parts)
    bins = np.concatenate([bins for bins, _ in every] or [np.zeros(0, np.uint32)])
    counts = np.concatenate([counts for _, counts in every] or [np.zeros(0, np.int64)])
    if not counts.sum():
        return None
    known, place = np.unique(bins, return_inverse=True)
    total = np.zeros(len(known), dtype=np.int64)
    np.add.at(total, place, counts)
    until, number = np.cumsum(total), int(total.sum())
    first, last = np.searchsorted(until, [(number - 1) // 2, number // 2], side="right").tolist()
    return Middle(int(known[first]), int(known[last]), int(until[first] - total[first]), number)


def values_near(values: Singles, middle: Middle) -> Singles:
    """Return those of a part's values that lie in the bins of the middle ones."""
    bins = _bins(values)
    return values[(bins >= middle.first) & (bins <= middle.last)]


def median_of(middle: Middle, parts: Sequence[Singles]) -> float:
    """Return the median of all values, from what `values_near` gives of all parts."""
    near = np.sort(np.concatenate(parts))
    ranks = [(middle.values - 1) // 2 - middle.below, middle.values // 2 - middle.below]
    return float(np.mean(near[ranks]))
