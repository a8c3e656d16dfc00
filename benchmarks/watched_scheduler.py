"""A preload of the Dask scheduler: what its tasks took, what they waited for, what went by.

With DASK_DISTRIBUTED__SCHEDULER__PRELOAD naming this file, a scheduler writes to the file that
WATCHED_SCHEDULER names, as it ends: each task with its dependencies, the time that it computed, the
bytes of what it gave and its priority; and the bytes of the messages that its process sent and
received.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from distributed.comm import tcp
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.scheduler import Scheduler

_MESSAGES = {"sent": 0, "received": 0}


class Watching(SchedulerPlugin):
    """Takes down each task when its result is there."""

    def __init__(self, scheduler: Scheduler, path: Path) -> None:
        self._scheduler, self._path = scheduler, path
        self._tasks: dict[str, dict[str, Any]] = {}

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Take down a task that has ended; of one that was done twice, the last time."""
        if start != "processing" or finish != "memory":
            return
        task = self._scheduler.tasks[key]
        took = [s["stop"] - s["start"] for s in kwargs["startstops"] if s["action"] == "compute"]
        self._tasks[str(key)] = {
            "after": [str(one.key) for one in task.dependencies],
            "seconds": sum(took),
            "bytes": int(kwargs.get("nbytes") or 0),
            "priority": list(task.priority or ()),
        }

    async def close(self) -> None:
        """Write all of it."""
        self._path.write_text(json.dumps({"tasks": self._tasks, "messages": _MESSAGES}))


async def dask_setup(scheduler: Scheduler) -> None:
    """Begin to watch."""
    _count_messages()
    scheduler.add_plugin(Watching(scheduler, Path(os.environ["WATCHED_SCHEDULER"])))


def _count_messages() -> None:
    """Count where messages leave and arrive: Dask keeps no sum of them."""
    write, from_frames = tcp.TCP.write, tcp.from_frames

    async def counted_write(self: Any, *args: Any, **kwargs: Any) -> Any:
        size = await write(self, *args, **kwargs)
        _MESSAGES["sent"] += size
        return size

    async def counted_from_frames(frames: Any, **kwargs: Any) -> Any:
        _MESSAGES["received"] += sum(memoryview(frame).nbytes for frame in frames)
        return await from_frames(frames, **kwargs)

    tcp.TCP.write, tcp.from_frames = counted_write, counted_from_frames
