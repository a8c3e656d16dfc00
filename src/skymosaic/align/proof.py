"""Proof that exposures moved on the sky as the drizzled image did that was made from them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

_GRID = 5  # points a side at which a motion is measured


def read_wcs(path: Path) -> dict[int, WCS]:
    """Return the primary WCS, distortion included, of each SCI extension by EXTVER.

    A drizzled image without extensions has its WCS under 1.
    """
    with warnings.catch_warnings(), fits.open(path) as hdus:
        warnings.simplefilter("ignore", FITSFixedWarning)
        sci = [hdu for hdu in hdus if hdu.name == "SCI"] or [hdus[0]]
        return {int(hdu.ver): WCS(hdu.header, hdus) for hdu in sci}


def grid(wcs: WCS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pixel coordinates (origin 0) of points that cover the image, each of shape (25,)."""
    columns, rows = wcs.pixel_shape
    x, y = np.meshgrid(np.linspace(0, columns - 1, _GRID), np.linspace(0, rows - 1, _GRID))
    return x.ravel(), y.ravel()


def separation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angle between sky positions, mas.

    Parameters
    ----------
    a, b : array of shape (n, 2)
        RA, Dec in degrees.

    Notes
    -----
    The chord's half angle (haversine formula) is exact where the separation is tiny.
    """
    (ra_a, dec_a), (ra_b, dec_b) = np.radians(a.T), np.radians(b.T)
    half = (
        np.sin((dec_b - dec_a) / 2) ** 2
        + np.cos(dec_a) * np.cos(dec_b) * np.sin((ra_b - ra_a) / 2) ** 2
    )
    return np.degrees(2 * np.arcsin(np.sqrt(half))) * 3.6e6


def centre_motion(before: WCS, after: WCS) -> float:
    """Return how far the centre of an image moved on the sky, arcsec."""
    columns, rows = before.pixel_shape
    centre = np.array([[(columns - 1) / 2, (rows - 1) / 2]])
    moved = separation(before.all_pix2world(centre, 0), after.all_pix2world(centre, 0))
    return float(moved[0]) / 1000.0


def unlike_motion(drizzled: tuple[WCS, WCS], exposure: tuple[WCS, WCS]) -> float:
    """Return by how much a chip's motion differs from that of its drizzled image.

    Parameters
    ----------
    drizzled, exposure : tuple of WCS
        Before and after the alignment.

    Returns
    -------
    float
        Largest difference over the chip, mas.
    """
    pixels = np.stack(grid(exposure[0]), axis=1)
    start = exposure[0].all_pix2world(pixels, 0)
    in_drizzled = drizzled[0].wcs_world2pix(start, 0)
    expected = drizzled[1].wcs_pix2world(in_drizzled, 0)
    return float(separation(expected, exposure[1].all_pix2world(pixels, 0)).max())
