"""Places near each other as offsets from their middle, wherever on the sky they are.

Right ascension and declination draw no map near a pole: there a degree of right ascension has no
length, and north is another direction at each place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.sky.overlaps import unit_vectors

Floats = NDArray[np.float64]
_STEP = 1e-6  # radians
_DEGREES = 1e-3


def middle_of(places: Sequence[Floats]) -> tuple[float, float]:
    """Return the middle of places.

    Parameters
    ----------
    places : sequence of array, shape (n, 2)
        RA, Dec in degrees.

    Returns
    -------
    (float, float)
        RA (0 to 360) and Dec in degrees, of the mean of the unit vectors.
    """
    x, y, z = np.concatenate([unit_vectors(one) for one in places]).mean(axis=0)
    ra, dec = np.degrees([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))])
    # A little below 0 the remainder is 360 itself.
    return float(ra) % 360.0 % 360.0, float(dec)


def offsets(places: Floats, middle: tuple[float, float]) -> Floats:
    """Return offsets east and north of a middle, along great circles.

    Parameters
    ----------
    places : array, shape (n, 2)
        RA, Dec in degrees.
    middle : (float, float)
        RA, Dec in degrees.

    Returns
    -------
    array, shape (n, 2)
        Arcmin. The zenithal equidistant projection (Calabretta & Greisen 2002, ARC): distances from
        the middle are true.
    """
    return _projected(unit_vectors(places), middle)


def turned_to_plane(vectors: Floats, places: Floats, middle: tuple[float, float]) -> Floats:
    """Return vectors east and north, as they are at their places, as they lie on the plane.

    Parameters
    ----------
    vectors, places : array, shape (n, 2)
        East and north, in any unit; RA and Dec in degrees.
    middle : (float, float)
        Of the plane of `offsets`.
    """
    ra, dec = np.radians(places.T)
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)], axis=1)
    at = unit_vectors(places)
    up = _projected(at + _STEP * north, middle) - _projected(at - _STEP * north, middle)
    sin, cos = (up / np.hypot(*up.T)[:, None]).T
    east, along = vectors.T
    return np.stack([cos * east + sin * along, cos * along - sin * east], axis=1)


def north_of(wcs: WCS) -> float:
    """Return the angle from up to north at the middle of an image, degrees, clockwise.

    Far from the reference pixel, as in a part of a sky cell, north is another direction than there.

    Parameters
    ----------
    wcs : WCS
        With its ``pixel_shape``.
    """
    columns, rows = wcs.pixel_shape
    x, y = (columns + 1) / 2, (rows + 1) / 2
    ra, dec = wcs.wcs_pix2world(x, y, 1)
    towards = -1.0 if dec > 0 else 1.0  # no step leads over the pole
    right, up = np.subtract(wcs.wcs_world2pix(ra, dec + towards * _DEGREES, 1), (x, y)) * towards
    return float(np.degrees(np.arctan2(right, up)))


def _projected(units: Floats, middle: tuple[float, float]) -> Floats:
    ra, dec = np.radians(middle)
    east = units @ [-np.sin(ra), np.cos(ra), 0.0]
    north = units @ [-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)]
    [ahead] = unit_vectors(np.array([middle])) @ units.T
    aside = np.hypot(east, north)
    # At the middle itself arc and chord are one.
    stretch = np.where(aside > 0, np.arctan2(aside, ahead) / np.where(aside > 0, aside, 1.0), 1.0)
    return np.degrees(np.stack([east, north], axis=1) * stretch[:, None]) * 60.0
