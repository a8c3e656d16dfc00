"""Many small symmetric matrices at once, by sums in a fixed order: the same bits everywhere.

BLAS and LAPACK choose their loops by the processor, and so the last digit of what they give. For
matrices of some ten unknowns plain loops over thousands of them are as fast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

SINGULAR = 1e-6
"""Of the largest diagonal element: what is left of one below it is none."""
_CHUNK = 512  # numbers that are summed in single precision


def products(first: Singles, second: Singles) -> Floats:
    """Return the sums of the products of each row with the same row of another array, (rows,).

    Short pieces are summed in single precision, and these sums in double precision.
    """
    a, b = _pieces(first), _pieces(second)
    return np.asarray(np.einsum("imp,imp->im", a, b).sum(axis=1, dtype=np.float64))


def between_rows(first: Singles, second: Singles) -> Floats:
    """Return the sums of the products of pairs of rows, shape (rows, rows), 0 on the diagonal.

    Parameters
    ----------
    first, second : array of float32, shape (rows, n)
        Such that the result is symmetric: each pair is summed once.
    """
    a, b = _pieces(first), _pieces(second)
    found = np.zeros((len(a), len(a)))
    for row in range(len(a) - 1):
        sums = np.einsum("mp,imp->im", a[row], b[row + 1 :]).sum(axis=1, dtype=np.float64)
        found[row, row + 1 :] = found[row + 1 :, row] = sums
    return found


def _pieces(rows: Singles) -> Singles:
    """Return rows cut into pieces of one length, the last one filled with zeros."""
    count, size = rows.shape
    missing = -size % _CHUNK
    if missing:
        rows = np.concatenate([rows, np.zeros((count, missing), dtype=rows.dtype)], axis=1)
    return rows.reshape(count, -1, _CHUNK)


def inverses(matrices: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return inverses of positive semidefinite matrices in what each of them tells, and its ranks.

    An inverse G is such that N G N = N: whatever lies in the range of N has by it the squared
    length that it has by the pseudo-inverse. Rows of N add up to 0, so one unknown at the least is
    held. The sweeps are those of J. H. Goodnight (1979, The American Statistician 33, 149), each by
    the largest pivot that is left.

    Parameters
    ----------
    matrices : array, shape (count, n, n)
        Each the normal equations of differences.
    """
    count, size, _ = matrices.shape
    swept = matrices.copy()
    each = np.arange(count)
    left = np.ones((count, size), dtype=bool)
    diagonal = np.einsum("kii->ki", swept)
    least = SINGULAR * np.maximum(diagonal.max(axis=1, initial=0.0), 1e-300)
    rank = np.zeros(count, dtype=np.int64)
    for _ in range(size - 1):
        pivots = np.where(left, diagonal, -np.inf)
        which = np.argmax(pivots, axis=1)
        pivot = pivots[each, which]
        going = pivot > least
        if not going.any():
            break
        some, which, pivot = each[going], which[going], pivot[going]
        column = swept[some, :, which]
        ratio = column / pivot[:, None]
        part = swept[some] - column[:, :, None] * ratio[:, None, :]
        here = np.arange(len(some))
        part[here, :, which] = part[here, which, :] = ratio
        part[here, which, which] = -1.0 / pivot
        swept[some] = part
        left[some, which] = False
        rank[some] += 1
    known = ~left
    return np.where(known[:, :, None] & known[:, None, :], -swept, 0.0), rank


def times(matrices: Floats, vectors: Floats) -> Floats:
    """Return the products of matrices, shape (count, n, n), with vectors, shape (count, n)."""
    return np.asarray((matrices * vectors[:, None, :]).sum(axis=2))


def lengths(matrices: Floats, vectors: Floats) -> Floats:
    """Return the squared lengths of vectors by matrices, shape (count,)."""
    return np.asarray((times(matrices, vectors) * vectors).sum(axis=1))
