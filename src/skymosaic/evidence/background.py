"""The empty sky of a mosaic: how dark its darkest parts are, and whether it is flat.

A mosaic is divided into patches of cells. In each, the level is the median of the cells of one
colour of a chequerboard, found by those of the other colour: what was chosen for being dark by its
noise is not dark in pixels that had no part in the choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymosaic.evidence.cells import Floats
from skymosaic.evidence.mosaic import in_blocks, nanmedian
from skymosaic.evidence.pairs import MAD, MEDIAN

PATCH = 4  # cells along the side of a patch
DARKEST = 0.02  # of the patches
LEAST_PATCHES = 6
NEGLIGIBLE = 0.05  # of the noise of one pixel
_SIGMAS = 3.0


@dataclass(frozen=True)
class Patches:
    """Levels of the patches of a mosaic, e-/s; each array has shape (n,)."""

    chosen: Floats
    """Median of the cells of one colour: by these patches are chosen."""
    level: Floats
    """Median of the cells of the other colour: what is reported."""
    error: Floats
    """Standard error of `level` by the noise of the pixels; that of `chosen` too."""


@dataclass(frozen=True)
class Darkest:
    """The level of the darkest patches of a mosaic."""

    level: float
    """e-/s."""
    error: float
    """Standard error of `level`, e-/s."""
    empty: NDArray[np.bool_]
    """Of all patches, those as dark as the darkest within their errors."""
    share: float
    """Share of patches that are."""


def patches(image: Floats, variance: Floats, colour: int = 0) -> Patches:
    """Return the levels of the patches of which both colours have half of their cells or more.

    Parameters
    ----------
    image, variance : array, shape (rows, columns)
        The mosaic in cells and the variance of its noise; NaN where there is no data.
    colour : {0, 1}
        By which colour to choose.
    """
    rows, columns = np.indices(image.shape)
    first = (rows + columns) % 2 == colour
    one, two = (in_blocks(np.where(m, image, np.nan), PATCH) for m in (first, ~first))
    filled = [np.isfinite(half).sum(axis=-1) for half in (one, two)]
    enough = np.minimum(*filled) >= PATCH**2 // 4
    noise = in_blocks(variance, PATCH)[enough]
    count = np.isfinite(noise).sum(axis=-1) / 2.0
    return Patches(
        chosen=nanmedian(one[enough]),
        level=nanmedian(two[enough]),
        error=MEDIAN * np.sqrt(np.nanmean(noise, axis=-1) / count),
    )


def darkest(image: Floats, variance: Floats, noise: float) -> Darkest | None:
    """Return the level of the darkest patches; None where the mosaic has too few.

    Parameters
    ----------
    image, variance : array, shape (rows, columns)
        The mosaic in cells and the variance of its noise.
    noise : float
        Of one pixel: what is less than `NEGLIGIBLE` of it does not tell patches apart.
    """
    halves = [patches(image, variance, colour) for colour in (0, 1)]
    if halves[0].level.size < LEAST_PATCHES:
        return None
    count = max(LEAST_PATCHES, round(DARKEST * halves[0].level.size))
    lowest = [half.level[np.argsort(half.chosen, kind="stable")[:count]] for half in halves]
    levels = [float(np.mean(one)) for one in lowest]
    errors = [float(np.std(one, ddof=1)) / np.sqrt(count) for one in lowest]
    level = float(np.mean(levels))
    both = 0.5 * (halves[0].level + halves[0].chosen)
    tolerance = _SIGMAS * halves[0].error / np.sqrt(2.0) + NEGLIGIBLE * noise
    empty = both <= level + tolerance
    error = 0.5 * float(np.sqrt(errors[0] ** 2 + errors[1] ** 2 + (levels[0] - levels[1]) ** 2))
    return Darkest(level, error, empty, float(empty.mean()))


@dataclass(frozen=True)
class EmptySky:
    """What a method leaves in the patches without sources."""

    flatness: float
    """Standard deviation of their levels beyond noise, e-/s."""
    negative_share: float
    """Share of them below zero by more than 3 standard errors."""


def empty_sky(image: Floats, variance: Floats, empty: NDArray[np.bool_]) -> EmptySky | None:
    """Return how flat and how far below zero the empty patches of a mosaic are.

    Parameters
    ----------
    image, variance : array, shape (rows, columns)
        A method's mosaic in cells and the variance of its noise.
    empty : array of bool, shape (patches,)
        As from `darkest`, of a mosaic on the same cells.
    """
    found = patches(image, variance)
    if int(empty.sum()) < LEAST_PATCHES:
        return None
    level = 0.5 * (found.level + found.chosen)[empty]
    error = found.error[empty] / np.sqrt(2.0)
    spread = MAD * float(np.median(np.abs(level - np.median(level))))
    beyond = max(0.0, spread**2 - float(np.median(error)) ** 2)
    return EmptySky(float(np.sqrt(beyond)), float(np.mean(level < -_SIGMAS * error)))
