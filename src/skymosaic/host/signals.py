"""How a command ends when it is asked to: by Ctrl-C, a batch system, or a terminal that is closed.

While there is nothing to tidy up (imports, the command line, the last lines) the process ends at
once. While a command is at work an exception is raised in the main thread, so that what was begun
is ended in order. A signal that was ignored when the process started (``nohup``) stays so.

Only the standard library is imported here: this must be in place before all else.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a command to end."""
GO_ON = "interrupted; run the same command again to resume"
_AGAIN = 0.05  # s


def exit_code(number: int) -> int:
    """Return the exit code of what a signal ended, as shells tell it."""
    return 128 + number


def interruption(error: BaseException) -> str:
    """Return how a command was asked to end; empty, if this is no such error."""
    if isinstance(error, KeyboardInterrupt):
        return f"Ctrl-C (SIGINT): {GO_ON}"
    code = error.code if isinstance(error, SystemExit) else None
    for number in ENDING:
        if code == exit_code(number):
            return f"{number.name}: {GO_ON}"
    return ""


_came: list[int] = []


def was_interrupted() -> bool:
    """Tell whether this process was asked to end, by a signal that was raised."""
    return bool(_came)


class EndRequest:
    """Whether a command was asked to end."""

    def __init__(self) -> None:
        self.by: int | None = None
        """The number of the signal."""

    def _raise(self, number: int, _frame: FrameType | None) -> NoReturn:
        self.by = number
        _came.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(exit_code(number))


def end_at_once() -> None:
    """Let signals end this process at once from now on."""
    _handle(_exit)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let signals end this process at once meanwhile: for imports.

    Libraries import others on trial, and take whatever is raised meanwhile for an answer.
    """
    with _handled(_exit):
        yield


@contextmanager
def raised(request: EndRequest) -> Iterator[None]:
    """Let signals raise KeyboardInterrupt or SystemExit meanwhile, and be noted in `request`."""
    hook = sys.unraisablehook

    def not_lost(what: Any) -> None:
        # Raised while an object was being deleted: Python tells of it, and goes on.
        if request.by is None or not isinstance(what.exc_value, KeyboardInterrupt | SystemExit):
            hook(what)
            return
        again = threading.Timer(_AGAIN, os.kill, (os.getpid(), request.by))
        again.daemon = True
        again.start()

    sys.unraisablehook = not_lost
    try:
        with _handled(request._raise):
            yield
    finally:
        sys.unraisablehook = hook


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back what a terminal sends, for this process until the end, for good in what it starts.

    A terminal sends Ctrl-C and its own end to all processes: those that work for this one are ended
    by it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _handled(handler: Any) -> Iterator[None]:
    before = _handle(handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _handle(handler: Any) -> dict[signal.Signals, Any]:
    """Handle the signals that are not ignored; return how they were handled before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    before = {number: signal.getsignal(number) for number in ENDING}
    handled = {n: previous for n, previous in before.items() if previous is not signal.SIG_IGN}
    for number in handled:
        signal.signal(number, handler)
    return handled


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    if number == signal.SIGINT:
        with suppress(OSError):  # nobody reads it
            os.write(2, f"{GO_ON}\n".encode())
    os._exit(exit_code(number))
