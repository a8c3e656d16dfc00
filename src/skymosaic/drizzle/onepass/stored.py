"""Drizzled chips of one exposure in a file, so that others read what they need of it.

A turned chip fills half of the rectangle around it. So its rectangle is cut into strips of the
rows of the grid, and of each strip only the columns are kept that have pixels: first their data,
then their weights. The file is a numpy array of float32, one strip after another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.memory import ROWS
from skymosaic.drizzle.onepass.sums import CutOut, Piece, Singles

if TYPE_CHECKING:
    from skymosaic.drizzle.onepass.drizzling import DrizzledChips

_BYTES = 4


@dataclass(frozen=True)
class StoredChip:
    """One drizzled chip of a file.

    Parameters
    ----------
    extver : int
        EXTVER of its SCI extension.
    x, y, columns, rows : int
        Its rectangle on the grid, from 0; without rows it does not meet the grid.
    factor : float
        As `CutOut` has it.
    start : int
        Where its first strip begins in the file, values from 0.
    strips : list of (int, int)
        The first column on the grid and the number of columns of each strip, from its first row on.
    """

    extver: int
    x: int
    y: int
    columns: int
    rows: int
    factor: float
    start: int
    strips: list[tuple[int, int]]

    def cut_out(self, number: int) -> CutOut:
        """Return its rectangle under the number that the chip has in its campaign."""
        return CutOut(number, self.x, self.y, self.columns, self.rows, self.factor)

    def meets(self, box: Box) -> bool:
        """Tell whether any of its strips has pixels in a rectangle of the grid."""
        return any(
            columns
            and top < box.bottom
            and box.y < bottom
            and x < box.right
            and box.x < x + columns
            for top, bottom, x, columns, _ in self.each_strip()
        )

    def each_strip(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Return of each strip its rows (first, end), first column, columns and start."""
        start, top = self.start, self.y
        for x, columns in self.strips:
            bottom = min((top // ROWS + 1) * ROWS, self.y + self.rows)
            yield top, bottom, x, columns, start
            start += 2 * (bottom - top) * columns
            top = bottom


@dataclass(frozen=True)
class Box:
    """A rectangle of the grid: first column and row, from 0, and its size."""

    x: int
    y: int
    columns: int
    rows: int

    @property
    def right(self) -> int:
        """The column after its last."""
        return self.x + self.columns

    @property
    def bottom(self) -> int:
        """The row after its last."""
        return self.y + self.rows

    def meets(self, other: Box) -> bool:
        """Tell whether it shares pixels with another."""
        return self.shared(other) is not None

    def shared(self, other: Box) -> Box | None:
        """Return what it shares with another; None: nothing."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        columns, rows = min(self.right, other.right) - x, min(self.bottom, other.bottom) - y
        return Box(x, y, columns, rows) if columns > 0 and rows > 0 else None

    def around(self, other: Box) -> Box:
        """Return the smallest rectangle that holds both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        right, bottom = max(self.right, other.right), max(self.bottom, other.bottom)
        return Box(x, y, right - x, bottom - y)

    def within(self, other: Box) -> tuple[slice, slice]:
        """Return the rows and columns that it has in another, in which it lies."""
        x, y = self.x - other.x, self.y - other.y
        return slice(y, y + self.rows), slice(x, x + self.columns)

    def wider(self, by: int, shape: tuple[int, int]) -> Box:
        """Return it with some pixels around it, of a grid of `shape`: columns, rows."""
        x, y = max(self.x - by, 0), max(self.y - by, 0)
        right, bottom = min(self.right + by, shape[0]), min(self.bottom + by, shape[1])
        return Box(x, y, right - x, bottom - y)


def store_chips(path: Path, extvers: Sequence[int], chips: DrizzledChips) -> list[StoredChip]:
    """Write the drizzled chips of an exposure into one file.

    Parameters
    ----------
    path : Path
        The new file.
    extvers : sequence of int
        EXTVER of each chip, in the order of the cut-outs.
    chips : DrizzledChips
        Those of one exposure.
    """
    found = []
    with _PlanesFile(path) as file:
        for extver, cut_out in zip(extvers, chips.cut_outs, strict=True):
            begin, strips = file.values, list[tuple[int, int]]()
            box = Box(cut_out.x, cut_out.y, cut_out.columns, cut_out.rows)
            if box.rows and box.columns:
                science, weight = (np.load(chips.path_of(cut_out, kind)) for kind in ("sci", "wht"))
                seen = np.isfinite(science) | (weight != 0)
                strips = file.add(box, seen, science, weight)
            found.append(StoredChip(extver, *_plain(box), cut_out.factor, begin, strips))
    return found


def store_exposure(
    path: Path, box: Box, science: Singles, weight: Singles, blank: float
) -> StoredChip:
    """Write an exposure whose chips were drizzled together, as one chip of EXTVER 0.

    Parameters
    ----------
    path : Path
        The new file.
    box : Box
        Where it lies on the grid.
    science, weight : array of float32, shape (rows, columns)
        Its pixels.
    blank : float
        What they are where nothing fell.
    """
    strips: list[tuple[int, int]] = []
    with _PlanesFile(path) as file:
        if box.rows and box.columns:
            strips = file.add(box, (science != blank) | (weight != 0), science, weight)
    return StoredChip(0, *_plain(box), 1.0, 0, strips)


def _plain(box: Box) -> tuple[int, int, int, int]:
    return box.x, box.y, box.columns, box.rows


class _PlanesFile:
    """A file of strips, while it is written."""

    def __init__(self, path: Path) -> None:
        self._path, self._parts = path, list[Singles]()
        self.values = 0
        """How many there are by now."""

    def __enter__(self) -> _PlanesFile:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            parts = self._parts or [np.zeros(0, dtype=np.float32)]
            np.save(self._path, np.concatenate(parts))

    def add(self, box: Box, seen: NDArray[np.bool_], *planes: Singles) -> list[tuple[int, int]]:
        """Write what is seen of some planes; return first column and columns of each strip."""
        strips = []
        for top, bottom in _rows_of(box):
            here = slice(top - box.y, bottom - box.y)
            first, columns = _filled(seen[here])
            strips.append((box.x + first, columns))
            for plane in planes:
                self._parts.append(
                    np.ascontiguousarray(plane[here, first : first + columns]).ravel()
                )
                self.values += self._parts[-1].size
        return strips


def _rows_of(box: Box) -> Iterator[tuple[int, int]]:
    top = box.y
    while top < box.bottom:
        bottom = min((top // ROWS + 1) * ROWS, box.bottom)
        yield top, bottom
        top = bottom


def _filled(seen: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first column that has pixels, good or bad, and how many there are from it on."""
    columns = np.flatnonzero(seen.any(axis=0))
    return (int(columns[0]), int(columns[-1] - columns[0]) + 1) if columns.size else (0, 0)


def read_pieces(file: BinaryIO, chip: StoredChip, box: Box) -> Iterator[Piece]:
    """Read what of a chip lies in a rectangle of the grid, strip by strip.

    Parameters
    ----------
    file : binary file
        What `store_chips` wrote.
    chip : StoredChip
        One of its chips.
    box : Box
        The rectangle; places of the pieces are in it, from 0.
    """
    for y, x, planes in _read(file, chip, box, 2):
        yield Piece(y, x, planes[0], planes[1])


def read_plane(file: BinaryIO, chip: StoredChip, box: Box) -> Iterator[Singles]:
    """Read the same of a file that has one plane of each strip in place of two."""
    for _, _, planes in _read(file, chip, box, 1):
        yield planes[0]


def _read(
    file: BinaryIO, chip: StoredChip, box: Box, count: int
) -> Iterator[tuple[int, int, Singles]]:
    """Read what lies in a rectangle, strip by strip: first row and column in it, and the planes."""
    begin = _start_of(file)
    for top, bottom, x, columns, start in chip.each_strip():
        first, last = max(top, box.y), min(bottom, box.bottom)
        left, right = max(x, box.x), min(x + columns, box.right)
        if first >= last or left >= right:
            continue
        size = count * (bottom - top) * columns
        file.seek(begin + start // 2 * count * _BYTES)
        values = np.frombuffer(file.read(size * _BYTES), dtype="<f4")
        planes = values.reshape(count, bottom - top, columns)
        here = planes[:, first - top : last - top, left - x : right - x]
        yield first - box.y, left - box.x, here


def _start_of(file: BinaryIO) -> int:
    """Return where the values of a numpy file begin."""
    file.seek(0)
    major, _ = np.lib.format.read_magic(file)
    read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[major]
    read(file)
    return file.tell()


class HeldPieces:
    """The pieces of all chips in a rectangle: in memory, or in a scratch file beyond a limit.

    Parameters
    ----------
    path : Path
        The scratch file, made where it is needed.
    room : int
        Bytes that are kept in memory.
    """

    def __init__(self, path: Path, room: int) -> None:
        self._path, self._room = path, room
        self._pieces: dict[int, list[tuple[int, int, int, int, NDArray[np.float32] | int]]] = {}
        self._end = 0

    def add(self, number: int, piece: Piece) -> None:
        """Keep a piece of the chip of a number."""
        both = np.stack([piece.science, piece.weight])
        rows, columns = piece.science.shape
        place: NDArray[np.float32] | int = both
        if both.nbytes > self._room:
            with self._path.open("ab") as file:
                file.write(both.data)
            place, self._end = self._end, self._end + both.nbytes
        else:
            self._room -= both.nbytes
        own = self._pieces.setdefault(number, [])
        own.append((piece.y, piece.x, rows, columns, place))

    def __call__(self, cut_out: CutOut, first: int, last: int) -> Iterator[Piece]:
        """Return what of a chip lies in some rows of the rectangle."""
        for y, x, rows, columns, place in self._pieces.get(cut_out.number, ()):
            top, bottom = max(y, first), min(y + rows, last)
            if top >= bottom:
                continue
            both = self._read(place, rows, columns) if isinstance(place, int) else place
            yield Piece(top, x, both[0, top - y : bottom - y], both[1, top - y : bottom - y])

    def _read(self, offset: int, rows: int, columns: int) -> NDArray[np.float32]:
        return np.fromfile(
            self._path, dtype=np.float32, count=2 * rows * columns, offset=offset
        ).reshape(2, rows, columns)


class LazyPlane:
    """Data or weights of a chip in a rectangle, of which parts are put together as they are needed.

    Parameters
    ----------
    pieces : HeldPieces
        Of the rectangle.
    cut_out : CutOut
        The chip.
    kind : int
        0 for its data, 1 for its weights.
    """

    def __init__(self, pieces: HeldPieces, cut_out: CutOut, kind: int) -> None:
        self._pieces, self._cut_out, self._kind = pieces, cut_out, kind

    def __getitem__(self, place: tuple[slice, slice]) -> Singles:
        rows, columns = place
        shape = (max(rows.stop - rows.start, 0), max(columns.stop - columns.start, 0))
        found = np.full(shape, 0.0 if self._kind else np.nan, dtype=np.float32)
        for y, x, *planes in self._pieces(self._cut_out, rows.start, rows.stop):
            part = planes[self._kind]
            left = max(x, columns.start)
            right = min(x + part.shape[1], columns.stop)
            if left < right:
                here = (
                    slice(y - rows.start, y - rows.start + len(part)),
                    slice(left - columns.start, right - columns.start),
                )
                found[here] = part[:, left - x : right - x]
        return found[:: rows.step, :: columns.step]
