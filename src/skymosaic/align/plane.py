"""The plane that touches the sky at a point: small offsets as numbers of arcsec."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def to_plane(sky: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return offsets from a point on the plane that is tangent there (gnomonic projection).

    Parameters
    ----------
    sky : array of shape (n, 2)
        RA, Dec in degrees.
    centre : array of shape (2,)
        The point, likewise.

    Returns
    -------
    array of shape (n, 2)
        East, north in arcsec.
    """
    (ra, dec), (ra0, dec0) = np.radians(sky.T), np.radians(centre)
    away = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra - ra0)
    east = np.cos(dec) * np.sin(ra - ra0)
    north = np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra - ra0)
    return np.asarray(np.degrees(np.stack([east, north], axis=1) / away[:, None]) * 3600.0)


def from_plane(plane: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the places on the sky of offsets; undoes `to_plane`, with which it shares units.

    Parameters
    ----------
    plane : array of shape (n, 2)
        East, north in arcsec.
    centre : array of shape (2,) or (n, 2)
        RA, Dec in degrees of the point; of each offset its own, where there are many.
    """
    xi, eta = np.radians(plane.T / 3600.0)
    ra0, dec0 = np.radians(np.asarray(centre).T)
    beyond = np.cos(dec0) - eta * np.sin(dec0)
    ra = ra0 + np.arctan2(xi, beyond)
    dec = np.arctan2(np.sin(dec0) + eta * np.cos(dec0), np.hypot(xi, beyond))
    return np.stack([np.degrees(ra) % 360.0, np.degrees(dec)], axis=1)
