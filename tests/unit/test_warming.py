"""Workers of other hosts start drizzlepac's server before their first task."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from distributed import Client, LocalCluster

from skymosaic.drizzlepac_calls import process
from skymosaic.runs.warming import warm_workers


@pytest.fixture
def client() -> Iterator[Client]:
    """Yield a client of a cluster of one worker, in this process."""
    # Other tests of this process may have a server.
    known, process._server = process._server, None
    before = os.environ.pop(process.ADDRESS, None)
    with (
        LocalCluster(
            n_workers=1,
            processes=False,
            protocol="tcp",
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
    if process._server is not None:
        process._server.kill()  # it is still importing, for which `close` would wait
    process.close()
    process._server = known
    if before is not None:
        os.environ[process.ADDRESS] = before


def test_the_server_starts_with_the_worker_and_is_asked_for_no_longer(client: Client) -> None:
    def plugins() -> list[str]:
        return [
            name
            for found in client.run(lambda dask_worker: list(dask_worker.plugins)).values()
            for name in found
            if name.startswith("skymosaic-drizzlepac-")
        ]

    assert process.ADDRESS not in os.environ
    with warm_workers(client):
        assert process.ADDRESS in os.environ
        assert len(plugins()) == 1
    assert plugins() == []
