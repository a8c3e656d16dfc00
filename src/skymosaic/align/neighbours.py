"""Which images are compared with which: some neighbours of each, and nobody cut off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skymosaic.align.positions import choose_pairs
from skymosaic.align.together_records import Image
from skymosaic.sky.overlaps import overlaps


def neighbours(images: Sequence[Image], own: int = 4, other: int = 8) -> list[tuple[int, int]]:
    """Return pairs of images that overlap: their number grows with that of the images.

    Parameters
    ----------
    images : sequence of Image
    own, other : int
        How many neighbours of each, of its epoch and kind and of others; see
        `positions.choose_pairs`.

    Notes
    -----
    Where many images lie on one place the chosen ones may leave two groups apart that other
    overlaps link: of those the largest are added until none do.
    """
    footprints = {str(number): image.footprint for number, image in enumerate(images)}
    shared = overlaps(footprints)
    areas = sorted(((area, int(a), int(b)) for (a, b), area in shared.items()), reverse=True)
    looks = {str(number): f"{image.epoch:.1f} {image.kind}" for number, image in enumerate(images)}
    chosen = {
        (min(int(a), int(b)), max(int(a), int(b)))
        for a, b in choose_pairs([(str(a), str(b), s) for s, a, b in areas], looks, own, other)
    }
    top = np.arange(len(images))

    def root(one: int) -> int:
        while top[one] != one:
            top[one] = one = int(top[top[one]])
        return one

    for a, b in chosen:
        top[root(a)] = root(b)
    for _, a, b in areas:
        if root(a) != root(b):
            top[root(a)] = root(b)
            chosen.add((min(a, b), max(a, b)))
    return sorted(chosen)
