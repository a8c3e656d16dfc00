"""Dask's own TLS between driver, scheduler and workers, with real certificates."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest

from skymosaic.clusters import client
from skymosaic.clusters.addresses import require_private
from skymosaic.clusters.scheduler import workers
from skymosaic.config import Compute
from skymosaic.errors import CampaignError, ComputeError
from skymosaic.runs.driver import tls_environment
from tests.certificates import write_certificates
from tests.dask_cluster import DaskCluster, dask_cluster


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def configured(certificates: dict[str, Path]) -> Iterator[None]:
    """This process has certificates by Dask's own configuration."""
    ours = {"cert": str(certificates["cert"]), "key": str(certificates["key"])}
    with dask.config.set(
        {
            "distributed.comm.tls.ca-file": str(certificates["ca"]),
            "distributed.comm.tls.client": ours,
        }
    ):
        yield


@pytest.fixture(scope="module")
def cluster(
    certificates: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DaskCluster]:
    """A scheduler and a worker that got their certificates on their command lines."""
    options = [
        *("--tls-ca-file", str(certificates["ca"])),
        *("--tls-cert", str(certificates["cert"])),
        *("--tls-key", str(certificates["key"])),
    ]
    folder = tmp_path_factory.mktemp("cluster")
    with dask_cluster(folder, options=options, protocol="tls") as running:
        running.add_worker()
        yield running


def tls_of_worker(dask_worker) -> dict[str, str]:
    return tls_environment(dask_worker.security)


def test_encrypted_from_end_to_end(cluster: DaskCluster, configured: None) -> None:
    with client(Compute(backend="scheduler", address=cluster.address), 1) as connected:
        assert connected.scheduler.address.startswith("tls://")
        [worker] = connected.scheduler_info(-1)["workers"]
        assert worker.startswith("tls://")
        [environment] = connected.run(tls_of_worker).values()
    # A driver beside that worker reaches the scheduler with what the worker was given.
    code = (
        "from distributed import Client\n"
        f"with Client({cluster.address!r}, timeout=20) as client:\n"
        "    print(len(client.scheduler_info(-1)['workers']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "1\n", done.stderr


def test_without_certificates_it_is_said(cluster: DaskCluster, monkeypatch) -> None:
    monkeypatch.setattr(workers, "_PATIENCE", 2)
    with (
        pytest.raises(ComputeError, match=r"distributed\.comm\.tls"),
        client(Compute(backend="scheduler", address=cluster.address), 1),
    ):
        pytest.fail("it let us in without certificates")


def test_another_authority_is_not_trusted(
    cluster: DaskCluster, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(workers, "_PATIENCE", 2)
    strangers = write_certificates(tmp_path)
    theirs = {"cert": str(strangers["cert"]), "key": str(strangers["key"])}
    with (
        dask.config.set(
            {
                "distributed.comm.tls.ca-file": str(strangers["ca"]),
                "distributed.comm.tls.client": theirs,
            }
        ),
        pytest.raises(ComputeError, match="no Dask scheduler answers"),
        client(Compute(backend="scheduler", address=cluster.address), 1),
    ):
        pytest.fail("it let a stranger in")


@pytest.mark.parametrize(
    "address",
    [
        "tcp://10.1.2.3:8786",
        "10.1.2.3:8786",
        "tcp://scheduler:8786",
        "ws://10.1.2.3:80",
        "tcp://[2001:db8::1]:8786",
        "tcp://0.0.0.0:8786",
    ],
)
def test_remote_addresses_need_tls(address: str) -> None:
    with pytest.raises(CampaignError, match=r"compute\.insecure"):
        require_private(address, insecure=False)
    require_private(address, insecure=True)


@pytest.mark.parametrize(
    "address",
    [
        "tls://10.1.2.3:8786",
        "tcp://127.0.0.1:8786",
        "127.0.0.1:9",
        "localhost:8786",
        "tcp://[::1]:8786",
        "inproc://10.1.2.3/1/1",
    ],
)
def test_local_and_encrypted_addresses_are_private(address: str) -> None:
    require_private(address, insecure=False)
