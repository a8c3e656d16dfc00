"""Files of exposures: what is one, and a copy without pixels."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from astropy.io import fits

from skymosaic.errors import InputError

_TABLE_EXTENSIONS = ("D2IMARR", "WCSDVARR")
_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def require_file(path: Path) -> None:
    """Refuse what is no file: who opened a FIFO would wait for ever.

    Raises
    ------
    InputError
        It is something else.
    OSError
        There is nothing, or it may not be looked at.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "something else")
        raise InputError(f"{path} is {kind}, not a file; leave it out")


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading; errors as for `require_file`."""
    require_file(path)
    # It may have become a FIFO meanwhile.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def write_frame(file: Path | BinaryIO, target: Path) -> None:
    """Write a copy of an exposure without its pixels: what its WCS is made of.

    The primary header, that of each SCI extension, and the tables of small corrections that a
    detector's WCS refers to (D2IM, NPOL), which lie in extensions of their own. A SCI extension has
    its size as ``NPIX1`` and ``NPIX2``, as HST's files tell it of arrays that were left out.

    Parameters
    ----------
    file : Path or binary file
        An exposure.
    target : Path
        Is replaced.
    """
    with fits.open(file, memmap=False) as hdus:
        frame = fits.HDUList([fits.PrimaryHDU(header=hdus[0].header)])
        for hdu in hdus[1:]:
            if hdu.name == "SCI":
                header = hdu.header.copy()
                size = {f"NPIX{axis}": header[f"NAXIS{axis}"] for axis in (1, 2)}
                frame.append(fits.ImageHDU(None, header))
                frame[-1].header.update(size)
            elif hdu.name in _TABLE_EXTENSIONS:
                frame.append(hdu.copy())
        frame.writeto(target, overwrite=True)
