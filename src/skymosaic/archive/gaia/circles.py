"""Circles on the sky that hold the footprints of a field: what a catalogue is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_REACH = 0.1  # degrees: footprints whose centres lie so near each other are asked for together


@dataclass(frozen=True)
class Circle:
    """A circle on the sky, in degrees."""

    ra: float
    dec: float
    radius: float


def unit_vectors(ra: Numbers, dec: Numbers) -> Numbers:
    """Return directions as vectors of length 1, shape (n, 3), from degrees."""
    a, d = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def circles_about(
    footprints: Sequence[Numbers], margin: float, reach: float = _REACH
) -> list[Circle]:
    """Return circles that hold all footprints with a margin.

    Parameters
    ----------
    footprints : sequence of array of shape (n, 2)
        Corners of each: RA, Dec in degrees.
    margin : float
        Degrees.
    reach : float
        Footprints whose centres are so near to one of them share its circle, degrees.

    Returns
    -------
    list of Circle
        They may overlap.
    """
    if not footprints:
        return []
    from scipy.spatial import cKDTree  # takes long to import, and few need it

    corners = [unit_vectors(one[:, 0], one[:, 1]) for one in footprints]
    centres = np.array([_direction(one) for one in corners])
    tree = cKDTree(centres)
    chord = 2 * np.sin(np.radians(reach) / 2)
    free = np.ones(len(centres), dtype=bool)
    circles = []
    # From south to north, so that the same exposures give the same circles.
    for first in np.lexsort(centres.T):
        if free[first]:
            near = [one for one in tree.query_ball_point(centres[first], chord) if free[one]]
            free[near] = False
            circles.append(_circle_about(np.concatenate([corners[one] for one in near]), margin))
    return circles


def within(circles: Sequence[Circle], ra: Numbers, dec: Numbers) -> NDArray[np.bool_]:
    """Tell which places, in degrees, lie in one of the circles."""
    found = np.zeros(len(ra), dtype=bool)
    places = unit_vectors(ra, dec)
    for circle in circles:
        found |= _chords(places, _centre(circle)) <= _chord(circle)
    return found


def _chord(circle: Circle) -> float:
    return float(2 * np.sin(np.radians(circle.radius) / 2))


def _centre(circle: Circle) -> Numbers:
    return unit_vectors(np.array(circle.ra), np.array(circle.dec))


def _chords(places: Numbers, centre: Numbers) -> Numbers:
    return np.asarray(np.linalg.norm(places - centre, axis=-1))


def _direction(vectors: Numbers) -> Numbers:
    total = vectors.sum(axis=0)
    return np.asarray(total / np.linalg.norm(total))


def _circle_about(corners: Numbers, margin: float) -> Circle:
    centre = _direction(corners)
    widest = 2 * np.arcsin(min(_chords(corners, centre).max() / 2, 1.0))
    return Circle(
        ra=round(float(np.degrees(np.arctan2(centre[1], centre[0])) % 360.0), 7),
        dec=round(float(np.degrees(np.arcsin(centre[2]))), 7),
        # The centre is rounded: 0.4 mas more hold the corners in any case.
        radius=round(float(np.degrees(widest)) + margin + 1e-7, 7),
    )
