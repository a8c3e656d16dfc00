"""How many bytes this process moved to and from stores."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Traffic:
    """Bytes that were moved, retries included."""

    up: int = 0
    """Bytes written to the store."""
    down: int = 0
    """Bytes read from the store."""

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.up + other.up, self.down + other.down)

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(self.up - other.up, self.down - other.down)


_lock = threading.Lock()
_moved = Traffic()


def count(*, up: int = 0, down: int = 0) -> None:
    """Add to what was moved; transfers call it from their threads."""
    global _moved
    with _lock:
        _moved += Traffic(up, down)


def moved() -> Traffic:
    """Return what this process has moved so far."""
    return _moved
