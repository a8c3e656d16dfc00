"""How far each method's skies are from those that the data call for, and how well that is known.

The skies that the data call for: relative to one another as the overlaps have them, and, in each
group of linked exposures, such that the darkest parts of its mosaic are empty. The first is
measured; the second is an assumption, and an upper limit: where no part of a group is empty, its
skies are lower.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skymosaic.evidence.background import Darkest
from skymosaic.evidence.cells import Floats
from skymosaic.evidence.covariance import Covariance, mean_variance, quadratic, with_shared
from skymosaic.evidence.levels import Levels


@dataclass(frozen=True)
class Estimate:
    """The estimated error of a method's skies, e-/s."""

    error: float
    """Rms over exposures."""
    uncertainty: float
    """Standard error of `error`."""
    level: float
    """Mean over exposures; positive where too much was subtracted."""


@dataclass(frozen=True)
class Called:
    """The skies that the data call for.

    Parameters
    ----------
    skies : array, shape (n,)
        e-/s, in the order of the levels.
    covariance : array, shape (n, n), or SparseCovariance
        Of `skies`.
    """

    skies: Floats
    covariance: Covariance

    @cached_property
    def noise(self) -> float:
        """Mean variance of `skies`."""
        return mean_variance(self.covariance)


def called_for(levels: Levels, dark: Sequence[Darkest], least: float) -> Called:
    """Return the skies that the data call for.

    Parameters
    ----------
    levels : Levels
        From the overlaps.
    dark : sequence of Darkest
        Of the mosaic of each group, with its `levels` subtracted.
    least : float
        Smallest error of a group's level: faint sources are everywhere.
    """
    skies = levels.values.copy()
    for group, one in zip(levels.groups, dark, strict=True):
        skies[np.array(group)] += one.level
    shared = [one.error**2 + least**2 for one in dark]
    return Called(skies, with_shared(levels.covariance, levels.groups, shared))


def estimate(called: Called, subtracted: Floats) -> Estimate:
    """Return the error of a method that subtracted these skies, shape (n,)."""
    off = subtracted - called.skies
    size = len(off)
    noise = called.noise
    square = float(np.mean(off**2))
    # Noise adds to the mean square; where it makes all of it, the error is that of the noise.
    rms = float(np.sqrt(max(square - noise, 0.0)))
    slope = float(np.sqrt(max(quadratic(called.covariance, off), 0.0))) / size
    scale = float(np.sqrt(max(square, noise)))
    return Estimate(rms, slope / scale if scale > 0 else 0.0, float(np.mean(off)))


@dataclass(frozen=True)
class MethodComparison:
    """The errors of two methods compared."""

    excess: float
    """Error of the one minus that of the other, e-/s."""
    error: float
    """Standard error of `excess`."""
    significance: float
    """Of the difference of the two, in standard errors."""


def compare(called: Called, one: Floats, other: Floats) -> MethodComparison:
    """Return by how much the error of one method exceeds that of another.

    The difference of their mean squares is linear in the skies that are called for, so its error
    is known exactly: mean[(a - b)(a + b - 2 s)].

    Parameters
    ----------
    called : Called
        The skies that the data call for.
    one, other : array, shape (n,)
        What the two methods subtracted.
    """
    apart = one - other
    difference = float(np.mean(apart * (one + other - 2.0 * called.skies)))
    variance = max(quadratic(called.covariance, apart), 0.0)
    error = 2.0 / len(apart) * float(np.sqrt(variance))
    # a^2 - b^2 = (a - b)(a + b); where both are small, noise is what they amount to.
    noise = called.noise
    squares = [float(np.mean((skies - called.skies) ** 2)) for skies in (one, other)]
    total = sum(float(np.sqrt(max(square, noise))) for square in squares)
    return MethodComparison(
        excess=estimate(called, one).error - estimate(called, other).error,
        error=error / total if total > 0 else 0.0,
        significance=difference / error if error > 0 else 0.0,
    )


def in_order(names: Sequence[str], skies: Mapping[str, float | None]) -> Floats:
    """Return what a method subtracted, in the order of the names; 0 where undetermined."""
    return np.array([skies[name] or 0.0 for name in names])
