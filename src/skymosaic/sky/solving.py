"""Sky differences of all exposures from those of pairs: a sparse least-squares problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from skymosaic.sky.ldl import factored

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """What two exposures tell of each other in their overlap.

    Parameters
    ----------
    a, b : int
        The exposures.
    sky_a, sky_b : float
        The sky of either in the overlap, electron/s/arcsec^2.
    pixels_a, pixels_b : int
        From how many pixels.
    """

    a: int
    b: int
    sky_a: float
    sky_b: float
    pixels_a: int
    pixels_b: int

    @property
    def weight(self) -> float:
        """The mean number of pixels."""
        return 0.5 * (self.pixels_a + self.pixels_b)


@dataclass(frozen=True)
class Solution:
    """Sky offsets.

    Parameters
    ----------
    offsets : array, shape (exposures,)
        Electron/s/arcsec^2; NaN for an exposure that no other was compared with.
    groups : tuple of tuple of int
        The exposures that are related to each other, largest group first. Between two groups the
        offsets say nothing.
    """

    offsets: Floats
    groups: tuple[tuple[int, ...], ...]

    @property
    def undetermined(self) -> tuple[int, ...]:
        """Exposures that no other was compared with."""
        return tuple(int(i) for i in np.flatnonzero(np.isnan(self.offsets)))


def solve(exposures: int, differences: Sequence[Difference]) -> Solution:
    """Return the offsets that fit the measured differences best.

    They minimise the sum of ``W^2 [(d_a - d_b) - (sky_a - sky_b)]^2`` with W the mean number of
    pixels of a pair, and sum to zero in each connected group: so does the pseudo-inverse that
    stsci.skypac multiplies with. Then the smallest, if negative, is subtracted from all.

    Parameters
    ----------
    exposures : int
        Their number.
    differences : sequence of Difference
        Of the pairs that were measured in both exposures.
    """
    a = np.array([d.a for d in differences], dtype=np.int64)
    b = np.array([d.b for d in differences], dtype=np.int64)
    weight = np.array([d.weight for d in differences]) ** 2
    measured = np.array([d.sky_a - d.sky_b for d in differences])
    graph = sparse.coo_array((weight, (a, b)), shape=(exposures, exposures)).tocsr()
    graph = graph + graph.T
    found = connected(graph)
    right = np.zeros(exposures)
    np.add.at(right, a, weight * measured)
    np.add.at(right, b, -weight * measured)
    offsets = np.full(exposures, np.nan)
    for group in found:
        if len(group) > 1:
            offsets[group] = _solve_group(graph[group][:, group], right[group])
    known = np.isfinite(offsets)
    offsets[known] -= np.amin(offsets[known], initial=0.0)
    return Solution(offsets, tuple(tuple(group.tolist()) for group in found))


def connected(graph: sparse.csr_array) -> list[NDArray[np.int64]]:
    """Return the unknowns that links relate, the largest group first, each in ascending order."""
    count, member = connected_components(graph, directed=False)
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(1, count))
    found = np.split(order, starts) if count else []
    return sorted(found, key=lambda group: (-len(group), int(group[0])))


def _solve_group(weights: sparse.csr_array, right: Floats) -> Floats:
    """Solve the normal equations, a graph's Laplacian, with the best connected exposure held."""
    degree = np.asarray(weights.sum(axis=1)).ravel()
    held = int(np.argmax(degree))
    free = np.delete(np.arange(len(degree)), held)
    laplacian = (sparse.diags_array(degree) - weights).tocsr()[free][:, free]
    offsets = np.zeros(len(degree))
    offsets[free] = factored(sparse.csr_array(laplacian)).solve(right[free])
    return np.asarray(offsets - offsets.mean())
