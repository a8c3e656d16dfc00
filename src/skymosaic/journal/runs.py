"""The record of a run: what it was asked for, what its tasks did, and how it ended.

A campaign's store holds one for each run, ``records/NNNNNN.json``, numbered as the campaign's lock
was taken. It is written again whenever a task starts or ends, so that `status` can tell from
anywhere what a run is doing.
"""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, NotRequired, Required

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from skymosaic.errors import CancelledError, DamagedError, StoreError
from skymosaic.host.logs import STEPS, in_step
from skymosaic.host.periodic import PeriodicWriter
from skymosaic.steps.failures import as_record
from skymosaic.steps.place import Place
from skymosaic.steps.progress import Event, State
from skymosaic.store import Product, lease, shapes
from skymosaic.store.base import is_ours
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.journal.metrics import Metrics

log = logging.getLogger(__name__)
steps_log = logging.getLogger(STEPS)

_KEPT = ("key", "inputs", "host", "started", "seconds", "peak_memory", "moved", "error")
_PATIENCE = 10.0  # s; a record is not worth more waiting
_PAUSE = 1.0  # s between two writings of a record


class _StepEntry(TypedDict, total=False):
    """What the record of a run takes over of a manifest, or of the record of a failure."""

    step: Required[str]
    key: str
    inputs: dict[str, str]
    host: str
    started: str
    seconds: shapes.Seconds
    peak_memory: shapes.Bytes
    moved: dict[str, int]
    error: shapes.ErrorRecord
    products: dict[str, Product]


_STEP_ENTRY = TypeAdapter(_StepEntry)


class _RunRecord(shapes.RunEntry):
    """All that is written of a run."""

    campaign: Mapping[str, Any]
    versions: Mapping[str, str]
    host: str
    steps: NotRequired[Mapping[str, Mapping[str, object]]]
    """By step; once the run has ended."""


_STATES: Mapping[State, shapes.TaskWord] = {
    "started": "running",
    "doing": "running",
    "finished": "done",
    "reused": "reused",
    "failed": "failed",
}


class RunState(Enum):
    """The state of a campaign, with the exit code of ``skymosaic status``."""

    DONE = ("done", 0)
    RUNNING = ("running", 20)
    FAILED = ("failed", 21)
    INTERRUPTED = ("interrupted", 22)
    CANCELLED = ("cancelled", 23)
    SUBMITTED = ("submitted", 24)

    def __init__(self, word: str, exit_code: int) -> None:
        self.word = word
        self.exit_code = exit_code


@dataclass(frozen=True)
class TaskState:
    """What a task of a run did last."""

    name: str
    state: str
    """running, done, reused, failed, or lost: it was running when the run ended."""
    seconds: float
    """Wall time, s."""
    detail: str
    """What it was doing, or why it failed."""
    kind: str = ""
    """What its like are counted by; this and the following as in its `Event`.

    Empty where an older version wrote the record.
    """
    step: str = ""
    """The step that it makes."""
    group: str = ""
    """The mosaic of a program that it works for."""


@dataclass(frozen=True)
class Status:
    """A campaign's last run."""

    state: RunState
    started: str
    ended: str | None
    holder: str
    """Who is running it now; empty where nobody is."""
    expected: int
    """How many tasks there are in all; 0 where that was not known yet."""
    tasks: list[TaskState]
    error: shapes.ErrorRecord | None
    """Why it failed."""
    dashboard: str = ""
    """Address of the Dask dashboard, while it runs."""
    metrics: str = ""
    """Address of its metrics, while it runs."""
    cluster: str = ""
    """What the cluster that it was handed over to says of it; empty where it was not asked."""


class Recorder:
    """Writes the record of a run as its events come in.

    Parameters
    ----------
    place : Place
        The campaign's.
    number : int
        Number of the run.
    campaign : mapping
        The campaign file, resolved.
    metrics : Metrics, optional
        Also told of the events.
    """

    def __init__(
        self,
        place: Place,
        number: int,
        campaign: Mapping[str, Any],
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics
        self._store = place.store.hurried(_PATIENCE)
        self._place = place
        self._key = _record_key(place, number)
        self._lock = threading.Lock()
        self._record: _RunRecord = {
            "campaign": dict(campaign),
            "versions": versions(),
            "host": platform.node(),
            "started": _now(),
            "ended": None,
            "state": "running",
            "expected": 0,
            "error": None,
            "dashboard": "",
            "metrics": "",
            "tasks": [],
        }
        self._tasks: dict[str, shapes.TaskEntry] = {}
        """By name, in the order in which they started."""
        self._writer = PeriodicWriter("the record of the run", self._write, _PAUSE)
        self._writer.now()

    def watch(self, *, dashboard: str = "", metrics: str = "") -> None:
        """Take down where the run can be watched: its Dask dashboard, its metrics."""
        with self._lock:
            self._record["dashboard"] = dashboard or self._record["dashboard"]
            self._record["metrics"] = metrics or self._record["metrics"]
        self._writer.changed()

    def expect(self, tasks: int) -> None:
        """Take down the number of tasks."""
        if self._metrics:
            self._metrics.expect(tasks)
        with self._lock:
            self._record["expected"] = tasks
        self._writer.changed()

    def tell(self, event: Event) -> None:
        """Take down an event; may be called from any thread."""
        entry: shapes.TaskEntry = {
            "task": event.task,
            "state": _STATES[event.state],
            "seconds": round(event.seconds, 1),
            "detail": event.detail,
            "kind": event.kind,
            "step": event.step,
            "group": event.group,
        }
        with self._lock:
            self._tasks[event.task] = entry
            if self._metrics:
                self._metrics.tell(event)
        self._writer.changed()
        with in_step(self._place.topic, event.task):
            level = logging.WARNING if event.state == "failed" else logging.INFO
            steps_log.log(level, "%s after %.1f s %s", event.state, event.seconds, event.detail)

    def end(self, error: BaseException | None) -> None:
        """Take down how it ended: what the steps read, made and cost, and the error if any.

        Parameters
        ----------
        error : BaseException or None
            What ended it; None where it went well.
        """
        steps = self._steps()
        with self._lock:
            self._record["steps"], self._record["ended"] = steps, _now()
            self._record["state"] = _state_after(error)
            self._record["error"] = None if error is None else as_record(error)
        self._writer.end()

    def _steps(self) -> Mapping[str, Mapping[str, object]]:
        """Return what the manifests and the records of failed steps tell."""
        store, found = self._store, dict[str, Mapping[str, object]]()
        try:
            for folder in ("failed", "manifests"):
                for key in store.list(self._place.key(folder)):
                    if not (key.endswith(".json") and is_ours(key)):
                        continue
                    entry = self._step_entry(key)
                    if entry is None:
                        continue
                    found[entry["step"]] = {
                        **{name: value for name, value in entry.items() if name in _KEPT},
                        "outputs": {n: p.sha256 for n, p in entry.get("products", {}).items()},
                    }
        except StoreError as error:
            log.warning("the record of the run does not have its steps: %s", error)
        return found

    def _step_entry(self, key: str) -> _StepEntry | None:
        """Return what a manifest or the record of a failure tells; None where it is damaged."""
        try:
            return shapes.read(self._store, key, _STEP_ENTRY)
        except DamagedError as error:
            log.warning("the record of the run does not have all steps: %s", error)
            return None

    def _write(self) -> None:
        with self._lock:
            self._record["tasks"] = list(self._tasks.values())
            record = self._record.copy()
        self._store.write_json(self._key, shapes.sealed(record))


def last_status(place: Place) -> Status | None:
    """Return the status of a campaign's last run, None where there was none.

    Raises
    ------
    DamagedError
        Its record is not what was written.
    StoreError
        The store cannot be read.
    """
    records = lease.numbered(place.store.list(place.key("records")))
    if not records:
        return None
    number, key = records[-1]
    record = shapes.read(place.store, key, shapes.RUN)
    if record is None:  # removed as we looked
        return last_status(place)
    lock = lease.look(place.store, campaign_lock(place))
    # Another number is not this run's: somebody inspects, or cleans.
    holder = lock.holder if number == lock.number else None
    state = _state(record, running=holder is not None)
    lost = "running" if state is RunState.RUNNING else "lost"
    return Status(
        state=state,
        started=record["started"],
        ended=record["ended"],
        holder=str(holder or ""),
        expected=record["expected"],
        tasks=[
            TaskState(
                task["task"],
                lost if task["state"] == "running" else task["state"],
                task["seconds"],
                task["detail"],
                kind=task.get("kind", ""),
                step=task.get("step", ""),
                group=task.get("group", ""),
            )
            for task in record["tasks"]
        ],
        error=record["error"],
        dashboard=record.get("dashboard", "") if state is RunState.RUNNING else "",
        metrics=record.get("metrics", "") if state is RunState.RUNNING else "",
    )


def last_number(place: Place) -> int:
    """Return the number of a campaign's last run, 0 where there was none."""
    records = lease.numbered(place.store.list(place.key("records")))
    return records[-1][0] if records else 0


def campaign_lock(place: Place) -> str:
    """Return the folder of the lock that a run of a campaign holds."""
    return place.key("locks", "campaign")


def _record_key(place: Place, number: int) -> str:
    return place.key("records", f"{number:06d}.json")


def _state(record: shapes.RunEntry, *, running: bool) -> RunState:
    if record["state"] == "running":
        return RunState.RUNNING if running else RunState.INTERRUPTED
    return next(state for state in RunState if state.word == record["state"])


def _state_after(error: BaseException | None) -> shapes.RunWord:
    if isinstance(error, CancelledError):
        return "cancelled"
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "interrupted"
    return "done" if error is None else "failed"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def states_markdown() -> str:
    """Return the part of the page of exit codes that tells those of ``skymosaic status``."""
    rows = [f"| {state.exit_code} | {state.word} |" for state in RunState]
    head = "`skymosaic status` ends with the state of the run, or with one of the errors above:"
    return "\n".join(["", head, "", "| Code | State |", "|---|---|", *rows]) + "\n"


def both(first: Callable[[Any], None], second: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a callable that tells two listeners."""

    def tell(what: Any) -> None:
        first(what)
        second(what)

    return tell
