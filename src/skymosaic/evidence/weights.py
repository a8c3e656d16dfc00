"""By how much the weight maps of two methods differ: what masks of their own make of a mosaic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
_ROUNDING = 1e-5  # relative: sums of single precision


@dataclass(frozen=True)
class WeightDifference:
    """The weight map of one method against that of another, on one grid."""

    pixels: int
    """That have weight under either."""
    share: float
    """Of these pixels, those whose weight is another."""
    weight: float
    """Sum of the differences' sizes over the sum of the other's weights."""


def weight_difference(parts: Iterable[tuple[Singles, Singles]]) -> WeightDifference:
    """Return the difference of two weight maps.

    Parameters
    ----------
    parts : iterable of (array, array)
        The same rows of one map and of the other; all of them, in any order.
    """
    pixels = other_than = 0
    apart = total = 0.0
    for one, other in parts:
        pixels += int(np.count_nonzero((one > 0) | (other > 0)))
        other_than += int(
            np.count_nonzero(np.abs(one - other) > _ROUNDING * np.maximum(one, other))
        )
        apart += float(np.abs(one.astype(np.float64) - other).sum())
        total += float(other.sum(dtype=np.float64))
    return WeightDifference(
        pixels, other_than / pixels if pixels else 0.0, apart / total if total else 0.0
    )
