"""The memory of the container that a process is in, and processes that stay below it.

The kernel ends what takes more than its container has: one process of it (cgroup v1), or all of
them (v2, as Kubernetes sets it), and nothing can then tell why. So who takes much memory holds
itself below what is left: it is refused memory while it can still say so.

It holds itself by RLIMIT_DATA, which the kernel looks at whenever a process asks for memory.
RLIMIT_AS would count what is mapped of files and libraries, too. To watch the resident memory is to
come late: numpy fills 100 MB between two looks. What counts here is what is asked for, of which
AstroDrizzle uses all: in its calls for three small tiles VmData rose by 9 MB, and RssAnon by 19.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_STATUS = Path("/proc/self/status")
_LEAST_SPARE = 32 * 2**20  # bytes for the kernel, and for what other processes still take
_SPARE = 0.05  # of what is left, for the same
_CACHE = "inactive_file", "active_file"
_SHORT = "MemoryError", "Cannot allocate memory", "map segment", "Memory allocation still failed"
"""What Python, the C library, the linker and OpenBLAS say where there is no memory."""
_UNLIMITED = resource.getrlimit(resource.RLIMIT_DATA)[0]


@dataclass(frozen=True)
class Files:
    """How a version of cgroup calls what it knows of memory."""

    limit: str
    used: str
    prefix: str
    """Of the words in ``memory.stat`` that count the groups below, too."""
    events: str
    """Holds how many processes the kernel ended."""


_V1 = Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_", "memory.oom_control")
_V2 = Files("memory.max", "memory.current", "", "memory.events")


def left() -> int | None:
    """Return how much more memory the container can take, bytes; None where nothing limits it.

    The kernel's copies of files count as free: it drops them when memory is short.
    """
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = [
        limit - _used(folder, files)
        for folder, files in _groups()
        if (limit := _limit(folder, files)) is not None and limit < host
    ]
    return min(found, default=None)


def kills() -> int:
    """Return how many processes the kernel has ended here because memory ran out (count)."""
    return sum(
        int(line.split()[1])
        for folder, files in _groups()
        for line in _lines(folder / files.events)
        if line.startswith("oom_kill ")
    )


def hold(count: Literal["VmData", "RssAnon"]) -> None:
    """Let this process, and those that it starts, ask for no more than its container has left.

    Parameters
    ----------
    count : str
        What this process has already: all that it asked for (VmData), or what it uses (RssAnon),
        where it will use what it asked for. Both as in ``/proc/PID/status``.
    """
    free = left()
    if free is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _own(count) + max(free - max(_LEAST_SPARE, round(_SPARE * free)), 0)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


@contextmanager
def held() -> Iterator[None]:
    """Hold this process below what its container has left, as long as the context lasts."""
    hold("VmData")
    try:
        yield
    finally:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (_UNLIMITED, hard))


def is_short(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, says that there was no memory."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or says_short(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def says_short(text: str) -> bool:
    """Whether a text says that the system had no memory for a process."""
    return any(words in text for words in _SHORT)


def remedy() -> str:
    """Return how to give a campaign that runs as this process does more memory."""
    for variable, key in (
        ("KUBERNETES_SERVICE_HOST", "compute.kubernetes.memory"),
        ("SLURM_JOB_ID", "compute.slurm.memory"),
    ):
        if variable in os.environ:
            return f"set {key} to more: `skymosaic restart --detached --set {key}=...`"
    return "use fewer workers (compute.workers) or a host with more"


def _groups() -> Iterator[tuple[Path, Files]]:
    """Yield the groups that this process is in, and those above them."""
    for line in _lines(_OWN):
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base, files = (_CGROUPS / "memory", _V1) if controllers else (_CGROUPS, _V2)
        # A container may see its own group as the root, and be told its name outside.
        group = base / path.lstrip("/")
        yield from ((one, files) for one in (group, *group.parents) if one.is_relative_to(base))


def _limit(folder: Path, files: Files) -> int | None:
    try:
        return int((folder / files.limit).read_text())
    except (OSError, ValueError):  # no such group, or "max"
        return None


def _used(folder: Path, files: Files) -> int:
    """Return what the processes of a group use and cannot give back, bytes."""
    try:
        used = int((folder / files.used).read_text())
    except OSError:
        return 0
    counts = dict(line.split(" ", 1) for line in _lines(folder / "memory.stat"))
    return used - sum(int(counts.get(files.prefix + name, 0)) for name in _CACHE)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def _own(count: str) -> int:
    """Return a line of this process' status, bytes."""
    [line] = [line for line in _STATUS.read_text().splitlines() if line.startswith(f"{count}:")]
    return int(line.split()[1]) * 1024
