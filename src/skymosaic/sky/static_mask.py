"""The static mask of a detector: pixels that are far too low, in one exposure or in several.

AstroDrizzle's is low in any exposure. Random low pixels add up in it: of 1,000 exposures with 1% of
them, 0.01**1000 of the pixels are left. `needed` is the rule that asks for more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymosaic.sky.static_rule import Rule
from skymosaic.sky.statistics import Singles, Statistic, clip, mode

_CLIPPING = Statistic(skyclip=3, skylsigma=3.0, skyusigma=3.0)
_WIDTH = 0.1
RANDOM = 0.01
"""Share of the pixels of an exposure that may be low by chance, at least."""
FALSE = 0.01
"""Pixels of a chip that may be masked by chance, expected."""


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


def needed(exposures: int, pixels: int, random: float = RANDOM) -> int:
    """Return in how many of N exposures a pixel must be low to be masked as low repeatedly.

    Where pixels are low at random, a share p of them in each exposure, the number of exposures in
    which a pixel is low is binomial. The answer is the smallest k of at least 2 with

        P * Prob(Binomial(N, p) >= k) <= 0.01

    so that of a chip's P pixels 0.01 are expected to be masked by chance. If the share differs
    from exposure to exposure the same holds with its mean: no such sum has a heavier tail than the
    binomial of the mean, for k >= N p + 1 (W. Hoeffding 1956, Annals of Mathematical Statistics
    27, 713, theorem 4). Gaussian noise has p = 3.2e-5 at 4 sigma, far below the share that is
    assumed at least, `RANDOM`. Of 1024 x 1024 pixels: 6 of 10, 9 of 50, 12 of 125, 33 of 1,000.

    Of a few exposures no k is enough; then a pixel must be low in all of them. One exposure alone
    repeats nothing.

    Parameters
    ----------
    exposures : int
        N, of this chip.
    pixels : int
        P, of a chip.
    random : float
        p.
    """
    from scipy.special import bdtrc  # half a second, for those that need it

    counts = np.arange(2, exposures + 1)
    enough = np.flatnonzero(pixels * bdtrc(counts - 1, exposures, random) <= FALSE)
    return int(counts[enough[0]]) if enough.size else max(exposures, 2)


@dataclass(frozen=True)
class StaticMask:
    """The static mask of one chip.

    Parameters
    ----------
    low : array of bool, shape (rows, columns)
        The pixels that are left out.
    exposures : int
        In how many exposures they were looked for.
    needed : int
        In how many of them a pixel had to be low.
    """

    low: NDArray[np.bool_]
    exposures: int
    needed: int

    @property
    def masked(self) -> int:
        """How many pixels are left out."""
        return int(np.count_nonzero(self.low))

    @property
    def share(self) -> float:
        """What part of the pixels that is."""
        return self.masked / self.low.size


class LowPixels:
    """In how many exposures each pixel of a chip is low; one exposure is held at a time.

    Parameters
    ----------
    shape : (int, int)
        Rows, columns.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.exposures = 0
        self._counts: NDArray[np.unsignedinteger] = np.zeros(shape, dtype=np.uint16)

    def add(self, low: NDArray[np.bool_]) -> None:
        """Count the low pixels of one more exposure, as from `too_low`."""
        if self.exposures == np.iinfo(np.uint16).max:
            self._counts = self._counts.astype(np.uint32)
        self._counts += low
        self.exposures += 1

    def mask(self, rule: Rule) -> StaticMask:
        """Return the mask by a rule.

        The share of pixels that are low at random is that of the pixels that are not masked: with
        what is low in all exposures it would be too high. It falls from round to round, and with
        it the number of exposures that are needed, until both stay.
        """
        if rule == "once":
            return StaticMask(self._counts > 0, self.exposures, 1)
        # All that matters of the pixels: how many are low in 0, 1, 2, ... exposures.
        pixels = np.bincount(self._counts.ravel(), minlength=self.exposures + 1)
        times = np.arange(len(pixels))
        last, least = 0, self.exposures + 1
        while least != last:
            last = least
            others = pixels[:last]
            random = float((others * times[:last]).sum()) / max(
                int(others.sum()) * self.exposures, 1
            )
            least = min(needed(self.exposures, self._counts.size, max(random, RANDOM)), last)
        return StaticMask(self._counts >= least, self.exposures, least)
