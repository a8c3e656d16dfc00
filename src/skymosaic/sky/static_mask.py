"""AstroDrizzle's static mask: pixels that are far too low in any exposure of a detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skymosaic.sky.statistics import Singles, Statistic, clip, mode

_CLIPPING = Statistic(skyclip=3, skylsigma=3.0, skyusigma=3.0)
_WIDTH = 0.1


def static_threshold(image: Singles, static_sig: float) -> float | None:
    """Return the value below which a pixel of a chip is bad; None where no mask can be made.

    Parameters
    ----------
    image : array of float32, shape (rows, columns)
        In the units of the file.
    static_sig : float
        AstroDrizzle's parameter: standard deviations below the mode.
    """
    values = image.ravel()
    finite = Statistic(
        skylower=float(np.nanmin(values)),
        skyupper=float(np.nanmax(values)),
        skyclip=_CLIPPING.skyclip,
        skylsigma=_CLIPPING.skylsigma,
        skyusigma=_CLIPPING.skyusigma,
    )
    clipped = clip(np.nan_to_num(values, nan=np.inf) if np.isnan(values).any() else values, finite)
    if clipped is None:
        return None
    peak, bins = mode(values, clipped, _WIDTH)
    return float(peak) - static_sig * clipped.deviation if bins >= 2 else None


def too_low(image: Singles, static_sig: float) -> NDArray[np.bool_]:
    """Return which pixels of a chip the static mask takes out, shape of `image`."""
    threshold = static_threshold(image, static_sig)
    if threshold is None:
        return np.zeros(image.shape, dtype=bool)
    return np.asarray(image < np.float64(threshold))
