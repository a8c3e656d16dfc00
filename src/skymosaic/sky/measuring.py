"""The sky of one chip: of all of it, and of its part of each overlap. One reading serves all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy.nddata.bitmask import bitfield_to_boolean_mask
from numpy.typing import NDArray

from skymosaic.sky.layout import Layout, Pair
from skymosaic.sky.samples import Sample
from skymosaic.sky.statistics import ClippedStatistic, Statistic


@dataclass(frozen=True)
class ChipSky:
    """The sky statistics of one chip, in the units of its data."""

    whole: ClippedStatistic
    shared: Mapping[Pair, ClippedStatistic]


def good_pixels(
    flags: NDArray[np.integer] | None,
    ignored: int | None,
    low: NDArray[np.bool_] | None = None,
    user: NDArray[np.bool_] | None = None,
    *,
    shape: tuple[int, int],
) -> NDArray[np.bool_]:
    """Return which pixels of a chip count for its sky.

    Parameters
    ----------
    flags : array of int, or None
        The DQ array.
    ignored : int or None
        ``sky_bits``: the sum of the flags that do not make a pixel bad; None: DQ is not used.
    low : array of bool or None
        Pixels that the static mask takes out.
    user : array of bool or None
        User's mask: pixels that may be used.
    shape : (int, int)
        Rows, columns.
    """
    good = np.ones(shape, dtype=bool)
    if flags is not None and ignored is not None:
        good &= bitfield_to_boolean_mask(
            flags.astype(np.uint16), ignore_flags=ignored, good_mask_value=True, dtype=bool
        )
    if low is not None:
        good &= ~low
    if user is not None:
        good &= user
    return good


def measure_sample(layout: Layout, chip: int, sample: Sample, statistic: Statistic) -> ChipSky:
    """Measure one chip whose pixels are arranged already; for a second statistic of them."""
    return ChipSky(
        whole=sample.whole(statistic),
        shared={
            pair: sample.part(layout.pixels(chip, pair), statistic) for pair in layout.regions[chip]
        },
    )
