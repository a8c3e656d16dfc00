"""Where all links together put each image, and which links are wrong.

Links around a cycle must add up to nothing. A wrong one does not: least absolute residuals leave it
alone with its residual, where least squares would share it out among its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skymosaic.align.links import REFERENCE, Link
from skymosaic.align.moves import ARCSEC, Move, basis_of, project
from skymosaic.align.together_records import Image

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SUPPORT = 2.0
"""So many times the matches of a wrong link must speak against it."""
_APART = 0.3  # arcsec: a link that is off by more, and by more than its error allows, is wrong
_TURNED = 1e-3  # radians: the same of its roll
_SURE = 6.0  # errors
_FLOOR = 0.03  # arcsec: error of a link's shift, at least
_AROUND = (20.0, float(np.radians(1.0)))  # what is known of a shift and a roll without links
_ROUNDS = 40


@dataclass(frozen=True)
class Placement:
    """What the links say together."""

    moves: list[Move]
    good: list[Link]
    wrong: list[Link]
    doubtful: frozenset[int]
    """Images whose links contradict each other, and nothing tells which are right."""
    group: Integers
    """Number of the group of each image; that of the reference, or else the largest, is 0."""


def place(images: Sequence[Image], links: Sequence[Link]) -> Placement:
    """Return where links put images, without links and images that contradict the rest.

    Parameters
    ----------
    images : sequence of Image
    links : sequence of Link
        Each of which is not chance when it is looked at alone.
    """
    good, wrong = list(links), []
    while True:
        unknowns = _solved(images, good)
        off = [_is_off(images, link, unknowns) for link in good]
        if not any(off):
            break
        wrong += [link for link, bad in zip(good, off, strict=True) if bad]
        good = [link for link, bad in zip(good, off, strict=True) if not bad]
    doubtful = _contradicted(len(images), good, wrong)
    if doubtful:
        kept = [link for link in links if not {link.a, link.b} & doubtful]
        rest = place(images, kept)
        return Placement(rest.moves, rest.good, rest.wrong, rest.doubtful | doubtful, rest.group)
    moves = [
        Move.none(image.centre).then(one[0] / ARCSEC, one[1] / ARCSEC, one[2])
        for image, one in zip(images, unknowns, strict=True)
    ]
    return Placement(moves, good, wrong, frozenset(), groups_of(len(images), good))


def groups_of(count: int, links: Sequence[Link]) -> Integers:
    """Return the number of each image's group; 0 is that of the reference, else the largest."""
    graph = _graph(count, links)
    _, labels = sparse.csgraph.connected_components(graph, directed=False)
    sizes = np.bincount(labels[:count], minlength=labels.max() + 1)
    first = int(labels[count]) if any(link.b == REFERENCE for link in links) else -1
    ranked = sorted(range(len(sizes)), key=lambda one: (one != first, -sizes[one], one))
    number = np.empty(len(sizes), dtype=np.int64)
    number[ranked] = np.arange(len(sizes))
    return np.asarray(number[labels[:count]])


def _graph(count: int, links: Sequence[Link]) -> sparse.csr_array:
    """Return matches between images; the last node is the reference."""
    a = np.array([link.a for link in links], dtype=np.int64)
    b = np.array([count if link.b == REFERENCE else link.b for link in links], dtype=np.int64)
    matches = np.array([link.weight for link in links], dtype=np.int32)
    graph = sparse.coo_array((matches, (a, b)), shape=(count + 1, count + 1)).tocsr()
    return (graph + graph.T).tocsr()


def _rows(images: Sequence[Image], link: Link) -> tuple[Floats, Floats, Floats, Floats]:
    """Return a link as equations: matrices of `a` and `b`, right side, errors; three rows each.

    The corrected positions of what was matched are the same: where `a` is moved at the pivot, less
    where `b` is moved, is the shift that was found; the same of the rolls.
    """
    found = link.match
    basis = basis_of(images[link.a].centre)
    ours, theirs = np.zeros((3, 3)), np.zeros((3, 3))
    ours[:2, :2] = np.eye(2)
    ours[:2, 2] = -found.pivot[1], found.pivot[0]
    ours[2, 2] = 1.0
    if link.b != REFERENCE:
        other = basis_of(images[link.b].centre)
        at = np.array([*(found.pivot / ARCSEC), 1.0]) @ basis
        place = project(at[None], other)[0]
        plane = basis[:2] @ other[:2].T
        theirs[:2, :2] = plane
        theirs[:2, 2] = plane @ [-place[1], place[0]]
        theirs[2, 2] = 1.0
    error = float(np.hypot(_FLOOR, found.rms / np.sqrt(link.weight)))
    roll = float(np.hypot(error / max(found.extent, 1.0), 1e-4))
    right = np.array([*found.shift, found.roll])
    return ours, theirs, right, np.array([error, error, roll])


def _solved(images: Sequence[Image], links: Sequence[Link]) -> Floats:
    """Return east, north (arcsec) and roll (radians) of each image by least absolute residuals.

    By weights ``1 / |residual|`` (iteratively reweighted least squares; Schlossmacher 1973, JASA
    68, 857), down to the errors.
    """
    from scipy.sparse.linalg import splu

    count = len(images)
    known = np.tile(1.0 / np.array([_AROUND[0], _AROUND[0], _AROUND[1]]) ** 2, count)
    if not links:
        return np.zeros((count, 3))
    equations = [_rows(images, link) for link in links]
    matrix, right = _matrix(count, links, equations)
    weights = np.ones(len(links))
    unknowns = np.zeros(3 * count)
    for _ in range(_ROUNDS):
        weighed = sparse.diags_array(np.repeat(weights, 3)) @ matrix
        normal = matrix.T @ weighed + sparse.diags_array(known)
        before, unknowns = unknowns, splu(normal.tocsc()).solve(weighed.T @ right)
        residuals = (right - matrix @ unknowns).reshape(-1, 3)
        weights = 1.0 / np.maximum(1.0, np.sqrt((residuals**2).sum(axis=1)))
        if np.abs(before - unknowns).max() < 1e-4:
            break
    return np.asarray(unknowns.reshape(-1, 3))


def _matrix(
    count: int, links: Sequence[Link], equations: Sequence[tuple[Floats, ...]]
) -> tuple[sparse.csr_array, Floats]:
    """Return all equations in units of their errors."""
    blocks = []
    for link, (ours, theirs, _, errors) in zip(links, equations, strict=True):
        blocks.append((link.a, ours / errors[:, None]))
        blocks.append((max(link.b, 0), -theirs / errors[:, None]))
    rows = np.repeat(np.arange(3 * len(links)).reshape(-1, 1, 3), 2, axis=1).reshape(-1, 3)
    column = np.array([image for image, _ in blocks])[:, None] * 3 + np.arange(3)
    matrix = sparse.coo_array(
        (
            np.concatenate([block.ravel() for _, block in blocks]),
            (np.repeat(rows, 3, axis=1).ravel(), np.tile(column, (1, 3)).ravel()),
        ),
        shape=(3 * len(links), 3 * count),
    )
    return matrix.tocsr(), np.concatenate([right / errors for _, _, right, errors in equations])


def _is_off(images: Sequence[Image], link: Link, unknowns: Floats) -> bool:
    ours, theirs, right, errors = _rows(images, link)
    left = right - ours @ unknowns[link.a]
    if link.b != REFERENCE:
        left += theirs @ unknowns[link.b]
    apart, turned = float(np.hypot(*left[:2])), abs(float(left[2]))
    return apart > _APART + _SURE * errors[0] or turned > _TURNED + _SURE * errors[2]


def _contradicted(count: int, good: Sequence[Link], wrong: Sequence[Link]) -> frozenset[int]:
    """Return images on the weaker side of a wrong link that too few good ones speak against.

    What speaks against a link between two images is the largest flow of matches from the one to the
    other along good links. Where that is small, the fewest matches that part the two sides (its
    minimum cut) may be as wrong as the link itself.
    """
    doubtful: set[int] = set()
    if not wrong:
        return frozenset()
    graph = _graph(count, good)
    held = any(link.b == REFERENCE for link in good)
    for link in wrong:
        a, b = link.a, count if link.b == REFERENCE else link.b
        flow = sparse.csgraph.maximum_flow(graph, a, b)
        if flow.flow_value >= SUPPORT * link.weight:
            continue
        left = graph - flow.flow
        left.data = np.maximum(left.data, 0)
        left.eliminate_zeros()
        side = set(sparse.csgraph.breadth_first_order(left, a, return_predecessors=False).tolist())
        linked = (
            sparse.csgraph.breadth_first_order(graph, end, return_predecessors=False).tolist()
            for end in (a, b)
        )
        rest = {one for part in linked for one in part} - side
        weaker = min((side, rest), key=lambda one: (held and count in one, len(one), -min(one)))
        doubtful |= weaker - {count}
    return frozenset(doubtful)
