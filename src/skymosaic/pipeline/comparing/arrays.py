"""What the parts of the comparison hand on to each other, as arrays in files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from skymosaic.evidence.cells import Cells
from skymosaic.evidence.edges import MosaicEdges
from skymosaic.evidence.levels import RelativeLevels
from skymosaic.evidence.pairs import NumberedDifference
from skymosaic.evidence.residuals import PairDifference, Seam
from skymosaic.evidence.seams import ExposureEdge

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_T = TypeVar("_T", bound="_Arrays")


@dataclass(frozen=True)
class _Arrays:
    """Arrays that are written to a file and read back."""

    def save(self, path: Path) -> None:
        """Write them to a new file, ``.npz``."""
        with path.open("wb") as file:
            np.savez(file, **{one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def load(cls: type[_T], file: IO[bytes]) -> _T:
        """Return what `save` wrote."""
        with np.load(file, allow_pickle=False) as arrays:
            return cls(**{one.name: arrays[one.name] for one in fields(cls)})


@dataclass(frozen=True)
class PairTable(_Arrays):
    """The pairs of exposures whose differences are measured, and where they lie.

    Parameters
    ----------
    pairs : array, shape (n, 2)
        Numbers of exposures, in their order.
    places : array, shape (n, 2)
        x, y of the pixel of the mosaic in the middle of what a pair shares.
    digests : array of str, shape (exposures,)
        Checksum of each exposure in cells.
    near, every
        See `evidence.pairs.ChosenPairs`.
    """

    pairs: Integers
    places: Integers
    digests: NDArray[np.str_]
    near: Integers
    every: NDArray[np.bool_]


@dataclass(frozen=True)
class StoredCells(_Arrays):
    """Some exposures in cells, one behind the other.

    Parameters
    ----------
    rootnames : array of str, shape (n,)
    corners, shapes : array of int, shape (n, 2)
        Of each exposure.
    noise, weights : array, shape (n,)
        Likewise.
    level, count, covered : array, shape (cells,)
        See `evidence.cells.Cells`.
    """

    rootnames: NDArray[np.str_]
    corners: Integers
    shapes: Integers
    noise: Floats
    weights: Floats
    level: NDArray[np.float32]
    count: NDArray[np.int32]
    covered: NDArray[np.bool_]

    @classmethod
    def of(cls, cells: Sequence[Cells]) -> StoredCells:
        """Return exposures as they are stored."""
        return cls(
            np.array([one.rootname for one in cells]),
            np.array([one.corner for one in cells], dtype=np.int64),
            np.array([one.level.shape for one in cells], dtype=np.int64),
            np.array([one.noise for one in cells]),
            np.array([one.weight for one in cells]),
            *(
                np.concatenate([getattr(one, name).ravel() for one in cells])
                for name in ("level", "count", "covered")
            ),
        )

    def each(self) -> list[Cells]:
        """Return the exposures."""
        ends = np.cumsum(self.shapes.prod(axis=1))
        found = []
        for number, end in enumerate(ends):
            ny, nx = map(int, self.shapes[number])
            here = slice(int(end) - ny * nx, int(end))
            found.append(
                Cells(
                    rootname=str(self.rootnames[number]),
                    corner=(int(self.corners[number, 0]), int(self.corners[number, 1])),
                    level=self.level[here].reshape(ny, nx),
                    count=self.count[here].reshape(ny, nx),
                    covered=self.covered[here].reshape(ny, nx),
                    noise=float(self.noise[number]),
                    weight=float(self.weights[number]),
                )
            )
        return found


@dataclass(frozen=True)
class Measured(_Arrays):
    """What pairs of exposures differ by: see `evidence.residuals.PairDifference`."""

    difference: Floats
    error: Floats
    mad: Floats
    noise: Floats
    unevenness: Floats
    cells: Integers
    pixels: Integers


@dataclass(frozen=True)
class BlockDifferences(Measured):
    """The differences in a block.

    Parameters
    ----------
    rows : array of int, shape (n,)
        Which of the block's pairs each is of: a pair that shares too little has none.
    """

    rows: Integers

    def numbered(self, pairs: Integers, names: Sequence[str]) -> list[NumberedDifference]:
        """Return them with the numbers of their exposures; `pairs`: those of the block."""
        return _numbered(self, pairs[self.rows], names)


@dataclass(frozen=True)
class AllDifferences(Measured):
    """The differences of all pairs.

    Parameters
    ----------
    pairs : array of int, shape (n, 2)
        Numbers of their exposures.
    """

    pairs: Integers

    @classmethod
    def of(
        cls, pairs: Sequence[tuple[int, int]], differences: Sequence[PairDifference]
    ) -> AllDifferences:
        """Return differences as they are stored; `pairs`: the numbers of their exposures."""
        numbers = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        return cls(**measured_columns(differences), pairs=numbers)

    def each(self, names: Sequence[str]) -> list[PairDifference]:
        """Return them by the names of their exposures."""
        return [one for _, one in _numbered(self, self.pairs, names)]


_MEASURED = [one.name for one in fields(Measured)]


def _numbered(stored: Measured, pairs: Integers, names: Sequence[str]) -> list[NumberedDifference]:
    columns = zip(*(getattr(stored, name).tolist() for name in _MEASURED), strict=True)
    return [
        ((i, j), PairDifference(names[i], names[j], *values))
        for (i, j), values in zip(pairs.tolist(), columns, strict=True)
    ]


def measured_columns(differences: Iterable[PairDifference]) -> dict[str, Any]:
    """Return the columns of `Measured` that differences have."""
    every = list(differences)
    kinds = {name: np.int64 if name in ("cells", "pixels") else np.float64 for name in _MEASURED}
    return {
        name: np.array([getattr(one, name) for one in every], dtype=kind)
        for name, kind in kinds.items()
    }


@dataclass(frozen=True)
class StoredLevels(_Arrays):
    """What the overlaps call for: see `evidence.solution.Solution`.

    Parameters
    ----------
    values : array, shape (exposures,)
    members, sizes : array of int
        The exposures of all groups, one group behind the other, and how many each has.
    known : array of bool, shape ()
        Whether any sky is known to be empty.
    empty : array of bool
        The patches that are.
    """

    values: Floats
    members: Integers
    sizes: Integers
    known: NDArray[np.bool_]
    empty: NDArray[np.bool_]

    @classmethod
    def of(cls, levels: RelativeLevels, empty: NDArray[np.bool_] | None) -> StoredLevels:
        """Return levels as they are stored."""
        return cls(
            levels.values,
            np.array([i for group in levels.groups for i in group], dtype=np.int64),
            np.array([len(group) for group in levels.groups], dtype=np.int64),
            np.array(empty is not None),
            np.zeros(0, dtype=bool) if empty is None else empty,
        )

    def levels(self, names: Sequence[str], misfit: float) -> RelativeLevels:
        """Return the levels."""
        groups = np.split(self.members, np.cumsum(self.sizes)[:-1]) if self.sizes.size else []
        return RelativeLevels(
            tuple(names), self.values, tuple(tuple(group.tolist()) for group in groups), misfit
        )

    def patches(self) -> NDArray[np.bool_] | None:
        """Return the patches of empty sky; None where none is known."""
        return self.empty if self.known else None


@dataclass(frozen=True)
class StoredEdges(_Arrays):
    """Edges of exposures, one behind the other: see `evidence.seams.ExposureEdge`.

    Parameters
    ----------
    exposures : array of int, shape (n,)
    others, of_others : array of int
        The exposures on both sides of all edges, and how many each edge has.
    inside, outside : array of int, shape (m, 3)
    gap : array of int, shape (m,)
    lengths : array of int, shape (n,)
        How many of these each edge has.
    """

    exposures: Integers
    others: Integers
    of_others: Integers
    inside: Integers
    outside: Integers
    gap: Integers
    lengths: Integers

    @classmethod
    def of(cls, edges: Sequence[ExposureEdge]) -> StoredEdges:
        """Return edges as they are stored."""
        none = np.zeros((0, 3), dtype=np.int64)
        return cls(
            np.array([one.exposure for one in edges], dtype=np.int64),
            np.array([i for one in edges for i in one.others], dtype=np.int64),
            np.array([len(one.others) for one in edges], dtype=np.int64),
            np.concatenate([none, *(one.inside for one in edges)]),
            np.concatenate([none, *(one.outside for one in edges)]),
            np.concatenate([none[:, 0], *(one.gap for one in edges)]),
            np.array([len(one.gap) for one in edges], dtype=np.int64),
        )

    def edges(self, *, dense: bool) -> MosaicEdges:
        """Return the edges."""
        ends = np.cumsum(self.lengths)[:-1]
        parts = zip(
            self.exposures.tolist(),
            np.split(self.others, np.cumsum(self.of_others)[:-1]),
            *(np.split(part, ends) for part in (self.inside, self.outside, self.gap)),
            strict=True,
        )
        found = [
            ExposureEdge(exposure, tuple(others.tolist()), inside, outside, gap)
            for exposure, others, inside, outside, gap in (parts if self.exposures.size else ())
        ]
        return MosaicEdges(found, dense)


@dataclass(frozen=True)
class StoredSeams(_Arrays):
    """The steps of a mosaic: see `evidence.residuals.Seam`.

    Parameters
    ----------
    exposures : array of str, shape (n,)
    others, of_others : array of str, array of int
        The exposures on both sides of all of them, and how many each has.
    step, error, expected, ra, dec : array, shape (n,)
        NaN where nothing is expected.
    cells : array of int, shape (n,)
    """

    exposures: NDArray[np.str_]
    others: NDArray[np.str_]
    of_others: Integers
    step: Floats
    error: Floats
    expected: Floats
    cells: Integers
    ra: Floats
    dec: Floats

    @classmethod
    def of(cls, seams: Sequence[Seam]) -> StoredSeams:
        """Return steps as they are stored."""
        values: Mapping[str, list[float]] = {
            name: [getattr(one, name) for one in seams] for name in ("step", "error", "ra", "dec")
        }
        expected = [np.nan if one.expected is None else one.expected for one in seams]
        return cls(
            np.array([one.exposure for one in seams], dtype=np.str_),
            np.array([name for one in seams for name in one.others], dtype=np.str_),
            np.array([len(one.others) for one in seams], dtype=np.int64),
            cells=np.array([one.cells for one in seams], dtype=np.int64),
            expected=np.array(expected, dtype=np.float64),
            **{name: np.array(its, dtype=np.float64) for name, its in values.items()},
        )

    def each(self, method: str) -> list[Seam]:
        """Return the steps of a method's mosaic."""
        ends = np.cumsum(self.of_others).tolist()
        others = self.others.tolist()
        named = zip(
            self.exposures.tolist(),
            [tuple(others[end - n : end]) for end, n in zip(ends, self.of_others, strict=True)],
            *(getattr(self, name).tolist() for name in _SEAM),
            strict=True,
        )
        return [
            Seam(method, exposure, its, step, error, None if np.isnan(due) else due, cells, ra, dec)
            for exposure, its, step, error, due, cells, ra, dec in named
        ]


_SEAM = ("step", "error", "expected", "cells", "ra", "dec")
