"""What single precision leaves unknown: no difference is known better, and no error is 0.

Exposures that are copies of each other plus a constant differ without any scatter. An error of 0
would weigh infinitely much, and nothing could be divided by it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

LEAST = 1e-12
"""e-/s; of images that are 0 everywhere."""


def rounding_of(*levels: ArrayLike) -> float:
    """Return the spacing of numbers in single precision at the usual size of some levels.

    Parameters
    ----------
    levels : array
        e-/s; what is not finite does not count.
    """
    values = np.abs(np.concatenate([np.ravel(np.asarray(one, np.float64)) for one in levels]))
    values = values[np.isfinite(values)]
    usual = np.float32(np.median(values)) if values.size else np.float32(0.0)
    return max(float(np.spacing(usual)), LEAST)
