"""A pixel grid on the plane that touches the sky, and where directions fall on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_ARCSEC = 3600.0 * np.degrees(1.0)  # in a radian
NEAREST_TO_POLE = 89.999999999997
"""Largest Dec of a point of tangency, degrees, as in MAST's table of projection cells. At the pole
itself a header without LONPOLE, which mosaics have none of, stands for a plane that is turned by
180 degrees: there its default is 0 (Calabretta & Greisen 2002, A&A 395, 1077, section 2.4)."""


@dataclass(frozen=True)
class PixelGrid:
    """Pixels of a tangent plane (``RA---TAN``, ``DEC--TAN``)."""

    crval: tuple[float, float]
    """RA, Dec of the point of tangency, degrees."""
    crpix: tuple[float, float]
    """Its pixel, counted from 1; it may lie outside the grid."""
    scale: float
    """Pixel size, arcsec."""
    rot: float
    """Position angle of the y axis, degrees east of north."""
    shape: tuple[int, int]
    """Columns, rows."""

    @property
    def cd(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The CD matrix, degrees a pixel; RA increases with -x."""
        step = self.scale / 3600.0
        cos, sin = np.cos(np.radians(self.rot)), np.sin(np.radians(self.rot))
        return (
            (float(-step * cos), float(step * sin)),
            (float(step * sin), float(step * cos)),
        )

    def to_pixels(self, vectors: Floats) -> Floats:
        """Return the pixel coordinates of directions.

        Parameters
        ----------
        vectors : array, shape (..., 3)
            Unit vectors.

        Returns
        -------
        array, shape (..., 2)
            x, y counted from 1; NaN for what lies 90 degrees or more from the point of tangency.
        """
        plane = project(vectors, np.array(self.crval))
        return plane / 3600.0 @ np.linalg.inv(np.array(self.cd)).T + np.array(self.crpix)

    def to_sky(self, pixels: Floats) -> Floats:
        """Return RA, Dec in degrees of pixels: the inverse of `to_pixels`; shapes (..., 2)."""
        plane = (np.asarray(pixels, dtype=float) - np.array(self.crpix)) @ np.array(self.cd).T
        return deproject(plane * 3600.0, self.crval)

    def transformation(self, other: PixelGrid) -> Floats:
        """Return the matrix from the pixels of this grid to those of another one.

        Both are gnomonic projections, which show great circles as straight lines: so homogeneous
        coordinates (x, y, 1) of one, times the matrix, are proportional to those of the other.

        Returns
        -------
        array, shape (3, 3)
            From x, y here to x, y there, both counted from 1.
        """
        return np.linalg.inv(other._to_directions()) @ self._to_directions()

    def _to_directions(self) -> Floats:
        """Return the matrix from (x, y, 1) to directions, not normalised."""
        east, north, up = axes(np.radians(np.array(self.crval)))
        cd = np.radians(np.array(self.cd))
        flat = np.column_stack([east, north]) @ cd
        return np.column_stack([flat, up - flat @ np.array(self.crpix)])

    @property
    def corners(self) -> Floats:
        """RA, Dec of the outer corners in degrees, shape (4, 2), along the edge."""
        columns, rows = self.shape
        return self.to_sky(
            np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], dtype=float) + 0.5
        )


def project(vectors: Floats, centre: Floats) -> Floats:
    """Project directions on tangent planes.

    Unit vectors are used instead of angles, so that nothing happens at RA 0 or at the poles. At a
    pole east is where RA grows from the RA of the point of tangency, as in the FITS standard.

    Parameters
    ----------
    vectors : array, shape (..., 3)
        Unit vectors.
    centre : array, shape (..., 2)
        RA, Dec of the points of tangency, degrees.

    Returns
    -------
    array, shape (..., 2)
        Gnomonic coordinates (east, north) in arcsec (Calabretta & Greisen 2002, A&A 395, 1077,
        eqs. 54 and 55). NaN for what lies 90 degrees or more from the centre.
    """
    east, north, up = axes(np.radians(centre))
    along, xi, eta = ((vectors * axis).sum(axis=-1) for axis in (up, east, north))
    height = np.where(along > 0.0, along, np.nan)
    return np.stack([xi / height, eta / height], axis=-1) * _ARCSEC


def axes(centre: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the unit vectors to the east, to the north and outward at positions.

    Parameters
    ----------
    centre : array, shape (..., 2)
        RA, Dec, radians.
    """
    ra, dec = centre[..., 0], centre[..., 1]
    zero = np.zeros_like(ra)
    east = np.stack([-np.sin(ra), np.cos(ra), zero], axis=-1)
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)], axis=-1)
    up = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    return east, north, up


def deproject(plane: Floats, centre: tuple[float, float]) -> Floats:
    """Undo `project` for one centre: (east, north) in arcsec to RA, Dec in degrees, (..., 2)."""
    xi, eta = np.moveaxis(plane, -1, 0) / _ARCSEC
    dec0 = np.radians(centre[1])
    outward = np.cos(dec0) - eta * np.sin(dec0)
    ra = centre[0] + np.degrees(np.arctan2(xi, outward))
    dec = np.degrees(np.arctan2(np.sin(dec0) + eta * np.cos(dec0), np.hypot(xi, outward)))
    return np.stack([ra % 360.0, dec], axis=-1)
