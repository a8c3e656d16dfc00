"""Processes that do not outlive those who started them."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Ask Linux to send this process a signal when its parent ends, however that ends.

    Parameters
    ----------
    parent : int
        The parent's process id, as the parent told it.
    number : signal.Signals
        The signal; SIGTERM lets this process end in order.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), number)
