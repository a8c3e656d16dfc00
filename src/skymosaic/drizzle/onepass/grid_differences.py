"""Differences of exposures on the output grid, from the cut-outs that the one-pass engine has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.chips import (
    ChipFit,
    chips_summary,
    match_beside_planes,
    within_exposures,
)
from skymosaic.drizzle.onepass.sums import CutOut, Load, Singles, Tilt
from skymosaic.drizzle.summaries import DifferencesSummary, Plane, PlanesSummary
from skymosaic.errors import SkyError
from skymosaic.hst.exposure import Exposure
from skymosaic.sky.chip_models import PerChip
from skymosaic.sky.difference_fit import MatchedSkies, match_differences
from skymosaic.sky.first_guess import first_guess
from skymosaic.sky.patches import Patch, Rejection, measure_patch
from skymosaic.sky.planes import Planes, fit_planes

Floats = NDArray[np.float64]
VERSION = 1
"""Of how the skies are found; part of the keys of steps."""
_ACROSS = 8  # patches along the side of a chip
_SIDES = (16, 128)  # pixels of the grid along the side of a patch: the least, the most
_ALIKE = 0.25  # of its side, by which chips are displaced that point to one place
_FEWER = 4  # share of the rows that serve at the least where these alone meet
_SAMPLING = 3  # pixels along both axes of which one serves for the first guess
_FEW = 64  # of these; where two exposures share fewer, all their pixels serve


@dataclass(frozen=True)
class _Window:
    """One patch of the grid and the chips that meet it."""

    x: int
    y: int
    columns: int
    rows: int
    chips: tuple[int, ...]


class _Stacks:
    """The chips' pixels, patch by patch; of one row of patches at a time they are open."""

    def __init__(
        self,
        shape: tuple[int, int],
        cut_outs: Sequence[CutOut],
        load: Load,
        mask: NDArray[np.bool_] | None,
    ) -> None:
        self._cut_outs = {cut_out.number: cut_out for cut_out in cut_outs if cut_out.rows}
        self._load, self._mask = load, mask
        self._pixels: dict[int, tuple[Singles, Singles]] = {}
        side = patch_side(cut_outs)
        self._rows: list[list[_Window]] = []
        for y in range(0, shape[1], side):
            rows = min(side, shape[1] - y)
            row = [c for c in self._cut_outs.values() if c.meets(y, y + rows)]
            windows = []
            for x in range(0, shape[0], side):
                columns = min(side, shape[0] - x)
                met = [c for c in row if c.x < x + columns and x < c.x + c.columns]
                if len(met) > 1:
                    numbers = tuple(chip.number for chip in met)
                    windows.append(_Window(x, y, columns, _enough(met, rows), numbers))
            self._rows.append(windows)

    def windows(self) -> Iterator[_Window]:
        """Return all windows, with their chips' pixels open."""
        for row in self._rows:
            met = {number for window in row for number in window.chips}
            self._pixels = {
                number: self._pixels.get(number) or self._load(self._cut_outs[number])
                for number in met
            }
            yield from row
        self._pixels = {}

    def read(self, window: _Window, step: int = 1) -> tuple[NDArray[np.intp], Singles, Singles]:
        """Return the chips that have pixels here, their data and weights."""
        shape = (len(window.chips), -(-window.rows // step), -(-window.columns // step))
        data, weight = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        kept = []
        for place, number in enumerate(window.chips):
            chip = self._cut_outs[number]
            y, rows, own_rows = _overlap(window.y, window.rows, chip.y, chip.rows, step)
            x, columns, own_columns = _overlap(window.x, window.columns, chip.x, chip.columns, step)
            science, own = self._pixels[number]
            part = own[own_rows, own_columns]
            here = (place, slice(y, y + rows), slice(x, x + columns))
            weight[here] = part
            # NaN where nothing falls, anything where bad pixels alone do
            np.copyto(data[here], science[own_rows, own_columns], where=part > 0)
            if part.any():
                kept.append(place)
        if self._mask is not None:
            rows_, columns_ = (
                slice(window.y, window.y + window.rows, step),
                slice(window.x, window.x + window.columns, step),
            )
            weight[:, self._mask[rows_, columns_]] = 0.0
        if len(kept) < len(window.chips):
            data, weight = data[kept], weight[kept]
        return np.asarray(window.chips, dtype=np.intp)[kept], data, weight

    def sampled(
        self, owner: NDArray[np.intp]
    ) -> Iterator[tuple[NDArray[np.intp], Singles, Singles]]:
        """Return of each patch some pixels, for a first guess."""
        for window in self.windows():
            numbers, data, weight = self.read(window, _SAMPLING)
            if len(numbers) > 1 and _some_share_few(weight):
                numbers, data, weight = self.read(window)
            yield np.stack([owner[numbers], numbers]), data, weight


def _enough(chips: Sequence[CutOut], rows: int) -> int:
    """Return how many rows of a patch serve: all, or some where dithers of one place meet alone.

    Their differences are known far better than those between places, and need not cost most.
    """
    first = chips[0]
    alike = all(
        abs(chip.x - first.x) < _ALIKE * chip.columns and abs(chip.y - first.y) < _ALIKE * chip.rows
        for chip in chips
    )
    return max(rows // min(len(chips) // 2, _FEWER), 1) if alike and len(chips) > 3 else rows


def _overlap(start: int, size: int, own: int, own_size: int, step: int) -> tuple[int, int, slice]:
    """Return where a chip's rows begin in a sampled window, how many they are, and which."""
    first = max(start, own)
    first += (start - first) % step  # the window's first row is sampled, and each `step` further
    last = min(start + size, own + own_size)
    count = max(-(-(last - first) // step), 0)
    return (first - start) // step, count, slice(first - own, max(last, first) - own, step)


def _some_share_few(weight: Singles) -> bool:
    """Tell whether two of some chips share pixels, but so few that none can be spared."""
    seen = np.stack([own.ravel() > 0 for own in weight]).astype(np.float32)
    shared = seen @ seen.T
    return bool(((shared > 0) & (shared < _FEW)).any())


@dataclass(frozen=True)
class OnGrid:
    """What the exposures tell of each other on the grid.

    Parameters
    ----------
    matched : MatchedSkies
        The sky of each chip, by number, that fits the differences, electron/s/arcsec^2; with planes
        in the middle of each exposure.
    tilts : tuple of Tilt
        For each chip by number, what is to be subtracted beside its sky; empty without planes.
    summary : DifferencesSummary
        For the report.
    """

    matched: MatchedSkies
    tilts: tuple[Tilt, ...]
    summary: DifferencesSummary


def matched_on_grid(
    grid: Grid,
    cut_outs: Sequence[CutOut],
    load: Load,
    exposures: Sequence[Exposure],
    *,
    mask: NDArray[np.bool_] | None = None,
    planes: bool = False,
    per_chip: PerChip = "auto",
) -> OnGrid:
    """Return the skies that fit the differences of exposures on the grid.

    Parameters
    ----------
    grid : Grid
        The output grid.
    exposures : sequence of Exposure
        All, in the order of their chips' cut-outs.
    planes : bool
        Whether to subtract a plane from each exposure, too.
    per_chip : bool or "auto"
        Whether chips have skies of their own, as `chips.match_chips`.
    cut_outs, load, mask
        As for `measure_patches`.

    Raises
    ------
    SkyError
        Planes are asked for, and the overlaps do not tell them.
    """
    owners, scales, areas = [], [], []
    chips = iter(cut_outs)
    for index, exposure in enumerate(exposures):
        factors = [next(chips).factor for _ in exposure.chips]
        owners += [index] * len(factors)
        scales += [
            exposure.brightness_factor(chip.extver) / factor
            for chip, factor in zip(exposure.chips, factors, strict=True)
        ]
        areas.append(factors[0] * (exposure.exptime if exposure.chips[0].counts else 1.0))
    several = len(cut_outs) > len(exposures)
    patches, known = measure_patches(
        grid.shape, cut_outs, load, range(len(cut_outs)) if several else owners, mask=mask
    )
    middles, sides = boxes_of(cut_outs, owners, len(exposures))
    if several:
        fit = match_beside_planes(exposures, owners, patches, known, per_chip, middles, sides)
    else:
        matched = match_differences(len(exposures), patches, known)
        plain = fit_planes(len(exposures), patches, middles, sides, matched.groups)
        fit = ChipFit(matched, matched.groups, known, np.zeros(len(cut_outs)), plain, None)
    matched, found = fit.matched, fit.planes
    summary = DifferencesSummary(
        noise_factor=matched.noise_factor,
        patches=matched.patches,
        doubtful=matched.doubtful,
        planes=None if found is None else _planes_summary(found, exposures, np.array(areas)),
        planes_subtracted=planes,
        chips=None if fit.chips is None else chips_summary(fit.chips, exposures, areas, per_chip),
    )
    tilts: tuple[Tilt, ...] = ()
    if planes:
        if found is None:
            raise SkyError(
                "sky.planes: the exposures overlap too little to tell a plane of each; leave it out"
            )
        alone = np.isnan(matched.offsets)
        offsets = (fit.known + found.constants)[owners] + fit.steps
        covariance = found.covariance[np.ix_(owners, owners)]
        if several:
            within = within_exposures(owners)
            covariance = covariance + within @ matched.covariance @ within.T
        matched = replace(
            matched, offsets=np.where(alone, np.nan, offsets), covariance=covariance
        ).centred()
        slopes = np.nan_to_num(found.slopes) / sides
        tilts = tuple(Tilt(*middles[owner].tolist(), *slopes[owner].tolist()) for owner in owners)
    return OnGrid(matched.scaled(np.array(scales)), tilts, summary)


def boxes_of(
    cut_outs: Sequence[CutOut], owners: Sequence[int], exposures: int
) -> tuple[Floats, Floats]:
    """Return the middle of each exposure on the grid, and its extent, shape (exposures, 2)."""
    low, high = np.full((exposures, 2), np.inf), np.full((exposures, 2), -np.inf)
    for chip in cut_outs:
        if chip.rows and chip.columns:
            owner = owners[chip.number]
            low[owner] = np.minimum(low[owner], [chip.x, chip.y])
            high[owner] = np.maximum(high[owner], [chip.x + chip.columns, chip.y + chip.rows])
    seen = np.isfinite(low)
    low, high = np.where(seen, low, 0.0), np.where(seen, high, 1.0)
    return (low + high - 1.0) / 2.0, high - low


def _planes_summary(planes: Planes, exposures: Sequence[Exposure], areas: Floats) -> PlanesSummary:
    rows = zip(
        exposures,
        (planes.slopes / areas[:, None]).tolist(),
        (planes.errors / areas[:, None]).tolist(),
        planes.chances.tolist(),
        strict=True,
    )
    return PlanesSummary(
        planes.chance,
        planes.significant,
        {
            exposure.rootname: Plane(tuple(slope), tuple(error), chance)
            for exposure, slope, error, chance in rows
            if np.isfinite(chance)
        },
    )


def patch_side(cut_outs: Sequence[CutOut]) -> int:
    """Return the side of a patch in pixels of the grid: some across a chip."""
    sides = [min(c.columns, c.rows) for c in cut_outs if c.rows and c.columns]
    wanted = int(np.median(sides)) // _ACROSS if sides else _SIDES[0]
    return min(max(wanted, _SIDES[0]), _SIDES[1])


def measure_patches(
    shape: tuple[int, int],
    cut_outs: Sequence[CutOut],
    load: Load,
    owners: Sequence[int],
    *,
    mask: NDArray[np.bool_] | None = None,
    rejection: Rejection | None = None,
) -> tuple[list[Patch], Floats]:
    """Return the normal equations of all patches of the grid.

    Parameters
    ----------
    shape : (int, int)
        Columns, rows of the output grid.
    cut_outs : sequence of CutOut
        All chips.
    load : callable
        Gives the pixels of a cut-out.
    owners : sequence of int
        The exposure of each chip, by number.
    mask : array of bool, shape (rows, columns), or None
        Pixels of the grid that do not count.
    rejection : Rejection or None
        Which others do not.

    Returns
    -------
    list of Patch, array of shape (exposures,)
        The patches, and the skies that their equations correct, in the mosaic's rate.
    """
    rejection = rejection or Rejection()
    owner = np.asarray(owners, dtype=np.intp)
    stacks = _Stacks(shape, cut_outs, load, mask)
    exposures = int(owner.max(initial=-1)) + 1
    offsets, noise = first_guess(exposures, stacks.sampled(owner), len(owners))

    def one(window: _Window) -> Patch | None:
        numbers, data, weight = stacks.read(window)
        if len(numbers) < 2:
            return None
        return measure_patch(
            data,
            weight,
            owner[numbers],
            offsets[owner[numbers]],
            noise[numbers],
            (window.x + (window.columns - 1) / 2, window.y + (window.rows - 1) / 2),
            rejection,
        )

    found = map(one, stacks.windows())
    return [patch for patch in found if patch is not None], offsets
