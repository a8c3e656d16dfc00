"""Skies of chips beside planes of exposures: which of the two the differences call for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.hst.exposure import Exposure
from skymosaic.sky.chip_models import PerChip
from skymosaic.sky.chip_steps import within_exposures as less_mean
from skymosaic.sky.chips import ChipSkies, exposure_groups, match_chips
from skymosaic.sky.difference_fit import Groups, MatchedSkies
from skymosaic.sky.patches import Patch
from skymosaic.sky.planes import Planes, fit_planes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ChipFit:
    """Skies of chips, and the planes of exposures that are left.

    Parameters
    ----------
    matched : MatchedSkies
        By chips.
    groups : Groups
        Of exposures.
    known, steps : array, shape (exposures,), (chips,)
        What the planes' constants correct, and what each chip has beside.
    planes : Planes or None
    chips : ChipSkies or None
        None where each exposure has one chip.
    """

    matched: MatchedSkies
    groups: Groups
    known: Floats
    steps: Floats
    planes: Planes | None
    chips: ChipSkies | None


def match_beside_planes(
    exposures: Sequence[Exposure],
    owners: Sequence[int],
    patches: Sequence[Patch],
    known: Floats,
    per_chip: PerChip,
    middles: Floats,
    sides: Floats,
) -> ChipFit:
    """Return the skies of chips, and the planes that are left; gradients are no steps of chips.

    Parameters
    ----------
    exposures : sequence of Exposure
        In the order of their chips.
    owners, patches, known, per_chip
        As for `chips.match_chips`.
    middles, sides
        As for `planes.fit_planes`.
    """
    owner, count = np.asarray(owners, dtype=np.intp), len(exposures)
    kinds = [chip.extver for exposure in exposures for chip in exposure.chips]
    first = np.array([known[owner == e].mean() for e in range(count)])
    fit = match_chips(owners, patches, known, per_chip, kinds=kinds)
    groups = exposure_groups(fit.matched.groups, owners)

    def planes_beside(steps: Floats) -> Planes | None:
        shift = first[owner] + steps - known
        joined = [patch.joined(owner, shift) for patch in patches]
        return fit_planes(count, joined, middles, sides, groups)

    nothing = np.zeros(len(owners))
    found = fit.found
    if found is not None and found.model != "exposures":
        gradients = planes_beside(nothing)
        beside = planes_beside(found.steps(owner))
        if (
            gradients is not None
            and gradients.significant
            and gradients.gain > found.gain
            and beside is not None
            and beside.significant
        ):
            # Gradients, which skies of chips follow in part.
            found = replace(found, model="exposures")
            used = fit.used
            if per_chip == "auto":
                fit = match_chips(owners, patches, known, False, kinds=kinds)
                used = "exposures"
            fit = replace(fit, found=found, used=used)
    steps = nothing
    if fit.used != "exposures":
        steps = np.nan_to_num(less_mean(np.nan_to_num(fit.matched.offsets), owner))
    elif found is not None and found.model != "exposures":
        steps = found.steps(owner)
    left = planes_beside(steps)
    subtracted = steps if fit.used != "exposures" else nothing
    return ChipFit(fit.matched, groups, first, subtracted, left, fit)


def within_exposures(owners: Sequence[int]) -> Floats:
    """Return what makes of values of chips those less the mean of their exposure."""
    owner = np.asarray(owners)
    same = (owner[:, None] == owner).astype(np.float64)
    return np.eye(len(owner)) - same / same.sum(axis=1, keepdims=True)


def chips_summary(
    fit: ChipSkies,
    exposures: Sequence[Exposure],
    areas: Sequence[float],
    per_chip: PerChip | None = None,
) -> ChipsSummary:
    """Return what is recorded of the skies of chips.

    Parameters
    ----------
    fit : ChipSkies
        What was found.
    exposures : sequence of Exposure
        In the order of their chips.
    areas : sequence of float
        Of each, by which its levels are divided.
    per_chip : bool, "auto" or None
        What the skies were subtracted by; None where they were not.
    """
    found = fit.found
    if found is None:
        return ChipsSummary(fit.used, None, per_chip=per_chip)
    steps: dict[str, list[tuple[int, float, float]]] = {}
    mean: dict[int, list[tuple[int, int, float]]] = {}
    number = 0
    for exposure, area in zip(exposures, areas, strict=True):
        numbers = range(number, number + len(exposure.chips))
        number += len(exposure.chips)
        rows = []
        for chip, own in zip(exposure.chips[1:], numbers[1:], strict=True):
            step, error = found.between(own, numbers[0])
            if np.isfinite(step):
                rows.append((chip.extver, step / area, error / area))
                mean.setdefault(chip.extver, []).append((own, numbers[0], area))
        if rows:
            steps[exposure.rootname] = rows
    return ChipsSummary(
        used=fit.used,
        model=found.model,
        chance_step=_finite(found.chance_step),
        chance_chips=_finite(found.chance_chips),
        known=found.known,
        undetermined=[exposures[e].rootname for e in found.undetermined],
        relative=[(_finite(value), _finite(error)) for value, error in found.relative],
        mean=[(extver, *found.mean_step(its)) for extver, its in sorted(mean.items())],
        steps=steps,
        per_chip=per_chip,
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
