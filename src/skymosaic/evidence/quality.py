"""One method's mosaic, judged: between exposures, in the empty sky, in extended emission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymosaic.evidence.background import darkest, empty_sky
from skymosaic.evidence.cells import Cells, Floats
from skymosaic.evidence.estimate import Estimate, in_order
from skymosaic.evidence.levels import RelativeLevels
from skymosaic.evidence.mosaic import combined, cropped, weighted_mean
from skymosaic.evidence.residuals import MethodQuality, PairDifference, Residual, Seam, TruthError

Skies = Mapping[str, float | None]
"""What a method subtracted from each exposure, e-/s in a pixel of the common size."""


def residuals(method: str, differences: Sequence[PairDifference], skies: Skies) -> list[Residual]:
    """Return what a method leaves of each measured difference; exact, no pixel is looked at again.

    Parameters
    ----------
    method : str
        Its name.
    differences : sequence of PairDifference
        Measured with nothing subtracted.
    skies : mapping of str to float or None
        What it subtracted, None where it was undetermined: such pairs are left out.
    """
    found = []
    for one in differences:
        a, b = skies[one.a], skies[one.b]
        if a is not None and b is not None:
            left = one.difference - (a - b)
            found.append(Residual(method, one.a, one.b, left, one.error, left / one.noise))
    return found


@dataclass(frozen=True)
class ObservedField:
    """What all methods are judged by.

    Parameters
    ----------
    cells : sequence of Cells
        Of each exposure.
    shape : (int, int)
        Of the grid of cells.
    differences : sequence of PairDifference
        Of the exposures.
    levels : RelativeLevels
        That the differences call for, in the order of `cells`.
    empty : array of bool, or None
        The patches of empty sky, as from `background.darkest`.
    noise : float
        Of one pixel, e-/s.
    """

    cells: Sequence[Cells]
    shape: tuple[int, int]
    differences: Sequence[PairDifference]
    levels: RelativeLevels
    empty: NDArray[np.bool_] | None
    noise: float


def judge(
    method: str,
    skies: Skies,
    field: ObservedField,
    seams: Sequence[Seam],
    estimate: Estimate | None,
    truth: Mapping[str, float] | None,
) -> MethodQuality:
    """Return how flat the mosaic of a method is.

    Parameters
    ----------
    method : str
        Its name.
    skies : mapping of str to float or None
        What it subtracted.
    field : Field
        What all methods are judged by.
    seams : sequence of Seam
        The steps in its mosaic.
    estimate : Estimate or None
        Of its error.
    truth : mapping of str to float, or None
        The true skies, where they are known.
    """
    left = residuals(method, field.differences, skies)
    pixels = {(one.a, one.b): one.pixels for one in field.differences}
    weight = [pixels[one.a, one.b] for one in left]
    subtracted = in_order(field.levels.names, skies)
    image, variance = combined(field.cells, subtracted, field.shape)
    dark = darkest(image, variance, field.noise)
    empty = None if field.empty is None else empty_sky(image, variance, field.empty)
    worst, its = _worst_exposure(left, weight)
    return MethodQuality(
        method=method,
        residual_rms=_rms([one.residual for one in left], weight),
        residual_rms_error=_rms([one.error for one in left], weight),
        largest=max(left, key=lambda one: abs(one.residual), default=None),
        worst_exposure=worst,
        worst_exposure_residual=its,
        largest_seam=max(seams, key=lambda seam: abs(seam.step) - seam.error, default=None),
        seam_rms=_rms([seam.step for seam in seams], [seam.cells for seam in seams]),
        flatness=None if empty is None else empty.flatness,
        background=None if dark is None else dark.level,
        background_error=None if dark is None else dark.error,
        negative_share=None if empty is None else empty.negative_share,
        subtracted=float(np.nanmean(weighted_mean(field.cells, subtracted, field.shape))),
        imposed=_imposed(field, subtracted),
        estimated_error=None if estimate is None else estimate.error,
        estimated_error_error=None if estimate is None else estimate.uncertainty,
        undetermined=tuple(name for name in field.levels.names if skies[name] is None),
        truth=None if truth is None else _against(truth, field.levels.names, subtracted),
        estimated_level=None if estimate is None else estimate.level,
    )


def _rms(values: Sequence[float], weights: Sequence[float]) -> float | None:
    return float(np.sqrt(np.average(np.square(values), weights=weights))) if values else None


def _worst_exposure(
    left: Sequence[Residual], weight: Sequence[float]
) -> tuple[str | None, float | None]:
    """Return the exposure whose mean residual against its neighbours is largest."""
    sums: dict[str, float] = {}
    weights: dict[str, float] = {}
    for one, pixels in zip(left, weight, strict=True):
        for name, residual in ((one.a, one.residual), (one.b, -one.residual)):
            sums[name] = sums.get(name, 0.0) + pixels * residual
            weights[name] = weights.get(name, 0.0) + pixels
    means = {name: sums[name] / weights[name] for name in sums}
    if not means:
        return None, None
    worst = max(means, key=lambda name: abs(means[name]))
    return worst, means[worst]


def _imposed(field: ObservedField, subtracted: Floats) -> float | None:
    """Return the largest difference, within a group, of what a method puts into the mosaic.

    By the linearity of drizzling, the mosaic without sky minus that of a method is the mean of the
    skies, weighted as the exposures are; what the overlaps call for is no structure.
    """
    found = []
    for group in field.levels.groups:
        if len(group) > 1:
            cells, shape = cropped([field.cells[i] for i in group], 1)
            extra = (subtracted - field.levels.values)[list(group)]
            image = weighted_mean(cells, extra, shape)
            found.append(float(np.nanmax(image) - np.nanmin(image)))
    return max(found, default=None)


def _against(truth: Mapping[str, float], names: Sequence[str], subtracted: Floats) -> TruthError:
    error = subtracted - np.array([truth[name] for name in names])
    worst = int(np.argmax(np.abs(error)))
    return TruthError(
        rms=float(np.sqrt(np.mean(error**2))),
        level=float(np.mean(error)),
        spread=float(np.ptp(error)),
        worst_exposure=names[worst],
        worst=float(error[worst]),
    )
