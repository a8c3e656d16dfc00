"""What a run tells Prometheus: tasks and groups by state, bytes, failures, seconds.

The driver tells them, over HTTP in the clear: numbers, with the names of the campaign and its
stages, and none of a file or of anything else that is not for everybody.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from skymosaic.config import Compute
from skymosaic.errors import ComputeError, InstallationError
from skymosaic.steps.progress import Event
from skymosaic.steps.tasks import COMPARISON, RETRIEVE

_STATES = {"started": "running", "doing": "running", "finished": "done"}
_SECONDS = (0.1, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The metrics of one run.

    Parameters
    ----------
    campaign : str
        Its name, a label of every metric.
    """

    def __init__(self, campaign: str) -> None:
        prometheus = _prometheus()
        self.registry: Any = prometheus.CollectorRegistry()
        self._campaign = campaign
        self._states: dict[str, tuple[str, str]] = {}
        """Stage and state of each task."""
        self._groups: dict[str, str] = {}

        def make(kind: str, name: str, text: str, *labels: str, **options: Any) -> Any:
            labels = ("campaign", *labels)
            cls = getattr(prometheus, kind)
            return cls(f"skymosaic_{name}", text, labels, registry=self.registry, **options)

        self._expected = make("Gauge", "tasks_expected", "Tasks of the run")
        self._tasks = make("Gauge", "tasks", "Tasks by state", "stage", "state")
        self._of_groups = make("Gauge", "groups", "Groups (mosaics) by state", "state")
        self._failures = make("Counter", "failures", "Tasks that failed", "stage")
        self._moved = make("Counter", "moved_bytes", "Bytes between hosts and store", "direction")
        self._seconds = make(
            "Histogram", "task_seconds", "Wall time of tasks", "stage", buckets=_SECONDS
        )
        make("Gauge", "run_start_time_seconds", "When the run began").labels(
            campaign
        ).set_to_current_time()

    def expect(self, tasks: int) -> None:
        """Take down the number of tasks."""
        self._expected.labels(self._campaign).set(tasks)

    def tell(self, event: Event) -> None:
        """Take down an event."""
        if not event.kind:
            return
        stage, state = event.kind, _STATES.get(event.state, event.state)
        name = self._campaign
        if (before := self._states.get(event.task)) == (stage, state):
            return
        if before is not None:
            self._tasks.labels(name, *before).dec()
        self._states[event.task] = (stage, state)
        self._tasks.labels(name, stage, state).inc()
        self._tell_group(event.group or name, stage, state)
        if state == "failed":
            self._failures.labels(name, stage).inc()
        if state in ("done", "failed"):
            if not (state == "done" and event.detail):  # else another task has its time
                self._seconds.labels(name, stage).observe(event.seconds)
            self._moved.labels(name, "up").inc(event.up)
            self._moved.labels(name, "down").inc(event.down)

    def _tell_group(self, group: str, stage: str, state: str) -> None:
        ended = state == "failed" or (stage == COMPARISON.name and state in ("done", "reused"))
        now = ("failed" if state == "failed" else "done") if ended else "running"
        before = self._groups.get(group)
        if before == now or (before == "failed" and now == "running" and stage != RETRIEVE.name):
            return
        if before is not None:
            self._of_groups.labels(self._campaign, before).dec()
        self._groups[group] = now
        self._of_groups.labels(self._campaign, now).inc()


@contextmanager
def served(settings: Compute, campaign: str) -> Iterator[tuple[Metrics | None, str]]:
    """Yield metrics that are told over HTTP meanwhile, and where; none where none are wanted.

    Raises
    ------
    InstallationError
        prometheus_client is not installed.
    ComputeError
        The port is taken.
    """
    if settings.metrics_port is None:
        yield None, ""
        return
    metrics = Metrics(campaign)
    start: Callable[..., Any] = _prometheus().start_http_server
    try:
        server, _thread = start(
            settings.metrics_port, addr=settings.metrics_host, registry=metrics.registry
        )
    except OSError as error:
        raise ComputeError(
            f"metrics cannot be served at {settings.metrics_host}:{settings.metrics_port} "
            f"({error.strerror}); set compute.metrics_port to a free port, or to null"
        ) from None
    try:
        yield metrics, f"http://{settings.metrics_host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()


def _prometheus() -> ModuleType:
    try:
        return importlib.import_module("prometheus_client")
    except ModuleNotFoundError:
        raise InstallationError(
            "compute.metrics_port needs prometheus_client: pip install skymosaic[metrics]"
        ) from None
