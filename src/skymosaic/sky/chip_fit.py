"""The three models of the chips' skies, fitted to the same equations and compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, fdtrc

from skymosaic.sky.chip_models import Model
from skymosaic.sky.chip_steps import SIGNIFICANT, ChipSteps, within_exposures
from skymosaic.sky.difference_fit import Groups, MatchedSkies, Sums, centred

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_SINGULAR = 1e-9
_WEAK = 2.0  # times the errors of skies, from which on a step is hardly known
_APART = 5.0  # errors by which skies must differ, for a step that is in proportion to them


def spread(matched: MatchedSkies, owner: Indices) -> MatchedSkies:
    """Return the skies of exposures as those of their chips."""
    starts = np.searchsorted(owner, np.arange(len(matched.offsets) + 1)).tolist()
    groups = tuple(
        tuple(chip for one in group for chip in range(starts[one], starts[one + 1]))
        for group in matched.groups
    )
    return replace(
        matched,
        offsets=matched.offsets[owner],
        variances=matched.variances[owner],
        covariance=None if (known := matched.covariance) is None else known[np.ix_(owner, owner)],
        groups=groups,
    )


@dataclass(frozen=True)
class _Solved:
    values: Floats
    covariance: Floats
    """As if the noise of neighbouring pixels were independent."""
    rank: int
    explained: float


class FittedModels:
    """The models of the chips' skies, on the same equations."""

    def __init__(
        self,
        owner: Indices,
        kind: Indices,
        known: Floats,
        as_one: MatchedSkies,
        each: MatchedSkies,
        sums: Sums,
    ) -> None:
        # Pixels are summed in single precision: a constant is to be unknown exactly.
        normal = sums.normal - np.diag(sums.normal.sum(axis=1))
        sums = replace(sums, normal=normal)
        self._owner, self._known, self._each, self._sums = owner, known, each, sums
        self._as_one = spread(as_one, owner)
        chips, exposures = len(owner), int(owner[-1]) + 1
        self._exposures = np.zeros((chips, exposures))
        self._exposures[np.arange(chips), owner] = 1.0
        several = np.bincount(owner)[owner] > 1
        shared = [
            (kind == k) & several for k in range(1, int(kind.max(initial=0)) + 1) if several.any()
        ]
        self._steps = np.array(
            [within_exposures(own.astype(np.float64), owner) for own in shared]
        ).T
        self._steps = self._steps.reshape(chips, len(shared))
        # In proportion to the exposures' skies, where these differ by more than their errors.
        sky = np.nan_to_num(as_one.offsets)
        error = np.nan_to_num(as_one.errors)
        apart = float(sky.std())
        self._unit = apart if apart > _APART * float(np.median(error)) else 0.0
        slopes = self._steps * (sky / self._unit)[owner, None] if self._unit else self._steps[:, :0]
        self.known = self._is_known()
        self._designs: dict[Model, Floats] = {
            "exposures": self._exposures,
            # A mean step that no overlap tells is taken to be 0.
            "step": np.hstack(
                [self._exposures, self._steps if self.known else self._steps[:, :0], slopes]
            ),
            "chips": np.eye(chips),
        }
        self._cache: dict[Model, _Solved] = {}

    def solution(self, model: Model) -> tuple[Floats, Floats]:
        """Return the skies of all chips by a model, and their covariance."""
        solved, design = self._solved(model), self._designs[model]
        factor = self._sums.noise_factor
        return design @ solved.values, factor * design @ solved.covariance @ design.T

    def _solved(self, model: Model) -> _Solved:
        if model not in self._cache:
            self._cache[model] = self._solve(self._designs[model])
        return self._cache[model]

    def _solve(self, design: Floats) -> _Solved:
        """Return the least-squares solution of a model, of the degenerate ones the shortest.

        What can be known is told by which chips overlaps relate, not by how large numbers are.
        """
        parts, sums = self._parts(), self._sums
        related = design - parts @ ((parts.T @ design) / parts.sum(axis=0)[:, None])
        rank = int(np.linalg.matrix_rank(related, tol=_SINGULAR * max(design.shape)))
        normal, right = design.T @ sums.normal @ design, design.T @ sums.right
        scale = np.sqrt(np.clip(np.diag(normal), 0.0, None))
        scale = np.where(scale > _SINGULAR * max(scale.max(initial=0.0), 1e-300), scale, np.inf)
        values, vectors = np.linalg.eigh(normal / np.outer(scale, scale))
        values, vectors = values[len(values) - rank :], vectors[:, len(values) - rank :]
        inverse = (vectors / np.maximum(values, 1e-300)) @ vectors.T / np.outer(scale, scale)
        solution = inverse @ right
        return _Solved(solution, inverse, rank, float(right @ solution))

    def matched(self, values: Floats, covariance: Floats) -> MatchedSkies:
        """Return skies as corrections to the known ones, the mean of each group at 0."""
        groups = self._as_one.groups
        offsets, covariance = _centred(self._known + values, covariance, groups)
        offsets[np.isnan(self._as_one.offsets)] = np.nan
        found = replace(self._each, offsets=offsets, groups=groups)
        return found.with_covariance(covariance)

    def stepped(self) -> MatchedSkies:
        """Return the skies of chips by the model of a step."""
        found = self.matched(*self.solution("step"))
        return found if self.known else replace(found, assumed=self.assumed())

    def joined(self) -> MatchedSkies:
        """Return the skies of chips, each with its own.

        What no overlap tells is taken from the step that all exposures share; where that is not
        known, there is none.
        """
        owner = self._owner
        target = np.zeros(len(owner))
        if self.known:
            skies, _ = self.solution("step")
            target = within_exposures(self._known + skies, owner)
        offsets, covariance = np.nan_to_num(self._each.offsets), self._each.covariances
        parts = self._parts()
        away = np.apply_along_axis(within_exposures, 0, parts, owner)
        shifts = np.linalg.pinv(away, rcond=_SINGULAR) @ (target - within_exposures(offsets, owner))
        offsets = offsets + parts @ shifts
        joined = self.matched(offsets - self._known, covariance)
        return replace(joined, assumed=self.assumed())

    def unrelated(self) -> MatchedSkies:
        """Return one sky an exposure, with the error that a step has which no overlap tells."""
        return replace(self._as_one, assumed=self.assumed())

    def as_one_at_risk(self, suspect: bool) -> MatchedSkies:
        """Return one sky an exposure, with the error of a step that is not told from noise.

        Of the step that fits best, squared, noise makes as much as the step has unknowns. Where the
        step is known far worse than the skies, it may be larger than what fits best, too.

        Parameters
        ----------
        suspect : bool
            Whether noise alone would rarely give the step that fits best.
        """
        one, step = self._solved("exposures"), self._solved("step")
        skies, covariance = self.solution("step")
        within = np.eye(len(self._owner)) - self._exposures @ np.linalg.pinv(self._exposures)
        covariance = within @ covariance @ within.T
        weak = np.trace(covariance) > _WEAK**2 * np.trace(self._as_one.covariances)
        if not suspect and not weak:
            return self._as_one
        away = within_exposures(np.where(np.isnan(self._as_one.offsets), 0.0, skies), self._owner)
        gained = max(step.rank - one.rank, 1)
        better = max((step.explained - one.explained) / self._sums.noise_factor, 1e-300)
        share = max(1.0 - gained / better, 0.0)
        risk = share * np.outer(away, away) + (covariance if weak else 0.0)
        return self._as_one.with_covariance(self._as_one.covariances + risk)

    def _parts(self) -> Floats:
        """Return which chips overlaps relate, shape (chips, parts)."""
        parts = np.zeros((len(self._owner), len(self._each.groups)))
        for part, group in enumerate(self._each.groups):
            parts[list(group), part] = 1.0
        return parts

    def assumed(self) -> Floats:
        """Return the share of a step that no overlap tells in the error of each chip's sky.

        Two parts of a group that are off by a step are each off by half of it.
        """
        parts, square = self._parts(), np.zeros(len(self._owner))
        for group in self._as_one.groups:
            index = list(group)
            own = parts[index][:, parts[index].any(axis=0)]
            square[index] = 0.5 * np.sum((own - own.mean(axis=0)) ** 2, axis=1)
        square[np.isnan(self._as_one.offsets)] = 0.0
        return np.sqrt(square)

    def _is_known(self) -> bool:
        """Tell whether the step that all exposures share is known."""
        plain = np.hstack([self._exposures, self._steps])
        gained = self._solve(plain).rank - self._solve(self._exposures).rank
        return self._steps.shape[1] > 0 and gained == self._steps.shape[1]

    def compared(self) -> ChipSteps:
        """Return which model the differences call for."""
        sums = self._sums
        one, step, chips = (self._solved(model) for model in ("exposures", "step", "chips"))
        chance_step, chance_chips = _chance(one, step, sums), _chance(step, chips, sums)
        overall = _chance(one, chips, sums)
        model: Model = "exposures"
        if chance_step < SIGNIFICANT:
            model = "step"
        if chance_chips < SIGNIFICANT and (model == "step" or overall < SIGNIFICANT):
            model = "chips"
        best = self._solved(model)
        gain = (best.explained - one.explained) / sums.noise_factor - 2 * (best.rank - one.rank)
        shown = self.joined() if model == "chips" else self.stepped()
        part = np.argmax(self._parts(), axis=1)
        other = part != part[np.searchsorted(self._owner, self._owner)]
        apart = np.unique(self._owner[other & np.isfinite(self._as_one.offsets)])
        return ChipSteps(
            model=model,
            chance_step=chance_step,
            chance_chips=chance_chips,
            gain=float(gain),
            undetermined=tuple(int(exposure) for exposure in apart),
            known=self.known,
            skies=shown.offsets,
            covariance=shown.covariances,
            relative=self._relative(),
        )

    def _relative(self) -> tuple[tuple[float, float], ...]:
        count = self._steps.shape[1]
        if not self._unit:
            return ((float("nan"), float("nan")),) * count
        solved = self._solved("step")
        values = solved.values / self._unit
        errors = np.sqrt(self._sums.noise_factor * np.diag(solved.covariance)) / self._unit
        return tuple(
            (float(values[i]), float(errors[i])) for i in range(len(values) - count, len(values))
        )


def _centred(values: Floats, covariance: Floats, groups: Groups) -> tuple[Floats, Floats]:
    """Return skies whose mean is 0 in each group, and their covariance."""
    mean = np.zeros_like(covariance)
    for group in groups:
        mean[np.ix_(group, group)] = 1.0 / len(group)
    project = np.eye(len(values)) - mean
    return centred(values, groups), project @ covariance @ project.T


def _chance(simple: _Solved, richer: _Solved, sums: Sums) -> float:
    """Return the chance that noise makes the richer model explain so much more; NaN: the same."""
    gained = richer.rank - simple.rank
    if gained < 1:
        return float("nan")
    better = max(richer.explained - simple.explained, 0.0) / sums.noise_factor
    if not sums.freedom:  # the noise is assumed, not measured
        return float(chdtrc(gained, better))
    return float(fdtrc(gained, sums.freedom, better / gained))
