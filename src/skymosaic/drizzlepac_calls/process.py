"""The only door to drizzlepac: each call runs in a fresh process with a private folder.

drizzlepac depends on the working folder, keeps state in its modules and fails from a second thread,
so nothing here imports it. A warm server process (`server`) imports it once and forks a
child for each call. The server belongs to the process that started it and ends with it; processes
started from there, such as workers on the same host, use it too.
"""

from __future__ import annotations

import atexit
import errno
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skymosaic.errors import ComputeError, OutOfMemoryError, SkymosaicError, StoreError
from skymosaic.host import container, scratch
from skymosaic.host.temporary import below_scratch

log_ = logging.getLogger(__name__)

ADDRESS = "SKYMOSAIC_DRIZZLEPAC"
"""Environment variable that tells child processes where the server listens."""
_PATIENCE = 60.0  # s that a server may take before it listens
_FAREWELL = 2.0  # s that a server may take to end
_LONGEST_FOLDER = 90  # bytes; the system's limit for the socket's path is 108
# drizzlepac must not multiply the parallelism that is ours.
_ENVIRONMENT = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
_ENVIRONMENT |= {
    "MPLBACKEND": "agg",
    # AstroDrizzle allocates and frees large arrays all the time: glibc need not give them back to
    # the system in between, page by page.
    "MALLOC_MMAP_THRESHOLD_": "2000000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_TOP_PAD_": "100000000",
}


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
    cpu: float = 0.0
    """CPU time of the child, s."""


_server: subprocess.Popen[bytes] | None = None
_lock = threading.Lock()


def warm() -> None:
    """Start importing drizzlepac in the background, unless a server is there already."""
    with _lock:
        if ADDRESS not in os.environ:
            _start()


def for_workers() -> dict[str, str]:
    """Return what the environment of a worker on this host needs to use the server of this process.

    A process that workers are forked from may have started before the server.
    """
    return {ADDRESS: os.environ[ADDRESS]} if ADDRESS in os.environ else {}


def _start() -> None:
    global _server
    folder = scratch.make_folder(None, "drizzlepac")
    if len(str(folder)) > _LONGEST_FOLDER:
        folder.rmdir()
        folder = scratch.make_folder(Path("/tmp"), "drizzlepac")  # noqa: S108 (its own folder)
    os.environ[ADDRESS] = str(folder / "socket")
    with (folder / "server.log").open("w") as log, below_scratch():
        _server = subprocess.Popen(
            [sys.executable, "-m", "skymosaic.drizzlepac_calls.server", os.environ[ADDRESS]],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, **_ENVIRONMENT},
            # A Ctrl-C in the terminal is for the driver, which ends its workers in order.
            start_new_session=True,
        )


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
    OutOfMemoryError
        Memory ran out: the process was killed.
    ComputeError
        The process ended otherwise.
    """
    request = {
        "function": function,
        "folder": str(folder.resolve()),
        "arguments": arguments,
        "log": str(log.resolve()),
    }
    line, kills = "", container.kills()
    try:
        with _connect() as connection, connection.makefile("rw") as lines:
            lines.write(json.dumps(request) + "\n")
            lines.flush()
            line = lines.readline()
    except ConnectionError as error:  # it ended while we waited for it
        log_.info("the drizzlepac process was lost: %s", error)
    if not line:
        raise _ended(function, container.kills() - kills)
    answer = json.loads(line)
    if "value" in answer:
        return Call(answer["value"], answer["seconds"], answer["peak_memory"], answer["cpu"])
    raise _as_error(function, folder, log, answer)


def _ended(function: str, kills: int = 0) -> SkymosaicError:
    """Return why there is no answer: `kills` processes were ended because memory ran out."""
    said = Path(os.environ[ADDRESS]).with_name("server.log")
    last = said.read_text().strip().splitlines()[-1:] if said.exists() else []
    killed = _server is not None and _server.poll() == -signal.SIGKILL
    if kills or killed or container.says_short("".join(last)):
        return OutOfMemoryError(
            f"the drizzlepac process ran out of memory (call {function}); {container.remedy()}"
        )
    return ComputeError(
        f"the drizzlepac process ended before it answered (call {function}). "
        + (f"It said: {last[0]}" if last else "It said nothing: memory probably ran out")
    )


def _connect() -> socket.socket:
    """Return a connection to the server: the one we were told of, or else our own."""
    warm()
    with _lock:
        if _server and _server.poll() is not None:  # somebody killed it since the last call
            _start()
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        address = Path(os.environ[ADDRESS])
        # On another host than the one where we were told of it, the folder may be anybody's.
        if scratch.is_ours(address.parent):
            connection = socket.socket(socket.AF_UNIX)
            if connection.connect_ex(str(address)) == 0:
                return connection
            connection.close()
        if _server and _server.poll() is not None:
            break  # our own ended: drizzlepac cannot be imported
        with _lock:
            # It ended, or it is on another host; a folder without a socket is one that starts.
            if not _server and (address.exists() or not scratch.is_ours(address.parent)):
                _start()
        time.sleep(0.02)
    raise _ended("start")


def _as_error(function: str, folder: Path, log: Path, answer: dict[str, Any]) -> SkymosaicError:
    if answer.get("code") == -signal.SIGKILL or answer.get("memory"):
        what = "ran out of memory" if answer.get("memory") else "ran out of memory, or was killed"
        return OutOfMemoryError(f"drizzlepac's {function} {what}; {container.remedy()}")
    if "code" in answer:
        return ComputeError(f"drizzlepac's {function} ended with code {answer['code']}")
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
    """End the server that this process started."""
    global _server
    with _lock:
        if _server and _server.stdin:
            _server.stdin.close()
            try:
                _server.wait(timeout=_FAREWELL)
            except subprocess.TimeoutExpired:  # it is still importing, and does not listen yet
                _server.kill()
                _server.wait()
            # What a server that was killed, or whose import failed, leaves.
            shutil.rmtree(Path(os.environ.pop(ADDRESS)).parent, ignore_errors=True)
        _server = None
