"""Tracks: which sources of all images are one star, and which star of the reference it is.

Nearest neighbours are matched in each pair of images, and each image with the reference; what is
linked is one star. An image has one source of it at most, and so has the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skymosaic.align.links import Stars, brightest, tolerance
from skymosaic.align.matching import nearest
from skymosaic.align.moves import ARCSEC, Move
from skymosaic.align.together_records import Image

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MOST = 2000  # brightest sources of an image that are used


@dataclass(frozen=True)
class Tracks:
    """Sources that are seen in two images or more, or that the reference has."""

    image: Integers
    """Number of the image of each source, shape (n,)."""
    source: Integers
    """Its number in the image."""
    track: Integers
    """Number of its star, from 0."""
    star: Integers
    """Of each track: its number in the reference, or -1, shape (tracks,)."""


def find_tracks(
    images: Sequence[Image],
    moves: Mapping[int, Move],
    pairs: Sequence[tuple[int, int]],
    stars: Mapping[int, Stars],
) -> Tracks:
    """Return the stars that images share with each other and with the reference.

    Parameters
    ----------
    images : sequence of Image
    moves : mapping
        By number of an image: how it is moved, to a part of the tolerance. Others are left out.
    pairs : sequence of (int, int)
        Images that are compared.
    stars : mapping
        By number of an image: those of the reference that may be in it, at its epoch.
    """
    from scipy.spatial import cKDTree  # takes long to import

    index = {a: brightest(images[a].flux, images[a].usable, _MOST) for a in moves}
    places = {a: moves[a].apply(images[a].vectors[index[a]]) for a in moves}
    trees = {a: cKDTree(place) for a, place in places.items() if len(place)}
    start, total = {}, 0
    for a in sorted(moves):
        start[a], total = total, total + len(index[a])
    edges: list[tuple[Integers, Integers, Floats]] = []
    for a, b in pairs:
        if a in trees and b in trees:
            limit = tolerance(images[a], images[b]) / ARCSEC
            first, second = nearest(places[a], trees[b], limit)
            apart = np.linalg.norm(places[a][first] - places[b][second], axis=1)
            edges.append((start[a] + first, start[b] + second, apart))
    for a, known in stars.items():
        if a in trees and len(known.number):
            limit = tolerance(images[a], None) / ARCSEC
            first, second = nearest(places[a], cKDTree(known.vectors), limit)
            apart = np.linalg.norm(places[a][first] - known.vectors[second], axis=1)
            edges.append((start[a] + first, total + known.number[second], apart))
    numbers = sorted(moves)
    image = np.repeat(np.array(numbers, dtype=np.int64), [len(index[a]) for a in numbers])
    source = np.concatenate([np.empty(0, dtype=np.int64), *(index[a] for a in numbers)])
    return _joined(edges, image, source)


def _joined(
    edges: Sequence[tuple[Integers, Integers, Floats]], image: Integers, source: Integers
) -> Tracks:
    """Return what edges link: nodes are sources, and after them stars of the reference."""
    total = len(image)
    if not edges:
        nothing = np.empty(0, dtype=np.int64)
        return Tracks(nothing, nothing, nothing, nothing)
    first, second, apart = (np.concatenate(part) for part in zip(*edges, strict=True))
    nodes, ends = np.unique(np.concatenate([first, second]), return_inverse=True)
    first, second = ends[: len(first)], ends[len(first) :]
    # All stars of the reference count as sources of one more image.
    owner = np.where(nodes < total, image[np.minimum(nodes, total - 1)], -1)
    labels = _components(len(nodes), first, second)
    bad = _doubled(labels, owner)
    if bad.any():
        keep = _without_conflicts(first, second, apart, owner, bad[labels[first]])
        labels = _components(len(nodes), first[keep], second[keep])
    sizes = np.bincount(labels)
    used = sizes[labels] > 1
    is_star = nodes >= total
    kept, track = np.unique(labels[used & ~is_star], return_inverse=True)
    star = np.full(len(sizes), -1, dtype=np.int64)
    star[labels[is_star]] = nodes[is_star] - total
    mine = nodes[used & ~is_star]
    return Tracks(image[mine], source[mine], track, star[kept])


def _components(count: int, first: Integers, second: Integers) -> Integers:
    graph = sparse.coo_array((np.ones(len(first), dtype=bool), (first, second)), (count, count))
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1], dtype=np.int64)


def _doubled(labels: Integers, owner: Integers) -> NDArray[np.bool_]:
    """Return which components have two sources of one image, or two stars of the reference."""
    order = np.lexsort((owner, labels))
    same = (np.diff(labels[order]) == 0) & (np.diff(owner[order]) == 0)
    bad = np.zeros(labels.max() + 1, dtype=bool)
    bad[labels[order][1:][same]] = True
    return bad


def _without_conflicts(
    first: Integers,
    second: Integers,
    apart: Floats,
    owner: Integers,
    look: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return which edges to keep: the shortest first, none that joins two sources of one image."""
    keep = ~look
    group: dict[int, tuple[set[int], list[int]]] = {}
    edges = np.flatnonzero(look)
    for edge in edges[np.argsort(apart[edges], kind="stable")].tolist():
        a, b = int(first[edge]), int(second[edge])
        ours = group.setdefault(a, ({int(owner[a])}, [a]))
        theirs = group.setdefault(b, ({int(owner[b])}, [b]))
        if ours is theirs:
            keep[edge] = True
        elif not ours[0] & theirs[0]:
            keep[edge] = True
            ours[0].update(theirs[0])
            ours[1].extend(theirs[1])
            for member in theirs[1]:
                group[member] = ours
    return keep
