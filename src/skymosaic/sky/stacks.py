"""Patches of the common grid by how many exposures they have: many are handled at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymosaic.sky.patches import Patch
from skymosaic.sky.small_matrices import inverses, lengths, times

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Stack:
    """The equations of patches that have k exposures each.

    Parameters
    ----------
    members : array of int, shape (n, k)
        The exposures of each.
    normal, right : array, shape (n, k, k), (n, k)
        As of `Patch`.
    inverse : array, shape (n, k, k)
        As from `small_matrices.inverses`.
    rank : array of int, shape (n,)
        How many differences each tells.
    """

    members: Indices
    normal: Floats
    right: Floats
    inverse: Floats
    rank: NDArray[np.int64]

    def of(self, which: NDArray[np.bool_]) -> Stack:
        """Return some of them."""
        return Stack(
            *(self.members[which], self.normal[which], self.right[which]),
            *(self.inverse[which], self.rank[which]),
        )

    def left(self, offsets: Floats) -> Floats:
        """Return what offsets leave of the right sides, shape (n, k)."""
        return np.asarray(self.right - times(self.normal, offsets[self.members]))

    def misfits(self, offsets: Floats) -> Floats:
        """Return chi^2 of each, as if the noise of neighbouring pixels were independent."""
        return lengths(self.inverse, self.left(offsets))

    def worst(self, offsets: Floats) -> Indices:
        """Return of each which exposure, left out, takes most of chi^2 with it."""
        pivots = np.maximum(np.einsum("nkk->nk", self.normal), 1e-300)
        return np.argmax(self.left(offsets) ** 2 / pivots, axis=1)

    def without(self, which: Indices, members: Indices) -> Stack:
        """Return the same where in some patches one exposure has a level of its own.

        Parameters
        ----------
        which : array of int, shape (m,)
            The patches.
        members : array of int, shape (m,)
            The place of the exposure in each.
        """
        if not len(which):
            return self
        each = np.arange(len(which))
        normal, right = self.normal[which], self.right[which]
        pivot = normal[each, members, members]
        row = normal[each, members] / pivot[:, None]
        normal = normal - pivot[:, None, None] * row[:, :, None] * row[:, None, :]
        right = right - right[each, members][:, None] * row
        normal[each, members, :] = normal[each, :, members] = right[each, members] = 0.0
        inverse, rank = inverses(normal)
        return replace(
            self,
            normal=_with(self.normal, which, normal),
            right=_with(self.right, which, right),
            inverse=_with(self.inverse, which, inverse),
            rank=_with(self.rank, which, rank),
        )

    def summed(self) -> Stack:
        """Return the sums of the equations of the same exposures."""
        members, index = np.unique(self.members, axis=0, return_inverse=True)
        size = self.members.shape[1]
        normal, right = np.zeros((len(members), size, size)), np.zeros((len(members), size))
        np.add.at(normal, index.ravel(), self.normal)
        np.add.at(right, index.ravel(), self.right)
        return Stack(members, normal, right, *inverses(normal))


def stacked(patches: Sequence[Patch]) -> list[Stack]:
    """Return patches by the number of their exposures; those that tell nothing are left out."""
    by_size: dict[int, list[Patch]] = {}
    for patch in patches:
        by_size.setdefault(len(patch.members), []).append(patch)
    stacks = []
    for _, same in sorted(by_size.items()):
        normal = np.stack([patch.normal for patch in same])
        stack = Stack(
            np.stack([patch.members for patch in same]),
            normal,
            np.stack([patch.right for patch in same]),
            *inverses(normal),
        )
        stacks.append(stack.of(stack.rank > 0))
    return stacks


def inverses_of(patches: Sequence[Patch]) -> list[tuple[Floats, int]]:
    """Return the inverse of each patch's equations, and how many differences it tells."""
    found: list[tuple[Floats, int]] = [(np.zeros((0, 0)), 0)] * len(patches)
    by_size: dict[int, list[int]] = {}
    for place, patch in enumerate(patches):
        by_size.setdefault(len(patch.members), []).append(place)
    for same in by_size.values():
        inverse, rank = inverses(np.stack([patches[place].normal for place in same]))
        for i, place in enumerate(same):
            found[place] = inverse[i], int(rank[i])
    return found


def _with(values: NDArray[Any], which: Indices, new: NDArray[Any]) -> NDArray[Any]:
    changed = values.copy()
    changed[which] = new
    return changed
