"""Whether one constant an exposure is enough: a plane an exposure, fitted to the same differences.

Zodiacal light, the Earth's limb and the glow of He I can leave a gradient in an exposure. The
normal equations of each patch serve here again: in the middle of a patch the sky of exposure i is
``d_i + x g_i + y h_i`` with x, y from the middle of the exposure. A plane that all exposures share
is part of the scene as far as differences tell: of all solutions the one with the smallest
gradients is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, fdtrc

from skymosaic.sky.chi_squared import exceeded_by_chance, median
from skymosaic.sky.difference_fit import LEAST_NOISE
from skymosaic.sky.patches import Patch
from skymosaic.sky.stacks import inverses_of

Floats = NDArray[np.float64]

MOST = 1000
"""Exposures of which planes are fitted at once: the equations are solved as a full matrix."""
SIGNIFICANT = 1e-4  # chance that noise alone makes planes fit so much better
_LEAST_FREEDOM = 20  # degrees of freedom that planes must leave
_SINGULAR = 1e-9
_CHANCE = 1e-4  # that noise makes a patch stand out so much from planes, too
_ROUNDS = 6


@dataclass(frozen=True)
class Planes:
    """A plane for each exposure.

    Parameters
    ----------
    constants : array, shape (exposures,)
        The sky in the middle of each, as a correction to what the patches' equations assume.
    covariance : array, shape (exposures, exposures)
        Of `constants`.
    slopes : array, shape (exposures, 2)
        Change of the sky along x and y of the grid from edge to edge of the exposure, in the units
        of the patches' data; NaN where no other exposure tells.
    errors : array, shape (exposures, 2)
        Standard errors of `slopes`.
    chances : array, shape (exposures,)
        Of noise alone to make a slope as large; NaN where none is known.
    chance : float
        Of noise alone to make planes fit so much better than constants.
    gain : float
        By how much chi^2 is smaller than that of constants, beyond what as many unknowns take by
        noise alone (Akaike's criterion).
    """

    constants: Floats
    covariance: Floats
    slopes: Floats
    errors: Floats
    chances: Floats
    chance: float
    gain: float = 0.0

    @property
    def significant(self) -> bool:
        """Whether planes fit better than noise allows."""
        return self.chance < SIGNIFICANT

    @property
    def largest(self) -> float:
        """The largest change from edge to edge, 0 where none is known."""
        size = np.hypot(*self.slopes.T)
        return float(np.nanmax(size)) if np.isfinite(size).any() else 0.0


def fit_planes(
    exposures: int,
    patches: Sequence[Patch],
    middles: Floats,
    sides: Floats,
    groups: Sequence[Sequence[int]],
) -> Planes | None:
    """Fit a plane to each exposure; None where there are too few patches, or too many exposures.

    Parameters
    ----------
    exposures : int
        Their number.
    patches : sequence of Patch
        Of the whole grid.
    middles, sides : array, shape (exposures, 2)
        x, y of the middle of each exposure on the grid, and its extent along both.
    groups : sequence of sequences of int
        The exposures that are related to each other.
    """
    if exposures > MOST:
        return None
    several = [patch for patch in patches if len(patch.members) > 1]
    parts = [
        _Part.of(patch, middles, sides, inverse, rank)
        for patch, (inverse, rank) in zip(several, inverses_of(several), strict=True)
    ]
    found = _without_doubtful(exposures, [part for part in parts if part.freedom])
    if found is None:
        return None
    used, after = found
    before = _solve(exposures, used, 1)
    freedom_left = sum(part.freedom for part in used) - after.rank
    gained = after.rank - before.rank
    if freedom_left < _LEAST_FREEDOM or gained < 1:
        return None
    total = sum(part.explained for part in used)
    # As if the noise of neighbouring pixels were independent: of chi^2 only ratios are used.
    left = max((total - after.explained) / freedom_left, LEAST_NOISE)
    better = max(after.explained - before.explained, 0.0) / gained
    free = _free(exposures, middles, sides, groups)
    solution = (free @ after.solution).reshape(exposures, 3)
    covariance = left * free @ after.covariance @ free.T
    slopes, errors, chances = _slopes(solution, covariance, after.known[1::3])
    return Planes(
        constants=solution[:, 0],
        covariance=covariance[::3, ::3],
        slopes=slopes,
        errors=errors,
        chances=chances,
        chance=float(fdtrc(gained, freedom_left, better / left)),
        gain=gained * (better / left - 2.0),
    )


def _without_doubtful(
    exposures: int, parts: Sequence[_Part]
) -> tuple[Sequence[_Part], _Solved] | None:
    """Return the patches that planes fit as noise allows, and that fit; None where few are left."""
    solved = None
    for _ in range(_ROUNDS):
        if sum(part.freedom for part in parts) - 3 * exposures < _LEAST_FREEDOM:
            return None
        solved = _solve(exposures, parts, 3)
        misfits = np.array([part.misfit(solved.solution) for part in parts])
        freedom = np.array([part.freedom for part in parts])
        factor = max(float(np.median(misfits / median(freedom))), LEAST_NOISE)
        kept = misfits <= factor * exceeded_by_chance(_CHANCE, freedom)
        if kept.all():
            break
        parts, solved = [part for part, good in zip(parts, kept, strict=True) if good], None
    if not parts:
        return None
    # To solve for many exposures takes seconds: what is known is not solved again.
    return parts, solved or _solve(exposures, parts, 3)


def _slopes(
    solution: Floats, covariance: Floats, known: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Return the slopes, their errors, and the chances that noise alone makes them; NaN: unknown.

    Shapes (exposures, 2), (exposures, 2), (exposures,).
    """
    slopes, errors = solution[:, 1:].copy(), np.full((len(solution), 2), np.nan)
    chances = np.full(len(solution), np.nan)
    for i, is_known in enumerate(known):
        if not is_known:
            slopes[i] = np.nan
            continue
        own = covariance[3 * i + 1 : 3 * i + 3, 3 * i + 1 : 3 * i + 3]
        errors[i] = np.sqrt(np.clip(np.diag(own), 0.0, None))
        chances[i] = chdtrc(2, float(slopes[i] @ np.linalg.pinv(own) @ slopes[i]))
    return slopes, errors, chances


def _free(
    exposures: int, middles: Floats, sides: Floats, groups: Sequence[Sequence[int]]
) -> Floats:
    """Return what takes the constant and the plane that a group shares out of a solution."""
    free = np.eye(3 * exposures)
    for group in groups:
        index = np.array(group)
        for axis in (0, 1):
            # A common slope a is d_i = a middle_i and g_i = a side_i.
            shared, mean = np.zeros(3 * exposures), np.zeros(3 * exposures)
            shared[3 * index], shared[3 * index + 1 + axis] = (
                middles[index, axis],
                sides[index, axis],
            )
            mean[3 * index + 1 + axis] = 1.0 / sides[index, axis] / len(index)
            free = free - np.outer(shared, mean @ free)
        level, mean = np.zeros(3 * exposures), np.zeros(3 * exposures)
        level[3 * index], mean[3 * index] = 1.0, 1.0 / len(index)
        free = free - np.outer(level, mean @ free)
    return free


@dataclass(frozen=True)
class _Part:
    """One patch, and where it lies in each exposure."""

    members: NDArray[np.intp]
    normal: Floats
    right: Floats
    inverse: Floats
    design: Floats
    """Shape (members, 3): 1, x, y."""
    freedom: int
    explained: float

    @staticmethod
    def of(patch: Patch, middles: Floats, sides: Floats, inverse: Floats, freedom: int) -> _Part:
        place = (np.array([patch.x, patch.y]) - middles[patch.members]) / sides[patch.members]
        return _Part(
            members=patch.members,
            normal=patch.normal,
            right=patch.right,
            inverse=inverse,
            design=np.column_stack([np.ones(len(place)), place]),
            freedom=freedom,
            explained=float(patch.right @ inverse @ patch.right),
        )

    def misfit(self, solution: Floats) -> float:
        """Return chi^2 of the patch under planes."""
        own = solution.reshape(-1, 3)[self.members]
        left = self.right - self.normal @ np.sum(self.design * own, axis=1)
        return float(left @ self.inverse @ left)


@dataclass(frozen=True)
class _Solved:
    solution: Floats
    covariance: Floats
    rank: int
    explained: float
    known: NDArray[np.bool_]


def _solve(exposures: int, parts: Sequence[_Part], parameters: int) -> _Solved:
    """Fit the first 1 or 3 of constant and slopes to each exposure."""
    p = parameters
    matrix, right = np.zeros((exposures * p, exposures * p)), np.zeros(exposures * p)
    for part in parts:
        design = part.design[:, :p]
        index = (part.members[:, None] * p + np.arange(p)).ravel()
        full = np.einsum("ia,ij,jb->iajb", design, part.normal, design)
        matrix[np.ix_(index, index)] += full.reshape(len(index), len(index))
        right[index] += (part.right[:, None] * design).ravel()
    scale = np.sqrt(np.diag(matrix))
    known = scale > 0
    scale = np.where(known, scale, 1.0)
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    kept = values > _SINGULAR * max(float(values[-1]), 1e-300)
    inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T / np.outer(scale, scale)
    solution = inverse @ right
    return _Solved(solution, inverse, int(kept.sum()), float(right @ solution), known)
