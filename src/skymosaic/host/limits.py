"""What of this host a process may use: in a container that is less than the host has."""

from __future__ import annotations

import psutil


def cores() -> int:
    """Return how many cores this process may keep busy (count).

    The least of the host's, those that the process is bound to, and the quota of its container,
    rounded up.
    """
    from dask.system import CPU_COUNT  # Dask takes long to import for who only asks for help

    return int(CPU_COUNT)


def memory() -> int:
    """Return the memory of the host, or of the container if that is less, bytes."""
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT)


def free_memory() -> int:
    """Return the memory that is free now, bytes; at most `memory`."""
    return min(int(psutil.virtual_memory().available), memory())
