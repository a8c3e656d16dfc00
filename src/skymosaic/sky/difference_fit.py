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
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from skymosaic.sky.chi_squared import exceeded_by_chance, median
from skymosaic.sky.patches import Patch, pseudo_inverse

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
    covariance : array, shape (exposures, exposures)
        Of `offsets`; 0 between groups.
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
        `covariance`. None: nothing is assumed.
    """

    offsets: Floats
    covariance: Floats
    groups: Groups
    noise_factor: float
    patches: int
    doubtful: int
    assumed: Floats | None = None

    @property
    def errors(self) -> Floats:
        """Standard error of each offset against the mean of its group; NaN where undetermined."""
        errors = np.sqrt(np.clip(np.diag(self.covariance), 0.0, None))
        return np.where(np.isfinite(self.offsets), errors, np.nan)

    def centred(self) -> MatchedSkies:
        """Return the same with the mean of each group at 0."""
        return replace(self, offsets=centred(self.offsets, self.groups))

    def scaled(self, factors: Floats) -> MatchedSkies:
        """Return the same in other units, exposure by exposure."""
        return replace(
            self,
            offsets=self.offsets * factors,
            covariance=self.covariance * np.outer(factors, factors),
        )

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


def match_differences(exposures: int, patches: Sequence[Patch], known: Floats) -> MatchedSkies:
    """Return the skies that fit the patches best.

    Parameters
    ----------
    exposures : int
        Their number.
    patches : sequence of Patch
        Of the whole grid.
    known : array, shape (exposures,)
        The offsets that the patches' equations correct.
    """
    return match_with_sums(exposures, patches, known)[0]


def match_with_sums(
    exposures: int, patches: Sequence[Patch], known: Floats
) -> tuple[MatchedSkies, Sums]:
    """Return the skies that fit the patches best, and the equations that they solve.

    Parameters
    ----------
    exposures, patches, known
        As for `match_differences`.
    """
    equations = [_Equations.of(patch) for patch in patches if patch.used]
    equations = [one for one in equations if one.freedom]
    fit = _Fit(exposures, equations)
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
        covariance=factor * fit.covariance(),
        groups=fit.groups,
        noise_factor=factor,
        patches=len(equations),
        doubtful=fit.doubtful,
    )
    return matched, Sums(*fit.sums(), factor, freedom)


@dataclass(frozen=True)
class _Equations:
    """The equations of a patch, with what its chi^2 needs."""

    members: NDArray[np.intp]
    normal: Floats
    right: Floats
    inverse: Floats
    freedom: int

    @staticmethod
    def of(patch: Patch) -> _Equations:
        return _Equations(patch.members, patch.normal, patch.right, *patch.solved)

    @staticmethod
    def _with(members: NDArray[np.intp], normal: Floats, right: Floats) -> _Equations:
        return _Equations(members, normal, right, *pseudo_inverse(normal))

    def misfit(self, offsets: Floats) -> float:
        """Return chi^2 of the patch, as if the noise of neighbouring pixels were independent."""
        left = self.right - self.normal @ offsets[self.members]
        return float(left @ self.inverse @ left)

    def without(self, which: int) -> _Equations:
        """Return the equations where one exposure has a level of its own in this patch."""
        pivot = self.normal[which, which]
        row = self.normal[which] / pivot
        normal = self.normal - pivot * np.outer(row, row)
        right = self.right - self.right[which] * row
        normal[which, :] = normal[:, which] = right[which] = 0.0
        return _Equations._with(self.members, normal, right)

    def worst(self, offsets: Floats) -> int:
        """Return which exposure, left out, takes most of chi^2 with it."""
        left = self.right - self.normal @ offsets[self.members]
        pivots = np.maximum(np.diag(self.normal), 1e-300)
        return int(np.argmax(left**2 / pivots))


class _Fit:
    """All patches, how much each counts, and the offsets that fit them."""

    def __init__(self, exposures: int, equations: Sequence[_Equations]) -> None:
        self._exposures = exposures
        self._plain = list(equations)
        self._current = list(equations)
        self._weights = np.ones(len(equations))
        self.offsets = np.zeros(exposures)
        self.groups: Groups = ()
        self._matrix = sparse.csr_array((exposures, exposures))
        self._right = np.zeros(exposures)
        self._members = np.zeros(exposures, dtype=np.int64)
        for one in equations:
            self._members[one.members] += 1

    @property
    def doubtful(self) -> int:
        """How many patches count without one exposure, or less."""
        changed = [now is not was for now, was in zip(self._current, self._plain, strict=True)]
        return int(np.sum((self._weights < 1.0) | np.array(changed, dtype=bool)))

    def solve(self) -> None:
        """Find offsets and groups."""
        rows, columns, values = [], [], []
        right = np.zeros(self._exposures)
        for one, weight in zip(self._current, self._weights, strict=True):
            rows.append(np.repeat(one.members, len(one.members)))
            columns.append(np.tile(one.members, len(one.members)))
            values.append(weight * one.normal.ravel())
            np.add.at(right, one.members, weight * one.right)
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

    def _factors(self, group: Sequence[int]) -> tuple[NDArray[np.int64], Any]:
        """Return the free exposures of a group, the best known one held, and their LU factors."""
        diagonal = self._matrix.diagonal()
        held = max(group, key=lambda exposure: diagonal[exposure])
        free = np.array([exposure for exposure in group if exposure != held], dtype=np.int64)
        # The matrix is symmetric and its diagonal dominates: no pivots need be sought.
        return free, splu(
            self._matrix[free][:, free].tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def sums(self) -> tuple[Floats, Floats]:
        """Return the normal equations of all patches."""
        return self._matrix.toarray(), self._right

    def covariance(self) -> Floats:
        """Return the inverse of the equations, each group's mean held at 0."""
        covariance = np.zeros((self._exposures, self._exposures))
        for group in self.groups:
            if len(group) > 1:
                free, factors = self._factors(group)
                inverse = factors.solve(np.eye(len(free)))
                whole = np.zeros_like(covariance[np.ix_(group, group)])
                index = np.searchsorted(group, free)
                whole[np.ix_(index, index)] = inverse
                whole -= whole.mean(axis=0)
                covariance[np.ix_(group, group)] = whole - whole.mean(axis=1)[:, None]
        return covariance

    def _misfits(self) -> Floats:
        return np.array([one.misfit(self.offsets) for one in self._current])

    def _freedom(self) -> NDArray[np.int64]:
        return np.array([one.freedom for one in self._current], dtype=np.int64)

    def chi_squared(self) -> float:
        """Return what the fit leaves."""
        return float(self._weights @ self._misfits()) if len(self._weights) else 0.0

    def freedom_left(self) -> int:
        """Return the degrees of freedom that tell the noise; 0 where they are too few."""
        freedom = self._freedom()
        left = int(freedom[self._usable()].sum()) + self._groups_fitted()
        return left if left >= _LEAST_FREEDOM else 0

    def _usable(self) -> NDArray[np.bool_]:
        return (self._freedom() > 0) & (self._weights == 1.0)

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
        misfits = np.array([one.misfit(self.offsets) for one in self._plain])
        freedom = np.array([one.freedom for one in self._plain])
        limits = factor * exceeded_by_chance(_CHANCE, np.maximum(freedom, 1))
        bad = np.flatnonzero(misfits > limits)
        self._current, self._weights = list(self._plain), np.ones(len(self._plain))
        worst = {int(i): self._plain[i].worst(self.offsets) for i in bad}
        blamed = np.zeros(self._exposures)
        for index, which in worst.items():
            blamed[self._plain[index].members[which]] += 1
        mostly = blamed > _MOSTLY * self._members
        for index, which in worst.items():
            one = self._plain[index]
            if one.freedom > 1 and not mostly[one.members[which]]:
                self._current[index] = one = one.without(which)
            limit = factor * float(exceeded_by_chance(_CHANCE, max(one.freedom, 1)))
            misfit = one.misfit(self.offsets)
            self._weights[index] = limit / misfit if misfit > limit else 1.0

    def between_overlaps(self, factor: float) -> tuple[float, int]:
        """Return the variance between whole overlaps and its degrees of freedom.

        0 where it may be that of their patches.

        A gradient, or a region that differs, is larger than a patch: patches that share it are not
        independent.
        """
        sums: dict[bytes, list[_Equations]] = {}
        for one, weight in zip(self._current, self._weights, strict=True):
            if weight == 1.0:
                sums.setdefault(one.members.tobytes(), []).append(one)
        misfit, freedom = 0.0, self._groups_fitted()
        for same in sums.values():
            normal = np.sum([one.normal for one in same], axis=0)
            right = np.sum([one.right for one in same], axis=0)
            joined = _Equations._with(same[0].members, normal, right)
            misfit += joined.misfit(self.offsets)
            freedom += joined.freedom
        if freedom < 1 or misfit <= factor * float(exceeded_by_chance(_UNEVEN, freedom)):
            return 0.0, 0
        return misfit / freedom, freedom

    def _groups_fitted(self) -> int:
        return len(self.groups) - self._exposures


def _groups(matrix: sparse.csr_array) -> Groups:
    """Return the exposures that the equations link, largest group first."""
    linked = abs(matrix)
    linked.setdiag(0.0)
    linked.eliminate_zeros()
    _, member = connected_components(linked, directed=False)
    found = [np.flatnonzero(member == group) for group in np.unique(member)]
    ordered = sorted(found, key=lambda group: (-len(group), int(group[0])))
    return tuple(tuple(int(i) for i in group) for group in ordered)


def centred(offsets: Floats, groups: Groups) -> Floats:
    """Return offsets whose mean is 0 in each group; NaN for an exposure alone."""
    centred = np.full(len(offsets), np.nan)
    for group in groups:
        if len(group) > 1:
            own = offsets[list(group)]
            centred[list(group)] = own - own.mean()
    return centred
