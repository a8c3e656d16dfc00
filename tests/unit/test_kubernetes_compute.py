"""A driver and a worker in a pod: how they find their scheduler, and how a worker leaves."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from distributed import Client, LocalCluster

from skymosaic.clusters.kubernetes import workers as kubernetes
from skymosaic.clusters.kubernetes.retirement import main, retire
from skymosaic.config import Compute
from skymosaic.errors import ComputeError, InstallationError
from skymosaic.steps.execution import dashboard_of


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster


def settings(**own: Any) -> Compute:
    return Compute(backend="kubernetes", kubernetes={"patience": 20, **own})


def test_the_driver_is_a_client_of_its_scheduler(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kubernetes.ADDRESS, cluster.scheduler_address)
    with kubernetes.client(settings(), 1) as client:
        assert client.submit(sum, [1, 2]).result() == 3
        # What the scheduler has there in a pod is its health only.
        assert dashboard_of(client) == ""
    with Client(cluster.scheduler_address) as client:
        assert dashboard_of(client)


def test_the_operators_address_stands_in_for_a_service_that_came_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(kubernetes.ADDRESS, "tls://$(SKYMOSAIC_A_SCHEDULER_SERVICE_HOST):8786")
    with pytest.raises(ComputeError, match="was not there when this pod started") as caught:
        kubernetes.scheduler_address()
    assert caught.value.passes_by_itself  # so that the Job starts another pod
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://a-scheduler.n.svc.cluster.local:8786")
    # It knows nothing of TLS.
    assert kubernetes.scheduler_address() == "tls://a-scheduler.n.svc.cluster.local:8786"


def test_outside_a_pod_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(kubernetes.ADDRESS, raising=False)
    with pytest.raises(ComputeError, match="skymosaic submit"), kubernetes.client(settings(), 1):
        pass


def test_a_cluster_of_the_operator_needs_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_kubernetes.operator", None)
    with (
        pytest.raises(InstallationError, match=r"pip install skymosaic\[kubernetes\]"),
        kubernetes.client(settings(cluster="mine"), 1),
    ):
        pass


def test_a_cluster_of_the_operator_is_used(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    class KubeCluster:
        """Plays dask-kubernetes' class, whose name and namespace are all that we give it."""

        scheduler_address = cluster.scheduler_address

        @classmethod
        def from_name(cls, name: str, namespace: str) -> KubeCluster:
            calls.append((name, namespace))
            return cls()

        def __enter__(self) -> KubeCluster:
            return self

        def __exit__(self, *_: object) -> None:
            calls.append("left")

    for name in ("dask_kubernetes", "dask_kubernetes.operator"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(
        sys.modules["dask_kubernetes.operator"], "KubeCluster", KubeCluster, raising=False
    )
    with kubernetes.client(settings(cluster="mine", namespace="sky"), 1) as client:
        assert client.submit(sum, [1, 2]).result() == 3
    assert calls == [("mine", "sky"), "left"]
    assert "DaskCluster mine is not encrypted: every user of this host can run" in caplog.text


@pytest.mark.parametrize(
    ("last", "silent"),
    [("", "the API server"), ("Connecting to scheduler", "the scheduler at the other end")],
)
def test_a_tunnel_that_does_not_open_is_given_up_and_what_is_silent_named(
    monkeypatch: pytest.MonkeyPatch, last: str, silent: str
) -> None:
    class KubeCluster:
        """Plays dask-kubernetes' class, which waits for what does not come."""

        @classmethod
        def from_name(cls, name: str, namespace: str) -> None:
            if last:
                cls()._log(last)
            time.sleep(3600)

        def _log(self, log: str) -> None:
            """Keep nothing."""

    for name in ("dask_kubernetes", "dask_kubernetes.operator"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(
        sys.modules["dask_kubernetes.operator"], "KubeCluster", KubeCluster, raising=False
    )
    with (
        pytest.raises(ComputeError, match=rf"did not open within 0.2 s.*is {silent}"),
        kubernetes.client(settings(cluster="mine", patience=0.2), 1),
    ):
        pass


def test_a_scheduler_without_workers_is_waited_for_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as empty:
        monkeypatch.setenv(kubernetes.ADDRESS, empty.scheduler_address)
        with (
            pytest.raises(ComputeError, match="no workers connected to the scheduler"),
            kubernetes.client(settings(patience=1), 1),
        ):
            pass


def note(path: str, seconds: float) -> str:
    with Path(path).open("a") as notes:
        notes.write("once\n")
    time.sleep(seconds)
    return path


def test_a_worker_ends_its_task_before_it_leaves(cluster: LocalCluster, tmp_path: Path) -> None:
    with Client(cluster) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        names = {address: str(worker["name"]) for address, worker in workers.items()}
        paths = [str(tmp_path / name) for name in "abcdef"]
        futures = client.map(note, paths, seconds=1.0)
        while not (tmp_path / "a").exists():
            time.sleep(0.05)
        [busy] = [a for a, keys in client.processing().items() if futures[0].key in keys]
        assert retire(client, names[busy], seconds=30)
        # What it had begun was not begun again, and what waited for it went elsewhere.
        assert client.gather(futures) == paths
        assert {(tmp_path / name).read_text() for name in "abcdef"} == {"once\n"}
        assert busy not in client.scheduler_info(n_workers=-1)["workers"]
        with pytest.raises(ComputeError, match="knows no worker"):
            retire(client, names[busy], seconds=1)


def test_without_a_scheduler_a_worker_leaves_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(kubernetes.ADDRESS, raising=False)
    monkeypatch.setattr(sys, "argv", ["retirement", "600"])
    main()
    assert "the worker leaves as it is" in capsys.readouterr().err
