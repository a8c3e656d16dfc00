"""The levels of exposures that their differences call for, and how well these are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from skymosaic.evidence.cells import Floats
from skymosaic.evidence.covariance import DENSE, Covariance, SparseCovariance
from skymosaic.evidence.residuals import PairDifference


@dataclass(frozen=True)
class RelativeLevels:
    """Levels of exposures relative to one another, from all overlaps together.

    Parameters
    ----------
    names : tuple of str
        Rootnames.
    values : array, shape (n,)
        e-/s; in each group that is linked by overlaps their mean is 0.
    groups : tuple of tuple of int
        Which exposures are linked: the level of one group against another is unknown.
    misfit : float
        Rms of the differences minus what the levels make of them, in their standard errors: 1 where
        one constant an exposure explains them all.
    """

    names: tuple[str, ...]
    values: Floats
    groups: tuple[tuple[int, ...], ...]
    misfit: float


@dataclass(frozen=True)
class Levels(RelativeLevels):
    """The same, and how well they are known.

    Parameters
    ----------
    covariance : array, shape (n, n), or SparseCovariance
        Of `values`.
    """

    covariance: Covariance


def solve(
    names: Sequence[str], groups: Sequence[Sequence[str]], differences: Sequence[PairDifference]
) -> Levels:
    """Return the levels by weighted least squares, each difference weighted by its error.

    Parameters
    ----------
    names : sequence of str
        All exposures.
    groups : sequence of sequences of str
        Those that are linked by `differences`, as from `overlap_graph.build`.
    differences : sequence of PairDifference
        Measured.
    """
    place = {name: i for i, name in enumerate(names)}
    index = np.array([(place[one.a], place[one.b]) for one in differences], dtype=np.int64)
    index = index.reshape(-1, 2)
    error = np.array([one.error for one in differences])
    measured = np.array([one.difference for one in differences])
    right = np.zeros(len(names))
    weighted = (1.0 / error**2) * measured
    np.add.at(right, index.ravel(), np.stack([weighted, -weighted], axis=1).ravel())
    members = [np.array([place[name] for name in group]) for group in groups]
    few = len(names) <= DENSE
    inverse = _dense(index, error, members) if few else _sparse(index, error, members)
    values = (
        inverse.of_differences(right[:, None])[:, 0]
        if isinstance(inverse, SparseCovariance)
        else inverse @ right
    )
    chi = (measured - values[index[:, 0]] + values[index[:, 1]]) / error
    free = len(differences) - (len(names) - len(groups))
    misfit = float(np.sqrt(np.sum(np.square(chi)) / free)) if free > 0 else 0.0
    factor = max(1.0, misfit) ** 2
    return Levels(
        names=tuple(names),
        values=values,
        covariance=replace(inverse, factor=factor)
        if isinstance(inverse, SparseCovariance)
        else inverse * factor,
        groups=tuple(tuple(int(i) for i in group) for group in members),
        misfit=misfit,
    )


_Indices = NDArray[np.int64]


def _dense(index: _Indices, error: Floats, groups: Sequence[_Indices]) -> Floats:
    """Return the pseudo-inverse of the Laplacian of the graph: each group has mean 0."""
    size = sum(map(len, groups))
    normal = np.zeros((size, size))
    for (i, j), weight in zip(index, 1.0 / error**2, strict=True):
        normal[i, i] += weight
        normal[j, j] += weight
        normal[i, j] -= weight
        normal[j, i] -= weight
    inverse = np.zeros((size, size))
    for group in groups:
        if len(group) > 1:
            block = np.ix_(group, group)
            mean = np.full((len(group), len(group)), 1.0 / len(group))
            scale = float(np.trace(normal[block])) / len(group)
            inverse[block] = np.linalg.inv(normal[block] + scale * mean) - mean / scale
    return inverse


def _sparse(index: _Indices, error: Floats, groups: Sequence[_Indices]) -> SparseCovariance:
    """Return what solves with the same pseudo-inverse, without a matrix of it."""
    size = sum(map(len, groups))
    group = np.zeros(size, dtype=np.int64)
    for number, its in enumerate(groups):
        group[its] = number
    # The level of one exposure of each group is fixed while the others are solved for.
    kept = np.sort(np.concatenate([its[1:] for its in groups]))
    shared = np.zeros(len(groups))
    if not kept.size:
        return SparseCovariance(None, kept, group, 1.0, shared)
    weight = 1.0 / error**2
    i, j = index.T
    normal = sparse.coo_array(
        (
            np.concatenate([weight, weight, -weight, -weight]),
            (np.concatenate([i, j, i, j]), np.concatenate([i, j, j, i])),
        ),
        shape=(size, size),
    ).tocsc()
    solver = splu(
        sparse.csc_matrix(normal[kept][:, kept]),
        permc_spec="MMD_AT_PLUS_A",
        options={"SymmetricMode": True},
        diag_pivot_thresh=0.0,
    )
    return SparseCovariance(solver, kept, group, 1.0, shared)
