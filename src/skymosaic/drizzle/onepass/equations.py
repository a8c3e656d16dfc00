"""What a block of the common grid tells of the skies: equations that add up with other blocks'.

The fit of the differences reads the pixels twice: for a first guess of all skies, about which
outlying pixels are rejected, and for the normal equations of each patch. Both give tables, whose
unknowns are known by name: those of all blocks are put together in one order, whatever blocks there
are, so that the result is that of one block. A patch belongs to the block in which its first pixel
lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.onepass.patch_stacks import Area, LoadPiece, Mask, Stacks, Window
from skymosaic.drizzle.onepass.sums import CutOut
from skymosaic.sky.first_guess import Differences, differences_of, guess_from
from skymosaic.sky.patches import Patch, Rejection, measure_patch

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
EQUATIONS = "equations.npz"
"""What the file of a block's `Equations` is called, ..."""
GUESSES = "guesses.npz"
"""... that of its `Guesses`, ..."""
FIRST = "first.npz"
"""... and that of the `FirstSkies` of all."""
_T = TypeVar("_T", bound="_Arrays")


class _Arrays:
    """Arrays that are written to a file and read back."""

    def save(self, path: Path) -> None:
        """Write them to a new file, ``.npz``."""
        with path.open("wb") as file:
            np.savez(file, **{one.name: getattr(self, one.name) for one in fields(self)})  # type: ignore[arg-type]

    @classmethod
    def load(cls: type[_T], file: IO[bytes]) -> _T:
        """Return what `save` wrote."""
        with np.load(file, allow_pickle=False) as arrays:
            return cls(**{one.name: arrays[one.name] for one in fields(cls)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Guesses(_Arrays):
    """What a block tells at first sight: `first_guess.Differences`, by the numbers of `names`."""

    names: NDArray[np.str_]
    """Of the chips."""
    pairs: Integers
    values: Floats
    pixels: Integers
    chips: Integers
    noise: Floats


@dataclass(frozen=True)
class FirstSkies(_Arrays):
    """A first guess of the skies.

    Parameters
    ----------
    names : array of str, shape (chips,)
    offsets : array, shape (chips,)
        The sky of each chip, in the mosaic's rate.
    noise : array, shape (chips,)
        Its variance of a pixel of unit weight.
    """

    names: NDArray[np.str_]
    offsets: Floats
    noise: Floats

    def of(self, names: Sequence[str]) -> tuple[Floats, Floats]:
        """Return offsets and noise of some chips; 0 and the usual noise where none is known."""
        found = [self._rows.get(name) for name in names]
        return (
            np.array([0.0 if row is None else self.offsets[row] for row in found]),
            np.array([self._usual if row is None else self.noise[row] for row in found]),
        )

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names.tolist())}

    @cached_property
    def _usual(self) -> float:
        return float(np.median(self.noise)) if len(self.noise) else 1.0


@dataclass(frozen=True)
class Equations(_Arrays):
    """The normal equations of the patches of a block, or of several.

    Parameters
    ----------
    names : array of str, shape (u,)
        The unknowns: a chip's sky is named as the chip, ``ROOTNAME[SCI,EXTVER]``. Others may stand
        beside them, with names of their own.
    known : array, shape (u,)
        What the equations correct.
    boxes : array of int, shape (u, 4)
        Where the chip lies on the whole grid: first column and row, columns, rows; 0 of others.
    factors : array, shape (u,)
        From the sky in a chip's data units to that in the mosaic's rate.
    corners : array of int, shape (n, 2)
        First column and row of each patch.
    sizes : array of int, shape (n,)
        How many unknowns each patch has.
    members : array of int
        Their numbers, ascending, patch after patch.
    normal, right : array
        The normal equations, row by row, patch after patch.
    places : array, shape (n, 2)
        x, y of the middle of each patch.
    counts : array of int, shape (n, 2)
        Pixels that count, and that were rejected.
    """

    names: NDArray[np.str_]
    known: Floats
    boxes: Integers
    factors: Floats
    corners: Integers
    sizes: Integers
    members: Integers
    normal: Floats
    right: Floats
    places: Floats
    counts: Integers

    def ordered(self, names: Sequence[str]) -> tuple[list[CutOut], list[Patch], Floats]:
        """Return chips, patches, and what these correct, with the chips numbered as given.

        The patches come in the order of the grid, whatever blocks they are from.

        Parameters
        ----------
        names : sequence of str
            Of all chips.
        """
        numbers = {name: number for number, name in enumerate(names)}
        number = np.array([numbers[name] for name in self.names.tolist()], dtype=np.intp)
        cut_outs = [CutOut(i, 0, 0, 0, 0, 1.0) for i in range(len(names))]
        known = np.zeros(len(names))
        known[number] = self.known
        for own, (x, y, columns, rows), factor in zip(
            number.tolist(), self.boxes.tolist(), self.factors.tolist(), strict=True
        ):
            cut_outs[own] = CutOut(own, x, y, columns, rows, factor)
        first = np.concatenate([[0], np.cumsum(self.sizes)])
        square = np.concatenate([[0], np.cumsum(self.sizes**2)])
        patches = []
        for i in np.lexsort(self.corners.T).tolist():
            size = int(self.sizes[i])
            members = number[self.members[first[i] : first[i + 1]]]
            normal = self.normal[square[i] : square[i + 1]].reshape(size, size)
            right = self.right[first[i] : first[i + 1]]
            order = np.argsort(members)
            patches.append(
                Patch(
                    members[order],
                    normal[np.ix_(order, order)],
                    right[order],
                    float(self.places[i, 0]),
                    float(self.places[i, 1]),
                    used=int(self.counts[i, 0]),
                    rejected=int(self.counts[i, 1]),
                )
            )
        return cut_outs, patches, known


def guesses_of(
    shape: tuple[int, int],
    area: Area,
    side: int,
    chips: Mapping[str, CutOut],
    load: LoadPiece,
    mask: Mask | None = None,
) -> Guesses:
    """Return what the patches of a block tell at first sight.

    Parameters
    ----------
    shape : (int, int)
        Columns, rows of the whole grid.
    area : Area
        The block.
    side : int
        Of a patch: `patch_side` of all chips of the campaign.
    chips : mapping of str to CutOut
        By name, in the order of all exposures: those that meet the block, or what lies within
        `patch_stacks.LARGEST` pixels after its last column and row.
    load : callable
        Gives of a cut-out what lies there.
    mask : Mask or None
        Pixels of the grid that do not count.
    """
    names, cut_outs, loaded = _numbered(chips, load)
    numbers = np.arange(len(names), dtype=np.intp)
    stacks = Stacks(shape, cut_outs, loaded, side, mask, area)
    found = differences_of(stacks.sampled(numbers))
    return Guesses(names, found.pairs, found.values, found.pixels, found.chips, found.noise)


def first_skies(guesses: Iterable[Guesses], names: Sequence[str]) -> FirstSkies:
    """Return the first guess that what all blocks tell gives.

    Parameters
    ----------
    guesses : iterable of Guesses
        Of all blocks, in whatever order.
    names : sequence of str
        Of all chips, in the order of all exposures.
    """
    numbers = {name: number for number, name in enumerate(names)}
    pairs, values, pixels, chips, noise = [], [], [], [], []
    for one in guesses:
        number = np.array([numbers[name] for name in one.names.tolist()], dtype=np.intp)
        own = number[one.pairs].reshape(-1, 2)
        turned = own[:, 0] > own[:, 1]
        pairs.append(np.sort(own, axis=1))
        values.append(np.where(turned, -one.values, one.values))
        pixels.append(one.pixels)
        chips.append(number[one.chips])
        noise.append(one.noise)
    none = np.zeros(0, dtype=np.intp)
    every = Differences(
        np.concatenate([*pairs, none.reshape(0, 2)]),
        np.concatenate([*values, np.zeros(0)]),
        np.concatenate([*pixels, none]),
        np.concatenate([*chips, none]),
        np.concatenate([*noise, np.zeros(0)]),
    )
    return FirstSkies(np.array(names, dtype=np.str_), *guess_from(len(names), every, len(names)))


def equations_of(
    shape: tuple[int, int],
    area: Area,
    side: int,
    chips: Mapping[str, CutOut],
    load: LoadPiece,
    first: FirstSkies,
    mask: Mask | None = None,
) -> Equations:
    """Return the equations of the patches of a block.

    Parameters
    ----------
    shape, area, side, chips, load, mask
        As for `guesses_of`.
    first : FirstSkies
        Of all chips.
    """
    names, cut_outs, loaded = _numbered(chips, load)
    numbers = np.arange(len(names), dtype=np.intp)
    offsets, noise = first.of(list(chips))
    stacks = Stacks(shape, cut_outs, loaded, side, mask, area)
    found = list(_windows(stacks, numbers, offsets, noise, Rejection()))
    patches = [patch for _, patch in found]
    return Equations(
        names=names,
        known=offsets,
        boxes=np.array([(c.x, c.y, c.columns, c.rows) for c in chips.values()]).reshape(-1, 4),
        factors=np.array([c.factor for c in chips.values()], dtype=np.float64),
        corners=np.array([(w.x, w.y) for w, _ in found], dtype=np.int64).reshape(-1, 2),
        sizes=np.array([len(patch.members) for patch in patches], dtype=np.int64),
        members=_joined([patch.members for patch in patches], np.int64),
        normal=_joined([patch.normal.ravel() for patch in patches], np.float64),
        right=_joined([patch.right for patch in patches], np.float64),
        places=np.array([(p.x, p.y) for p in patches], dtype=np.float64).reshape(-1, 2),
        counts=np.array([(p.used, p.rejected) for p in patches], dtype=np.int64).reshape(-1, 2),
    )


def merge(equations: Iterable[Equations]) -> Equations:
    """Return the equations of several blocks as those of one."""
    every = list(equations)
    numbers: dict[str, int] = {}
    rows: list[tuple[int, int]] = []  # of each unknown: the block that tells of it, and where
    for block, one in enumerate(every):
        for row, name in enumerate(one.names.tolist()):
            if name not in numbers:
                numbers[name] = len(rows)
                rows.append((block, row))
    members = [
        np.array([numbers[name] for name in one.names.tolist()], dtype=np.int64)[one.members]
        for one in every
    ]
    return Equations(
        names=np.array(list(numbers), dtype=np.str_),
        known=np.array([every[block].known[row] for block, row in rows], dtype=np.float64),
        boxes=np.array([every[block].boxes[row] for block, row in rows], np.int64).reshape(-1, 4),
        factors=np.array([every[block].factors[row] for block, row in rows], dtype=np.float64),
        corners=_joined([one.corners for one in every], np.int64).reshape(-1, 2),
        sizes=_joined([one.sizes for one in every], np.int64),
        members=_joined(members, np.int64),
        normal=_joined([one.normal for one in every], np.float64),
        right=_joined([one.right for one in every], np.float64),
        places=_joined([one.places for one in every], np.float64).reshape(-1, 2),
        counts=_joined([one.counts for one in every], np.int64).reshape(-1, 2),
    )


def measured_windows(
    stacks: Stacks,
    owner: NDArray[np.intp],
    offsets: Floats,
    noise: Floats,
    rejection: Rejection,
) -> list[Patch]:
    """Return the equations of all patches of some stacks in which two exposures meet.

    Parameters
    ----------
    stacks : Stacks
    owner : array of int, shape (chips,)
        The exposure of each chip, by number.
    offsets, noise : array, shape (exposures,), (chips,)
        As from `first_guess`.
    rejection : Rejection
        Which pixels do not count.
    """
    return [patch for _, patch in _windows(stacks, owner, offsets, noise, rejection)]


def _windows(
    stacks: Stacks,
    owner: NDArray[np.intp],
    offsets: Floats,
    noise: Floats,
    rejection: Rejection,
) -> Iterable[tuple[Window, Patch]]:
    for window in stacks.windows():
        numbers, data, weight = stacks.read(window)
        if len(numbers) < 2:
            continue
        patch = measure_patch(
            data,
            weight,
            owner[numbers],
            offsets[owner[numbers]],
            noise[numbers],
            (window.x + (window.columns - 1) / 2, window.y + (window.rows - 1) / 2),
            rejection,
        )
        if patch is not None:
            yield window, patch


def _numbered(
    chips: Mapping[str, CutOut], load: LoadPiece
) -> tuple[NDArray[np.str_], list[CutOut], LoadPiece]:
    """Return the chips numbered from 0 in their order, and what gives their pixels."""
    given = list(chips.values())
    cut_outs = [
        CutOut(number, c.x, c.y, c.columns, c.rows, c.factor) for number, c in enumerate(given)
    ]
    return np.array(list(chips), dtype=np.str_), cut_outs, lambda c: load(given[c.number])


def _joined(arrays: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    if not arrays:
        return np.zeros(0, dtype=kind)
    return np.concatenate(arrays).astype(kind, copy=False)
