"""From catalogues to places: all links, first near, then far, then against all that is placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from skymosaic.align.links import (
    NARROW,
    REFERENCE,
    WIDE,
    Link,
    Stars,
    is_sure,
    link_images,
    link_reference,
    radius_to_reach,
)
from skymosaic.align.moves import ARCSEC, Move, vectors_of
from skymosaic.align.placing import Placement, groups_of, place
from skymosaic.align.reference import Reference, at_epoch
from skymosaic.align.together_records import Image

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SAME = 0.1 / ARCSEC  # sources that lie so near each other are one, seen in two images
_FASTEST = 20.0  # arcsec: how far a star may have moved since the reference's epoch
_TRIES = 24  # pairs of two groups of images that are looked at over the wide reach


@dataclass
class Linked:
    """Links of all images, and how they came about."""

    pairs: list[tuple[int, int]]
    """Images that overlap and are compared."""
    stars: dict[int, Stars]
    """Those of the reference about each image; empty without a reference."""
    links: list[Link] = field(default_factory=list)
    """Those that are sure when each is looked at alone."""
    unclear: dict[int, int] = field(default_factory=dict)
    """By image: the most sources that matched equally well at two places."""
    tried: dict[int, int] = field(default_factory=dict)
    """By image: how many matches were looked for."""

    def without(self, gone: frozenset[int]) -> list[Link]:
        """Return the links between images that are not `gone`."""
        return [link for link in self.links if not {link.a, link.b} & gone]


def stars_about(
    images: Sequence[Image], numbers: Sequence[int], reference: Reference
) -> dict[int, Stars]:
    """Return the reference's stars about each of some images, where its epoch sees them."""
    from scipy.spatial import cKDTree  # takes long to import

    if not len(reference) or not numbers:
        return {}
    tree = cKDTree(vectors_of(np.stack([reference.ra, reference.dec], axis=1)))
    near = [
        np.array(
            sorted(
                tree.query_ball_point(
                    images[number].centre, radius_to_reach(images[number], WIDE + _FASTEST)
                )
            ),
            dtype=np.int64,
        )
        for number in numbers
    ]
    ends = np.cumsum([len(index) for index in near])
    if not ends[-1]:
        return {}
    # All at once: one call takes as long as thousands of stars do.
    epochs = np.repeat([images[number].epoch for number in numbers], np.diff(ends, prepend=0))
    seen = at_epoch(reference.select(np.concatenate(near)), epochs)
    vectors = vectors_of(np.stack([seen.ra, seen.dec], axis=1))
    return {
        number: Stars(index, part)
        for number, index, part in zip(numbers, near, np.split(vectors, ends[:-1]), strict=True)
    }


def link_all(
    images: Sequence[Image],
    numbers: Sequence[int],
    pairs: Sequence[tuple[int, int]],
    stars: Mapping[int, Stars],
    most: float,
) -> Linked:
    """Link images with their neighbours and the reference.

    What is off by more than a pointing error is looked for over a wide reach, where it would be cut
    off otherwise. A wide search has more chances to be wrong, and the number that is allowed of
    them stays.

    Parameters
    ----------
    images : sequence of Image
    numbers : sequence of int
        Those to link.
    pairs : sequence of (int, int)
        Of `neighbours`.
    stars : mapping
        Of `stars_about`.
    most : float
        Matches as good that may be expected by chance, of all that are tried for an image.
    """
    linked = Linked(list(pairs), dict(stars))
    tests = [*pairs, *((a, REFERENCE) for a in stars)]
    for a, b in tests:
        for one in (a, b):
            linked.tried[one] = linked.tried.get(one, 0) + 1
    _try(images, linked, tests, NARROW, most)
    group = groups_of(len(images), linked.links)
    apart: dict[tuple[int, int], list[tuple[int, int]]] = {}
    of_reference = any(link.b == REFERENCE for link in linked.links)
    for a, b in tests:
        other = (0 if of_reference else -1) if b == REFERENCE else int(group[b])
        if int(group[a]) != other:
            key = (min(int(group[a]), other), max(int(group[a]), other))
            apart.setdefault(key, []).append((a, b))
    wide = [pair for between in apart.values() for pair in between[:_TRIES]]
    _try(images, linked, wide, WIDE, most)
    return linked


def _try(
    images: Sequence[Image],
    linked: Linked,
    pairs: Sequence[tuple[int, int]],
    reach: float,
    most: float,
) -> None:
    for a, b in pairs:
        link = (
            link_reference(images, a, linked.stars[a], reach)
            if b == REFERENCE
            else link_images(images, a, b, reach)
        )
        if link is None:
            continue
        tried = max(linked.tried[a], linked.tried[b] if b != REFERENCE else 0)
        link = replace(link, match=link.match.times(tried))
        if is_sure(link, most):
            linked.links.append(link)
        elif link.match.chance <= most:
            for one in {a, b} - {REFERENCE}:
                linked.unclear[one] = max(link.weight, linked.unclear.get(one, 0))


def place_rest(
    images: Sequence[Image],
    linked: Linked,
    placement: Placement,
    rest: Sequence[int],
    most: float,
) -> dict[int, tuple[Move, float, int]]:
    """Place images that have no link by all that is placed about them, and the reference.

    Parameters
    ----------
    rest : sequence of int
        Images outside of group 0 of the placement.

    Returns
    -------
    dict
        By image: its move, the matches as good that are expected by chance, and their number.
    """
    about: dict[int, list[int]] = {one: [] for one in rest}
    for a, b in linked.pairs:
        for one, other in ((a, b), (b, a)):
            if one in about and other not in about and placement.group[other] == 0:
                about[one].append(other)
    found = {}
    for one in rest:
        parts = [placement.moves[other].apply(images[other].vectors) for other in about[one]]
        if one in linked.stars and any(link.b == REFERENCE for link in placement.good):
            parts.append(linked.stars[one].vectors)
        if not parts:
            continue
        joined = _joined(np.concatenate(parts))
        link = link_reference(images, one, Stars(np.arange(len(joined)), joined), NARROW)
        if link is None:
            continue
        link = replace(link, match=link.match.times(linked.tried.get(one, 0) + 1))
        if is_sure(link, most):
            [move] = place([images[one]], [replace(link, a=0)]).moves
            found[one] = (move, link.match.chance, link.weight)
    return found


def _joined(vectors: Floats) -> Floats:
    """Return positions, each once: of those near each other the first."""
    from scipy.spatial import cKDTree

    vectors = vectors[np.isfinite(vectors).all(axis=1)]
    pairs = cKDTree(vectors).query_pairs(_SAME, output_type="ndarray")
    keep = np.ones(len(vectors), dtype=bool)
    keep[pairs.max(axis=1, initial=0) if len(pairs) else pairs.ravel()] = False
    return vectors[keep]
