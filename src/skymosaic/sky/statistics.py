"""The clipped statistics of AstroDrizzle's sky step, on plain arrays.

The definitions are those of stsci.imagestats, whose compiled loops are used: single precision
limits, means and deviations, the range from the smallest to the largest value first, then clipping
about the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from stsci.imagestats import computeMean, histogram1d

Singles = NDArray[np.float32]
Number = float | np.floating
"""The median is in single precision, as AstroDrizzle's; mode and mean are in double precision."""


@dataclass(frozen=True)
class Statistic:
    """Which statistic of which pixels is the sky: AstroDrizzle's parameters in its names' order.

    Parameters
    ----------
    skystat : {'median', 'mode', 'mean'}
        The statistic.
    skywidth : float
        Width of a bin of the histogram that `mode` is found in, in standard deviations.
    skylower, skyupper : float or None
        Range of usable pixels, in the units of the data.
    skyclip : int
        How many times to clip.
    skylsigma, skyusigma : float
        Where to clip below and above the mean, in standard deviations.
    """

    skystat: Literal["median", "mode", "mean"] = "median"
    skywidth: float = 0.1
    skylower: float | None = None
    skyupper: float | None = None
    skyclip: int = 5
    skylsigma: float = 4.0
    skyusigma: float = 4.0

    def __post_init__(self) -> None:
        if self.skystat not in ("median", "mode", "mean"):
            raise ValueError(f"skystat {self.skystat!r} is none of median, mode, mean")
        if self.skyclip < 0 or min(self.skylsigma, self.skyusigma, self.skywidth) <= 0:
            raise ValueError("skyclip may not be negative; skylsigma, skyusigma and skywidth > 0")


@dataclass(frozen=True)
class ClippedStatistic:
    """A statistic of some pixels.

    Parameters
    ----------
    value : float or None
        In the units of the data; None where too few pixels remained.
    pixels : int
        How many remained after clipping.
    """

    value: Number | None
    pixels: int


@dataclass(frozen=True)
class Clipped:
    """What remains of some pixels after clipping."""

    pixels: int
    mean: float
    deviation: float
    lowest: float
    highest: float
    """The smallest and the largest value that remain."""
    lower: Number
    upper: Number
    """The limits within which pixels remain."""


NOTHING = ClippedStatistic(None, 0)


def measure(values: Singles, statistic: Statistic) -> ClippedStatistic:
    """Return the clipped statistic of some pixels.

    Parameters
    ----------
    values : array of float32, shape (n,)
        The pixels, in the machine's byte order. With a NaN among them nothing is measured.
    statistic : Statistic
        What to measure.
    """
    clipped = clip(values, statistic)
    if clipped is None:
        return NOTHING
    match statistic.skystat:
        case "mean":
            return ClippedStatistic(clipped.mean, clipped.pixels)
        case "mode":  # NaN where one pixel remains: it has no deviation
            peak = mode(values, clipped, statistic.skywidth)[0]
            return NOTHING if np.isnan(peak) else ClippedStatistic(peak, clipped.pixels)
    if statistic.skyclip:
        values = values[(values <= clipped.upper) & (values >= clipped.lower)]
    return ClippedStatistic(np.median(values), clipped.pixels)


def clip(values: Singles, statistic: Statistic) -> Clipped | None:
    """Clip about the mean; None where no pixel is left."""
    if values.size == 0:
        return None
    smallest, largest = values.min(), values.max()
    lower = smallest if statistic.skylower is None else statistic.skylower
    upper = largest if statistic.skyupper is None else statistic.skyupper
    if not (lower <= largest and smallest <= upper and lower <= upper):
        return None  # also with a NaN
    low, high = lower, upper
    for last in range(statistic.skyclip + 1):
        pixels, mean, deviation, lowest, highest = computeMean(values, low, high)
        if pixels <= 0:
            return None
        if last < statistic.skyclip:
            low = max(lower, mean - statistic.skylsigma * deviation)
            high = min(upper, mean + statistic.skyusigma * deviation)
    return Clipped(int(pixels), mean, deviation, lowest, highest, low, high)


def mode(values: Singles, clipped: Clipped, width: float) -> tuple[Number, int]:
    """Return the mode of what remains after clipping, and the number of bins it was sought in.

    The mode is the vertex of the parabola through the fullest bin and its neighbours.
    """
    step = width * clipped.deviation
    extent = clipped.highest - clipped.lowest
    least = 10.0 * np.finfo(np.float32).eps
    if not step >= least or abs(extent) < least or step > extent:
        return clipped.lowest + 0.5 * step, 1
    bins = int(extent / step) + 1
    counts = histogram1d(values, bins, float(extent) / float(bins - 1), clipped.lowest).histogram
    if bins == 2:
        return clipped.lowest + (1.0 + 0.5 * np.sign(int(counts[1]) - int(counts[0]))) * step, 2
    peak = int(np.argmax(counts))
    if peak in (0, bins - 1):
        return clipped.lowest + (peak + 0.5) * step, bins
    before, after = (int(counts[peak]) - int(counts[peak + side]) for side in (-1, 1))
    if before + after == 0:
        return clipped.lowest + (peak + 0.5) * step, bins
    return clipped.lowest + (peak + 0.5 + 0.5 * (before - after) / (before + after)) * step, bins
