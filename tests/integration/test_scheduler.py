"""A Dask scheduler that runs already: what is refused, and with which words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from distributed import LocalCluster

from skymosaic.compute import client, scheduler
from skymosaic.config import Compute
from skymosaic.errors import ComputeError


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(scheduler, "_PATIENCE", 2)


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
        pytest.raises(ComputeError, match="--nthreads 1"),
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
