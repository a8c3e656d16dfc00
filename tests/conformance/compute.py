"""What every back end must do, as tests that run on any of them.

To test a back end, subclass `ComputeConformance` in a test module and give a fixture `backend` that
yields a `Backend` for each test::

    from tests.conformance.compute import Backend, ComputeConformance


    class TestMyBackend(ComputeConformance):
        @pytest.fixture
        def backend(self, tmp_path):
            with my_cluster(tmp_path) as cluster:
                yield MyBackend(cluster)

A `Backend` says how the back end is asked for (`settings`), and how its workers are lost and
joined; what it cannot do it says by `None` in place of the method, and the test is skipped. Only
`skymosaic.clusters.client` and what the project itself does with a client is used.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from distributed import Client, Worker, get_worker

from skymosaic.clusters import client as start_client
from skymosaic.config import Campaign, Compute
from skymosaic.errors import ComputeError, SkyError
from skymosaic.journal import runlog
from skymosaic.journal.runs import both
from skymosaic.pipeline.places import open_place
from skymosaic.runs.supervision import locked, recorded
from skymosaic.steps import execution, progress
from skymosaic.steps.execution import OnWorkers
from skymosaic.steps.progress import Event, from_message
from tests.conftest import wait_for


class Backend:
    """A back end under test, with what the suite needs to do to it."""

    patience = 120.0
    """Seconds that anything may take."""

    def settings(self, workers: int) -> Compute:
        """Return the settings that ask for so many workers, or more where some are there."""
        raise NotImplementedError

    add_worker: Callable[[Client], None] | None = None
    """Let one more worker join those of a client."""

    settings_without_workers: Callable[[], Compute] | None = None
    """Return settings with which no worker ever comes, to be told so within `patience`."""

    def left_behind(self) -> Sequence[str]:
        """Return what is still there after a client was closed and should not be: processes, jobs.

        As it stands: processes that this one started. Called again and again until it is empty.
        """
        return [
            " ".join(process.cmdline())
            for process in psutil.Process().children(recursive=True)
            if _is_worker(process)
        ]


def _is_worker(process: psutil.Process) -> bool:
    """Whether this is a process that multiprocessing made, other than its two helpers."""
    with suppress(psutil.Error):
        words = " ".join(process.cmdline())
        is_server = "forkserver" in words and process.ppid() == os.getpid()
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and "multiprocessing" in words
            and "resource_tracker" not in words
            and not is_server
        )
    return False


def whoami() -> str:
    """Return the address of the worker that runs this."""
    return str(get_worker().address)


def sleep_and_tell(seconds: float, number: int) -> tuple[str, int]:
    """Occupy a worker; return which one it was."""
    time.sleep(seconds)
    return whoami(), number


def total(parts: Sequence[tuple[str, int]]) -> int:
    """Add up what `sleep_and_tell` returned."""
    return sum(number for _worker, number in parts)


def die_once(mark: Path) -> str:
    """Kill this worker the first time, and return its address the second."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return whoami()


def hold_until(mark: Path, begun: Path) -> None:
    """Occupy a worker until a file is there."""
    begun.touch()
    while not mark.exists():
        time.sleep(0.05)


def waiting_tasks(dask_worker: Worker) -> int:
    """Return how many tasks a worker was given and has not begun."""
    return sum(task.state in ("ready", "waiting") for task in dask_worker.state.tasks.values())


def fail() -> None:
    """Fail as a step does."""
    raise SkyError("a_flt.fits: the sky fell; hold it up")


def warn_in_a_step(topic: str) -> str:
    """Log a line as a step does."""
    with progress.task("drizzle match", topic):
        logging.getLogger("skymosaic.test").warning("the worker %s warns", whoami())
    return whoami()


class ComputeConformance:
    """The suite; see the module's text for how to run it."""

    def test_it_runs_a_graph_and_leaves_nothing_behind(self, backend: Backend) -> None:
        with start_client(backend.settings(2), 4) as client:
            calls = OnWorkers(client)
            parts = calls.each(partial(sleep_and_tell, 0.0), range(20))
            assert execution.result_of(calls.call(total, parts)) == 190
            threads = [w["nthreads"] for w in client.scheduler_info(-1)["workers"].values()]
            # What a step moves is counted by process, and drizzlepac runs in no second thread.
            assert set(threads) == {1}
            # An error keeps its class and its words.
            with pytest.raises(SkyError, match="hold it up"):
                execution.result_of(calls.call(fail))
        wait_for(lambda: not backend.left_behind(), "nothing to be left", backend.patience)

    def test_events_and_logs_of_workers_arrive_and_are_kept(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        campaign = Campaign.model_validate(
            {
                "campaign": {"name": "logs"},
                "source": {"kind": "simulated"},
                "store": {"uri": str(tmp_path / "store")},
                "compute": backend.settings(1),
            }
        )
        place, events = open_place(campaign), list[Event]()
        with (
            locked(place, "run") as held,
            recorded(place, campaign, held) as recorder,
            start_client(campaign.compute, 1) as client,
        ):
            client.forward_logging("skymosaic", logging.WARNING)
            hear = both(events.append, recorder.tell)
            client.subscribe_topic(place.topic, lambda message: hear(from_message(message)))
            worker = execution.result_of(OnWorkers(client).call(warn_in_a_step, place.topic))
            wait_for(lambda: len(events) >= 2, "the events", backend.patience)
            time.sleep(0.5)  # the log's line travels beside the events
        assert [event.state for event in events] == ["started", "finished"]
        lines = list(runlog.lines(place, None))
        assert any(f"drizzle match: the worker {worker} warns" in line for line in lines), lines

    def test_a_lost_worker_does_not_matter(self, backend: Backend, tmp_path: Path) -> None:
        with start_client(backend.settings(2), 2) as client:
            before = set(client.scheduler_info(-1)["workers"])
            calls = OnWorkers(client)
            parts = calls.each(partial(sleep_and_tell, 0.1), range(10))
            last = calls.call(die_once, tmp_path / "died")
            assert execution.result_of(calls.call(total, parts)) == 45
            assert execution.result_of(last)
            assert (tmp_path / "died").exists()
            wait_for(
                lambda: set(client.scheduler_info(-1)["workers"]) != before,
                "the loss to be noticed",
                backend.patience,
            )

    def test_workers_that_join_are_used(self, backend: Backend) -> None:
        if backend.add_worker is None:
            pytest.skip("no worker can join a run of this back end")
        with start_client(backend.settings(1), 1) as client:
            before = set(client.scheduler_info(-1)["workers"])
            started = OnWorkers(client).each(partial(sleep_and_tell, 0.3), range(40))
            backend.add_worker(client)
            execution.wait_for_all(started)
            done = client.gather(started)
            assert sorted(number for _worker, number in done) == list(range(40))
            assert {worker for worker, _number in done} > before

    def test_what_is_cancelled_gives_its_worker_free(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        free, begun = tmp_path / "free", tmp_path / "begun"
        with start_client(backend.settings(1), 1) as client:
            here = [next(iter(client.scheduler_info(-1)["workers"]))]
            holding = client.submit(hold_until, free, begun, workers=here)
            waiting = client.map(sleep_and_tell, [60.0] * 5, range(5), workers=here)
            wait_for(begun.exists, "the first task", backend.patience)
            client.cancel([holding, *waiting])
            wait_for(
                lambda: client.run(waiting_tasks, workers=here) == {here[0]: 0},
                "the worker to hear of it",
                backend.patience,
            )
            free.touch()
            # The five minutes of those that waited do not pass first.
            again = client.submit(whoami, pure=False, workers=here)
            assert again.result(timeout=backend.patience) == here[0]
            assert all(future.cancelled() for future in (holding, *waiting))

    def test_nothing_is_left_behind_by_a_failure(self, backend: Backend) -> None:
        with pytest.raises(KeyboardInterrupt), start_client(backend.settings(1), 1) as client:
            client.submit(time.sleep, 1.0)
            raise KeyboardInterrupt
        wait_for(lambda: not backend.left_behind(), "nothing to be left", backend.patience)

    def test_slots_fill_a_host_and_do_not_overfill_it(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        """One heavy task at a time, and the other workers go on with light ones meanwhile."""
        with start_client(backend.settings(2), 8) as client:
            calls = OnWorkers(client)
            heavy = [calls.call(in_slot, tmp_path, "heavy", n, 1, 0.4) for n in range(3)]
            light = [calls.call(in_slot, tmp_path, "light", n, 4, 0.1) for n in range(8)]
            spans = execution.result_of(calls.call(list, [*heavy, *light]))
        by_kind: dict[str, list[tuple[float, float]]] = {"heavy": [], "light": []}
        for kind, start, end in spans:
            by_kind[kind].append((start, end))
        assert most_at_once(by_kind["heavy"]) == 1
        assert overlap(by_kind["heavy"], by_kind["light"]), "the host idled beside the heavy task"

    def test_no_worker_is_told_with_the_remedy(self, backend: Backend) -> None:
        if backend.settings_without_workers is None:
            pytest.skip("this back end cannot be without workers")
        begun = time.monotonic()
        with (
            pytest.raises(ComputeError, match=r"worker|scheduler") as caught,
            start_client(backend.settings_without_workers(), 1),
        ):
            pytest.fail("there are no workers")
        assert time.monotonic() - begun < backend.patience
        assert ";" in str(caught.value), "what is wrong; what to do"


def in_slot(
    folder: Path, kind: str, number: int, most: int, seconds: float, priority: int = 0
) -> tuple[str, float, float]:
    """Work in a slot of a kind, of which this host has `most`; return when."""
    del number, priority
    with execution.slot(f"{folder}-{kind}", most):
        start = time.time()
        time.sleep(seconds)
        return kind, start, time.time()


def most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    """Return how many spans overlapped at most."""
    edges = sorted([(start, 1) for start, _end in spans] + [(end, -1) for _start, end in spans])
    most = now = 0
    for _when, step in edges:
        now += step
        most = max(most, now)
    return most


def overlap(some: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]]) -> bool:
    """Whether any of some spans overlaps any of others."""
    return any(a < d and c < b for a, b in some for c, d in others)
