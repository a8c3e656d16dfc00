"""Writing down what changes while a run goes on, in a thread of its own, and not too often."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from skymosaic.errors import StoreError

log = logging.getLogger(__name__)

_REST = 20.0
"""Times as long as a writing took nothing is written: what grows with a run takes 5% at most."""
_LONGEST_REST = 30.0  # s


class PeriodicWriter:
    """Writes soon after something changed, then again after an interval if more did.

    Parameters
    ----------
    what : str
        What is written, for the warning where it could not be.
    write : callable
        Writes the present state. A StoreError from it is logged: the run matters more.
    interval : float
        Least time between the end of one writing and the next, s. After one that took long it is
        more, up to 30 s.
    """

    def __init__(self, what: str, write: Callable[[], None], interval: float) -> None:
        self._what, self._write, self._interval = what, write, interval
        self._changed, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._write_changes, daemon=True)
        self._thread.start()

    def changed(self) -> None:
        """Have it written soon; may be called from any thread, and does not wait."""
        self._changed.set()

    def now(self) -> None:
        """Write in this thread."""
        try:
            self._write()
        except StoreError as error:
            log.warning("%s could not be written: %s", self._what, error)

    def end(self) -> None:
        """End the thread, and write a last time."""
        self._ended.set()
        self._changed.set()
        self._thread.join()
        self.now()

    def _write_changes(self) -> None:
        while not self._ended.is_set():
            self._changed.wait()
            self._changed.clear()
            if not self._ended.is_set():
                started = time.monotonic()
                self.now()
                rest = min(_REST * (time.monotonic() - started), _LONGEST_REST)
                self._ended.wait(max(self._interval, rest))
