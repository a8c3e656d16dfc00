"""The plane tangent to the sky, on which the simulation places tiles and scene."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def project(ra: FloatArray, dec: FloatArray, center: tuple[float, float]) -> FloatArray:
    """Project the sky on the tangent plane.

    Parameters
    ----------
    ra, dec : array, any one shape
        Degrees.
    center : (float, float)
        Right ascension and declination of the point of tangency, degrees.

    Returns
    -------
    array, shape (2, ...)
        Gnomonic coordinates (east, north) in arcsec (Calabretta & Greisen 2002, eqs. 12, 13, 54).
    """
    alpha = np.radians(ra - center[0])
    delta, delta0 = np.radians(dec), np.radians(center[1])
    below = np.sin(delta) * np.sin(delta0) + np.cos(delta) * np.cos(delta0) * np.cos(alpha)
    east = np.cos(delta) * np.sin(alpha)
    north = np.sin(delta) * np.cos(delta0) - np.cos(delta) * np.sin(delta0) * np.cos(alpha)
    return np.stack([east, north]) / below * np.degrees(3600.0)


def deproject(plane: FloatArray, center: tuple[float, float]) -> FloatArray:
    """Undo `project`: (east, north) in arcsec, shape (2, ...), to (ra, dec) in degrees."""
    xi, eta = np.radians(np.asarray(plane) / 3600.0)
    delta0 = np.radians(center[1])
    along = np.cos(delta0) - eta * np.sin(delta0)
    alpha = np.arctan2(xi, along)
    delta = np.arctan2(np.sin(delta0) + eta * np.cos(delta0), np.hypot(xi, along))
    return np.stack([center[0] + np.degrees(alpha), np.degrees(delta)])
