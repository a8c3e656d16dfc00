"""The difference of two exposures where they overlap, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from skymosaic.evidence.cells import Cells, Floats
from skymosaic.evidence.medians import median_of
from skymosaic.evidence.neighbours import Indices, Neighbours
from skymosaic.evidence.residuals import PairDifference
from skymosaic.evidence.rounding import rounding_of
from skymosaic.sky.chi_squared import exceeded_by_chance

LEAST_CELLS = 6  # fewer tell no scatter
CLIP = 4.0  # standard deviations: stars in cells that the two exposures share but in part
MAD = 1.4826  # standard deviation of a normal distribution, in median absolute deviations
MEDIAN = 1.2533  # standard error of a median, in those of a mean
_PATCHES = 4  # along each axis of an overlap
_LEAST_IN_PATCH = 12
ALL_PAIRS = 20_000
PAIRS_AN_EXPOSURE = 20
_AROUND = 5  # cells along the side of a cell's surroundings
_STANDS_OUT = 3.0  # standard errors of the mean of the surroundings
_CHANCE = 1e-4  # that noise alone makes patches differ as much as what is called uneven


def clipped_median(values: Floats) -> tuple[float, float, NDArray[np.bool_]]:
    """Return the clipped median, the scatter as a standard deviation, and which values remained."""
    kept = np.ones(values.shape, dtype=bool)
    for _ in range(5):
        median = median_of(values[kept])
        scatter = MAD * median_of(np.abs(values[kept] - median))
        inside = np.abs(values - median) <= CLIP * scatter
        if scatter == 0.0 or np.array_equal(inside, kept):
            break
        kept = inside
    return median, scatter, kept


def pair_difference(a: Cells, b: Cells) -> PairDifference | None:
    """Return the difference of two exposures; None where they share fewer cells than `LEAST_CELLS`.

    Its error is that of the median of the cells, or, where it is larger, that of the mean of
    patches of the overlap: neither noise nor a structure is taken for a constant.
    """
    at, of_a, of_b = _shared(a, b)
    if at is None:
        return None
    level_a, level_b = a.level[of_a], b.level[of_b]
    valid = np.isfinite(level_a) & np.isfinite(level_b)
    if int(valid.sum()) < LEAST_CELLS:
        return None
    row, column = np.nonzero(valid)
    image = np.where(valid, level_a.astype(np.float64) - level_b, np.nan)
    differences = image[valid]
    _, scatter, kept = clipped_median(differences)
    image[row[~kept], column[~kept]] = np.nan
    median = _median_without_structure(image, scatter)
    pixels = 0.5 * (a.count[of_a][valid][kept] + b.count[of_b][valid][kept])
    cells = int(kept.sum())
    statistical = MEDIAN * scatter / float(np.sqrt(cells))
    patched = _patched(differences[kept], row[kept], column[kept], scatter)
    # The median of n pixels of noise s scatters by 1.2533 s / sqrt(n), in each of two exposures.
    noise = scatter * float(np.sqrt(np.mean(pixels) / 2.0)) / MEDIAN
    # Copies of one exposure do not scatter at all.
    least = rounding_of(level_a[valid], level_b[valid])
    return PairDifference(
        a=a.rootname,
        b=b.rootname,
        difference=median,
        error=max(statistical, patched.error, least),
        mad=scatter,
        noise=max(noise, least),
        unevenness=patched.unevenness,
        cells=cells,
        pixels=round(float(pixels.sum())),
    )


_Window = tuple[slice, slice]


def _shared(a: Cells, b: Cells) -> tuple[_Window | None, _Window, _Window]:
    """Return the window that both cover: on the grid, in the arrays of `a`, in those of `b`."""
    both, in_a, in_b = [], [], []
    for over_a, over_b in zip(a.window, b.window, strict=True):
        start, stop = max(over_a.start, over_b.start), min(over_a.stop, over_b.stop)
        both.append(slice(start, stop))
        in_a.append(slice(start - over_a.start, stop - over_a.start))
        in_b.append(slice(start - over_b.start, stop - over_b.start))
    empty = any(window.stop <= window.start for window in both)
    first, second, third = ((w[0], w[1]) for w in (both, in_a, in_b))
    return (None if empty else first), second, third


def _median_without_structure(image: Floats, scatter: float) -> float:
    """Return the median of the cells whose surroundings do not stand out.

    The wings of a ghost, or of a bright star that two exposures see differently, are too faint to
    be clipped cell by cell, and lie on one side: they would move the median.
    """
    filled = np.isfinite(image)
    count = uniform_filter(filled.astype(np.float64), _AROUND, mode="constant") * _AROUND**2
    total = uniform_filter(np.where(filled, image, 0.0), _AROUND, mode="constant") * _AROUND**2
    with np.errstate(divide="ignore", invalid="ignore"):
        around, noise = total / count, scatter / np.sqrt(count)
    kept = filled
    for _ in range(5):
        median = median_of(image[kept])
        inside = filled & (np.abs(around - median) <= _STANDS_OUT * noise)
        if int(inside.sum()) < LEAST_CELLS or np.array_equal(inside, kept):
            break
        kept = inside
    return median


@dataclass(frozen=True)
class _Patched:
    """What patches of an overlap tell."""

    error: float
    """Standard error of the mean of their medians."""
    unevenness: float
    """Rms by which their medians differ beyond their noise; 0 where noise may be all of it."""


def _patched(
    values: Floats, row: NDArray[np.intp], column: NDArray[np.intp], scatter: float
) -> _Patched:
    patch = _quantiles(row) * _PATCHES + _quantiles(column)
    medians, errors = [], []
    for number in np.unique(patch):
        inside = values[patch == number]
        if inside.size >= _LEAST_IN_PATCH:
            medians.append(median_of(inside))
            errors.append(MEDIAN * scatter / np.sqrt(inside.size))
    count = len(medians)
    if count < 4:
        return _Patched(0.0, 0.0)
    variance, noise = float(np.var(medians, ddof=1)), float(np.mean(np.square(errors)))
    limit = noise * float(exceeded_by_chance(_CHANCE, count - 1)) / (count - 1)
    beyond = variance - noise if variance > limit else 0.0
    return _Patched(float(np.sqrt(variance / count)), float(np.sqrt(beyond)))


def _quantiles(position: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each position which of `_PATCHES` equal parts it is in."""
    limits = np.quantile(position, np.arange(1, _PATCHES) / _PATCHES)
    return np.searchsorted(limits, position, side="right")


@dataclass(frozen=True)
class Differences:
    """The differences of exposures that overlap."""

    measured: list[PairDifference]
    """In the order of the exposures."""
    left_out: int
    """Pairs of exposures near one another that were not looked at, because there are very many."""


@dataclass(frozen=True)
class ChosenPairs:
    """Which pairs of exposures are measured."""

    pairs: Indices
    """Shape (n, 2), in order."""
    near: int
    """How many pairs are near one another."""
    every: bool
    """Whether all of these are measured."""


def choose_pairs(
    near: Neighbours, most: int = ALL_PAIRS, each: int = PAIRS_AN_EXPOSURE
) -> ChosenPairs:
    """Choose the pairs that are measured.

    Parameters
    ----------
    near : Neighbours
        The exposures.
    most, each : int
        Of more pairs than `most` and than `each` for an exposure, those `each` are measured that
        share most with an exposure; and, by `with_links`, what links exposures that these leave
        apart.
    """
    count = near.count()
    every = count <= max(most, each * len(near))
    return ChosenPairs(near.pairs(None if every else each), count, every)


def all_differences(
    cells: Sequence[Cells], most: int = ALL_PAIRS, each: int = PAIRS_AN_EXPOSURE
) -> Differences:
    """Return the difference of each two exposures that overlap; arguments as of `choose_pairs`.

    Parameters
    ----------
    cells : sequence of Cells
        Of the exposures.
    """
    near = Neighbours(cells)
    chosen = choose_pairs(near, most, each)
    found = merged(differences_of(cells, part) for part in near.in_blocks(chosen.pairs))
    return with_links(cells, chosen, found)


def with_links(
    cells: Sequence[Cells], chosen: ChosenPairs, found: Sequence[NumberedDifference]
) -> Differences:
    """Return the differences of the chosen pairs, and those that link what these leave apart.

    Parameters
    ----------
    cells : sequence of Cells
        Of the exposures.
    chosen : ChosenPairs
        Which were measured.
    found : sequence of NumberedDifference
        What was, in the order of the exposures.
    """
    count = chosen.near
    if not chosen.every:
        found, looked_at = _linked(cells, Neighbours(cells), found)
        count -= looked_at
    return Differences([one for _, one in found], count - len(chosen.pairs))


NumberedDifference = tuple[tuple[int, int], PairDifference]
"""The numbers of two exposures, and what they differ by."""


def differences_of(cells: Sequence[Cells], pairs: Indices) -> list[NumberedDifference]:
    """Return the differences of pairs of exposures, with their numbers; those that there are.

    Parameters
    ----------
    cells : sequence of Cells
        Of the exposures.
    pairs : array, shape (n, 2)
        Of a block of the grid, or of all of it.
    """
    found = (((int(i), int(j)), pair_difference(cells[i], cells[j])) for i, j in pairs)
    return [(pair, one) for pair, one in found if one is not None]


def merged(parts: Iterable[Sequence[NumberedDifference]]) -> list[NumberedDifference]:
    """Return the differences of all blocks in the order of the exposures."""
    return sorted((one for part in parts for one in part), key=lambda one: one[0])


def _linked(
    cells: Sequence[Cells], near: Neighbours, found: Sequence[NumberedDifference]
) -> tuple[list[NumberedDifference], int]:
    """Return the differences and those that link what they leave apart; and the pairs looked at."""
    root = list(range(len(cells)))

    def root_of(number: int) -> int:
        while root[number] != number:
            root[number] = root[root[number]]
            number = root[number]
        return number

    for (i, j), _ in found:
        root[root_of(i)] = root_of(j)
    labels = np.array([root_of(number) for number in range(len(cells))])
    more: list[NumberedDifference] = []
    looked_at = 0
    for i, j in near.between(labels):
        if root_of(i) != root_of(j):
            looked_at += 1
            its = differences_of(cells, np.array([[i, j]]))
            more += its
            if its:
                root[root_of(i)] = root_of(j)
    return merged([found, more]), looked_at
