"""The levels of exposures that their differences call for, and how well these are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skymosaic.evidence.cells import Floats
from skymosaic.evidence.residuals import PairDifference


@dataclass(frozen=True)
class Levels:
    """Levels of exposures relative to one another, from all overlaps together.

    Parameters
    ----------
    names : tuple of str
        Rootnames.
    values : array, shape (n,)
        e-/s; in each group that is linked by overlaps their mean is 0.
    covariance : array, shape (n, n)
        Of `values`.
    groups : tuple of tuple of int
        Which exposures are linked: the level of one group against another is unknown.
    misfit : float
        Rms of the differences minus what the levels make of them, in their standard errors: 1 where
        one constant an exposure explains them all.
    """

    names: tuple[str, ...]
    values: Floats
    covariance: Floats
    groups: tuple[tuple[int, ...], ...]
    misfit: float


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
    size = len(names)
    normal, right = np.zeros((size, size)), np.zeros(size)
    for one in differences:
        i, j, weight = place[one.a], place[one.b], 1.0 / one.error**2
        normal[i, i] += weight
        normal[j, j] += weight
        normal[i, j] -= weight
        normal[j, i] -= weight
        right[i] += weight * one.difference
        right[j] -= weight * one.difference
    # The pseudo-inverse of a graph's Laplacian: each group has mean 0.
    covariance = np.zeros((size, size))
    for group in groups:
        index = np.array([place[name] for name in group])
        if len(index) > 1:
            block = np.ix_(index, index)
            mean = np.full((len(index), len(index)), 1.0 / len(index))
            scale = float(np.trace(normal[block])) / len(index)
            covariance[block] = np.linalg.inv(normal[block] + scale * mean) - mean / scale
    values = covariance @ right
    chi = [
        (one.difference - values[place[one.a]] + values[place[one.b]]) / one.error
        for one in differences
    ]
    free = len(differences) - (size - len(groups))
    misfit = float(np.sqrt(np.sum(np.square(chi)) / free)) if free > 0 else 0.0
    return Levels(
        names=tuple(names),
        values=values,
        covariance=covariance * max(1.0, misfit) ** 2,
        groups=tuple(tuple(place[name] for name in group) for group in groups),
        misfit=misfit,
    )
