"""Where the edges of chips run on the sky, bent as their distortion bends them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

if TYPE_CHECKING:
    from skymosaic.hst.exposure import Exposure

STEPS = 16
"""Pieces of an edge. One that bends by 15 pixels (ACS/WFC) bends by 0.06 in each of them."""


def chip_outlines(path: Path, exposure: Exposure, steps: int = STEPS) -> list[NDArray[np.float64]]:
    """Return the outlines of the chips of an exposure or drizzled image.

    Parameters
    ----------
    path : Path
        Its file, or a copy without pixels (`files.write_frame`).
    exposure : Exposure
        What `reading.read_exposure` has read, and so checked, of it.
    steps : int
        Pieces that each of the four edges is drawn by.

    Returns
    -------
    list of array, shape (4 * steps, 2)
        RA, Dec in degrees of points on the outer edges of the outermost pixels, in order.
    """
    with fits.open(path) as hdus, warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        names = [("SCI", chip.extver) for chip in exposure.chips]
        # A drizzled image may lie in the primary unit.
        headers = [hdus[name].header if name in hdus else hdus[0].header for name in names]
        return [wcs_outline(wcs_of(header, hdus), steps) for header in headers]


def wcs_of(header: fits.Header, hdus: fits.HDUList) -> WCS:
    """Return the WCS of a chip with its size, also where its pixels were left out."""
    wcs = WCS(header, hdus)
    if wcs.pixel_shape is None and "NPIX1" in header:  # of `files.write_frame`
        wcs.pixel_shape = (header["NPIX1"], header["NPIX2"])
    return wcs


def wcs_outline(wcs: WCS, steps: int = STEPS) -> NDArray[np.float64]:
    """Return the outline of one image by its WCS, as `chip_outlines` does."""
    columns, rows = wcs.pixel_shape
    way = np.arange(steps) / steps
    x = np.concatenate([way, np.ones(steps), 1.0 - way, np.zeros(steps)]) * columns + 0.5
    y = np.concatenate([np.zeros(steps), way, np.ones(steps), 1.0 - way]) * rows + 0.5
    return np.stack(wcs.all_pix2world(x, y, 1), axis=1)
