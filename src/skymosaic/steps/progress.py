"""What tasks are doing, told as events; nothing prints in the middle of the work.

On a Dask worker an event travels to the driver by distributed's own event log; elsewhere it goes to
Python's logging only.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from skymosaic.host.logs import in_step
from skymosaic.store import traffic
from skymosaic.store.traffic import Traffic

TOPIC = "skymosaic"
log = logging.getLogger(__name__)

State = Literal["started", "doing", "finished", "reused", "failed"]


@dataclass(frozen=True)
class Event:
    """Something that happened to a task."""

    task: str
    """Such as ``retrieve ibxl54``."""
    state: State
    detail: str = ""
    """What it is doing, or why it failed; of a task that ended well, the task that had its time."""
    seconds: float = 0.0
    """Wall time since it started, s."""
    up: int = 0
    """Bytes that it moved to the store; told at its end."""
    down: int = 0
    """Bytes that it moved from the store; told at its end."""
    kind: str = ""
    """What its like are counted by, such as ``retrieve``; empty where nobody counts it."""
    group: str = ""
    """The mosaic of a program that it works for; empty where there is one mosaic."""
    step: str = ""
    """The step that it makes, such as ``runs/onepass``; empty where it is none of a campaign's."""
    part: str = ""
    """The kind of the steps of which one is being made for it, such as ``singles``."""


def emit(event: Event, topic: str = TOPIC) -> None:
    """Tell the driver that listens to a topic, wherever this runs."""
    log.debug("%s %s %s", event.task, event.state, event.detail)
    if "distributed" not in sys.modules:  # not on a worker, and no reason to import it
        return
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:
        return  # not on a worker: the log has it
    worker.log_event(topic, dict(vars(event)))


def from_message(message: tuple[float, Any]) -> Event:
    """Return the event that a subscriber to `TOPIC` received."""
    fields = dict(message[1])
    fields.pop("worker", None)  # distributed adds the address of the one who told
    return Event(**fields)


def with_counts(tell: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return a listener that also learns how many steps of a kind have begun for a task."""
    begun: Counter[tuple[str, str]] = Counter()

    def tell_counted(event: Event) -> None:
        if event.part:
            begun[event.task, event.part] += 1
            count = begun[event.task, event.part]
            event = replace(event, detail=f"{event.detail} ({event.part} begun: {count:,})")
        tell(event)

    return tell_counted


class RunningTask:
    """A running task, which can say what it is doing."""

    def __init__(
        self, name: str, topic: str, *, kind: str = "", group: str = "", step: str = ""
    ) -> None:
        self.name = name
        self._topic, self._kind, self._group, self._step = topic, kind, group, step
        self.reused = False
        self.in_one_with = ""
        """Another task of the same step, whose time and bytes are told once."""
        self._clock, self._moved = time.monotonic(), traffic.moved()

    def doing(self, detail: str) -> None:
        """Say what the task is doing now."""
        self.tell("doing", detail)

    def makes(self, part: str) -> None:
        """Say which step of many is being made for the task now."""
        self.tell("doing", part, part.partition("/")[0])

    def tell(self, state: State, detail: str = "", part: str = "") -> None:
        """Emit an event of this task."""
        seconds = 0.0 if self.in_one_with else time.monotonic() - self._clock
        silent = self.in_one_with or state in ("started", "doing")
        moved = Traffic() if silent else traffic.moved() - self._moved
        event = Event(
            task=self.name,
            state=state,
            detail=detail,
            seconds=seconds,
            up=moved.up,
            down=moved.down,
            kind=self._kind,
            group=self._group,
            step=self._step,
            part=part,
        )
        emit(event, self._topic)


@contextmanager
def task(
    name: str, topic: str = TOPIC, *, kind: str = "", group: str = "", step: str = ""
) -> Iterator[RunningTask]:
    """Tell those who listen to a topic when a task starts, ends or fails.

    Parameters
    ----------
    name : str
        What people know it as.
    topic : str
        Who listens.
    kind, group, step : str
        As an `Event` tells them.
    """
    running = RunningTask(name, topic, kind=kind, group=group, step=step)
    running.tell("started")
    try:
        with in_step(topic, name):
            yield running
    except Exception as error:
        running.tell("failed", str(error))
        raise
    once = f"in one with {running.in_one_with}" if running.in_one_with else ""
    running.tell("reused" if running.reused else "finished", once)
