"""Tasks are made on the host that has their files, as long as it is there and others are busy."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from dask.utils import key_split
from distributed import Client, get_worker

from skymosaic.steps.execution import OnWorkers
from tests.conftest import wait_for
from tests.dask_cluster import dask_cluster, stop

ONE, OTHER = "127.0.0.1", "127.0.0.2"
"""Addresses of this machine, which the scheduler takes for two hosts."""


def host_of(seconds: float, _: object) -> str:
    """Take some time; return the host that this is made on."""
    time.sleep(seconds)
    return str(get_worker().address).split("://")[1].split(":")[0]


def test_tasks_go_to_the_host_that_has_their_files(tmp_path: Path) -> None:
    with dask_cluster(tmp_path) as cluster, Client(cluster.address) as client:
        calls = OnWorkers(client)
        first = cluster.add_worker(ONE)
        client.wait_for_workers(1)
        assert calls.hosts() == []  # of one host
        cluster.add_worker(OTHER)
        client.wait_for_workers(2)
        assert calls.hosts() == [ONE, OTHER]
        near = [(OTHER, ONE, OTHER, ONE)[number % 4] for number in range(40)]
        made = client.gather(calls.each(partial(host_of, 0.02), range(40), near=near))
        assert sum(a == b for a, b in zip(made, near, strict=True)) >= 30
        # Nobody idles: what waits there is made here.
        made = client.gather(calls.each(partial(host_of, 0.2), range(30), near=[OTHER] * 30))
        assert set(made) == {ONE, OTHER}
        # Keys tell what a task does, and what it is about; of a kind all are one group.
        act = partial(host_of, 0.0)
        some = [*calls.each(act, range(2), of=["a", "b"]), calls.call(act, 0, of="c", near=ONE)]
        some.append(calls.call(act, 0, of="c"))
        assert [future.key[1] for future in some] == ["a", "b", "c", "c#2"]
        assert {key_split(future.key) for future in some} == {"host_of"}
        assert len({future.key[0] for future in some}) == 1
        client.gather(some)
        # A host that is gone is no matter.
        stop(first)
        wait_for(lambda: len(client.scheduler_info(-1)["workers"]) == 1, "the loss")
        assert calls.result(calls.call(host_of, 0.0, None, near=ONE)) == OTHER
