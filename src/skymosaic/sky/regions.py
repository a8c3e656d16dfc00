"""The regions on the sky that chips share, and which pixels of each chip lie in them.

Only what lies near is compared: a tree of the footprints' centres gives the candidates, and all of
them are clipped at once. Where a corner of one footprint all but touches an edge of the other, the
result hangs on tolerances of spherical_geometry, so that pair is left to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from spherical_geometry import great_circle_arc, vector
from spherical_geometry.polygon import MalformedPolygonError, SphericalPolygon

from skymosaic.sky.footprints import Floats, Footprint, is_clockwise

_SAME = 1e-8  # rad; footprints whose sorted corners agree so well are one to skypac
_TOUCHING = 1e-10  # rad; a corner whose way along an edge is longer by less is left to the library
_NEXT = np.array([1, 2, 3, 0])
_AT_ONCE = 50_000  # pairs that are compared at once


@dataclass(frozen=True)
class Shared:
    """What two chips share.

    Parameters
    ----------
    a, b : int
        The chips, ``a < b``.
    polygons : tuple of array, shape (n, 2)
        RA, Dec in degrees; the last corner is the first again. One polygon, as a rule.
    """

    a: int
    b: int
    polygons: tuple[Floats, ...]


def shared_regions(footprints: Sequence[Footprint], exposures: Sequence[int]) -> list[Shared]:
    """Return what chips of different exposures share.

    Parameters
    ----------
    footprints : sequence of Footprint
        Of each chip.
    exposures : sequence of int
        The exposure of each chip.

    Returns
    -------
    list of Shared
        By chips, in ascending order.
    """
    if len(footprints) < 2:
        return []
    near = _Near.of(footprints, exposures)
    found = [Shared(int(a), int(b), (footprints[a].lonlat,)) for a, b in near.same]
    for a, b in near.touching:
        polygons = _by_library(footprints[a], footprints[b])
        found += [Shared(int(a), int(b), polygons)] if polygons else []
    found += _clipped(near.points, near.normals, near.plain)
    return sorted(found, key=lambda shared: (shared.a, shared.b))


def overlapping_chips(
    footprints: Sequence[Footprint], exposures: Sequence[int]
) -> NDArray[np.int64]:
    """Return the pairs of chips that may share a region: all that do, and few others.

    It takes time in proportion to the pairs that are near each other, and finds no polygon.

    Parameters
    ----------
    footprints, exposures
        As for `shared_regions`.

    Returns
    -------
    array of int, shape (n, 2)
        In ascending order, ``a < b``. Those that all but touch are among them.
    """
    if len(footprints) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    near = _Near.of(footprints, exposures)
    crossed = [
        _meet(near.points, near.normals, near.plain[first : first + _AT_ONCE])
        for first in range(0, len(near.plain), _AT_ONCE)
    ]
    plain = near.plain[np.concatenate([*crossed, np.zeros(0, dtype=bool)])]
    pairs = np.concatenate([near.same, near.touching, plain])
    return np.asarray(pairs[np.lexsort(pairs.T[::-1])])


@dataclass(frozen=True)
class _Near:
    """Pairs of chips that are near each other, by how they are compared."""

    points: Floats
    """Corners of each chip, shape (chips, 4, 3)."""
    normals: Floats
    """Of its edges, inward, shape (chips, 4, 3)."""
    same: NDArray[np.int64]
    """Pairs of one footprint, shape (n, 2)."""
    touching: NDArray[np.int64]
    """Those of which a corner all but lies on an edge."""
    plain: NDArray[np.int64]
    """The others."""

    @staticmethod
    def of(footprints: Sequence[Footprint], exposures: Sequence[int]) -> _Near:
        pairs = _candidates(footprints, np.asarray(exposures))
        raw = np.stack([footprint.points for footprint in footprints])
        ordered = np.sort(raw, axis=1)
        close = np.abs(ordered[pairs[:, 0]] - ordered[pairs[:, 1]]).max(axis=(1, 2)) <= _SAME
        points = vector.normalize_vector(raw[:, :4].copy())
        normals = _inward_normals(points, np.stack([f.inside for f in footprints]))
        rest = pairs[~close]
        touching = _touches(points, rest) | _touches(points, rest[:, ::-1])
        return _Near(points, normals, pairs[close], rest[touching], rest[~touching])


def _meet(points: Floats, normals: Floats, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which pairs share a region, none of which touch each other's corners."""
    side_a, side_b = _sides(points, normals, pairs)
    over_b, over_a = _crossings(side_a, side_b)
    inside = np.any(np.all(side_a, axis=1) | np.all(side_b, axis=1), axis=1)
    return np.asarray(inside | (over_a & over_b).any(axis=(1, 2)))


def _sides(
    points: Floats, normals: Floats, pairs: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell on which side of each edge of the one the corners of the other lie.

    Shape (pairs, edges of b, corners of a), and likewise of a; true where they lie inside.
    """
    a, b = points[pairs[:, 0]], points[pairs[:, 1]]
    side_a = np.einsum("pei,pci->pec", normals[pairs[:, 1]], a) > 0
    side_b = np.einsum("pei,pci->pec", normals[pairs[:, 0]], b) > 0
    return np.asarray(side_a), np.asarray(side_b)


def _crossings(
    side_a: NDArray[np.bool_], side_b: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which edges have their ends on both sides of the other's, (pair, edge of a, of b)."""
    over_b = (side_a != side_a[:, :, _NEXT]).transpose(0, 2, 1)
    return over_b, np.asarray(side_b != side_b[:, :, _NEXT])


def _candidates(footprints: Sequence[Footprint], exposures: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs of chips whose surrounding circles meet, shape (n, 2)."""
    corners = np.stack([footprint.points[:4] for footprint in footprints])
    centres = corners.mean(axis=1)
    centres /= np.linalg.norm(centres, axis=1)[:, None]
    radii = np.linalg.norm(corners - centres[:, None], axis=2).max(axis=1)
    pairs = cKDTree(centres).query_pairs(2.0 * radii.max() + 1e-9, output_type="ndarray")
    a, b = np.sort(pairs.reshape(-1, 2), axis=1).T
    apart = np.linalg.norm(centres[a] - centres[b], axis=1)
    kept = (apart <= radii[a] + radii[b] + 1e-9) & (exposures[a] != exposures[b])
    return np.stack([a[kept], b[kept]], axis=1)


def _inward_normals(points: Floats, inside: Floats) -> Floats:
    """Return the normals of the edges' planes, shape (chips, 4, 3), that point inward."""
    normals = np.cross(points, points[:, _NEXT])
    sense = np.sign(np.einsum("cei,ci->ce", normals, inside))
    return np.asarray(normals * sense[:, :, None])


def _touches(points: Floats, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell where a corner of the second chip all but lies on an edge of the first one."""
    starts, ends = points[pairs[:, 0]][:, :, None], points[pairs[:, 0]][:, _NEXT][:, :, None]
    corners = points[pairs[:, 1]][:, None, :]
    detour = _angle(starts, corners) + _angle(corners, ends) - _angle(starts, ends)
    return np.asarray((detour < _TOUCHING).any(axis=(1, 2)))


def _angle(a: Floats, b: Floats) -> Floats:
    return np.asarray(2.0 * np.arcsin(np.minimum(np.linalg.norm(a - b, axis=-1) / 2.0, 1.0)))


def _by_library(a: Footprint, b: Footprint) -> tuple[Floats, ...]:
    first, second = (SphericalPolygon(f.points, f.inside) for f in (a, b))
    try:
        shared = first.intersection(second)
    except (MalformedPolygonError, ValueError, RuntimeError, AssertionError):
        return ()  # AstroDrizzle would run another sky method now, and say so in its log only
    return tuple(
        np.stack(polygon.to_lonlat(), axis=1) for polygon in shared if len(polygon.points) > 3
    )


def _clipped(points: Floats, normals: Floats, pairs: NDArray[np.int64]) -> list[Shared]:
    """Clip the footprints of many pairs, none of which touch each other's corners.

    Of two convex polygons the shared one has as corners: those of either that lie in the other, and
    the points where edges cross.
    """
    if len(pairs) == 0:
        return []
    a, b = points[pairs[:, 0]], points[pairs[:, 1]]
    side_a, side_b = _sides(points, normals, pairs)
    # Edge k of a and edge m of b cross where each has its ends on both sides of the other.
    over_b, over_a = _crossings(side_a, side_b)
    pair, edge_a, edge_b = np.nonzero(over_a & over_b)
    crossings = great_circle_arc.intersection(
        a[pair, edge_a], a[pair, _NEXT[edge_a]], b[pair, edge_b], b[pair, _NEXT[edge_b]]
    )
    crossings = vector.normalize_vector(crossings)
    inside_a, inside_b = side_a.all(axis=1), side_b.all(axis=1)
    owners = np.concatenate([np.nonzero(inside_a)[0], np.nonzero(inside_b)[0], pair])
    corners = np.concatenate([a[inside_a], b[inside_b], crossings])
    order = np.argsort(owners, kind="stable")
    owners, corners = owners[order], corners[order]
    found = []
    for which, part in zip(*_parts(owners, corners), strict=True):
        if len(part) >= 3:
            first, second = pairs[which]
            found.append(Shared(int(first), int(second), (_polygon(part),)))
    return found


def _parts(owners: NDArray[np.int64], rows: Floats) -> tuple[list[int], list[Floats]]:
    """Split rows by their owners, which are in order."""
    names, starts = np.unique(owners, return_index=True)
    return [int(name) for name in names], np.split(rows, starts[1:]) if len(names) else []


def _polygon(corners: Floats) -> Floats:
    """Put the corners of a convex polygon in order, clockwise; return RA and Dec, closed."""
    centre = corners.mean(axis=0)
    east = np.array([-centre[1], centre[0], 0.0])
    if np.hypot(*east[:2]) < 1e-9:
        east = np.array([1.0, 0.0, 0.0])  # at a pole any direction will do
    north = np.cross(centre, east)
    offsets = corners - centre
    angles = np.arctan2(
        offsets @ north / np.linalg.norm(north), offsets @ east / np.linalg.norm(east)
    )
    corners = corners[np.argsort(angles)]
    closed = np.concatenate([corners, corners[:1]])
    if not is_clockwise(closed):
        closed = closed[::-1]
    return np.stack(vector.vector_to_lonlat(*closed.T), axis=1)
