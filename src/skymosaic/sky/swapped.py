"""Which overlaps AstroDrizzle used of wide chips with spherical_geometry before 1.4.

That version took the number of rows for the extent in x and the number of columns for that in y. A
chip that is not square got a footprint that is turned about the corner at its origin: some pairs of
chips that overlap were not compared, others in a part of their overlap alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skymosaic.sky.layout import Layout, Pair


@dataclass(frozen=True)
class SwappedOverlaps:
    """What exchanged rows and columns do to the overlaps of a set of chips.

    Parameters
    ----------
    overlap : int
        Pairs of chips that overlap.
    missed : tuple of (int, int)
        Those of them that were not compared, by the chips' index.
    groups : tuple of tuple of int
        The exposures that the pairs that were compared relate to each other, largest group first.
    """

    overlap: int
    missed: tuple[Pair, ...]
    groups: tuple[tuple[int, ...], ...]


def swapped_overlaps(right: Iterable[Pair], used: Layout) -> SwappedOverlaps:
    """Compare the overlaps that were used with those that there are.

    Parameters
    ----------
    right : iterable of Pair
        The chips that overlap.
    used : Layout
        Of the same chips, with the footprints that were used.
    """
    there, compared = set(right), set(used.pairs)
    return SwappedOverlaps(
        len(there), tuple(sorted(there - compared)), _groups(used.exposures, compared)
    )


def _groups(exposures: Sequence[int], pairs: Iterable[Pair]) -> tuple[tuple[int, ...], ...]:
    count = max(exposures, default=-1) + 1
    edges = [(exposures[a], exposures[b]) for a, b in pairs]
    a, b = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(count, count))
    _, member = connected_components(graph, directed=False)
    found = [tuple(int(i) for i in np.flatnonzero(member == group)) for group in np.unique(member)]
    return tuple(sorted(found, key=lambda group: (-len(group), group[0])))
