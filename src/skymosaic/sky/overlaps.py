"""Which footprints overlap on the sky, and into which groups they fall.

Footprints are convex polygons of great-circle arcs. In the gnomonic projection such arcs are
straight lines, so two polygons are clipped against each other in the plane that touches the sphere
at the first one's centre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]
"""Shape (n, 2): RA, Dec in degrees, corners in order."""

_Corners = list[list[float]]
_ARCSEC2 = np.degrees(1.0) ** 2 * 3600.0**2  # arcsec^2 in a steradian

_UNROLLED = 8
"""From so many terms on numpy adds in another order; with fewer it takes ten times as long."""


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
    return _Plane(unit_vectors(a)).shared(unit_vectors(b))


class _Plane:
    """The plane that touches the sphere at the centre of a footprint, with the footprint in it."""

    def __init__(self, vectors: NDArray[np.float64]) -> None:
        centre = vectors.mean(axis=0)
        self._centre = centre / np.linalg.norm(centre)
        east = np.cross([0.0, 0.0, 1.0], self._centre)
        if np.linalg.norm(east) < 1e-9:
            east = np.array([0.0, 1.0, 0.0])  # at a pole any direction will do
        east /= np.linalg.norm(east)
        self._axes = np.stack([east, np.cross(self._centre, east)], axis=1)
        self._own = self._projected(vectors)

    def shared(self, vectors: NDArray[np.float64]) -> float:
        """Return the area that the footprint shares with another, arcsec^2."""
        if np.min(vectors @ self._centre) < 0.5:
            return 0.0  # more than 60 degrees away: no HST footprint reaches so far
        return _area(_clip(self._own, self._projected(vectors))) * _ARCSEC2

    def _projected(self, vectors: NDArray[np.float64]) -> _Corners:
        plane = vectors @ self._axes / (vectors @ self._centre)[:, None]
        corners: _Corners = plane.tolist()
        return corners if _area(corners) > 0 else corners[::-1]


def _area(corners: _Corners) -> float:
    """Signed area by the shoelace formula; positive when counter-clockwise."""
    if len(corners) < 3:
        return 0.0
    following = [*corners[1:], *corners[:1]]
    terms = [x * v - u * y for (x, y), (u, v) in zip(corners, following, strict=True)]
    if len(terms) >= _UNROLLED:
        return 0.5 * float(np.sum(terms))
    total = 0.0
    for term in terms:
        total += term
    return 0.5 * total


def _clip(subject: _Corners, window: _Corners) -> _Corners:
    """Clip a convex polygon by another (Sutherland & Hodgman 1974), both counter-clockwise."""
    # Numbers of Python: with four to eight corners arrays take ten times as long.
    for (x0, y0), (x1, y1) in zip(window, [*window[1:], *window[:1]], strict=True):
        if not subject:
            break
        along, up = x1 - x0, y1 - y0
        side = [along * (y - y0) - up * (x - x0) for x, y in subject]
        kept: _Corners = []
        before, (past_x, past_y) = side[-1], subject[-1]
        for (x, y), distance in zip(subject, side, strict=True):
            if before * distance < 0:
                by = before - distance
                kept.append(
                    [past_x + (x - past_x) * before / by, past_y + (y - past_y) * before / by]
                )
            if distance >= 0:
                kept.append([x, y])
            before, past_x, past_y = distance, x, y
        subject = kept
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

    Notes
    -----
    Looked at are pairs whose circles meet: the time grows with the number of exposures, where they
    lie side by side.
    """
    names = list(footprints)
    vectors = [[unit_vectors(polygon) for polygon in footprints[name]] for name in names]
    planes: dict[int, list[_Plane]] = {}
    found = {}
    for a, b in _near(vectors):
        if a not in planes:  # pairs come in order
            planes = {a: [_Plane(chip) for chip in vectors[a]]}
        area = sum(plane.shared(chip) for plane in planes[a] for chip in vectors[b])
        if area > 0:
            found[names[a], names[b]] = area
    return found


def _near(exposures: Sequence[Sequence[NDArray[np.float64]]]) -> list[tuple[int, int]]:
    """Return the pairs of exposures whose circles meet, by their numbers, in order."""
    if len(exposures) < 2:
        return []
    from scipy.spatial import cKDTree  # takes long to import

    circles = [_circle(chips) for chips in exposures]
    centres = np.array([centre for centre, _ in circles])
    radii = np.array([radius for _, radius in circles])
    # An exposure alone may have a large circle, of a WCS that is wrong: what is near differs.
    chords = 2.0 * np.sin(np.minimum(radii + radii.max(), np.pi) / 2.0) + 1e-9
    reached = cKDTree(centres).query_ball_point(centres, chords)
    pairs = []
    for a, near in enumerate(reached):
        for b in sorted(one for one in near if one > a):
            apart = np.arccos(np.clip(centres[a] @ centres[b], -1, 1))
            if not apart > radii[a] + radii[b]:
                pairs.append((a, b))
    return pairs


def _circle(chips: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], float]:
    """Return a circle around corners: unit vector of its centre, radius in radians."""
    corners = np.concatenate(chips)
    centre = corners.mean(axis=0)
    centre /= np.linalg.norm(centre)
    return centre, float(np.arccos(np.clip(corners @ centre, -1, 1)).max()) + 1e-9


def groups(names: Sequence[str], pairs: Mapping[tuple[str, str], float]) -> list[list[str]]:
    """Return the connected groups of the overlap graph, largest first.

    Sky differences are measured in overlaps only, so `match` relates the exposures of one group to
    each other, and says nothing of one group against another.
    """
    root = {name: name for name in names}

    def top(name: str) -> str:
        while root[name] != name:
            root[name] = name = root[root[name]]
        return name

    for a, b in pairs:
        root[top(a)] = top(b)
    members: dict[str, list[str]] = {}
    for name in names:
        members.setdefault(top(name), []).append(name)
    return sorted(map(sorted, members.values()), key=lambda group: (-len(group), group))
