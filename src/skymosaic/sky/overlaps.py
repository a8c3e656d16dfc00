"""Which footprints overlap on the sky, and into which groups they fall.

Footprints are convex polygons of great-circle arcs. In the gnomonic projection such arcs are
straight lines, so two polygons are clipped against each other in the plane that touches the sphere
at the first one's centre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]
"""Shape (n, 2): RA, Dec in degrees, corners in order."""

_ARCSEC2 = np.degrees(1.0) ** 2 * 3600.0**2  # arcsec^2 in a steradian


def unit_vectors(polygon: Polygon) -> NDArray[np.float64]:
    """Return the corners as unit vectors, shape (n, 3)."""
    ra, dec = np.radians(polygon.T)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def overlap_area(a: Polygon, b: Polygon) -> float:
    """Return the area on the sky that two convex footprints share.

    Parameters
    ----------
    a, b : array of shape (n, 2)
        RA, Dec in degrees.

    Returns
    -------
    float
        arcsec^2, measured in the plane tangent at the centre of `a`.
    """
    va, vb = unit_vectors(a), unit_vectors(b)
    centre = va.mean(axis=0)
    centre /= np.linalg.norm(centre)
    if np.min(vb @ centre) < 0.5:
        return 0.0  # more than 60 degrees away: no HST footprint reaches so far
    east = np.cross([0.0, 0.0, 1.0], centre)
    if np.linalg.norm(east) < 1e-9:
        east = np.array([0.0, 1.0, 0.0])  # at a pole any direction will do
    east /= np.linalg.norm(east)
    axes = np.stack([east, np.cross(centre, east)], axis=1)
    shared = _clip(*(_counter_clockwise(v @ axes / (v @ centre)[:, None]) for v in (va, vb)))
    return _area(shared) * _ARCSEC2


def _area(corners: NDArray[np.float64]) -> float:
    """Signed area by the shoelace formula; positive when counter-clockwise."""
    if len(corners) < 3:
        return 0.0
    x, y = corners.T
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def _counter_clockwise(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    return corners if _area(corners) > 0 else corners[::-1]


def _clip(subject: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clip a convex polygon by another (Sutherland & Hodgman 1974), both counter-clockwise."""
    for start, end in zip(window, np.roll(window, -1, axis=0), strict=True):
        if len(subject) == 0:
            break
        edge = end - start
        side = edge[0] * (subject[:, 1] - start[1]) - edge[1] * (subject[:, 0] - start[0])
        kept = []
        for i, (point, distance) in enumerate(zip(subject, side, strict=True)):
            before, past = side[i - 1], subject[i - 1]
            if before * distance < 0:
                kept.append(past + (point - past) * before / (before - distance))
            if distance >= 0:
                kept.append(point)
        subject = np.array(kept).reshape(-1, 2)
    return subject


def overlaps(footprints: Mapping[str, Sequence[Polygon]]) -> dict[tuple[str, str], float]:
    """Return the shared area of each pair of exposures that overlap.

    Parameters
    ----------
    footprints : mapping
        For each exposure the footprints of its chips.

    Returns
    -------
    dict
        (name, name), in the order given, to arcsec^2; pairs that share nothing are left out.
    """
    circles = {name: _circle(polygons) for name, polygons in footprints.items()}
    found = {}
    for a, b in combinations(footprints, 2):
        (centre_a, radius_a), (centre_b, radius_b) = circles[a], circles[b]
        if np.arccos(np.clip(centre_a @ centre_b, -1, 1)) > radius_a + radius_b:
            continue
        area = sum(overlap_area(p, q) for p in footprints[a] for q in footprints[b])
        if area > 0:
            found[a, b] = area
    return found


def _circle(polygons: Sequence[Polygon]) -> tuple[NDArray[np.float64], float]:
    """Return a circle around the polygons: unit vector of its centre, radius in radians."""
    corners = np.concatenate([unit_vectors(polygon) for polygon in polygons])
    centre = corners.mean(axis=0)
    centre /= np.linalg.norm(centre)
    return centre, float(np.arccos(np.clip(corners @ centre, -1, 1)).max()) + 1e-9


def groups(names: Sequence[str], pairs: Mapping[tuple[str, str], float]) -> list[list[str]]:
    """Return the connected groups of the overlap graph, largest first.

    Sky differences are measured in overlaps only, so `match` relates the exposures of one group to
    each other, and says nothing of one group against another.
    """
    group = {name: [name] for name in names}
    for a, b in pairs:
        if group[a] is not group[b]:
            joined = group[a] + group[b]
            for name in joined:
                group[name] = joined
    unique = {id(members): sorted(members) for members in group.values()}
    return sorted(unique.values(), key=lambda members: (-len(members), members))
