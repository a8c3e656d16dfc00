"""Workers in the middle of a step, found by the locks of their scratch folders."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil


def folder_in_use(scratch: Path, step: str) -> Path | None:
    """Return the scratch folder of a step that is at work; `step`: how its name begins."""
    found = scratch.glob(f"skymosaic-{os.getuid()}-{step}*/.lock")
    return next((lock.parent for lock in found), None)


def holder(folder: Path) -> psutil.Process | None:
    """Return the process that works in a scratch folder, None where none does any more."""
    try:
        inode = (folder / ".lock").stat().st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
                return psutil.Process(int(words[4]))
    except (FileNotFoundError, psutil.NoSuchProcess):  # it has just ended
        pass
    return None


def stop_worker_in(folder: Path | None) -> psutil.Process | None:
    """Stop the worker that works in a scratch folder, and return it; None where it was too late.

    A step may take a tenth of a second: of a worker that is stopped it is sure that it is in the
    middle of it.
    """
    worker = None if folder is None else holder(folder)
    if folder is None or worker is None:
        return None
    worker.suspend()
    while worker.status() != psutil.STATUS_STOPPED:
        time.sleep(0.001)
    if holder(folder) == worker:
        return worker
    worker.resume()
    return None
