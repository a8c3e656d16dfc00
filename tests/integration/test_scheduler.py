"""A Dask scheduler that runs already: what is refused, and with which words."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import distributed
import pytest
from distributed import LocalCluster

from skymosaic.clusters import addresses, client, dask_versions, servers
from skymosaic.clusters.base import Job
from skymosaic.clusters.scheduler import submit
from skymosaic.clusters.scheduler import workers as running
from skymosaic.config import Compute, load_campaign_text
from skymosaic.errors import ComputeError, InstallationError
from skymosaic.journal.submission import Submission
from skymosaic.runs import handover
from tests.conftest import wait_for


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(running, "_PATIENCE", 2)


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=0,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        yield cluster


def at(address: str) -> Compute:
    return Compute(backend="scheduler", address=address)


def test_no_scheduler(impatient) -> None:
    with (
        pytest.raises(ComputeError, match="no Dask scheduler answers"),
        client(at("127.0.0.1:9"), 1),
    ):
        pytest.fail("nothing listens there")


@pytest.mark.timeout(60)
def test_who_only_asks_does_not_wait_where_nobody_listens(monkeypatch) -> None:
    monkeypatch.setattr(running, "GLANCE", 1000)  # s: longer than the test may take
    with pytest.raises(ComputeError, match=r"no Dask scheduler listens at tcp://127\.0\.0\.1:9"):
        running.alive(at("tcp://127.0.0.1:9"))
    text = (
        "campaign: {name: field}\nsource: {kind: simulated}\n"
        "compute: {backend: scheduler, address: 'tcp://127.0.0.1:9'}\n"
    )
    fate = handover.fate_of(Submission("17", "scheduler", 0, "now", "me", text, "Dask task 17"))
    assert fate.state == "silent"
    assert "cannot be asked from here: no Dask scheduler listens" in fate.message


def test_a_task_is_taken_back_from_a_scheduler_without_workers(cluster) -> None:
    campaign = load_campaign_text(
        "campaign: {name: field}\nsource: {kind: simulated}\n"
        f"compute: {{backend: scheduler, address: '{cluster.scheduler_address}'}}\n",
        "field.yaml",
        {},
    )
    submission = Submission("17", "scheduler", 0, "now", "me", "", "Dask task 17")
    with distributed.Client(cluster) as client:
        key = "skymosaic-field-17"
        distributed.fire_and_forget(client.submit(int, key=key))
        wait_for(lambda: submit._state(client, key), "the task", 20)
        submit.cancel(Job(campaign, "", int, submission))
        wait_for(lambda: submit._state(client, key) is None, "its end", 20)


def test_no_workers(impatient, cluster) -> None:
    with (
        pytest.raises(ComputeError, match="has no workers after 2 s"),
        client(at(cluster.scheduler_address), 1),
    ):
        pytest.fail("there are none")


def test_workers_with_threads_are_refused(impatient) -> None:
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        pytest.raises(InstallationError, match="--nthreads 1"),
        client(at(cluster.scheduler_address), 1),
    ):
        pytest.fail("they share a process")


def test_the_scheduler_goes_on_afterwards(impatient, cluster) -> None:
    cluster.scale(1)
    cluster.wait_for_workers(1)
    for _ in range(2):
        with client(at(cluster.scheduler_address), 1) as connected:
            threads = [w["nthreads"] for w in connected.scheduler_info()["workers"].values()]
            assert threads == [1]


class Another(servers.Scheduler):
    """A scheduler of another version, which says so as a real one does."""

    name, version = "distributed", "2026.7.9"

    def versions(self, packages=None) -> dict:
        found = super().versions(packages)
        return {**found, "packages": {**found["packages"], self.name: self.version}}


class Old(Another):
    """One of 2025.2.0, which does not know what newer clients ask it."""

    version = "2025.2.0"

    def identity(self) -> dict:
        return super().identity()


class OtherMsgpack(Another):
    """One whose words may be written otherwise."""

    name, version = "msgpack", "0.6.2"


@contextmanager
def serving(cls: type[distributed.Scheduler]) -> Iterator[str]:
    """Yield the address of a scheduler that runs in a thread."""
    address, started, loop = "", threading.Event(), asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        nonlocal address
        async with cls(host="127.0.0.1", port=0) as scheduler:
            address = scheduler.address
            started.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(20)
        loop.close()


@pytest.mark.parametrize("cls", [Old, Another, OtherMsgpack])
def test_a_scheduler_of_another_version_is_told_with_both_versions(impatient, cls) -> None:
    name, theirs = cls.name, cls.version
    here = distributed.versions.get_versions()["packages"][name]
    with serving(cls) as address:
        if cls is not Old:  # its client gets through: workers are needed to come that far
            with (
                running.glance(at(address)) as connection,
                pytest.raises(InstallationError) as caught,
            ):
                running.require_fit(connection, address)
        else:
            with pytest.raises(InstallationError) as caught, client(at(address), 1):
                pytest.fail("it does not understand us")
    assert f"has {name} {theirs}, here it is {here}; use one environment" in str(caught.value)
    assert not caught.value.passes_by_itself


def test_what_is_no_scheduler_has_no_versions() -> None:
    assert dask_versions.of_scheduler("tcp://127.0.0.1:9", 0.5) == {}


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://127.0.0.1:8786", "every user of this host can run any code"),
        ("tcp://10.0.0.1:8786", "anyone who can reach it can run any code"),
        ("tls://127.0.0.1:8786", None),
    ],
)
def test_an_open_scheduler_is_warned_of_once(caplog, address: str, words: str | None) -> None:
    addresses.warn_if_open.cache_clear()
    with caplog.at_level(logging.WARNING, "skymosaic"):
        for _ in range(2):
            addresses.warn_if_open(address)
    assert [words in record.getMessage() for record in caplog.records] == [True] * bool(words)
    addresses.warn_if_open.cache_clear()
