"""The usable pixels of a chip, arranged so that the sky of any part of it is found quickly.

A median of a million pixels takes 25 ms, clipping included; a chip of a deep mosaic takes part in
a hundred overlaps. So its pixels are sorted into 16384 bins once. The counts of a part's pixels in
these bins tell all that clipping needs; only the bins in which a limit or the median lies are
looked into.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymosaic.sky.pixels import Integers
from skymosaic.sky.statistics import (
    NOTHING,
    Clipped,
    ClippedStatistic,
    Singles,
    Statistic,
    clip,
    measure,
)

_BINS = 2**14
_REACH = 9.0  # standard deviations on both sides of the mean that the bins span
_MANY = 40_000  # pixels from which on the bins pay


class Sample:
    """The usable pixels of a chip.

    Parameters
    ----------
    image : array of float32, shape (rows, columns)
        In the machine's byte order.
    good : array of bool, same shape
        Which pixels are usable.
    """

    def __init__(self, image: Singles, good: NDArray[np.bool_]) -> None:
        self.shape = (image.shape[0], image.shape[1])
        self.values: Singles = image[good]
        self._index = np.zeros(good.size + 1, dtype=np.int32)
        np.cumsum(good.ravel(), out=self._index[1:])
        self._bins: _Bins | None = None

    def whole(self, statistic: Statistic) -> ClippedStatistic:
        """Return the statistic of all usable pixels."""
        return self._measure([(0, len(self.values))], statistic)

    def part(self, region: Integers, statistic: Statistic) -> ClippedStatistic:
        """Return the statistic of the usable pixels in a region.

        Parameters
        ----------
        region : array of int, shape (m, 3)
            As from `pixels.filled`.
        statistic : Statistic
            What to measure.
        """
        if len(region) == 0:
            return NOTHING
        row = region[:, 0] * self.shape[1]
        starts, stops = self._index[row + region[:, 1]], self._index[row + region[:, 2]]
        # Rows that follow each other without a gap are one piece.
        first = np.concatenate([[True], starts[1:] != stops[:-1]])
        last = np.concatenate([first[1:], [True]])
        return self._measure(
            list(zip(starts[first].tolist(), stops[last].tolist(), strict=True)), statistic
        )

    def _measure(self, pieces: Sequence[tuple[int, int]], statistic: Statistic) -> ClippedStatistic:
        pixels = sum(stop - start for start, stop in pieces)
        if self._binned(pixels, statistic):
            return self._in_bins().measure(pieces, statistic)
        return measure(_joined(self.values, pieces), statistic)

    def _binned(self, pixels: int, statistic: Statistic) -> bool:
        plain = statistic.skystat == "median" and statistic.skyclip > 0
        return plain and pixels >= _MANY and self._in_bins().usable

    def _in_bins(self) -> _Bins:
        if self._bins is None:
            self._bins = _Bins(self.values)
        return self._bins


def _joined(pixels: NDArray[Any], pieces: Sequence[tuple[int, int]]) -> NDArray[Any]:
    if len(pieces) == 1:
        return pixels[slice(*pieces[0])]
    return np.concatenate([pixels[start:stop] for start, stop in pieces])


class _Bins:
    """All pixels of a chip in bins; the first and the last hold all that is farther out."""

    def __init__(self, values: Singles) -> None:
        self.usable = False
        clipped = clip(values, Statistic())
        if clipped is None or not clipped.deviation > 0:
            return
        low = np.float32(clipped.mean - _REACH * clipped.deviation)
        step = np.float32(2.0 * _REACH * clipped.deviation / (_BINS - 2))
        scaled = (values - low) / step
        np.clip(scaled, -1.0, _BINS - 2, out=scaled)
        # Every operation here keeps the order of the values, so the bins are in their order too.
        self.keys: NDArray[np.uint16] = (np.floor(scaled, out=scaled) + np.float32(1)).astype(
            np.uint16
        )
        counts = np.bincount(self.keys, minlength=_BINS)
        self.values = values
        self._order = np.argsort(self.keys, kind="stable")
        self._begins = np.concatenate([[0], np.cumsum(counts)])
        counts = np.maximum(counts, 1)
        self._mean = np.bincount(self.keys, weights=values, minlength=_BINS) / counts
        self._about = clipped.mean
        residual = (values - np.float64(self._about)) ** 2
        self._square = np.bincount(self.keys, weights=residual, minlength=_BINS) / counts
        self._low, self._step = low, step
        self.usable = True

    def _key(self, limit: np.float32) -> int:
        scaled = np.clip((limit - self._low) / self._step, np.float32(-1), np.float32(_BINS - 2))
        return int(np.floor(scaled) + np.float32(1))

    def members(self, key: int) -> NDArray[np.intp]:
        """Return the pixels in one bin, in ascending order of their places."""
        return self._order[self._begins[key] : self._begins[key + 1]]

    def measure(self, pieces: Sequence[tuple[int, int]], statistic: Statistic) -> ClippedStatistic:
        """Return the clipped median of some stretches of pixels, as `statistics.measure`."""
        part = _Part(self, pieces)
        clipped = part.clip(statistic)
        return (
            NOTHING if clipped is None else ClippedStatistic(part.median(clipped), clipped.pixels)
        )


class _Part:
    """Some pixels of a chip, counted by bin."""

    def __init__(self, bins: _Bins, pieces: Sequence[tuple[int, int]]) -> None:
        self._bins = bins
        self._starts, self._stops = np.array(pieces).T
        self._found: dict[int, Singles] = {}
        counts = np.bincount(_joined(bins.keys, pieces), minlength=_BINS)
        # What lies in the outer bins is spread wide: it is summed itself, not by its bin's mean.
        outer = [self._in(key) for key in (0, _BINS - 1)]
        sums, squares = counts * bins._mean, counts * bins._square
        for key, found in zip((0, _BINS - 1), outer, strict=True):
            sums[key], squares[key] = self._sums(found)
        self._counts = np.concatenate([[0], np.cumsum(counts)])
        self._sums_to = np.concatenate([[0.0], np.cumsum(sums)])
        self._squares_to = np.concatenate([[0.0], np.cumsum(squares)])
        inner = np.flatnonzero(counts)
        self._smallest, self._largest = (
            self._in(int(inner[0])).min(),
            self._in(int(inner[-1])).max(),
        )

    def _in(self, key: int) -> Singles:
        """Return the pixels in one bin."""
        if key not in self._found:
            members = self._bins.members(key)
            piece = np.searchsorted(self._starts, members, side="right") - 1
            inside = (piece >= 0) & (members < self._stops[piece])
            self._found[key] = self._bins.values[members[inside]]
        return self._found[key]

    def _sums(self, values: Singles) -> tuple[float, float]:
        wide = values.astype(np.float64)
        return float(wide.sum()), float(((wide - self._bins._about) ** 2).sum())

    def clip(self, statistic: Statistic) -> Clipped | None:
        lower = self._smallest if statistic.skylower is None else statistic.skylower
        upper = self._largest if statistic.skyupper is None else statistic.skyupper
        if not (lower <= self._largest and self._smallest <= upper and lower <= upper):
            return None
        low, high = lower, upper
        for last in range(statistic.skyclip + 1):
            found = self._between(np.float32(low), np.float32(high))
            if found is None:
                return None
            pixels, mean, deviation = found
            if last < statistic.skyclip:
                low = max(lower, mean - statistic.skylsigma * deviation)
                high = min(upper, mean + statistic.skyusigma * deviation)
        return Clipped(pixels, mean, deviation, float(low), float(high), low, high)

    def _between(self, low: np.float32, high: np.float32) -> tuple[int, float, float] | None:
        """Return number, mean and standard deviation of the pixels between two limits."""
        a, b = self._bins._key(low), self._bins._key(high)
        n = int(self._counts[b + 1] - self._counts[a])
        total = self._sums_to[b + 1] - self._sums_to[a]
        square = self._squares_to[b + 1] - self._squares_to[a]
        for key in {a, b}:
            if self._counts[key + 1] == self._counts[key]:
                continue
            # The limit divides this bin: put its true share in the place of all of it.
            values = self._in(key)
            inside = values[(values >= low) & (values <= high)]
            n += len(inside) - len(values)
            exact = self._sums(inside)
            total += exact[0] - (self._sums_to[key + 1] - self._sums_to[key])
            square += exact[1] - (self._squares_to[key + 1] - self._squares_to[key])
        if n <= 0:
            return None
        mean = total / n
        variance = (square - n * (mean - self._bins._about) ** 2) / max(n - 1, 1)
        return n, float(np.float32(mean)), float(np.float32(np.sqrt(max(variance, 0.0))))

    def median(self, clipped: Clipped) -> np.float32:
        low = np.float32(clipped.lower)
        lowest = self._bins._key(low)
        below = int(self._counts[lowest]) + int((self._in(lowest) < low).sum())
        ranks = [below + (clipped.pixels - 1) // 2, below + clipped.pixels // 2]
        middle = []
        for rank in ranks:
            key = int(np.searchsorted(self._counts, rank, side="right")) - 1
            inside = np.sort(self._in(key))
            middle.append(inside[rank - self._counts[key]])
        return np.float32(np.mean(np.array(middle, dtype=np.float32)))
