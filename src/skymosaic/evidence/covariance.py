"""The covariance of the levels of exposures: a matrix of few, of many what solves for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from skymosaic.evidence.cells import Floats

DENSE = 500
"""Of more exposures no matrix is made."""
EXACT = 2000
"""Of more exposures the mean variance is estimated."""
_PROBES = 256
_AT_ONCE = 64


class Solver(Protocol):
    """A factored matrix, as `scipy.sparse.linalg.splu` returns it."""

    def solve(self, rhs: Floats) -> Floats:
        """Return the solutions, shape (n, k)."""


@dataclass(frozen=True)
class SparseCovariance:
    """The pseudo-inverse of a graph's Laplacian, and what all levels of a group share.

    Parameters
    ----------
    solver : Solver or None
        Of the Laplacian without a row and a column of each group; None where nothing is left.
    kept : array of int
        The exposures whose rows it has.
    group : array of int, shape (n,)
        The group of each exposure, from 0.
    factor : float
        What the pseudo-inverse is multiplied by.
    shared : array, shape (groups,)
        Variance that all exposures of a group share.
    """

    solver: Solver | None
    kept: NDArray[np.int64]
    group: NDArray[np.int64]
    factor: float
    shared: Floats

    def of_differences(self, vectors: Floats) -> Floats:
        """Return the pseudo-inverse times vectors, shape (n, k)."""
        centred = self._centred(vectors)
        solved = np.zeros(centred.shape)
        if self.solver is not None:
            solved[self.kept] = self.solver.solve(centred[self.kept])
        return self.factor * self._centred(solved)

    def _centred(self, vectors: Floats) -> Floats:
        """Return vectors less their mean in each group."""
        size = np.bincount(self.group)[:, None]
        total = np.zeros((len(self.shared), vectors.shape[1]))
        np.add.at(total, self.group, vectors)
        return vectors - (total / size)[self.group]

    def quadratic(self, vector: Floats) -> float:
        """Return the variance of the sum of the levels, each times its value in a vector."""
        sums = np.bincount(self.group, weights=vector, minlength=len(self.shared))
        own = float(vector @ self.of_differences(vector[:, None])[:, 0])
        return own + float(np.sum(self.shared * sums**2))

    def mean_variance(self) -> float:
        """Return the mean of the variances of the levels.

        Of more than `EXACT` exposures it is estimated with 256 vectors of random signs, always the
        same ones (Hutchinson 1990).
        """
        size = len(self.group)
        random = np.random.default_rng(0)
        exact = size <= EXACT
        count = size if exact else _PROBES
        total = 0.0
        for first in range(0, count, _AT_ONCE):
            width = min(_AT_ONCE, count - first)
            probes = np.zeros((size, width))
            if exact:
                probes[first + np.arange(width), np.arange(width)] = 1.0
            else:
                probes[:] = random.integers(0, 2, size=(size, width)) * 2.0 - 1.0
            total += float(np.sum(probes * self.of_differences(probes)))
        own = total if exact else total / count
        return (own + float(self.shared[self.group].sum())) / size


Covariance = Floats | SparseCovariance


def quadratic(covariance: Covariance, vector: Floats) -> float:
    """Return v C v of a vector, shape (n,)."""
    if isinstance(covariance, SparseCovariance):
        return covariance.quadratic(vector)
    return float(vector @ covariance @ vector)


def mean_variance(covariance: Covariance) -> float:
    """Return the mean of the diagonal."""
    if isinstance(covariance, SparseCovariance):
        return covariance.mean_variance()
    return float(np.trace(covariance)) / len(covariance)


def with_shared(
    covariance: Covariance, groups: Sequence[Sequence[int]], variances: Sequence[float]
) -> Covariance:
    """Return a covariance to which each group adds a variance that its exposures share."""
    if isinstance(covariance, SparseCovariance):
        return replace(covariance, shared=covariance.shared + np.array(variances))
    changed = covariance.copy()
    for group, variance in zip(groups, variances, strict=True):
        index = np.array(group)
        changed[np.ix_(index, index)] += variance
    return changed
