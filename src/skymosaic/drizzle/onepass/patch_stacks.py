"""The pixels of the chips on the common grid, patch by patch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.onepass.sums import CutOut, Load, Singles

LARGEST = 128
"""Pixels of the grid along the side of a patch, at the most."""
_ACROSS = 8  # patches along the side of a chip
_LEAST = 16  # pixels of the grid along the side of a patch
_ALIKE = 0.25  # of its side, by which chips are displaced that point to one place
_FEWER = 4  # share of the rows that serve at the least where these alone meet
_SAMPLING = 3  # pixels along both axes of which one serves for the first guess
_FEW = 64  # of these; where two exposures share fewer, all their pixels serve


@dataclass(frozen=True)
class Area:
    """A rectangle of the grid: its first column and row, and its size, pixels."""

    x: int
    y: int
    columns: int
    rows: int

    @staticmethod
    def lattice(first: int, size: int, side: int) -> range:
        """Return where patches begin along an axis of an area."""
        return range(-(-first // side) * side, first + size, side)


@dataclass(frozen=True)
class Piece:
    """What is at hand of a cut-out: where it begins on the grid, its data and weights."""

    x: int
    y: int
    science: Singles
    weight: Singles


class Mask(Protocol):
    """Which pixels of the grid do not count: an array of bool, or a part of one."""

    def __getitem__(self, place: tuple[slice, slice], /) -> NDArray[np.bool_]:
        """Return those of some rows and columns of the grid."""


LoadPiece = Callable[[CutOut], Piece]
"""Gives of a cut-out the pixels of an area, or more of them."""


def whole(load: Load) -> LoadPiece:
    """Return what gives whole cut-outs as pieces."""
    return lambda cut_out: Piece(cut_out.x, cut_out.y, *load(cut_out))


def patch_side(cut_outs: Sequence[CutOut]) -> int:
    """Return the side of a patch in pixels of the grid: some across a chip."""
    sides = [min(c.columns, c.rows) for c in cut_outs if c.rows and c.columns]
    wanted = int(np.median(sides)) // _ACROSS if sides else _LEAST
    return min(max(wanted, _LEAST), LARGEST)


@dataclass(frozen=True)
class Window:
    """One patch of the grid and the chips that meet it."""

    x: int
    y: int
    columns: int
    rows: int
    chips: tuple[int, ...]


class Stacks:
    """The chips' pixels, patch by patch; of one row of patches at a time they are open.

    Parameters
    ----------
    shape : (int, int)
        Columns, rows of the whole grid.
    cut_outs : sequence of CutOut
        All chips that meet the patches, as they are on the whole grid.
    load : callable
        Gives the pixels of a cut-out, or the piece of it that lies in these patches.
    side : int
        Of a patch (pixels): patches lie on a lattice from the grid's first pixel.
    mask : Mask or None
        Pixels of the grid that do not count.
    area : Area or None
        Of all patches only those that begin here; None: all.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        cut_outs: Sequence[CutOut],
        load: LoadPiece,
        side: int,
        mask: Mask | None = None,
        area: Area | None = None,
    ) -> None:
        self._cut_outs = {cut_out.number: cut_out for cut_out in cut_outs if cut_out.rows}
        self._load, self._mask = load, mask
        self._pixels: dict[int, Piece] = {}
        area = area or Area(0, 0, *shape)
        self._rows: list[list[Window]] = []
        for y in area.lattice(area.y, area.rows, side):
            rows = min(side, shape[1] - y)
            row = [c for c in self._cut_outs.values() if c.meets(y, y + rows)]
            windows = []
            for x in area.lattice(area.x, area.columns, side):
                columns = min(side, shape[0] - x)
                met = [c for c in row if c.x < x + columns and x < c.x + c.columns]
                if len(met) > 1:
                    numbers = tuple(chip.number for chip in met)
                    windows.append(Window(x, y, columns, _enough(met, rows), numbers))
            self._rows.append(windows)

    def windows(self) -> Iterator[Window]:
        """Return all windows, with their chips' pixels open."""
        for row in self._rows:
            met = {number for window in row for number in window.chips}
            self._pixels = {
                number: self._pixels.get(number) or self._load(self._cut_outs[number])
                for number in met
            }
            yield from row
        self._pixels = {}

    def read(self, window: Window, step: int = 1) -> tuple[NDArray[np.intp], Singles, Singles]:
        """Return the chips that have pixels here, their data and weights."""
        shape = (len(window.chips), -(-window.rows // step), -(-window.columns // step))
        data, weight = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        kept = []
        for place, number in enumerate(window.chips):
            chip = self._cut_outs[number]
            y, rows, own_rows = _overlap(window.y, window.rows, chip.y, chip.rows, step)
            x, columns, own_columns = _overlap(window.x, window.columns, chip.x, chip.columns, step)
            piece = self._pixels[number]
            own_rows = _moved(own_rows, chip.y - piece.y)
            own_columns = _moved(own_columns, chip.x - piece.x)
            part = piece.weight[own_rows, own_columns]
            here = (place, slice(y, y + rows), slice(x, x + columns))
            weight[here] = part
            # NaN where nothing falls, anything where bad pixels alone do
            np.copyto(data[here], piece.science[own_rows, own_columns], where=part > 0)
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


def _moved(one: slice, by: int) -> slice:
    return slice(one.start + by, one.stop + by, one.step)


def _some_share_few(weight: Singles) -> bool:
    """Tell whether two of some chips share pixels, but so few that none can be spared."""
    seen = np.stack([own.ravel() > 0 for own in weight]).astype(np.float32)
    shared = seen @ seen.T
    return bool(((shared > 0) & (shared < _FEW)).any())
