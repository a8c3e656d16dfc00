"""Other users of the host get no word from a run, and run no code in it."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from distributed import Client
from distributed.security import Security

from skymosaic import clusters
from skymosaic.config import Compute
from skymosaic.drizzlepac_calls import process
from skymosaic.steps import execution
from tests.strangers import answers, listening


@pytest.fixture
def run(tmp_path: Path):
    """Workers of a run, the process that drizzlepac is called in, and their processes."""
    settings = Compute(workers=1, scratch=tmp_path, memory_limit=None)
    process.warm()
    with clusters.client(settings, 1) as client:
        me = psutil.Process()
        yield client, [me, *me.children(recursive=True)]


def test_what_a_local_run_listens_at_says_nothing_to_others(run) -> None:
    client, family = run
    found = listening(family)
    # Scheduler, nanny and worker; no HTTP server.
    addresses = {address for address in found["tcp"] if address.startswith("127.0.0.1:")}
    known = {client.scheduler.address, *client.scheduler_info(-1)["workers"]}
    known |= {worker["nanny"] for worker in client.scheduler_info(-1)["workers"].values()}
    assert {f"tls://{address}" for address in addresses} == known
    assert set(found["tcp"]) == addresses, "something listens beyond this host"
    assert found["unix"], "the process of drizzlepac listens at one"
    assert answers(found) == {}
    assert execution.dashboard_of(client) == ""
    assert client.submit(execution.dashboard).result(timeout=30) == ""
    # Those who belong to the run are heard.
    assert client.submit(int, "7").result(timeout=30) == 7


def test_a_dashboard_that_was_asked_for_is_found(tmp_path: Path) -> None:
    settings = Compute(workers=1, scratch=tmp_path, memory_limit=None, dashboard=True)
    with clusters.client(settings, 1) as client:
        address = execution.dashboard_of(client)
        assert client.submit(execution.dashboard).result(timeout=30) == address
        port = address.removeprefix("http://127.0.0.1:").removesuffix("/status")
        heard = answers({"tcp": [f"127.0.0.1:{port}"]})
        # The docs say so: every user of the host can read it.
        assert any("200 OK" in said for said in heard.values())


def test_who_has_other_certificates_is_refused(run) -> None:
    client, _ = run
    with pytest.raises(OSError, match=r"Timed out|certificate|handshake"):
        Client(client.scheduler.address, security=Security.temporary(), timeout=2)
