"""What is said when a disk is full."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from skymosaic.errors import StoreError

FULL = (errno.ENOSPC, errno.EDQUOT)
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
    if error.errno not in FULL:
        return None
    quota = "; the limit is this user's quota" if error.errno == errno.EDQUOT else ""
    return StoreError(
        f"no space left for {what} in {folder} ({free_space(folder) / 1e6:.0f} MB free{quota}); "
        f"free some, or {remedy}"
    )


def free_space(folder: Path) -> int:
    """Return the free bytes of a folder's file system; of a folder that is not there, its parent's.

    What was half-written when a disk ran full is removed, and its folder with it.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
