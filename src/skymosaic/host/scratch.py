"""Private working folders that are gone afterwards, even when a worker was killed.

They lie among those of other users, who may have put anything there under our names, before us or
on purpose: folders, pipes, links. What is not this user's own folder is passed over, and nothing
that others could have made is opened in a way that waits or follows links.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from skymosaic.errors import StoreError

LOCK = ".lock"
"""Name of the file in each folder that is locked while the folder is used."""
BASE = "SKYMOSAIC_TEMPORARY"
"""Environment variable: where folders are made, for processes with a ``TMPDIR`` of ours."""
_YOUNG = 60.0  # s; a folder may live so long before it is locked


def _prefix() -> str:
    return f"skymosaic-{os.getuid()}-"


def base(root: Path | None) -> Path:
    """Return where folders are made: in `root`, or the system's temporary folder."""
    return Path(root or os.environ.get(BASE) or tempfile.gettempdir())


@contextmanager
def folder(root: Path | None, label: str) -> Iterator[Path]:
    """Yield a fresh private folder, removed at the end.

    Parameters
    ----------
    root : Path or None
        Where to make it; None is the system's temporary folder.
    label : str
        A word in its name, for people who look.
    """
    folder = make_folder(root, label)
    try:
        with locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(root: Path | None, label: str) -> Path:
    """Make a fresh private folder; who works in it holds `locked`, or it is swept away.

    Parameters
    ----------
    root, label
        As for `folder`.

    Raises
    ------
    StoreError
        It cannot be made.
    """
    parent = base(root)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        sweep(parent)
        return Path(tempfile.mkdtemp(prefix=f"{_prefix()}{label}-", dir=parent))
    except OSError as error:
        # Not all that is made in the system's folder goes by compute.scratch.
        which = "compute.scratch" if root else "compute.scratch and the environment variable TMPDIR"
        raise StoreError(
            f"no scratch folder can be made in {parent} ({error.strerror}); free it, or set "
            f"{which} to another"
        ) from None


def shared_folder(root: Path | None, label: str) -> Path:
    """Return a folder that processes share; it is swept away when the last of them has ended.

    Parameters
    ----------
    root, label
        As for `folder`; the label is the folder's whole name, as long as nobody else sits there.

    Raises
    ------
    StoreError
        It cannot be made.
    """
    path = base(root) / (_prefix() + label)
    while True:
        try:
            found = private_folder(path)
            lock = os.fdopen(open_private(found / LOCK, os.O_RDWR | os.O_CREAT), "w")
            fcntl.flock(lock, fcntl.LOCK_SH)
            if (found / LOCK).stat().st_ino == os.fstat(lock.fileno()).st_ino:
                _held.append(lock)
                return found
        except FileNotFoundError:  # swept away between two of these lines
            continue
        except OSError as error:
            raise StoreError(
                f"no folder can be made at {path} ({error.strerror}); free it, or set "
                "compute.scratch to another"
            ) from None


def private_folder(path: Path) -> Path:
    """Return this user's own folder of a name, made where there is none.

    Where somebody else has taken the name, the folder has another one that begins with it, which
    later callers find as well.

    Parameters
    ----------
    path : Path
        Where it should be.

    Raises
    ------
    OSError
        It cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = _our_folders(path)
    if not found:
        # Nobody can sit at a name that nobody can guess. Two processes may make one each at once.
        own = Path(tempfile.mkdtemp(prefix=f"{path.name}-", dir=path.parent))
        found = _our_folders(path) or [own]
    return found[0]


def _our_folders(path: Path) -> list[Path]:
    named = (path, *sorted(path.parent.glob(f"{path.name}-*")))
    return [folder for folder in named if is_ours(folder)]


def is_ours(path: Path) -> bool:
    """Whether this is a folder of this user, and no link to one."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def open_private(path: Path, flags: int) -> int:
    """Open a file of our own in a folder of our own; never wait for a pipe, nor follow a link.

    Parameters
    ----------
    path : Path
        The file.
    flags : int
        As for `os.open`.

    Raises
    ------
    OSError
        It is no file, or cannot be opened.
    """
    opened = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return opened


_held: list[IO[str]] = []
"""The locks of shared folders, held until this process ends."""


@functools.cache
def sweep(root: Path) -> None:
    """Remove the folders of dead processes; once a process is enough."""
    sweep_now(root)


def sweep_now(root: Path | None) -> int:
    """Remove the folders of dead processes; return how many.

    The lock of a folder ends with the process that holds it, however that ended.

    Parameters
    ----------
    root : Path or None
        Where they are, as for `folder`.
    """
    swept = 0
    for left in base(root).glob(_prefix() + "*"):
        if is_ours(left):
            swept += _remove_if_left(left)
    return swept


def _remove_if_left(folder: Path) -> bool:
    """Remove a folder of ours that nobody uses any more; tell whether that was done."""
    with ExitStack() as held:
        try:
            file = held.enter_context(os.fdopen(open_private(folder / LOCK, os.O_RDONLY)))
            # Held until all is gone: who wants to share the folder finds its lock taken, or gone.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            if not _is_old(folder):
                return False
        except OSError:
            return False  # in use, or nothing that we made
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()


def _is_old(folder: Path) -> bool:
    try:
        return time.time() - folder.lstat().st_mtime > _YOUNG
    except OSError:  # just removed by another process
        return False


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder that `make_folder` made: it is in use."""
    # Locked before it has its name: nobody can find it unlocked.
    new = folder / (LOCK + ".new")
    with new.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        new.rename(folder / LOCK)
        yield
