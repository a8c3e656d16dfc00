"""What the differences tell of the skies of an exposure's chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymosaic.sky.chip_models import Model

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

SIGNIFICANT = 1e-4
"""Chance that noise alone makes the skies of chips fit so much better."""
SUSPECT = 0.05
"""Likewise; from here on what may be a step is in the errors, also where it is not subtracted."""


@dataclass(frozen=True)
class ChipSteps:
    """What the differences tell of the skies of chips.

    Parameters
    ----------
    model : {"exposures", "step", "chips"}
        The simplest model that the differences do not reject.
    chance_step, chance_chips : float
        Of noise alone to make the second model fit so much better than the first, the third than
        the second. NaN where there is nothing to compare.
    gain : float
        By how much chi^2 of `model` is smaller than that of one sky an exposure, beyond what its
        further unknowns take by noise alone (Akaike's criterion).
    undetermined : tuple of int
        Exposures of which no overlap relates the chips.
    known : bool
        Whether the step that all exposures share is known.
    skies : array, shape (chips,)
        By `model`, as corrections to what the patches' equations assume. Among exposures that
        overlaps relate the mean is 0, NaN for one that no other was compared with.
    covariance : array, shape (chips, chips)
        Of `skies`.
    relative : tuple of (float, float)
        For each chip but the first of an exposure: by how much of a further sky its sky exceeds
        that of the first, and the standard error; NaN where the exposures' skies do not tell.
    """

    model: Model
    chance_step: float
    chance_chips: float
    gain: float
    undetermined: tuple[int, ...]
    known: bool
    skies: Floats
    covariance: Floats
    relative: tuple[tuple[float, float], ...]

    def steps(self, owners: Indices) -> Floats:
        """Return the sky of each chip less the mean of its exposure's; 0 where it is not known."""
        return np.nan_to_num(within_exposures(self.skies, owners))

    def mean_step(self, pairs: Sequence[tuple[int, int, float]]) -> tuple[float, float]:
        """Return the mean step of some pairs of chips, and its standard error.

        Parameters
        ----------
        pairs : sequence of (int, int, float)
            Two chips, and what the step of the first above the second is divided by.
        """
        weights = np.zeros(len(self.skies))
        for one, other, area in pairs:
            weights[one] += 1.0 / area / len(pairs)
            weights[other] -= 1.0 / area / len(pairs)
        variance = max(float(weights @ self.covariance @ weights), 0.0)
        return float(weights @ np.nan_to_num(self.skies)), float(np.sqrt(variance))

    def between(self, one: int, other: int) -> tuple[float, float]:
        """Return how much the sky of one chip exceeds that of another, and its standard error."""
        difference = float(self.skies[one] - self.skies[other])
        c = self.covariance
        variance = c[one, one] + c[other, other] - 2.0 * c[one, other]
        return difference, float(np.sqrt(max(variance, 0.0)))


def within_exposures(values: Floats, owner: Indices) -> Floats:
    """Return values of chips less the mean of their exposure's."""
    count = np.bincount(owner)
    return np.asarray(values - (np.bincount(owner, values) / count)[owner])
