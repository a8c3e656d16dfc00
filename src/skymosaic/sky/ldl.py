"""Sparse symmetric equations, solved without a dense matrix, to the same bits on every processor.

The normal equations of skies are those of a graph: an exposure has some dozen neighbours, of
thousands. They are factored as L D L^T by fronts (I. S. Duff and J. K. Reid 1983, ACM Transactions
on Mathematical Software 9, 302): a front is the small dense matrix of an unknown and of those that
its elimination links. Of the inverse only those elements are found that the factor has, the
variances among them (K. Takahashi, J. Fagan and M.-S. Chen 1973, 8th PICA Conference, 63).

Only sums in a fixed order are used, element by element: no BLAS, whose kernels differ in the last
digit from one processor to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Factors:
    """A matrix as L D L^T, its unknowns in the order in which they are eliminated.

    Parameters
    ----------
    order : array of int, shape (n,)
        The unknown that is eliminated first, second, ...
    rows : sequence of array of int
        Of each, by its place in this order, those later ones that it is linked to, ascending.
    columns : sequence of array
        Its elements of L below the diagonal, of unit diagonal.
    pivots : array, shape (n,)
        D.
    """

    order: Integers
    rows: Sequence[Integers]
    columns: Sequence[Floats]
    pivots: Floats

    def solve(self, right: Floats) -> Floats:
        """Return the solution of one right side, shape (n,), or of several, shape (n, m)."""
        x = np.array(right, dtype=np.float64)[self.order]
        wide = x.ndim > 1
        for place, (rows, column) in enumerate(zip(self.rows, self.columns, strict=True)):
            if len(rows):
                x[rows] -= column[:, None] * x[place] if wide else column * x[place]
        x /= self.pivots[:, None] if wide else self.pivots
        for place in range(len(x) - 1, -1, -1):
            rows = self.rows[place]
            if len(rows):
                column = self.columns[place]
                part = column[:, None] * x[rows] if wide else column * x[rows]
                x[place] -= np.add.reduce(part, axis=0)
        found = np.empty_like(x)
        found[self.order] = x
        return found

    def variances(self) -> Floats:
        """Return the diagonal of the inverse, shape (n,)."""
        return self.blocks(1)[:, 0, 0]

    def blocks(self, size: int) -> Floats:
        """Return square blocks on the diagonal of the inverse, shape (n / size, size, size).

        Parameters
        ----------
        size : int
            Of a block. Elements of the inverse for which the factors have none are 0: of unknowns
            that are linked with each other they have all.
        """
        count = len(self.order)
        found = np.zeros((count // size, size, size))
        block, inner = np.divmod(self.order, size)
        fronts: dict[int, Floats] = {}
        waiting = _children(self.rows)
        for place in range(count - 1, -1, -1):
            rows, column = self.rows[place], self.columns[place]
            if not len(rows):
                inverse = np.array([[1.0 / self.pivots[place]]])
            else:
                parent = int(rows[0])
                # What an unknown is linked to, its parent is linked to as well.
                index = np.searchsorted(self.rows[parent], rows[1:]) + 1
                index = np.concatenate([[0], index])
                known = fronts[parent][np.ix_(index, index)]
                beside = -np.add.reduce(known * column, axis=1)
                own = 1.0 / self.pivots[place] - np.add.reduce(column * beside)
                inverse = np.empty((len(rows) + 1, len(rows) + 1))
                inverse[0, 0], inverse[1:, 1:] = own, known
                inverse[0, 1:] = inverse[1:, 0] = beside
                waiting[parent] -= 1
                if not waiting[parent]:
                    del fronts[parent]
            found[block[place], inner[place], inner[place]] = inverse[0, 0]
            if size > 1:
                beside_it = np.flatnonzero(block[rows] == block[place])
                found[block[place], inner[place], inner[rows[beside_it]]] = inverse[
                    0, 1 + beside_it
                ]
                found[block[place], inner[rows[beside_it]], inner[place]] = inverse[
                    0, 1 + beside_it
                ]
            if waiting[place]:
                fronts[place] = inverse
        return found


def _children(rows: Sequence[Integers]) -> list[int]:
    """Return how many unknowns have each one as the first that they are linked to."""
    count = [0] * len(rows)
    for one in rows:
        if len(one):
            count[int(one[0])] += 1
    return count


def factored(matrix: sparse.csr_array, order: Integers | None = None) -> Factors:
    """Factor a symmetric, positive definite matrix.

    Parameters
    ----------
    matrix : sparse array, shape (n, n)
        Both halves of it.
    order : array of int, shape (n,), or None
        As from `elimination_order` of a matrix with these links.

    Raises
    ------
    numpy.linalg.LinAlgError
        It is not positive definite.
    """
    count = matrix.shape[0]
    order = elimination_order(matrix) if order is None else order
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    entries = matrix.tocoo()
    row, column = place[entries.row], place[entries.col]
    lower = row >= column
    ordered = sparse.coo_array(
        (entries.data[lower], (row[lower], column[lower])), shape=matrix.shape
    ).tocsc()
    ordered.sum_duplicates()
    rows: list[Integers] = []
    columns: list[Floats] = []
    pivots = np.empty(count)
    updates: list[list[tuple[Integers, Floats]]] = [[] for _ in range(count)]
    for this in range(count):
        start, stop = ordered.indptr[this], ordered.indptr[this + 1]
        index, values = ordered.indices[start:stop].astype(np.int64), ordered.data[start:stop]
        linked, front = _front(this, index, values, updates[this])
        updates[this] = []
        pivot = front[0, 0]
        if not pivot > 0:
            raise np.linalg.LinAlgError("the equations do not tell all of their unknowns")
        rest = front[1:, 0] / pivot
        pivots[this] = pivot
        rows.append(linked[1:])
        columns.append(rest)
        if len(rest):
            update = front[1:, 1:] - rest[:, None] * front[1:, 0]
            updates[int(linked[1])].append((linked[1:], update))
    return Factors(order, rows, columns, pivots)


def _front(
    this: int, index: Integers, values: Floats, updates: Sequence[tuple[Integers, Floats]]
) -> tuple[Integers, Floats]:
    """Return the unknowns that one links when it is eliminated, itself first, and their matrix."""
    linked = np.unique(np.concatenate([index, [this], *(own for own, _ in updates)]))
    if len(updates) == 1 and len(updates[0][0]) == len(linked):
        front = updates[0][1]  # nothing new: of unknowns that are all linked, most are like this
    else:
        front = np.zeros((len(linked), len(linked)))
        for own, update in updates:
            at = np.searchsorted(linked, own)
            front[np.ix_(at, at)] += update
    front[np.searchsorted(linked, index), 0] += values
    return linked, front


def elimination_order(matrix: sparse.csr_array) -> Integers:
    """Return the order in which unknowns are eliminated so that few new links come up.

    It is SuperLU's minimum degree, of which only the links are asked: no number depends on what
    it computes.
    """
    count = matrix.shape[0]
    links = sparse.csr_array(
        (-np.ones(len(matrix.indices)), matrix.indices, matrix.indptr), shape=matrix.shape
    )
    degrees = np.diff(links.indptr).astype(np.float64) + 1.0
    factors = splu(
        (links + sparse.diags_array(2.0 * degrees)).tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    order = np.empty(count, dtype=np.int64)
    order[factors.perm_c] = np.arange(count)
    return order
