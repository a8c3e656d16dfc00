"""Temporary files of the processes that work for this one, in a folder that goes with it.

Python keeps the sockets of processes that it forks workers from in the temporary folder
(``pymp-*``), and matplotlib its settings where the user has no home (``matplotlib-*``). Who is
killed leaves them. Below a scratch folder they are swept away as that is.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import util
from pathlib import Path

from skymosaic.host import scratch

_NAMES = ("TMPDIR", scratch.BASE)
_LONGEST = 75  # bytes; a socket's path takes 32 more, and the system's limit for it is 108

_LAST = -200


@contextmanager
def below_scratch() -> Iterator[None]:
    """Let the processes that are started meanwhile have their temporary files in our folder.

    Scratch folders that they make where none is named are still made where this process makes its
    own.

    Raises
    ------
    StoreError
        The folder cannot be made.
    """
    folder = _folder(os.getpid())
    before = {name: os.environ.get(name) for name in _NAMES}, tempfile.tempdir
    os.environ.update(zip(_NAMES, (str(folder), str(scratch.base(None))), strict=True))
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        for name, value in before[0].items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        tempfile.tempdir = before[1]


@functools.cache
def _folder(_process: int) -> Path:
    """Return the folder of this process, in use until the process ends."""
    folder = scratch.make_folder(None, "tmp")
    if len(str(folder)) > _LONGEST:
        folder.rmdir()  # where the system's own temporary folder is far down
        folder = scratch.make_folder(Path("/tmp"), "tmp")  # noqa: S108 (its own folder)
    held = ExitStack()
    held.enter_context(scratch.locked(folder))

    def end() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        held.close()

    # After multiprocessing has removed its own, of which it asks to be there.
    util.Finalize(None, end, exitpriority=_LAST)
    return folder
