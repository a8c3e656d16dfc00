"""How an image is moved on the sky: a rotation of the sphere, and a change of scale.

A shift and a roll are one rotation of the sphere. So moves are exact wherever an image points, at
the poles too, and two moves are one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.errors import AlignmentError

Floats = NDArray[np.float64]

ARCSEC = float(np.degrees(1.0) * 3600.0)
"""Arcsec in a radian."""


def vectors_of(sky: Floats) -> Floats:
    """Return RA, Dec in degrees, shape (n, 2), as unit vectors, shape (n, 3)."""
    ra, dec = np.radians(np.asarray(sky, dtype=np.float64).reshape(-1, 2).T)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def sky_of(vectors: Floats) -> Floats:
    """Return vectors of any length, shape (n, 3), as RA, Dec in degrees, shape (n, 2)."""
    x, y, z = vectors.T
    return np.degrees(np.stack([np.arctan2(y, x) % (2 * np.pi), np.arctan2(z, np.hypot(x, y))], 1))


def bases(vectors: Floats) -> Floats:
    """Return the directions east, north and outwards at unit vectors, shape (n, 3, 3)."""
    x, y, z = vectors.T
    rim = np.hypot(x, y)
    at_pole = rim < 1e-12  # any direction will do there
    cos, sin = np.where(at_pole, 1.0, x), np.where(at_pole, 0.0, y)
    cos, sin = cos / np.where(at_pole, 1.0, rim), sin / np.where(at_pole, 1.0, rim)
    nothing = np.zeros_like(x)
    east = np.stack([-sin, cos, nothing], axis=1)
    north = np.stack([-z * cos, -z * sin, rim], axis=1)
    return np.stack([east, north, vectors], axis=1)


def basis_of(vector: Floats) -> Floats:
    """Return the directions east, north and outwards at one unit vector, shape (3, 3)."""
    return np.asarray(bases(vector[None])[0])


def project(vectors: Floats, basis: Floats) -> Floats:
    """Return offsets east and north in the plane tangent to the sphere, arcsec, shape (n, 2).

    The gnomonic projection, of which `TAN` of FITS is the name (Calabretta & Greisen 2002, A&A 395,
    1077, section 5.1.3).
    """
    x, y, out = basis @ vectors.T
    return np.stack([x / out, y / out], axis=1) * ARCSEC


def rotation_matrix(vector: Floats) -> Floats:
    """Return the matrix of a rotation by its vector (radians), by Rodrigues' formula."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    half = np.sinc(angle / (2 * np.pi))
    return np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * half**2 * cross @ cross


@dataclass(frozen=True)
class Move:
    """A rotation of the sphere after a change of scale about an image's centre."""

    centre: Floats
    """Unit vector of the image's centre before it moves."""
    matrix: Floats
    """Of the rotation, shape (3, 3)."""
    scale: float = 1.0
    """By which offsets from the centre are multiplied, in the plane tangent there."""

    @classmethod
    def none(cls, centre: Floats) -> Move:
        """Return the move that leaves an image as it is."""
        return cls(centre, np.eye(3))

    def apply(self, vectors: Floats) -> Floats:
        """Return unit vectors, shape (n, 3), as they are moved."""
        if self.scale != 1.0:
            outwards = vectors / (vectors @ self.centre)[:, None]
            vectors = self.centre + self.scale * (outwards - self.centre)
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors @ self.matrix.T)

    def then(self, east: float, north: float, roll: float, growth: float = 0.0) -> Move:
        """Return this move, and after it a small shift and roll at the centre, and a growth.

        Parameters
        ----------
        east, north : float
            Of the image's centre, radians.
        roll : float
            From east to north, radians.
        growth : float
            Of the scale: it is multiplied by 1 + `growth`.
        """
        # The centre c moves by w x c: to the east by the part of w along north.
        turn = np.array([-north, east, roll]) @ basis_of(self.centre)
        return Move(self.centre, rotation_matrix(turn) @ self.matrix, self.scale * (1.0 + growth))

    @property
    def shift(self) -> Floats:
        """How far the image's centre moves to the east and to the north, arcsec, shape (2,)."""
        basis = basis_of(self.centre)
        return np.asarray(project(self.apply(self.centre[None]), basis)[0])

    @property
    def roll(self) -> float:
        """By what angle the image turns about its centre, from east to north, degrees."""
        basis = basis_of(self.centre)
        turned = basis @ self.matrix @ basis.T
        return float(
            np.degrees(np.arctan2(turned[1, 0] - turned[0, 1], turned[0, 0] + turned[1, 1]))
        )

    def wcs(self, before: WCS) -> WCS:
        """Return an image's WCS as it is moved: other CRVAL and CD, the same CRPIX.

        Parameters
        ----------
        before : WCS
            Gnomonic, without distortion, as a drizzled image has it.

        Raises
        ------
        AlignmentError
            It is none of that kind.

        Notes
        -----
        A rotation of the sphere takes the tangent plane with it, so nothing is approximate. A scale
        is about the image's centre, not about CRVAL; 0.001 at 3 arcmin from it is exact to 1 mas.
        """
        if [kind[-4:] for kind in before.wcs.ctype] != ["-TAN", "-TAN"] or before.sip is not None:
            raise AlignmentError(
                f"a WCS of {', '.join(before.wcs.ctype)} cannot be moved: `align.solve: together` "
                "needs drizzled images, whose WCS is RA---TAN, DEC--TAN without distortion"
            )
        old = np.asarray(before.wcs.crval)
        new = sky_of(self.apply(vectors_of(old)))[0]
        plane = _directions(new) @ self.matrix @ _directions(old).T
        after = before.deepcopy()
        after.wcs.crval = new
        after.wcs.cd = self.scale * plane @ before.pixel_scale_matrix
        after.wcs.set()
        return after


def _directions(sky: Floats) -> Floats:
    """Return the directions east and north at RA, Dec in degrees, shape (2, 3).

    At a pole the right ascension says which they are.
    """
    ra, dec = np.radians(sky)
    return np.array(
        [
            [-np.sin(ra), np.cos(ra), 0.0],
            [-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)],
        ]
    )
