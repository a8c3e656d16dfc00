"""Links: how each image lies against its neighbours and the reference, as their sources say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skymosaic.align.matching import Match, Search, match
from skymosaic.align.moves import ARCSEC, basis_of, project
from skymosaic.align.together_records import Image

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

REFERENCE = -1
"""Stands for the reference in place of an image's number."""
NARROW, WIDE = 3.0, 40.0
"""Arcsec: where matches are looked for first, and where an image that has none is looked for."""
ROLL = float(np.radians(0.5))
"""Two images that each are rolled by 0.2 degrees are within it."""
_MOST = 600  # brightest sources of an overlap that are matched
_FLOOR = 0.06  # arcsec: tolerance for good centroids of small pixels
_PART = 0.5  # of a pixel
_MOTION = 0.010  # arcsec a year: two standard deviations of the motions of stars
_WIDEST = 0.25  # arcsec


@dataclass(frozen=True)
class Stars:
    """Stars of the reference that may be in an image, where they are seen at its epoch."""

    number: Integers
    """Of each in the reference."""
    vectors: Floats
    """Unit vectors, shape (n, 3)."""


@dataclass(frozen=True)
class Link:
    """How image `a` lies against image `b`, or against the reference."""

    a: int
    b: int
    """Number of an image, or `REFERENCE`."""
    match: Match
    """In the plane tangent at the centre of `a`."""

    @property
    def weight(self) -> int:
        """How many sources agree."""
        return len(self.match)


def tolerance(a: Image, b: Image | None) -> float:
    """Return how near each other one source lies in two images once they are moved, arcsec."""
    pixel = a.pixel if b is None else max(a.pixel, b.pixel)
    moved = 0.0 if b is None else _MOTION * abs(a.epoch - b.epoch)
    return float(min(_WIDEST, np.sqrt(_FLOOR**2 + (_PART * pixel) ** 2 + moved**2)))


def brightest(flux: Floats, which: NDArray[np.bool_], most: int = _MOST) -> Integers:
    """Return the brightest of some sources, by their indices."""
    index = np.flatnonzero(which)
    return index[np.argsort(-flux[index], kind="stable")[:most]]


def link_images(images: Sequence[Image], a: int, b: int, reach: float) -> Link | None:
    """Return how two images lie against each other; None where too few sources agree."""
    one, two = images[a], images[b]
    basis = basis_of(one.centre)
    ours, theirs = project(one.vectors, basis), project(two.vectors, basis)
    margin = reach + 2.0
    i = brightest(one.flux, one.usable & _within(ours, project(two.corners, basis), margin))
    j = brightest(two.flux, two.usable & _within(theirs, project(one.corners, basis), margin))
    found = match(ours[i], theirs[j], Search(reach, ROLL, tolerance(one, two)))
    return None if found is None else Link(a, b, _renumbered(found, i, j))


def link_reference(images: Sequence[Image], a: int, stars: Stars, reach: float) -> Link | None:
    """Return how an image lies against stars of the reference."""
    image = images[a]
    basis = basis_of(image.centre)
    i = brightest(image.flux, image.usable)
    places = project(stars.vectors, basis)
    j = np.flatnonzero(_within(places, project(image.corners, basis), reach + 2.0))
    ours = project(image.vectors[i], basis)
    found = match(ours, places[j], Search(reach, ROLL, tolerance(image, None)))
    return None if found is None else Link(a, REFERENCE, _renumbered(found, i, j))


def _renumbered(found: Match, i: Integers, j: Integers) -> Match:
    return replace(found, first=i[found.first], second=j[found.second])


def _within(places: Floats, corners: Floats, margin: float) -> NDArray[np.bool_]:
    """Return which places lie in the box about corners, or near it."""
    low, high = corners.min(axis=0) - margin, corners.max(axis=0) + margin
    return np.asarray(((places > low) & (places < high)).all(axis=1))


def is_sure(link: Link, most: float) -> bool:
    """Tell whether a link is neither chance nor one of two that are as good."""
    return link.match.chance <= most and not link.match.rival <= most


def radius_to_reach(image: Image, margin: float) -> float:
    """Return the radius within which stars may be in an image, as a chord of the unit sphere."""
    return float(2.0 * np.sin((image.radius + margin / ARCSEC) / 2.0))
