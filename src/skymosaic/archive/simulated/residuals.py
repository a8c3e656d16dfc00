"""How far an aligned exposure is from the truth."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning, Sip
from numpy.typing import NDArray

_GRID = 7  # points a side


def alignment_residuals(exposure: Path, truth: Path) -> dict[int, NDArray[np.float64]]:
    """Return the offsets of an exposure's WCS from the true one.

    They tell of the alignment where its reference is the visit that has no pointing error: tile 54
    of WFC3/IR, visit 01 of CCDs.

    Parameters
    ----------
    exposure : Path
        FLT or FLC, aligned or not.
    truth : Path
        Its ``_truth.json``.

    Returns
    -------
    dict
        By EXTVER, arrays of shape (49, 2): offsets east and north in mas, header minus truth, at
        points that cover the chip, with distortion and lookup tables.
    """
    document = json.loads(truth.read_text(encoding="utf-8"))
    chips = document.get("chips", [{**document, "extver": 1}])
    found = {}
    with warnings.catch_warnings(), fits.open(exposure) as hdus:
        warnings.simplefilter("ignore", FITSFixedWarning)
        for chip in chips:
            header = hdus["SCI", chip["extver"]].header
            wcs, true = WCS(header, hdus), WCS(header, hdus)
            true.wcs.crval = chip["true_wcs"]["crval"]
            true.wcs.crpix = chip["true_wcs"]["crpix"]
            true.wcs.cd = np.array(chip["true_wcs"]["cd"])
            sip = true.sip
            true.sip = Sip(sip.a, sip.b, sip.ap, sip.bp, true.wcs.crpix)
            true.wcs.set()
            columns, rows = wcs.pixel_shape
            x, y = np.meshgrid(np.linspace(0, columns - 1, _GRID), np.linspace(0, rows - 1, _GRID))
            (ra, dec), (true_ra, true_dec) = (
                each.all_pix2world(x.ravel(), y.ravel(), 0) for each in (wcs, true)
            )
            east = (ra - true_ra) * np.cos(np.radians(true_dec))
            found[chip["extver"]] = np.stack([east, dec - true_dec], axis=1) * 3.6e6
    return found
