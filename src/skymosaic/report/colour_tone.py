"""Brightness in several filters as red, green and blue: limits, stretch, and where data lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from astropy.visualization import (
    AsinhStretch,
    LinearStretch,
    LogStretch,
    ManualInterval,
    make_lupton_rgb,
    make_rgb,
)
from numpy.typing import NDArray

from skymosaic.errors import DrizzleError
from skymosaic.report.colour_facts import StretchName

Floats = NDArray[np.floating]
Picture = NDArray[np.uint8]
"""Shape (rows, columns, 3): red, green and blue."""

NO_DATA = (0, 0, 0)
_SAMPLE = 4_000_000  # pixels that the limits are measured in
_LINEAR_TO = {"lupton": (10, 0.15), "asinh": (3, 0.1), "log": (3, 0.1), "linear": (0, 1.0)}
"""The usual ones: in standard deviations of the sky, and at most as a part of the range. Of lupton
with the usual Q, one standard deviation then is a tenth of the brightest tone."""
_SMALLEST = 1e-5


class Rows(Protocol):
    """An image in a file, of which rows are read at need, such as an HDU's ``section``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, columns."""

    def __getitem__(self, rows: slice) -> Floats:
        """Read some rows."""


@dataclass(frozen=True)
class ColourPlane:
    """The mosaic of a filter."""

    science: Rows
    weight: Rows

    def read(self, rows: slice) -> NDArray[np.float32]:
        """Return some of its rows; NaN where there is no data."""
        values = np.array(self.science[rows], dtype=np.float32)
        values[~(np.asarray(self.weight[rows]) > 0) | ~np.isfinite(values)] = np.nan
        return values


@dataclass(frozen=True)
class Limits:
    """What of a filter becomes 0 and 1 before the stretch, in its mosaic's unit."""

    low: float
    high: float


@dataclass(frozen=True)
class Tone:
    """How levels from 0 to 1 become tones."""

    stretch: StretchName
    linear_to: float
    """The level up to which that is nearly linear."""
    q: float
    """Of ``lupton``: how strongly what is above is compressed."""

    def __call__(self, levels: Floats) -> Picture:
        """Return levels, shape (3, rows, columns), as a picture.

        ``lupton`` is the mapping of Lupton et al. 2004 (PASP 116, 133): the mean of the three is
        stretched, and their ratios are kept.
        """
        if self.stretch == "lupton":
            with np.errstate(divide="ignore", invalid="ignore"):  # of black pixels, then set to 0
                tones = make_lupton_rgb(*levels, minimum=0, stretch=self.linear_to, Q=self.q)
        else:
            stretch = {
                "linear": LinearStretch,
                "log": lambda: LogStretch(1 / self.linear_to),
                "asinh": lambda: AsinhStretch(self.linear_to),
            }[self.stretch]()
            tones = make_rgb(*levels, interval=ManualInterval(0, 1), stretch=stretch)
        return np.asarray(tones, dtype=np.uint8)


@dataclass(frozen=True)
class Measured:
    """What the pixels of a field say of how to show them."""

    limits: tuple[Limits, ...]
    """Of each filter."""
    noise: float
    """Standard deviation of the sky, as a part of the range between the limits: the median of the
    filters."""

    def linear_to(self, stretch: StretchName) -> float:
        """Return the level up to which a stretch is best linear: faint sources are then seen."""
        deviations, most = _LINEAR_TO[stretch]
        return most if stretch == "linear" else min(most, max(_SMALLEST, deviations * self.noise))


def measure(planes: Sequence[ColourPlane], percentiles: tuple[float, float]) -> Measured:
    """Return the limits of each filter: percentiles of the pixels that all filters have.

    Parameters
    ----------
    planes : sequence of ColourPlane
        On one grid. Of large ones only some rows are read.
    percentiles : (float, float)
        The lower and the upper one, percent.

    Returns
    -------
    Measured
        The noise is the distance of the median from the percentile 15.87, where sources matter
        little.

    Raises
    ------
    DrizzleError
        The filters have no pixel in common, or one of them is the same everywhere.
    """
    rows, columns = planes[0].science.shape
    step = -(-rows * columns // _SAMPLE)
    sampled = []
    for row in range(0, rows, step):
        levels = np.stack([plane.read(slice(row, row + 1))[0] for plane in planes])
        sampled.append(levels[:, np.isfinite(levels).all(axis=0)])
    values = np.concatenate(sampled, axis=1)
    if not values.size:
        raise DrizzleError(
            "the mosaics of these filters have no pixel in common, so there is no colour to show: "
            "choose groups that overlap, or leave colour out"
        )
    found = np.percentile(values, (*percentiles, 15.87, 50), axis=1).T
    for low, high, *_ in found:
        if not low < high:
            raise DrizzleError(
                f"percentiles {percentiles[0]:g} and {percentiles[1]:g} of a mosaic's pixels are "
                f"both {low:.6g}: set colour.percentiles further apart"
            )
    noise = [(middle - below) / (high - low) for low, high, below, middle in found]
    limits = tuple(Limits(float(low), float(high)) for low, high, *_ in found)
    return Measured(limits, float(np.median(noise)))


def paint(channels: Sequence[Floats], limits: Sequence[Limits], tone: Tone) -> Picture:
    """Return two or three filters as a picture.

    Parameters
    ----------
    channels : sequence of ndarray of shape (rows, columns)
        Red, green and blue; or red and blue, and green is their mean. NaN where there is no data.
    limits : sequence of Limits
        Of each.
    tone : Tone
        How levels become tones.

    Returns
    -------
    ndarray of shape (rows, columns, 3), uint8
        Grey, of the mean of the others, where a filter has no data; `NO_DATA` where all lack.
    """
    levels = np.stack(
        [
            (np.asarray(channel, dtype=np.float32) - np.float32(limit.low))
            / np.float32(limit.high - limit.low)
            for channel, limit in zip(channels, limits, strict=True)
        ]
    )
    known = np.isfinite(levels)
    count = known.sum(axis=0)
    mean = np.where(known, levels, 0).sum(axis=0) / np.maximum(count, 1)
    levels = np.where(count == len(levels), levels, mean).astype(np.float32)
    if len(levels) == 2:
        levels = np.stack([levels[0], levels.mean(axis=0), levels[1]])
    picture = tone(levels)
    picture[count == 0] = NO_DATA
    return picture
