"""Flags of DQ set in private copies and cleared, whatever whole numbers DQ is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skymosaic.hst.exposure import Exposure
from skymosaic.hst.opened import opened_chips

MaskOf = Callable[[Exposure, int, fits.Header], NDArray[np.bool_] | None]


def cleared(flags: NDArray[np.integer], bits: int) -> NDArray[np.integer]:
    """Return DQ with some of its 16 flags cleared, of the same type.

    Parameters
    ----------
    flags : array of int
        DQ: of 16 bits with a sign as a rule, in which flag 32768 is negative.
    bits : int
        Sum of the flags to clear.
    """
    return np.asarray(flags & ~np.uint16(bits & 0xFFFF).astype(flags.dtype))


def free_flag(used: int) -> int | None:
    """Return the highest flag of DQ that is not among those in use; None where all 16 are.

    HST leaves 32768 free, and uses the low ones most.

    Parameters
    ----------
    used : int
        Sum of the flags that have a meaning already.
    """
    return next((1 << bit for bit in reversed(range(16)) if not used >> bit & 1), None)


def set_flag(quality: fits.ImageHDU, mask: NDArray[np.bool_], flag: int) -> None:
    """Set a flag at some pixels.

    Parameters
    ----------
    quality : ImageHDU
        DQ, which is changed. What has 8 bits gets 16: the flag would be lost in them.
    mask : array of bool
        The pixels, shape of DQ.
    flag : int
        One of the 16 bits.
    """
    if quality.data.dtype.itemsize < np.dtype(np.int16).itemsize:
        quality.data = quality.data.astype(np.int16)
    quality.data[mask] |= np.uint16(flag).astype(quality.data.dtype)


def flag_copies(
    folder: Path,
    exposures: Sequence[Exposure],
    mask_of: MaskOf,
    flag: int,
    *,
    clear: bool = False,
) -> None:
    """Set a flag at some pixels of exposures.

    Parameters
    ----------
    folder : Path
        Holds private copies of the exposures, which are changed.
    exposures : sequence of Exposure
        Which.
    mask_of : callable
        Gives the pixels of a chip, by its exposure, EXTVER and the header of its SCI; None: none.
    flag : int
        One of the 16 bits.
    clear : bool
        Whether all other flags are cleared.
    """
    for exposure, chip, hdus in opened_chips(folder, exposures, update=True):
        quality = hdus["DQ", chip.extver]
        if clear:
            quality.data[:] = 0
        mask = mask_of(exposure, chip.extver, hdus["SCI", chip.extver].header)
        if mask is not None and mask.any():
            set_flag(quality, mask, flag)
