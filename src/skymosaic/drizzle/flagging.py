"""A flag of DQ set in private copies, whatever whole numbers DQ is made of."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray


def set_flag(quality: fits.ImageHDU, where: NDArray[np.bool_], flag: int) -> None:
    """Set a flag at some pixels.

    Parameters
    ----------
    quality : ImageHDU
        DQ, which is changed. What has 8 bits gets 16: the flag would be lost in them.
    where : array of bool
        The pixels, shape of DQ.
    flag : int
        One of the 16 bits.
    """
    if quality.data.dtype.itemsize < np.dtype(np.int16).itemsize:
        quality.data = quality.data.astype(np.int16)
    quality.data[where] |= np.uint16(flag).astype(quality.data.dtype)
