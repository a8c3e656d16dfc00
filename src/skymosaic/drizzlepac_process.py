"""The only door to drizzlepac: each call runs in a fresh process with a private folder.

drizzlepac depends on the working folder, keeps state in its modules and fails from a second thread,
so nothing here imports it. A warm server process (`drizzlepac_server`) imports it once and forks a
child for each call; servers are kept for the next call and die with this process.
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skymosaic.errors import ComputeError, SkymosaicError, StoreError

# drizzlepac must not multiply the parallelism that is ours.
_SINGLE_THREADED = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


class DrizzlepacError(SkymosaicError):
    """drizzlepac raised an exception; callers turn it into the error of their own stage."""


@dataclass(frozen=True)
class Call:
    """What one call of drizzlepac gave and cost."""

    value: Any
    seconds: float
    """Wall time, s."""
    peak_memory: int
    """Largest resident set of the child, bytes."""


class _Server:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "skymosaic.drizzlepac_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_SINGLE_THREADED, "MPLBACKEND": "agg"},
            # A Ctrl-C in the terminal is for the driver, which ends its workers in order.
            start_new_session=True,
            text=True,
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ComputeError(
                f"the drizzlepac process ended with code {self.process.wait()} before it answered "
                f"(call {request['function']}); `skymosaic doctor` tells whether drizzlepac can be "
                "imported, and a kill by the system means that memory ran out"
            )
        return dict(json.loads(line))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=10)


_idle: list[_Server] = []
_lock = threading.Lock()


def warm() -> None:
    """Start importing drizzlepac in the background, unless a server is already there."""
    with _lock:
        if not _idle:
            _idle.append(_Server())


def call(function: str, folder: Path, arguments: dict[str, Any], log: Path) -> Call:
    """Run one function of `drizzlepac_calls` in a fresh process.

    Parameters
    ----------
    function : str
        Its name.
    folder : Path
        The process' working folder; file names in `arguments` are relative to it.
    arguments : dict
        Plain values that JSON can carry.
    log : Path
        File that everything drizzlepac prints is appended to.

    Raises
    ------
    DrizzlepacError
        drizzlepac raised an exception; the log holds its traceback.
    StoreError
        The disk ran full.
    ComputeError
        The process was killed.
    """
    with _lock:
        server = _idle.pop() if _idle else _Server()
    try:
        answer = server.ask(
            {
                "function": function,
                "folder": str(folder.resolve()),
                "arguments": arguments,
                "log": str(log.resolve()),
            }
        )
    except BaseException:
        server.process.kill()
        raise
    with _lock:
        _idle.append(server)
    if "value" in answer:
        return Call(answer["value"], answer["seconds"], answer["peak_memory"])
    raise _as_error(function, folder, log, answer)


def _as_error(function: str, folder: Path, log: Path, answer: dict[str, Any]) -> SkymosaicError:
    if "code" in answer:
        return ComputeError(
            f"drizzlepac's {function} ended with code {answer['code']}; -9, a kill, usually "
            "means that memory ran out: use fewer workers (compute.workers)"
        )
    full = answer["errno"] == errno.ENOSPC or "No space left" in answer["message"]
    if full or _disk_is_full(folder):
        return StoreError(
            f"no space left in the scratch folder while {function} ran; free some, or set "
            "compute.scratch to a folder with more"
        )
    return DrizzlepacError(
        f"{function} failed: {answer['error']}: {answer['message']} (its log: {log.name})"
    )


def _disk_is_full(folder: Path) -> bool:
    # drizzlepac often hides ENOSPC behind another exception.
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize < 1_000_000


@atexit.register
def close() -> None:
    """End the servers of this process."""
    with _lock:
        while _idle:
            _idle.pop().close()
