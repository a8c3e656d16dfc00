"""The chi^2 distribution, without the second that importing scipy.stats takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri, gammaincinv


def exceeded_by_chance(chance: float, freedom: ArrayLike) -> NDArray[np.float64]:
    """Return what chi^2 with so many degrees of freedom exceeds with a given chance."""
    return np.asarray(chdtri(freedom, chance), dtype=np.float64)


def median(freedom: ArrayLike) -> NDArray[np.float64]:
    """Return the median of chi^2 with so many degrees of freedom."""
    return np.asarray(2.0 * gammaincinv(np.asarray(freedom) / 2.0, 0.5), dtype=np.float64)
