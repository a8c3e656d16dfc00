"""One drizzle for all sky methods: their mosaics as sums. Pure functions on arrays.

Drizzling is linear. Let chip i, drizzled alone and without its sky, give data ``s_i`` with weights
``w_i`` on the output grid. With sky ``b_i`` taken off its pixels it gives ``s_i - k_i b_i``, where
``k_i`` is the squared ratio of output to input scale (and 1/EXPTIME for data in counts).
AstroDrizzle averages by weight, so for every set of skies

    mosaic = sum_i w_i s_i / W - sum_i (k_i b_i) w_i / W,      W = sum_i w_i.

The first term is the same for all methods; a further method costs one more sum. Where bad pixels
alone fall, W is 0, and AstroDrizzle leaves the last of them: so is it done here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.memory import CHIPS_A_PLANE, ROWS, planes_of

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Values = Sequence[float] | Mapping[int, float]
"""By number of the chip."""
_CONSTANT = 1e-13  # relative; below, two sets of skies differ by one constant


@dataclass(frozen=True)
class CutOut:
    """Where the drizzled image of one chip lies on the output grid.

    Parameters
    ----------
    number : int
        Of the chip, from 0, in the order of the exposures.
    x, y : int
        Its first column and row on the grid, from 0.
    columns, rows : int
        Its size; 0 where the chip does not meet the grid.
    factor : float
        From the sky in the chip's data units to that in the mosaic's rate.
    skipped : (int, int)
        Columns and rows of its file that lie before its first pixel.
    """

    number: int
    x: int
    y: int
    columns: int
    rows: int
    factor: float
    skipped: tuple[int, int] = (0, 0)

    def rows_between(self, first: int, last: int) -> tuple[tuple[slice, slice], slice]:
        """Return where its pixels lie in the rows from `first` to before `last`, and its rows."""
        top, bottom = max(first, self.y), min(last, self.y + self.rows)
        here = slice(top - first, bottom - first), slice(self.x, self.x + self.columns)
        return here, slice(top - self.y, bottom - self.y)

    def within(self, corner: tuple[int, int], shape: tuple[int, int]) -> CutOut:
        """Return what of it lies on a part of the grid, whose first pixel is `corner`, from 0."""
        first = [max(here - start, 0) for here, start in zip((self.x, self.y), corner, strict=True)]
        last = [
            min(here + size - start, most)
            for here, size, start, most in zip(
                (self.x, self.y), (self.columns, self.rows), corner, shape, strict=True
            )
        ]
        return replace(
            self,
            x=first[0],
            y=first[1],
            columns=max(last[0] - first[0], 0),
            rows=max(last[1] - first[1], 0),
            skipped=(
                self.skipped[0] + first[0] + corner[0] - self.x,
                self.skipped[1] + first[1] + corner[1] - self.y,
            ),
        )

    def meets(self, first: int, last: int) -> bool:
        """Tell whether it has pixels in the rows from `first` to before `last`."""
        return self.rows > 0 and self.columns > 0 and self.y < last and first < self.y + self.rows


@dataclass(frozen=True)
class Elsewhere:
    """Pixels of one grid as places on another one.

    Parameters
    ----------
    matrix : array, shape (3, 3)
        From its homogeneous pixel coordinates to those of the other, both from 0.
    area : float
        Area of its pixels over that of the other's: rates are of a pixel.
    """

    matrix: Floats
    area: float

    def places(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the places on the other grid."""
        along, up, size = (row[0] * x + row[1] * y + row[2] for row in self.matrix)
        return along / size, up / size


@dataclass(frozen=True)
class Tilt:
    """A plane to be subtracted from a chip beside its sky; 0 at x, y.

    Parameters
    ----------
    x, y : float
        Pixels of the grid, from 0.
    slope_x, slope_y : float
        In the mosaic's rate, a pixel.
    other : Elsewhere or None
        What the pixels of a mosaic are on that grid; None: they are its own.
    """

    x: float
    y: float
    slope_x: float
    slope_y: float
    other: Elsewhere | None = None

    def over(self, rows: slice, columns: slice) -> Floats:
        """Return the plane over some rows and columns of the mosaic."""
        y, x = np.ogrid[rows, columns]
        if self.other is None:
            return np.asarray(self.slope_x * (x - self.x) + self.slope_y * (y - self.y))
        x, y = self.other.places(x, y)
        plane = self.slope_x * (x - self.x) + self.slope_y * (y - self.y)
        return np.asarray(plane * self.other.area)


Load = Callable[[CutOut], tuple[Singles, Singles]]
"""Gives data and weights of a cut-out, each of its shape; they may be mapped from files."""


class Piece(NamedTuple):
    """Some pixels of a chip's drizzled image."""

    y: int
    """Their first row on the mosaic."""
    x: int
    """Their first column."""
    science: Singles
    weight: Singles


Pieces = Callable[[CutOut, int, int], Iterable[Piece]]
"""Gives what a cut-out has in the rows from the first to before the last: no pixel twice."""


def pieces_of(load: Load) -> Pieces:
    """Return what gives the rows of cut-outs whole."""

    def rows_of(cut_out: CutOut, first: int, last: int) -> Iterator[Piece]:
        top, bottom = max(first, cut_out.y), min(last, cut_out.y + cut_out.rows)
        there = slice(top - cut_out.y, bottom - cut_out.y)
        science, weight = load(cut_out)
        yield Piece(top, cut_out.x, np.asarray(science[there]), weight[there])

    return rows_of


@dataclass(frozen=True)
class Band:
    """Some rows of all mosaics.

    Parameters
    ----------
    first : int
        The first row.
    mosaics : mapping of str to array of float32, shape (rows, columns)
        By name; NaN, or the fill value, where there is no weight.
    weight : array of float32, same shape
        The same for all.
    context : array of int32, shape (planes, rows, columns), or None
        Which chips contributed: a bit each.
    """

    first: int
    mosaics: Mapping[str, Singles]
    weight: Singles
    context: NDArray[np.int32] | None = None


def bands(
    shape: tuple[int, int],
    cut_outs: Sequence[CutOut],
    load: Load,
    skies: Mapping[str, Sequence[float]],
    *,
    rows: int = ROWS,
    scale: float = 1.0,
    fill: float | None = None,
    context: bool = False,
    tilts: Sequence[Tilt] = (),
    tilted: Collection[str] = (),
) -> Iterator[Band]:
    """Sum the mosaics, some rows at a time.

    Parameters
    ----------
    shape : (int, int)
        Columns, rows of the output grid.
    cut_outs : sequence of CutOut
        All chips.
    load : callable
        Gives the pixels of a cut-out.
    skies : mapping of str to sequence of float
        For each mosaic by any name the sky of each chip, by number, in its data units.
    rows : int
        Rows of a band.
    scale : float
        What the mosaics are multiplied with: the total exposure time for mosaics in counts.
    fill : float or None
        For pixels without weight; None: the last bad pixel there, else NaN.
    context : bool
        Whether to tell which chips contributed.
    tilts : sequence of Tilt
        By number of the chip: planes that are subtracted, too, in the mosaics of `tilted`.
    tilted : collection of str
        Names of mosaics.
    """
    return sum_pieces(
        *(shape, cut_outs, pieces_of(load), skies, planes_of(len(cut_outs)) if context else 0),
        rows=rows,
        scale=scale,
        fill=fill,
        tilts=tilts,
        tilted=tilted,
    )


def sum_pieces(
    shape: tuple[int, int],
    cut_outs: Sequence[CutOut],
    pieces: Pieces,
    skies: Mapping[str, Values],
    planes: int,
    *,
    rows: int = ROWS,
    scale: float = 1.0,
    fill: float | None = None,
    tilts: Sequence[Tilt] | Mapping[int, Tilt] = (),
    tilted: Collection[str] = (),
) -> Iterator[Band]:
    """Sum mosaics whose cut-outs are given in pieces; all else as for `bands`.

    Parameters
    ----------
    shape, skies, rows, scale, fill, tilts, tilted
        As for `bands`. Of skies and tilts the numbers of the cut-outs are asked for, and no others.
    cut_outs : sequence of CutOut
        Those that may have pixels here, in the order in which they are added.
    pieces : callable
        Gives their pixels.
    planes : int
        Of the context image (count); 0: it is not made.
    """
    sums = _Skies(skies, cut_outs, tilts, tilted)
    for first in range(0, shape[1], rows):
        last = min(first + rows, shape[1])
        met = [cut_out for cut_out in cut_outs if cut_out.meets(first, last)]
        yield _sum_band(first, last, shape[0], met, planes, pieces, sums, scale, fill)


class _Skies:
    """The skies of all mosaics, in the mosaics' rate, each as another one's plus a constant."""

    def __init__(
        self,
        skies: Mapping[str, Values],
        cut_outs: Sequence[CutOut],
        tilts: Sequence[Tilt] | Mapping[int, Tilt] = (),
        tilted: Collection[str] = (),
    ) -> None:
        self.tilts, self.tilted = tilts, frozenset(tilted) if tilts else frozenset()
        factors = np.array([cut_out.factor for cut_out in cut_outs])
        numbers = [cut_out.number for cut_out in cut_outs]
        self.varying: list[Mapping[int, float]] = []
        self.of: dict[str, tuple[int | None, float]] = {}
        """By name: which of the varying ones, None for none; and the constant."""
        known: list[Floats] = []
        for name, values in skies.items():
            sky = np.array([values[number] for number in numbers], dtype=np.float64) * factors
            constant = float(sky[0]) if len(sky) else 0.0
            rest = sky - constant
            tiny = _CONSTANT * max(float(np.abs(sky).max(initial=0.0)), 1e-30)
            if np.abs(rest).max(initial=0.0) <= tiny:
                self.of[name] = (None, constant)
                continue
            for which, other in enumerate(known):
                if np.abs(rest - other).max() <= tiny:
                    self.of[name] = (which, constant)
                    break
            else:
                self.of[name] = (len(known), constant)
                known.append(rest)
                self.varying.append(dict(zip(numbers, rest.tolist(), strict=True)))


def _sum_band(
    first: int,
    last: int,
    columns: int,
    cut_outs: Sequence[CutOut],
    planes: int,
    pieces: Pieces,
    skies: _Skies,
    scale: float,
    fill: float | None,
) -> Band:
    shape = (last - first, columns)
    weight, data = np.zeros(shape), np.zeros(shape)
    sums = [np.zeros(shape) for _ in skies.varying]
    plane = np.zeros(shape) if skies.tilted else None
    context = np.zeros((planes, *shape), dtype=np.int32) if planes else None
    bad, owner = np.full(shape, np.nan, dtype=np.float32), np.full(shape, -1, dtype=np.int32)
    for cut_out in cut_outs:
        number = cut_out.number
        for y, x, values_here, own in pieces(cut_out, first, last):
            rows, width = own.shape
            here = (slice(y - first, y - first + rows), slice(x, x + width))
            part = own.astype(np.float64)
            weightless = part == 0
            weight[here] += part
            data[here] += np.where(weightless, np.float32(0), values_here) * part
            weightless &= np.isfinite(values_here)
            bad[here][weightless] = values_here[weightless]
            owner[here][weightless] = number
            if plane is not None:
                plane[here] += part * skies.tilts[number].over(slice(y, y + rows), here[1])
            for total, values in zip(sums, skies.varying, strict=True):
                if values[number]:
                    total[here] += values[number] * part
            if context is not None:
                which, bit = divmod(number, CHIPS_A_PLANE)
                mark = np.uint32(1 << bit).astype(np.int32)
                context[which][here] |= np.where(part > 0, mark, 0)
    seen = weight != 0
    only_bad = np.nonzero(~seen & (owner >= 0))
    inverse = np.divide(scale, weight, out=np.zeros(shape), where=seen)
    mosaics = {}
    for name, (varying, constant) in skies.of.items():
        total = data if varying is None else data - sums[varying]
        if plane is not None and name in skies.tilted:
            total = total - plane
        mosaic = (total * inverse - scale * constant).astype(np.float32)
        mosaic[~seen] = np.nan if fill is None else fill
        if fill is None and only_bad[0].size:
            known = {} if varying is None else skies.varying[varying]
            sky = np.array([known.get(int(n), 0.0) for n in owner[only_bad]]) + constant
            mosaic[only_bad] = scale * (bad[only_bad] - sky)
        mosaics[name] = mosaic
    return Band(first, mosaics, weight.astype(np.float32), context)
