"""What is said when a disk is full."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from skymosaic.errors import StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT)
# As astropy, numpy and others say it, without a number.
_FULL_TEXTS = ("Not enough space on disk", "No space left on device")
_NEARLY = 1_000_000  # bytes
SCRATCH_REMEDY = "set compute.scratch to a folder with more"
STORE_REMEDY = "choose another place with --store"


def no_space(error: OSError, what: str, folder: Path, remedy: str) -> StoreError | None:
    """Return the error to raise where a disk ran full, None where something else is wrong.

    Parameters
    ----------
    error : OSError
        What the system said.
    what : str
        What was being written.
    folder : Path
        Where.
    remedy : str
        What to do instead of freeing some space there.
    """
    if not is_full(error):
        return None
    quota = "; the limit is this user's quota" if error.errno == errno.EDQUOT else ""
    return StoreError(
        f"no space left for {what} in {folder} ({free_space(folder) / 1e6:.0f} MB free{quota}); "
        f"free some, or {remedy}"
    )


def is_full(error: OSError) -> bool:
    """Tell whether an error says that a disk is full."""
    return error.errno in _FULL or any(text in str(error) for text in _FULL_TEXTS)


def require_space(folder: Path, remedy: str) -> None:
    """Require that a disk is not full: then what failed on it may have failed for that.

    Raises
    ------
    StoreError
        Less than a megabyte is free.
    """
    if free_space(folder) < _NEARLY:
        raise StoreError(
            f"no space left in {folder} ({free_space(folder) / 1e6:.1f} MB free); free some, or "
            f"{remedy}"
        )


def free_space(folder: Path) -> int:
    """Return the free bytes of a folder's file system; of a folder that is not there, its parent's.

    What was half-written when a disk ran full is removed, and its folder with it.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
