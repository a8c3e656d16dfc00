"""Equations of images and stars, of which the stars are eliminated.

Each star has a place and a motion in either axis: known by the reference as well as its errors say,
or not at all. It is seen in some images, and an image in some dozen stars, so all is sparse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Sightings:
    """Which star is seen in which image, and when."""

    image: Integers
    """Shape (n,)."""
    star: Integers
    """Shape (n,)."""
    years: Floats
    """Since the epoch of the star's place, shape (n,)."""
    images: int
    stars: int


@dataclass(frozen=True)
class Known:
    """What is known of the stars beforehand: inverse variances in either axis, shape (stars, 2)."""

    place: Floats
    """1 / mas^2, 0 where nothing is."""
    motion: Floats
    """1 / (mas/yr)^2."""


@dataclass(frozen=True)
class Eliminated:
    """Stars of one axis, given weights of their sightings.

    For a star's place and motion x = (p, m) the normal matrix is
    ``D = sum w (1, t)^T (1, t) + prior``. With ``L L^T`` its inverse, each sighting has the numbers
    ``(1, t) L``; their products give what the stars take from the equations of the images (the
    Schur complement, as in the block adjustments of photogrammetry: Triggs et al. 2000, LNCS 1883,
    298, section 6.1).
    """

    one: Floats
    two: Floats
    """``(1, t) L`` of each sighting, shape (n,)."""
    sightings: Sightings
    weights: Floats

    @classmethod
    def of(cls, sightings: Sightings, weights: Floats, place: Floats, motion: Floats) -> Eliminated:
        """Eliminate the stars of one axis; `place` and `motion` as in `Known`, shape (stars,)."""
        star, years, count = sightings.star, sightings.years, sightings.stars
        d11 = np.bincount(star, weights, count) + np.maximum(place, 1e-10)
        d12 = np.bincount(star, weights * years, count)
        d22 = np.bincount(star, weights * years**2, count) + motion
        size = d11 * d22 - d12**2
        l11 = np.sqrt(d22 / size)
        l21 = -d12 / size / l11
        l22 = np.sqrt(np.maximum(d11 / size - l21**2, 0.0))
        return cls(l11[star] + years * l21[star], years * l22[star], sightings, weights)

    @property
    def variance(self) -> Floats:
        """Of each sighting's star, at its time, as all sightings with the prior tell it."""
        return self.one**2 + self.two**2

    def fitted(self, values: Floats) -> Floats:
        """Return where the stars are at each sighting, if the sightings are at `values`."""
        star, count = self.sightings.star, self.sightings.stars
        found = np.zeros(len(values))
        for part in (self.one, self.two):
            found += part * np.bincount(star, part * self.weights * values, count)[star]
        return found

    def reduced(self, design: sparse.csr_array, values: Floats) -> tuple[sparse.csr_array, Floats]:
        """Return the normal matrix and the right side of what `design` has for columns."""
        weighed = sparse.diags_array(self.weights) @ design
        normal = design.T @ weighed
        right = weighed.T @ (values - self.fitted(values))
        count = len(values)
        for part in (self.one, self.two):
            pick = sparse.coo_array(
                (part, (np.arange(count), self.sightings.star)),
                shape=(count, self.sightings.stars),
            ).tocsr()
            beside = weighed.T @ pick
            normal = normal - beside @ beside.T
        return normal.tocsr(), right
