"""Private working folders that are gone afterwards, even when a worker was killed."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from skymosaic.errors import StoreError

LOCK = ".lock"
"""Name of the file in each folder that is locked while the folder is used."""
_YOUNG = 60.0  # s; a folder may live so long before it is locked


def _prefix() -> str:
    return f"skymosaic-{os.getuid()}-"


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
    made = make_folder(root, label)
    try:
        with locked(made):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


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
    base = Path(root or tempfile.gettempdir())
    try:
        base.mkdir(parents=True, exist_ok=True)
        sweep(base)
        return Path(tempfile.mkdtemp(prefix=f"{_prefix()}{label}-", dir=base))
    except OSError as error:
        raise StoreError(
            f"no scratch folder can be made in {base} ({error.strerror}); free it, or set "
            "compute.scratch to another"
        ) from None


def shared_folder(root: Path | None, label: str) -> Path:
    """Return a folder that processes share; it is swept away when the last of them has ended.

    Parameters
    ----------
    root, label
        As for `folder`; the label is the folder's whole name.

    Raises
    ------
    StoreError
        It cannot be made, or belongs to another user.
    """
    path = Path(root or tempfile.gettempdir()) / (_prefix() + label)
    while True:
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.stat().st_uid != os.getuid() or path.is_symlink():
                raise StoreError(f"{path} belongs to another user; set compute.scratch to yours")
            lock = (path / LOCK).open("w")
            fcntl.flock(lock, fcntl.LOCK_SH)
            if (path / LOCK).stat().st_ino == os.fstat(lock.fileno()).st_ino:
                _held.append(lock)
                return path
        except FileNotFoundError:  # swept away between two of these lines
            continue
        except OSError as error:
            raise StoreError(
                f"no folder can be made at {path} ({error.strerror}); free it, or set "
                "compute.scratch to another"
            ) from None


_held: list[IO[str]] = []
"""The locks of shared folders, held until this process ends."""


@functools.cache
def sweep(base: Path) -> None:
    """Remove the folders of dead processes; once a process is enough."""
    sweep_now(base)


def sweep_now(base: Path | None) -> int:
    """Remove the folders of dead processes; return how many.

    The lock of a folder ends with the process that holds it, however that ended.

    Parameters
    ----------
    base : Path or None
        Where they are, as for `folder`.
    """
    swept = 0
    for left in Path(base or tempfile.gettempdir()).glob(_prefix() + "*"):
        lock = left / LOCK
        try:
            if not lock.exists():
                if time.time() - left.stat().st_mtime > _YOUNG:
                    shutil.rmtree(left, ignore_errors=True)
                    swept += 1
                continue
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
                swept += 1
        except (BlockingIOError, FileNotFoundError):
            continue  # in use, or just removed by another process
    return swept


@contextmanager
def locked(made: Path) -> Iterator[None]:
    """Hold the lock of a folder that `make_folder` made: it is in use."""
    # Locked before it has its name: nobody can find it unlocked.
    new = made / (LOCK + ".new")
    with new.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        new.rename(made / LOCK)
        yield
