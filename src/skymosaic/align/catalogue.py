"""Sources of aligned images, as a catalogue that the images of another group are aligned to."""

from __future__ import annotations

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.align.chance import tangent_plane

FILE = "reference.cat"
"""Its file: RA, Dec (degrees) and flux."""
_SAME = 0.1  # arcsec: sources that lie so near each other are one, seen in two images


def move(sky: NDArray[np.float64], before: WCS, after: WCS) -> NDArray[np.float64]:
    """Return positions in a drizzled image as its exposures were moved.

    TweakBack changes the linear part of a WCS only: the distortion drops out.

    Parameters
    ----------
    sky : array of shape (n, 2)
        RA, Dec in degrees, by the WCS that the image came with.
    before, after : WCS
        Of one chip of one of its exposures.

    Returns
    -------
    array of shape (n, 2)
        RA, Dec in degrees.
    """
    if not len(sky):
        return sky
    pixels = before.wcs_world2pix(sky, 0)
    return np.asarray(after.wcs_pix2world(pixels, 0), dtype=np.float64)


def join(catalogues: list[NDArray[np.float64]], same: float = _SAME) -> NDArray[np.float64]:
    """Return the sources of several images, each once.

    Parameters
    ----------
    catalogues : list of array of shape (n, k)
        RA, Dec in degrees, and what else is known, such as flux. What two images have is taken
        from the earlier one.
    same : float
        Arcsec: sources of two images that lie so near each other are one.

    Returns
    -------
    array of shape (m, k)
    """
    from scipy.spatial import cKDTree  # takes long to import, and few need it

    joined = np.empty((0, catalogues[0].shape[1] if catalogues else 3))
    for sources in catalogues:
        new = sources[np.isfinite(sources).all(axis=1)]
        if len(joined) and len(new):
            centre = joined[0, :2]
            tree = cKDTree(tangent_plane(joined[:, :2], centre))
            apart, _ = tree.query(tangent_plane(new[:, :2], centre))
            new = new[apart > same]
        joined = np.concatenate([joined, new])
    return joined
