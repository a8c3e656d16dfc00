"""Differences of exposures on the output grid, from the cut-outs that the one-pass engine has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.chips import (
    ChipFit,
    chips_summary,
    match_beside_planes,
    within_exposures,
)
from skymosaic.drizzle.onepass.equations import Equations, measured_windows
from skymosaic.drizzle.onepass.measured import chip_name
from skymosaic.drizzle.onepass.patch_stacks import Stacks, patch_side, whole
from skymosaic.drizzle.onepass.sums import CutOut, Load, Tilt
from skymosaic.drizzle.summaries import DifferencesSummary, Plane, PlanesSummary
from skymosaic.errors import SkyError
from skymosaic.hst.exposure import Exposure
from skymosaic.sky.chip_models import PerChip
from skymosaic.sky.difference_fit import MatchedSkies, match_differences
from skymosaic.sky.first_guess import first_guess
from skymosaic.sky.patches import Patch, Rejection
from skymosaic.sky.planes import Planes, fit_planes

Floats = NDArray[np.float64]
VERSION = 1
"""Of how the skies are found; part of the keys of steps."""


@dataclass(frozen=True)
class OnGrid:
    """What the exposures tell of each other on the grid.

    Parameters
    ----------
    matched : MatchedSkies
        The sky of each chip, by number, that fits the differences, electron/s/arcsec^2; with planes
        in the middle of each exposure.
    tilts : tuple of Tilt
        For each chip by number, what is to be subtracted beside its sky; empty without planes.
    summary : DifferencesSummary
        For the report.
    """

    matched: MatchedSkies
    tilts: tuple[Tilt, ...]
    summary: DifferencesSummary


def matched_on_grid(
    grid: Grid,
    cut_outs: Sequence[CutOut],
    load: Load,
    exposures: Sequence[Exposure],
    *,
    mask: NDArray[np.bool_] | None = None,
    planes: bool = False,
    per_chip: PerChip = "auto",
) -> OnGrid:
    """Return the skies that fit the differences of exposures on the grid.

    Parameters
    ----------
    grid : Grid
        The output grid.
    cut_outs, load, mask
        As for `measure_patches`.
    exposures, planes, per_chip
        As for `matched`.

    Raises
    ------
    SkyError
        As from `matched`.
    """
    patches, known = measure_patches(grid.shape, cut_outs, load, range(len(cut_outs)), mask=mask)
    return matched(cut_outs, patches, known, exposures, planes=planes, per_chip=per_chip)


def matched_by_equations(
    equations: Equations,
    exposures: Sequence[Exposure],
    *,
    planes: bool = False,
    per_chip: PerChip = "auto",
) -> OnGrid:
    """Return the same from the equations of all blocks of the grid.

    Parameters
    ----------
    equations : Equations
        As from `equations.merge`.
    exposures, planes, per_chip
        As for `matched`.

    Raises
    ------
    SkyError
        As from `matched`.
    """
    names = [chip_name(one.rootname, chip.extver) for one in exposures for chip in one.chips]
    return matched(*equations.ordered(names), exposures, planes=planes, per_chip=per_chip)


def matched(
    cut_outs: Sequence[CutOut],
    patches: Sequence[Patch],
    known: Floats,
    exposures: Sequence[Exposure],
    *,
    planes: bool = False,
    per_chip: PerChip = "auto",
) -> OnGrid:
    """Return the skies that fit the equations of all patches.

    Parameters
    ----------
    cut_outs : sequence of CutOut
        All chips, by their numbers.
    patches : sequence of Patch
        Of the whole grid; their unknowns are chips.
    known : array, shape (chips,)
        The skies that the patches' equations correct.
    exposures : sequence of Exposure
        In the order of their chips.
    planes : bool
        Whether to subtract a plane from each exposure, too.
    per_chip : bool or "auto"
        Whether chips have skies of their own, as `chips.match_chips`.

    Raises
    ------
    SkyError
        Planes are asked for, and the overlaps do not tell them.
    """
    owners, scales, areas = _units_of(cut_outs, exposures)
    several = len(cut_outs) > len(exposures)
    middles, sides = boxes_of(cut_outs, owners, len(exposures))
    if several:
        fit = match_beside_planes(exposures, owners, patches, known, per_chip, middles, sides)
    else:
        matched = match_differences(len(exposures), patches, known)
        plain = fit_planes(len(exposures), patches, middles, sides, matched.groups)
        fit = ChipFit(matched, matched.groups, known, np.zeros(len(cut_outs)), plain, None)
    matched, found = fit.matched, fit.planes
    summary = DifferencesSummary(
        noise_factor=matched.noise_factor,
        patches=matched.patches,
        doubtful=matched.doubtful,
        planes=None if found is None else _planes_summary(found, exposures, np.array(areas)),
        planes_subtracted=planes,
        chips=None if fit.chips is None else chips_summary(fit.chips, exposures, areas, per_chip),
    )
    tilts: tuple[Tilt, ...] = ()
    if planes:
        matched, slopes = _with_planes(fit, owners, several=several)
        slopes = slopes / sides
        tilts = tuple(Tilt(*middles[owner].tolist(), *slopes[owner].tolist()) for owner in owners)
    return OnGrid(matched.scaled(np.array(scales)), tilts, summary)


def _units_of(
    cut_outs: Sequence[CutOut], exposures: Sequence[Exposure]
) -> tuple[list[int], list[float], list[float]]:
    """Return the exposure and the scale of each chip, and the area of each exposure's pixels."""
    owners: list[int] = []
    scales: list[float] = []
    areas: list[float] = []
    chips = iter(cut_outs)
    for index, exposure in enumerate(exposures):
        factors = [next(chips).factor for _ in exposure.chips]
        owners += [index] * len(factors)
        scales += [
            exposure.brightness_factor(chip.extver) / factor
            for chip, factor in zip(exposure.chips, factors, strict=True)
        ]
        areas.append(factors[0] * (exposure.exptime if exposure.chips[0].counts else 1.0))
    return owners, scales, areas


def _with_planes(
    fit: ChipFit, owners: Sequence[int], *, several: bool
) -> tuple[MatchedSkies, Floats]:
    """Return the skies in the middle of each exposure's plane, and the slopes; errors as `matched`.

    `owners` are the exposures of the chips, of which some have `several`.
    """
    matched, found = fit.matched, fit.planes
    if found is None:
        raise SkyError(
            "sky.planes: the exposures overlap too little to tell a plane of each; leave it out"
        )
    alone = np.isnan(matched.offsets)
    offsets = (fit.known + found.constants)[owners] + fit.steps
    covariance = found.covariance[np.ix_(owners, owners)]
    if several and matched.covariance is not None:
        within = within_exposures(owners)
        covariance = covariance + within @ matched.covariance @ within.T
    matched = replace(matched, offsets=np.where(alone, np.nan, offsets)).centred()
    return matched.with_covariance(covariance), np.nan_to_num(found.slopes)


def boxes_of(
    cut_outs: Sequence[CutOut], owners: Sequence[int], exposures: int
) -> tuple[Floats, Floats]:
    """Return the middle of each exposure on the grid, and its extent, shape (exposures, 2)."""
    low, high = np.full((exposures, 2), np.inf), np.full((exposures, 2), -np.inf)
    for chip in cut_outs:
        if chip.rows and chip.columns:
            owner = owners[chip.number]
            low[owner] = np.minimum(low[owner], [chip.x, chip.y])
            high[owner] = np.maximum(high[owner], [chip.x + chip.columns, chip.y + chip.rows])
    seen = np.isfinite(low)
    low, high = np.where(seen, low, 0.0), np.where(seen, high, 1.0)
    return (low + high - 1.0) / 2.0, high - low


def _planes_summary(planes: Planes, exposures: Sequence[Exposure], areas: Floats) -> PlanesSummary:
    rows = zip(
        exposures,
        (planes.slopes / areas[:, None]).tolist(),
        (planes.errors / areas[:, None]).tolist(),
        planes.chances.tolist(),
        strict=True,
    )
    return PlanesSummary(
        planes.chance,
        planes.significant,
        {
            exposure.rootname: Plane(tuple(slope), tuple(error), chance)
            for exposure, slope, error, chance in rows
            if np.isfinite(chance)
        },
    )


def measure_patches(
    shape: tuple[int, int],
    cut_outs: Sequence[CutOut],
    load: Load,
    owners: Sequence[int],
    *,
    mask: NDArray[np.bool_] | None = None,
    rejection: Rejection | None = None,
) -> tuple[list[Patch], Floats]:
    """Return the normal equations of all patches of the grid.

    Parameters
    ----------
    shape : (int, int)
        Columns, rows of the output grid.
    cut_outs : sequence of CutOut
        All chips.
    load : callable
        Gives the pixels of a cut-out.
    owners : sequence of int
        The exposure of each chip, by number.
    mask : array of bool, shape (rows, columns), or None
        Pixels of the grid that do not count.
    rejection : Rejection or None
        Which others do not.

    Returns
    -------
    list of Patch, array of shape (exposures,)
        The patches, and the skies that their equations correct, in the mosaic's rate.
    """
    rejection = rejection or Rejection()
    owner = np.asarray(owners, dtype=np.intp)
    stacks = Stacks(shape, cut_outs, whole(load), patch_side(cut_outs), mask)
    exposures = int(owner.max(initial=-1)) + 1
    offsets, noise = first_guess(exposures, stacks.sampled(owner), len(owners))
    return measured_windows(stacks, owner, offsets, noise, rejection), offsets
