"""A process that has imported drizzlepac once and forks a child for each call.

``python -m skymosaic.drizzlepac_calls.server SOCKET`` listens on a Unix socket. Each connection
carries one JSON request and one JSON answer, a line each. A forked child starts from a clean
drizzlepac every time (it keeps state in its modules), without the seconds that importing it costs.

Nothing outlives whom it works for: the server ends when its standard input closes, a call when its
connection does, each taking its children with it.
"""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from skymosaic.drizzlepac_calls.functions import CALLS
from skymosaic.drizzlepac_calls.skypac_polygons import give_back
from skymosaic.host import container, scratch
from skymosaic.host.processes import end_with_parent


def _answer_error(error: BaseException) -> dict[str, Any]:
    number = error.errno if isinstance(error, OSError) else None
    return {
        "error": type(error).__name__,
        "message": str(error),
        "errno": number,
        "memory": container.is_short(error),
    }


def _call(request: dict[str, Any], answer: int, parent: int) -> NoReturn:
    """Do one call in the forked child."""
    trace = ""
    try:
        end_with_parent(parent, signal.SIGKILL)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(request["folder"])
        # The memory that it shares with its parent is there already.
        container.hold("RssAnon")
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


def _watch_call(request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
    """Fork, wait for the child's answer, and return it with what the child cost."""
    read, write = os.pipe()
    started, me = time.monotonic(), os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _call(request, write, me)
    os.close(write)
    received = b""
    while True:
        ready, _, _ = select.select([read, connection.fileno()], [], [])
        if connection.fileno() in ready:  # one request a connection: this can only be its end
            os._exit(1)  # the child is killed with us
        block = os.read(read, 65536)
        if not block:
            break
        received += block
    _, status, usage = os.wait4(pid, 0)
    reply = json.loads(received) if received else {"code": os.waitstatus_to_exitcode(status)}
    return {
        **reply,
        "seconds": time.monotonic() - started,
        "peak_memory": usage.ru_maxrss * 1024,
        "cpu": usage.ru_utime + usage.ru_stime,
    }


def _handle(connection: socket.socket, server: int) -> NoReturn:
    """Serve one connection in a process of its own, which watches the call and its caller."""
    try:
        end_with_parent(server, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with connection.makefile("rw") as lines:
            request = lines.readline()
            if request:
                lines.write(json.dumps(_watch_call(json.loads(request), connection)) + "\n")
    finally:
        os._exit(0)


def _serve(listener: socket.socket) -> None:
    """Accept connections until standard input closes."""
    server = os.getpid()
    while True:
        ready, _, _ = select.select([listener.fileno(), 0], [], [])
        if 0 in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            _handle(connection, server)
        connection.close()


def main() -> None:
    """Listen, import drizzlepac, and serve; the socket's folder is removed at the end."""
    address = Path(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started us decides when to end
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the handlers
    try:
        with scratch.locked(address.parent), socket.socket(socket.AF_UNIX) as listener:
            # Named when it listens: who finds the name can connect, and waits during the import.
            unnamed = address.with_name("new")
            listener.bind(str(unnamed))
            listener.listen(64)
            unnamed.rename(address)
            container.hold("VmData")
            import drizzlepac.astrodrizzle
            import drizzlepac.tweakback
            import drizzlepac.tweakreg  # noqa: F401  (imported for the children to inherit)

            import skymosaic.hst.flagging  # noqa: F401  (likewise)

            give_back()
            # The children inherit what was imported: their garbage collector need not look at it
            # again and again, nor copy its pages by doing so.
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)
            _serve(listener)
    except BaseException:
        traceback.print_exc()  # into the log beside the socket, for the callers to quote
        os._exit(1)
    shutil.rmtree(address.parent, ignore_errors=True)
    os._exit(0)  # taking all of drizzlepac down in order takes half a second


if __name__ == "__main__":
    main()
