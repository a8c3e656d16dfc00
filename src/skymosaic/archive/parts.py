"""The folder of unfinished downloads, and what its disk refuses."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skymosaic.archive.origin import Wanted
from skymosaic.archive.sharing import sweep
from skymosaic.errors import StoreError
from skymosaic.host.disk import free_space, no_space


def parts_folder() -> Path:
    """Return the user's folder of unfinished downloads, which survives runs that were killed.

    Raises
    ------
    StoreError
        The user has no home folder.
    """
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a container may run as a number without a home
        raise StoreError(
            "this user has no home folder for unfinished downloads; set XDG_CACHE_HOME to a folder "
            "of yours"
        ) from None
    return base / "skymosaic" / "downloads"


@contextmanager
def disk_errors(file: Wanted, target: Path, parts: Path) -> Iterator[None]:
    """Make the folder of unfinished files, and tell what the disk refuses."""
    try:
        parts.mkdir(parents=True, exist_ok=True)
        sweep(parts)
        yield
    except StoreError:  # said in our words already; some are OSErrors, too
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        named = error.filename2 or error.filename
        if full or named is None:
            # What was written is not named, as a rule: it is the one with the least room.
            folder = min((parts, target.parent), key=lambda path: free_space(path))
        else:
            folder = parts if Path(os.fsdecode(named)).is_relative_to(parts) else target.parent
        remedy = "set compute.scratch to a folder with more"
        if folder == parts:
            remedy = "set the environment variable XDG_CACHE_HOME to a folder with more"
        raise (
            no_space(error, file.name, folder, remedy)
            or StoreError(
                f"{file.name} cannot be saved in {named or folder} ({error.strerror}); "
                + remedy.replace(" with more", " of yours")
            )
        ) from None


def require_room(part: Path, more: int) -> None:
    """Raise what the disk would, before anything comes, where it has no room for `more` bytes."""
    free = shutil.disk_usage(part.parent).free
    if more > free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part))
