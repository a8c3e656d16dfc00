"""Footprints of chips on the sky, as AstroDrizzle's sky step draws them.

stsci.skypac takes the four corners of a chip and joins them by great circles, although distortion
bends the true edges by a few pixels. Which pixels two exposures share follows from these lines, so
they are reproduced here, to the last bit of their vertices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from spherical_geometry import great_circle_arc, vector

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Footprint:
    """A convex polygon of great circles.

    Parameters
    ----------
    points : array, shape (5, 3)
        Unit vectors of the corners, the last is the first again, clockwise in the sense of
        spherical_geometry.
    inside : array, shape (3,)
        A unit vector inside.
    """

    points: Floats
    inside: Floats

    @property
    def lonlat(self) -> Floats:
        """RA, Dec of the corners in degrees, shape (5, 2)."""
        return np.stack(vector.vector_to_lonlat(*self.points.T), axis=1)


def chip_footprint(wcs: WCS, *, swapped: bool = False) -> Footprint:
    """Return the footprint that skypac gives to a chip: its outer corners.

    Parameters
    ----------
    wcs : WCS
        With its distortion, and its ``array_shape``.
    swapped : bool
        Take rows for columns, as spherical_geometry before 1.4 did.
    """
    rows, columns = wcs.array_shape
    if swapped:
        rows, columns = columns, rows
    corners = _vectors(*_corners(wcs, rows, columns))
    middle = wcs.all_pix2world([(columns - 1.0) / 2], [(rows - 1.0) / 2], 0)
    points = np.concatenate([corners, corners[:1]])
    if not is_clockwise(points):
        points = points[::-1]
    return Footprint(points, _vectors(*middle)[0])


def swapped_corners(wcs: WCS) -> Floats:
    """Return the corners of a chip whose rows are taken for columns, as `footprint_of_corners`."""
    columns, rows = wcs.array_shape
    return np.stack(_corners(wcs, rows, columns), axis=1)[[0, 3, 2, 1]]


def _corners(wcs: WCS, rows: int, columns: int) -> tuple[Floats, Floats]:
    """Return RA, Dec in degrees of the outer corners, along the first row first."""
    x = np.array([0.0, columns, columns, 0.0]) - 0.5
    y = np.array([0.0, 0.0, rows, rows]) - 0.5
    ra, dec = wcs.all_pix2world(x, y, 0)
    return ra, dec


def footprint_of_corners(corners: Floats) -> Footprint:
    """Return the footprint of a chip whose corners were recorded.

    Parameters
    ----------
    corners : array, shape (4, 2)
        RA, Dec in degrees of the outer corners, as `astropy.wcs.WCS.calc_footprint` orders them:
        of the first row and column, then along the first column.
    """
    vectors = _vectors(*corners[[0, 3, 2, 1]].T)
    middle = vectors.sum(axis=0)
    points = np.concatenate([vectors, vectors[:1]])
    if not is_clockwise(points):
        points = points[::-1]
    return Footprint(points, middle / np.linalg.norm(middle))


def _vectors(ra: Floats, dec: Floats) -> Floats:
    return np.dstack(vector.lonlat_to_vector(np.asarray(ra), np.asarray(dec)))[0]


def is_clockwise(points: Floats) -> bool:
    """Tell the sense of a closed polygon, as spherical_geometry does.

    Parameters
    ----------
    points : array, shape (n, 3)
        Unit vectors; the last is the first again.
    """
    a, b, c = points[:-1], points[1:], np.concatenate([points[2:], points[1:2]])
    return bool(great_circle_arc.triple_product(a - b, c - b, b).sum() > 0.0)
