"""A process that has imported drizzlepac once and forks a child for each call.

``python -m skymosaic.drizzlepac_server`` reads one JSON request a line from standard input and
writes one JSON answer a line to standard output. A forked child starts from a clean drizzlepac
every time (it keeps state in its modules), without the seconds that importing it costs.
The server dies when its standard input closes, and takes a running child with it: a killed
worker leaves nothing behind.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
import traceback
from typing import Any, BinaryIO

from skymosaic.drizzlepac_calls import CALLS

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _answer_error(error: BaseException) -> dict[str, Any]:
    number = error.errno if isinstance(error, OSError) else None
    return {"error": type(error).__name__, "message": str(error), "errno": number}


def _child(request: dict[str, Any], answer: int) -> None:
    """Do one call in the forked child; never returns."""
    trace = ""
    try:
        _die_with_parent()
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(request["folder"])
        value = CALLS[request["function"]](**request["arguments"])
        reply: dict[str, Any] = {"value": value}
    except BaseException as error:  # the child must answer whatever happens, then end
        reply = _answer_error(error)
        trace = traceback.format_exc()
    try:
        with os.fdopen(answer, "w") as pipe:
            json.dump(reply, pipe)
        # The log last: its disk may be what is full.
        sys.stdout.flush()
        sys.stderr.write(trace)
        sys.stderr.flush()
    finally:
        os._exit(0)


def _serve(request: dict[str, Any], requests: BinaryIO) -> dict[str, Any]:
    """Fork, wait for the child's answer, and return it with what the child cost."""
    read, write = os.pipe()
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _child(request, write)
    os.close(write)
    received = b""
    while True:
        ready, _, _ = select.select([read, requests.fileno()], [], [])
        if (
            requests.fileno() in ready
        ):  # one request at a time: this can only be the end of the input
            os.kill(pid, signal.SIGKILL)
            os._exit(1)
        block = os.read(read, 65536)
        if not block:
            break
        received += block
    os.close(read)
    _, status, usage = os.wait4(pid, 0)
    reply = json.loads(received) if received else {"code": os.waitstatus_to_exitcode(status)}
    reply["seconds"] = time.monotonic() - started
    reply["peak_memory"] = usage.ru_maxrss * 1024
    return dict(reply)


def main() -> None:
    """Import drizzlepac, then serve requests until standard input closes."""
    requests = os.fdopen(0, "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # What the import prints must not mix with the answers.
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started us decides when to end
    import drizzlepac.astrodrizzle
    import drizzlepac.tweakback
    import drizzlepac.tweakreg  # noqa: F401  (imported for the children to inherit)

    while line := requests.readline():
        answers.write(json.dumps(_serve(json.loads(line), requests)) + "\n")


if __name__ == "__main__":
    main()
