"""The chips of an exposure, as those see them who look for stars."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

from skymosaic.drizzle.order import is_infrared
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.health import usable

# Flags of DQ beside which a star is still one: 512 (a blob, or another reference pixel), and of
# WFC3/IR 8192 (a cosmic ray that its ramp was freed from). Of CCDs 8192 is a cosmic ray.
_HARMLESS, _HARMLESS_INFRARED = 512, 512 | 8192


def open_chips(
    file: BinaryIO, exposure: Exposure
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.bool_], WCS]]:
    """Go through the chips of an exposure.

    Yields
    ------
    extver : int
    science : array of shape (ny, nx)
    bad : array of bool of the same shape
        Pixels that are flagged.
    wcs : WCS
        With its distortion.
    """
    infrared = is_infrared((exposure.instrument, exposure.detector))
    harmless = _HARMLESS_INFRARED if infrared else _HARMLESS
    with fits.open(file, memmap=False) as hdus, warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        for chip in exposure.chips:
            hdu = hdus["SCI", chip.extver]
            bad = ~usable(hdus["DQ", chip.extver].data, harmless)
            science = np.asarray(hdu.data, dtype=np.float32)
            yield chip.extver, science, bad, WCS(hdu.header, hdus)
