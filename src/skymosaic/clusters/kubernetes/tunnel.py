"""The way from outside to a DaskCluster that dask-kubernetes' operator keeps: a tunnel."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from skymosaic.errors import ComputeError, InstallationError

log = logging.getLogger(__name__)

_SILENT = {
    "": "the API server (`kubectl cluster-info` tells which)",
    "Connecting to existing cluster": "the API server (`kubectl cluster-info` tells which)",
    "Waiting for scheduler pod": "the scheduler's pod, which is not ready (`kubectl get pods`)",
    "Waiting for scheduler service": "the scheduler's Service, or the API server's forwarding of "
    "its port (the right to create pods/portforward)",
    "Connecting to scheduler": "the scheduler at the other end of the tunnel (its log tells more: "
    "`kubectl logs`; it must talk without TLS)",
    "Getting dashboard URL": "the forwarding of the scheduler's port for HTTP",
}
"""What did not answer, by what dask-kubernetes said last that it does."""


@contextmanager
def opened(name: str, namespace: str, patience: float) -> Iterator[str]:
    """Yield the scheduler's address at this end of a tunnel, which is open meanwhile.

    Parameters
    ----------
    name, namespace : str
        Of the DaskCluster.
    patience : float
        Seconds for the tunnel to open.

    Raises
    ------
    InstallationError
        dask-kubernetes is not installed.
    ComputeError
        There is no such cluster, or something on the way to it does not answer.
    """
    try:
        from dask_kubernetes.operator import KubeCluster
    except ImportError:
        raise InstallationError(
            "compute.kubernetes.cluster needs dask-kubernetes: pip install skymosaic[kubernetes]"
        ) from None
    steps = [""]

    class Watched(KubeCluster):
        """One that tells what it does."""

        def _log(self, log: str) -> None:
            steps.append(log)
            super()._log(log)

    try:
        cluster = _within(patience, lambda: Watched.from_name(name, namespace=namespace))
    except TimeoutError:
        raise ComputeError(
            f"the tunnel to the DaskCluster {name} in namespace {namespace} did not open within "
            f"{patience:g} s (compute.kubernetes.patience); what did not answer is "
            f"{_SILENT.get(steps[-1], steps[-1])}"
        ) from None
    except Exception as error:  # those of three libraries that speak with Kubernetes
        raise ComputeError(
            f"no DaskCluster {name} can be used in namespace {namespace} "
            f"({type(error).__name__}: {error}); `kubectl --namespace {namespace} get "
            "daskclusters` tells which there are"
        ) from None
    with cluster:
        log.warning(
            "the connection to the DaskCluster %s is not encrypted: every user of this host can "
            "run anything on its workers by %s, the tunnel that is open now, as you. The pods that "
            "`skymosaic submit` makes talk by TLS",
            *(name, cluster.scheduler_address),
        )
        yield cluster.scheduler_address


def _within(patience: float, act: Callable[[], Any]) -> Any:
    """Return what a function returns, if it does within some seconds.

    dask-kubernetes waits without an end: it is left alone then, and ends with this process.
    """
    results: list[Any] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(act())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="tunnel", daemon=True)
    thread.start()
    thread.join(patience)
    if thread.is_alive():
        raise TimeoutError
    if errors:
        raise errors[0]
    return results[0]
