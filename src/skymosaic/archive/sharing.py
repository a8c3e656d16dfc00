"""One download of a file at a time on a host: who wants the same file waits, and takes what came.

Who fetches a file holds its lock. Others wait for the lock, and say so by a shared lock of their
own; who has fetched the file sees that, and leaves it to them. A lock ends with its process,
however that ended.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import math
import os
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

_LOOK = 0.2  # s between two looks at a lock
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
PART, WHOLE = ".part", ".whole"
_ABOUT, _LOCK, _WAITING = ".about", ".lock", ".waiting"
_ABANDONED = 86400.0
"""Seconds without a change after which what nobody fetches any more is swept away."""


class Unfinished:
    """A file that this process alone fetches now."""

    def __init__(self, folder: Path, name: str) -> None:
        self.part = folder / (name + PART)
        """What came so far."""
        self.about = folder / (name + _ABOUT)
        """What is known of it."""
        self.whole = folder / (name + WHOLE)
        """The finished file, for others that wait for it."""

    def forget(self) -> None:
        """Remove what came so far."""
        self.about.unlink(missing_ok=True)
        self.part.unlink(missing_ok=True)


@contextmanager
def fetched_once(
    folder: Path, name: str, target: Path, patience: float
) -> Iterator[Unfinished | None]:
    """Yield the file to fetch, or None where another process has brought it to `target` meanwhile.

    When all went well, the finished part is moved to `target`, and left for those who wait.

    Parameters
    ----------
    folder : Path
        Of unfinished files; what a killed process left there is gone on with.
    name : str
        Tells the file, its place and its version from all others.
    target : Path
        Where to.
    patience : float
        How long to wait for a process that fetches it and gets nothing, s; then this one fetches it
        by itself.

    Raises
    ------
    OSError
        A file cannot be written.
    """
    with ExitStack() as held:
        locks = _wait(folder, name, target, patience, held)
        if locks is None:
            yield None
            return
        mine = Unfinished(folder, name if locks else f"{name}.{uuid4().hex}")
        try:
            yield mine
            if locks and _others(folder, name):
                shutil.copyfile(mine.part, target)
                mine.part.replace(mine.whole)
            else:
                # Another file system as a rule: then it is copied.
                shutil.move(mine.part, target)
            mine.about.unlink(missing_ok=True)
        except BaseException:
            if not locks:  # nobody goes on with it
                mine.forget()
            raise
        finally:
            for lock in locks:
                lock.unlink(missing_ok=True)


def _wait(
    folder: Path, name: str, target: Path, patience: float, held: ExitStack
) -> list[Path] | None:
    """Wait for the lock of a file; return the locks held: none where that is not possible.

    Returns None when another process fetched the file, and `target` has it.
    """
    path, waiting = folder / (name + _LOCK), folder / (name + _WAITING)
    unfinished = Unfinished(folder, name)
    with ExitStack() as queue:
        before: int | None = None
        seen, since = -1, time.monotonic()
        while True:
            try:
                lock = _locked(path, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno in _NO_LOCKS:  # some network file systems
                    return []
                raise
            if lock is not None:
                held.enter_context(lock)
                break
            if before is None:
                before = _inode(unfinished.whole)
                with suppress(OSError):
                    if (mark := _locked(waiting, fcntl.LOCK_SH)) is not None:
                        queue.enter_context(mark)
            if (size := _size(unfinished.part)) != seen:
                seen, since = size, time.monotonic()
            if time.monotonic() - since > patience:
                return []
            time.sleep(_LOOK)
        is_new = before is not None and _inode(unfinished.whole) not in (0, before)
    # This process does not wait any more.
    if is_new:
        if _others(folder, name):
            shutil.copyfile(unfinished.whole, target)
        else:
            shutil.move(unfinished.whole, target)
            path.unlink(missing_ok=True)
        return None
    unfinished.whole.unlink(missing_ok=True)  # left by one who waited, and was killed
    return [path]


def _others(folder: Path, name: str) -> bool:
    """Whether another process waits for this file."""
    path = folder / (name + _WAITING)
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@functools.cache
def sweep(folder: Path) -> None:
    """Remove what `sweep_now` does; once a process is enough."""
    sweep_now(folder)


def sweep_now(folder: Path) -> int:
    """Remove what was left unfinished a day ago or longer and nobody fetches; return how many.

    What is younger is gone on with: see `fetched_once`.

    Parameters
    ----------
    folder : Path
        Of unfinished files.
    """
    left: dict[str, list[Path]] = {}
    for path in folder.glob("*"):
        if path.suffix in (PART, WHOLE, _ABOUT, _LOCK, _WAITING) and _is_own_file(path):
            left.setdefault(path.name.removesuffix(path.suffix), []).append(path)
    return sum(_remove_if_abandoned(folder, name, paths) for name, paths in left.items())


def _remove_if_abandoned(folder: Path, name: str, paths: Sequence[Path]) -> bool:
    """Remove the files of an unfinished one, if they are old and its lock is free."""
    if _age(paths) < _ABANDONED:
        return False
    path = folder / (name + _LOCK)
    with ExitStack() as held:
        try:
            if (lock := _locked(path, fcntl.LOCK_EX)) is None:
                return False
            held.enter_context(lock)
            if _age(paths) < _ABANDONED or _others(folder, name):
                return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                return False
            # Without locks, nobody who fetches lets a day pass between two writes.
        for one in (*paths, path):
            with suppress(OSError):
                one.unlink(missing_ok=True)
    return True


def _age(paths: Sequence[Path]) -> float:
    """Return the seconds since any of these files was changed; of none that is there, infinity."""
    changed = []
    for path in paths:
        with suppress(OSError):
            changed.append(path.lstat().st_mtime)
    return time.time() - max(changed, default=-math.inf)


def _is_own_file(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid()


def _locked(path: Path, kind: int) -> IO[str] | None:
    """Return a locked file, None where others hold it; it has its name while it is locked."""
    while True:
        # Ours alone, and no symbolic link that leads elsewhere.
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        file = os.fdopen(number, "r+")
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        except OSError:
            file.close()
            raise
        if _inode(path) == os.fstat(file.fileno()).st_ino:
            return file
        file.close()  # who held it before has removed it


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
