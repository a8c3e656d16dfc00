"""The skies that fit the differences of all exposures best, from patches of the common grid.

`patches.measure_patch` gives the normal equations of each patch; their sum is a sparse
least-squares problem. What a patch leaves unexplained, its chi^2, tells two things: how much larger
the noise is than it would be if neighbouring pixels were independent, which drizzling makes them
not; and which patches disagree with the rest (a ghost, a trail, a damaged region): these count
without the exposure that is at fault, or less, by iteratively reweighted least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skymosaic.sky.chi_squared import exceeded_by_chance, median
from skymosaic.sky.ldl import Factors, elimination_order, factored
from skymosaic.sky.patches import Patch
from skymosaic.sky.solving import connected
from skymosaic.sky.stacks import Stack, stacked

Floats = NDArray[np.float64]
Groups = tuple[tuple[int, ...], ...]

CORRELATED = 2.25
"""Variance of a sum of drizzled pixels, in that of independent ones: for the square kernel with
pixels of the input's size 1.5^2 (Casertano et al. 2000, AJ 120, 2747, appendix A)."""
LEAST_NOISE = 1e-3
"""Least variance of patches, in that of independent pixels. Exposures that are copies of each other
differ by rounding alone, of which no test is to make anything."""
_CHANCE = 1e-4  # that noise alone makes a patch stand out as much as what is held to be bad
_UNEVEN = 1e-3  # likewise, for all overlaps together
_ITERATIONS = 20
_CONVERGED = 1e-4  # change of chi^2, in the noise of one patch
_LEAST_FREEDOM = 12  # degrees of freedom from which the noise is estimated
_MOSTLY = 0.5  # share of its patches from which an exposure is not bad here and there, but other


@dataclass(frozen=True)
class MatchedSkies:
    """Skies that fit the differences.

    Parameters
    ----------
    offsets : array, shape (exposures,)
        In the units of the patches' data; the mean of each group is 0. NaN for an exposure that no
        other was compared with.
    variances : array, shape (exposures,)
        Of `offsets`; 0 where undetermined.
    groups : tuple of tuple of int
        The exposures that are related to each other, largest group first.
    noise_factor : float
        By how much the variance is larger than if neighbouring pixels were independent.
    patches : int
        How many patches tell a difference.
    doubtful : int
        Of these, how many disagreed with the rest and count without one exposure, or less.
    assumed : array, shape (exposures,), or None
        For chips: by how much of a step between chips that no overlap tells each may be off, beside
        `variances`. None: nothing is assumed.
    covariance : array, shape (exposures, exposures), or None
        Of `offsets`; 0 between groups. None where nobody asked for it: it has the square of the
        exposures in it.
    """

    offsets: Floats
    variances: Floats
    groups: Groups
    noise_factor: float
    patches: int
    doubtful: int
    assumed: Floats | None = None
    covariance: Floats | None = None

    @property
    def errors(self) -> Floats:
        """Standard error of each offset against the mean of its group; NaN where undetermined."""
        errors = np.sqrt(np.clip(self.variances, 0.0, None))
        return np.where(np.isfinite(self.offsets), errors, np.nan)

    def centred(self) -> MatchedSkies:
        """Return the same with the mean of each group at 0."""
        return replace(self, offsets=centred(self.offsets, self.groups))

    def scaled(self, factors: Floats) -> MatchedSkies:
        """Return the same in other units, exposure by exposure."""
        known = self.covariance
        return replace(
            self,
            offsets=self.offsets * factors,
            variances=self.variances * factors**2,
            covariance=None if known is None else known * np.outer(factors, factors),
        )

    @property
    def covariances(self) -> Floats:
        """The covariance, where it was asked for."""
        assert self.covariance is not None
        return self.covariance

    def with_covariance(self, covariance: Floats) -> MatchedSkies:
        """Return the same with other errors."""
        return replace(self, variances=np.diag(covariance).copy(), covariance=covariance)

    @property
    def undetermined(self) -> tuple[int, ...]:
        """Exposures that no other was compared with."""
        return tuple(int(i) for i in np.flatnonzero(np.isnan(self.offsets)))


@dataclass(frozen=True)
class Sums:
    """The equations of all patches together, each weighted as the fit ends.

    Parameters
    ----------
    normal, right : array, shape (n, n), (n,)
        Of corrections to the offsets that are known; variances as if pixels were independent.
    noise_factor : float
        By how much variances are larger.
    freedom : int
        Degrees of freedom that tell `noise_factor`; 0 where it is assumed.
    """

    normal: Floats
    right: Floats
    noise_factor: float
    freedom: int


def match_differences(
    exposures: int, patches: Sequence[Patch], known: Floats, *, covariance: bool = False
) -> MatchedSkies:
    """Return the skies that fit the patches best.

    Parameters
    ----------
    exposures : int
        Their number.
    patches : sequence of Patch
        Of the whole grid.
    known : array, shape (exposures,)
        The offsets that the patches' equations correct.
    covariance : bool
        Whether the covariances of all exposures are asked for, and not their variances alone.
    """
    return _fitted(exposures, patches, known, covariance=covariance)[0]


def match_with_sums(
    exposures: int, patches: Sequence[Patch], known: Floats
) -> tuple[MatchedSkies, Sums]:
    """Return the skies that fit the patches best, and the equations that they solve.

    Parameters
    ----------
    exposures, patches, known
        As for `match_differences`.
    """
    matched, fit, freedom = _fitted(exposures, patches, known, covariance=True)
    return matched, Sums(*fit.sums(), matched.noise_factor, freedom)


def _fitted(
    exposures: int, patches: Sequence[Patch], known: Floats, *, covariance: bool
) -> tuple[MatchedSkies, _Fit, int]:
    """Return the skies, the fit, and the degrees of freedom that tell its noise."""
    fit = _Fit(exposures, stacked([patch for patch in patches if patch.used]))
    factor, chi_squared = 1.0, np.inf
    for iteration in range(_ITERATIONS):
        fit.solve()
        factor = fit.noise_factor(robust=iteration == 0)
        if abs(chi_squared - fit.chi_squared()) < _CONVERGED * factor:
            break
        chi_squared = fit.chi_squared()
        fit.reweight(factor)
    freedom = fit.freedom_left()
    uneven, overlaps = fit.between_overlaps(factor)
    if uneven > factor:
        factor, freedom = uneven, overlaps
    matched = MatchedSkies(
        offsets=centred(known + fit.offsets, fit.groups),
        variances=factor * fit.variances(),
        groups=fit.groups,
        noise_factor=factor,
        patches=fit.patches,
        doubtful=fit.doubtful,
    )
    if covariance:
        matched = matched.with_covariance(factor * fit.covariance())
    return matched, fit, freedom


class _Fit:
    """All patches, how much each counts, and the offsets that fit them."""

    def __init__(self, exposures: int, stacks: Sequence[Stack]) -> None:
        self._exposures = exposures
        self._plain = list(stacks)
        self._current = list(stacks)
        self._weights = [np.ones(len(stack.rank)) for stack in stacks]
        self._changed = [np.zeros(len(stack.rank), dtype=bool) for stack in stacks]
        self.offsets = np.zeros(exposures)
        self.groups: Groups = ()
        self._matrix = sparse.csr_array((exposures, exposures))
        self._right = np.zeros(exposures)
        self._orders: dict[tuple[int, ...], NDArray[np.int64]] = {}
        self._members = np.zeros(exposures, dtype=np.int64)
        for stack in stacks:
            np.add.at(self._members, stack.members, 1)

    @property
    def patches(self) -> int:
        """How many there are."""
        return sum(len(stack.rank) for stack in self._plain)

    @property
    def doubtful(self) -> int:
        """How many patches count without one exposure, or less."""
        each = zip(self._weights, self._changed, strict=True)
        return sum(int(np.sum((weights < 1.0) | changed)) for weights, changed in each)

    def solve(self) -> None:
        """Find offsets and groups."""
        rows, columns, values = [], [], []
        right = np.zeros(self._exposures)
        for stack, weights in zip(self._current, self._weights, strict=True):
            shape = stack.normal.shape
            rows.append(np.broadcast_to(stack.members[:, :, None], shape).ravel())
            columns.append(np.broadcast_to(stack.members[:, None, :], shape).ravel())
            values.append((weights[:, None, None] * stack.normal).ravel())
            np.add.at(right, stack.members, weights[:, None] * stack.right)
        self._right = right
        nothing = np.zeros(0, dtype=np.intp)
        self._matrix = sparse.coo_array(
            (
                np.concatenate([*values, np.zeros(0)]),
                (np.concatenate([*rows, nothing]), np.concatenate([*columns, nothing])),
            ),
            shape=(self._exposures, self._exposures),
        ).tocsr()
        self._matrix.sum_duplicates()
        self.groups = _groups(self._matrix)
        self.offsets = np.zeros(self._exposures)
        for group in self.groups:
            if len(group) > 1:
                free, factors = self._factors(group)
                self.offsets[free] = factors.solve(right[free])
        self.offsets = np.nan_to_num(centred(self.offsets, self.groups))

    def _factors(self, group: Sequence[int]) -> tuple[NDArray[np.int64], Factors]:
        """Return the free exposures of a group, the best known one held, and their factors."""
        diagonal = self._matrix.diagonal()
        held = max(group, key=lambda exposure: diagonal[exposure])
        free = np.array([exposure for exposure in group if exposure != held], dtype=np.int64)
        matrix = self._matrix[free][:, free].tocsr()
        key = tuple(free.tolist())
        if key not in self._orders:
            self._orders[key] = elimination_order(matrix)
        return free, factored(matrix, self._orders[key])

    def sums(self) -> tuple[Floats, Floats]:
        """Return the normal equations of all patches."""
        return self._matrix.toarray(), self._right

    def variances(self) -> Floats:
        """Return the diagonal of `covariance`, without it."""
        found = np.zeros(self._exposures)
        for group in self.groups:
            if len(group) > 1:
                free, factors = self._factors(group)
                index = list(group)
                means = np.zeros(self._exposures)
                means[free] = factors.solve(np.ones(len(free))) / len(group)
                found[free] = factors.variances()
                found[index] += means[index].mean() - 2.0 * means[index]
        return found

    def covariance(self) -> Floats:
        """Return the inverse of the equations, each group's mean held at 0."""
        covariance = np.zeros((self._exposures, self._exposures))
        for group in self.groups:
            if len(group) > 1:
                free, factors = self._factors(group)
                inverse = factors.solve(np.eye(len(free)))
                whole = np.zeros((len(group), len(group)))
                index = np.searchsorted(group, free)
                whole[np.ix_(index, index)] = inverse
                whole -= whole.mean(axis=0)
                covariance[np.ix_(group, group)] = whole - whole.mean(axis=1)[:, None]
        return covariance

    def _misfits(self) -> Floats:
        return _joined([stack.misfits(self.offsets) for stack in self._current])

    def _freedom(self) -> NDArray[np.int64]:
        return _joined([stack.rank for stack in self._current]).astype(np.int64)

    def chi_squared(self) -> float:
        """Return what the fit leaves."""
        return float((_joined(self._weights) * self._misfits()).sum())

    def freedom_left(self) -> int:
        """Return the degrees of freedom that tell the noise; 0 where they are too few."""
        freedom = self._freedom()
        left = int(freedom[self._usable()].sum()) + self._groups_fitted()
        return left if left >= _LEAST_FREEDOM else 0

    def _usable(self) -> NDArray[np.bool_]:
        return (self._freedom() > 0) & (_joined(self._weights) == 1.0)

    def noise_factor(self, *, robust: bool) -> float:
        """Return the variance of the patches in that of independent pixels."""
        misfits, freedom, usable = self._misfits(), self._freedom(), self._usable()
        left = self.freedom_left()
        if not left:
            return CORRELATED
        if robust:
            factor = float(np.median(misfits[usable] / median(freedom[usable])))
        else:
            factor = float(misfits[usable].sum()) / left
        return max(factor, LEAST_NOISE)

    def reweight(self, factor: float) -> None:
        """Find the patches that disagree, and by which exposure."""

        def limits(stack: Stack) -> Floats:
            return factor * exceeded_by_chance(_CHANCE, np.maximum(stack.rank, 1))

        blamed = np.zeros(self._exposures)
        suspects = []
        for stack in self._plain:
            bad = np.flatnonzero(stack.misfits(self.offsets) > limits(stack))
            worst = stack.worst(self.offsets)[bad]
            np.add.at(blamed, stack.members[bad, worst], 1)
            suspects.append((bad, worst))
        mostly = blamed > _MOSTLY * self._members
        for i, (stack, (bad, worst)) in enumerate(zip(self._plain, suspects, strict=True)):
            alone = (stack.rank[bad] > 1) & ~mostly[stack.members[bad, worst]]
            current = stack.without(bad[alone], worst[alone])
            misfits, most = current.misfits(self.offsets)[bad], limits(current)[bad]
            self._current[i] = current
            self._changed[i] = np.zeros(len(stack.rank), dtype=bool)
            self._changed[i][bad[alone]] = True
            self._weights[i] = np.ones(len(stack.rank))
            self._weights[i][bad] = np.where(
                misfits > most, most / np.maximum(misfits, 1e-300), 1.0
            )

    def between_overlaps(self, factor: float) -> tuple[float, int]:
        """Return the variance between whole overlaps and its degrees of freedom.

        0 where it may be that of their patches.

        A gradient, or a region that differs, is larger than a patch: patches that share it are not
        independent.
        """
        misfit, freedom = 0.0, self._groups_fitted()
        for stack, weights in zip(self._current, self._weights, strict=True):
            joined = stack.of(weights == 1.0).summed()
            misfit += float(joined.misfits(self.offsets).sum())
            freedom += int(joined.rank.sum())
        if freedom < 1 or misfit <= factor * float(exceeded_by_chance(_UNEVEN, freedom)):
            return 0.0, 0
        return misfit / freedom, freedom

    def _groups_fitted(self) -> int:
        return len(self.groups) - self._exposures


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([*arrays, np.zeros(0)])


def _groups(matrix: sparse.csr_array) -> Groups:
    """Return the exposures that the equations link, largest group first."""
    linked = abs(matrix)
    linked.setdiag(0.0)
    linked.eliminate_zeros()
    return tuple(tuple(group.tolist()) for group in connected(linked))


def centred(offsets: Floats, groups: Groups) -> Floats:
    """Return offsets whose mean is 0 in each group; NaN for an exposure alone."""
    centred = np.full(len(offsets), np.nan)
    for group in groups:
        if len(group) > 1:
            own = offsets[list(group)]
            centred[list(group)] = own - own.mean()
    return centred
