"""A first guess of the skies: where pixels are to be rejected about. Robust, not precise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from skymosaic.sky.ldl import elimination_order, factored
from skymosaic.sky.patches import Singles, noise_of

Floats = NDArray[np.float64]

_NEIGHBOURS = 4  # of many exposures in one place, each is compared with the next ones
_LEAST = 8  # pixels of a patch that tell a difference
_ITERATIONS = 30
_TINY = 1e-9


@dataclass(frozen=True)
class Differences:
    """What patches tell at first sight, in any order: rows of several blocks may follow each other.

    Parameters
    ----------
    pairs : array of int, shape (n, 2)
        Two exposures, the first one's number is the lower.
    values : array, shape (n,)
        By how much the first one's sky exceeds the second one's in a patch.
    pixels : array of int, shape (n,)
        From how many pixels.
    chips : array of int, shape (m,)
        A chip that tells of its noise, ...
    noise : array, shape (m,)
        ... and its variance of a pixel of unit weight in a patch.
    """

    pairs: NDArray[np.intp]
    values: Floats
    pixels: NDArray[np.intp]
    chips: NDArray[np.intp]
    noise: Floats


def first_guess(
    exposures: int, stacks: Iterable[tuple[NDArray[np.intp], Singles, Singles]], chips: int
) -> tuple[Floats, Floats]:
    """Return a sky for each exposure, and each chip's variance of a pixel of unit weight.

    The differences of pairs are medians over patches of medians over pixels; the skies are those
    that leave the smallest sum of absolute residuals, each times its pixels, so that one pair that
    is wrong altogether does not move them.

    Parameters
    ----------
    exposures, chips : int
        Their numbers.
    stacks : iterable of (array of int, array, array)
        As for `differences_of`.

    Returns
    -------
    offsets : array, shape (exposures,)
    noise : array, shape (chips,)
        1 where it is not known.
    """
    return guess_from(exposures, differences_of(stacks), chips)


def differences_of(stacks: Iterable[tuple[NDArray[np.intp], Singles, Singles]]) -> Differences:
    """Return what patches tell at first sight.

    Parameters
    ----------
    stacks : iterable of (array of int, array, array)
        For each patch: of each chip that meets it exposure and number, shape (2, k); the data and
        the weights, shape (k, rows, columns), of some of its pixels.
    """
    pairs: list[tuple[int, int]] = []
    values: list[tuple[float, int]] = []
    noises: list[tuple[int, float]] = []
    for (owners, numbers), data, weight in stacks:
        seen = weight > 0
        for place, number in enumerate(numbers):
            own = noise_of(data[place], weight[place])
            if own is not None:
                noises.append((int(number), own))
        for i in range(len(owners)):
            for j in range(i + 1, min(i + 1 + _NEIGHBOURS, len(owners))):
                if owners[i] == owners[j]:
                    continue
                both = seen[i] & seen[j]
                pixels = int(np.count_nonzero(both))
                if pixels < _LEAST:
                    continue
                apart = data[i][both] - data[j][both]
                difference = float(np.partition(apart, pixels // 2)[pixels // 2])
                a, b = int(owners[i]), int(owners[j])
                if a > b:
                    a, b, difference = b, a, -difference
                pairs.append((a, b))
                values.append((difference, pixels))
    return Differences(
        np.array(pairs, dtype=np.intp).reshape(-1, 2),
        np.array([value for value, _ in values], dtype=np.float64),
        np.array([pixels for _, pixels in values], dtype=np.intp),
        np.array([chip for chip, _ in noises], dtype=np.intp),
        np.array([value for _, value in noises], dtype=np.float64),
    )


def guess_from(exposures: int, differences: Differences, chips: int) -> tuple[Floats, Floats]:
    """Return skies and noise as `first_guess`, from what patches tell in whatever order."""
    found: dict[tuple[int, int], list[tuple[float, int]]] = {}
    rows = zip(
        differences.pairs.tolist(),
        differences.values.tolist(),
        differences.pixels.tolist(),
        strict=True,
    )
    for (a, b), value, pixels in rows:
        found.setdefault((a, b), []).append((value, pixels))
    noises: list[list[float]] = [[] for _ in range(chips)]
    for chip, value in zip(differences.chips.tolist(), differences.noise.tolist(), strict=True):
        noises[chip].append(value)
    known = [value for own in noises for value in own]
    usual = float(np.median(known)) if known else 1.0
    noise = np.array([float(np.median(own)) if own else usual for own in noises])
    return _least_absolute(exposures, dict(sorted(found.items()))), noise


def _least_absolute(
    exposures: int, found: dict[tuple[int, int], list[tuple[float, int]]]
) -> Floats:
    """Minimise the sum of absolute residuals by iteratively reweighted least squares."""
    offsets = np.zeros(exposures)
    if not found:
        return offsets
    a, b = (np.array([pair[side] for pair in found], dtype=np.int64) for side in (0, 1))
    measured = np.array([_median(values) for values in found.values()])
    pixels = np.array([sum(n for _, n in values) for values in found.values()], dtype=np.float64)
    graph = sparse.coo_array((pixels, (a, b)), shape=(exposures, exposures)).tocsr()
    _, member = connected_components(graph, directed=False)
    # One exposure of each group is held: a large number on its diagonal.
    held = np.unique(member, return_index=True)[1]
    weights = pixels.copy()
    scale = _TINY + 1e-6 * float(np.median(np.abs(measured)))
    order = None
    for _ in range(_ITERATIONS):
        right, diagonal = np.zeros(exposures), np.zeros(exposures)
        np.add.at(right, a, weights * measured)
        np.add.at(right, b, -weights * measured)
        np.add.at(diagonal, a, weights)
        np.add.at(diagonal, b, weights)
        diagonal[held] += weights.max()
        links = sparse.coo_array((weights, (a, b)), shape=(exposures, exposures)).tocsr()
        before = offsets
        matrix = (sparse.diags_array(diagonal) - links - links.T).tocsr()
        order = elimination_order(matrix) if order is None else order
        offsets = factored(matrix, order).solve(right)
        left = np.abs(measured - (offsets[a] - offsets[b]))
        weights = pixels / np.maximum(left, scale)
        weights *= pixels.sum() / weights.sum()
        if np.abs(offsets - before).max() <= scale:
            break
    return np.asarray(offsets)


def _median(values: list[tuple[float, int]]) -> float:
    """Return the median of differences, each counted as often as it has pixels."""
    ordered = sorted(values)
    below = np.cumsum([pixels for _, pixels in ordered])
    return ordered[int(np.searchsorted(below, below[-1] / 2))][0]
