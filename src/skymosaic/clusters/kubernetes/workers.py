"""The workers that a campaign has on Kubernetes, seen from its driver.

The driver is a pod of the campaign's Job, and so a client of the campaign's scheduler. It finds it
by what Kubernetes puts into the environment of every pod, so a cluster needs no DNS for it. A
driver outside the cluster can use a DaskCluster that dask-kubernetes' operator keeps.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import Client
from distributed.comm.addressing import parse_address, unparse_address

from skymosaic.clusters.kubernetes import tunnel
from skymosaic.clusters.scheduler import workers
from skymosaic.config import Compute
from skymosaic.errors import ComputeError

ADDRESS = "SKYMOSAIC_SCHEDULER_ADDRESS"
"""Environment variable with the scheduler's address, such as ``tls://10.0.0.1:8786``."""
_OPERATORS = "DASK_SCHEDULER_ADDRESS"  # set in its pods by dask-kubernetes' operator; needs DNS

_LOOK = (
    "`kubectl get pods` and `kubectl describe pod` tell why; compute.kubernetes.patience is "
    "how long skymosaic waits"
)


@contextmanager
def client(settings: Compute, tasks: int, idlers: int = 0) -> Iterator[Client]:
    """Yield a client of the campaign's scheduler; it and its workers go on when we are done.

    Parameters
    ----------
    settings : Compute
        The campaign's; `kubernetes.patience` is how long pods may take to be started.
    tasks, idlers : int
        Not used: the campaign's Deployment says how many workers there are.

    Raises
    ------
    ComputeError
        This is no pod of the campaign, or the scheduler or its workers did not come.
    InstallationError
        The driver is outside the cluster, and dask-kubernetes is not installed.
    """
    patience = settings.kubernetes.patience
    # By TLS with the files that the pod's environment names, which is Dask's own configuration.
    with (
        # Its port for HTTP tells its health only.
        dask.config.set({"distributed.dashboard.link": ""}),
        _address(settings) as address,
        workers.answering(address, patience, _LOOK) as connected,
    ):
        _wait_for_workers(connected, address, patience)
        workers.require_fit(connected, address)
        yield connected


@contextmanager
def _address(settings: Compute) -> Iterator[str]:
    """Yield the scheduler's address, which may be the end of a tunnel that is open meanwhile."""
    kubernetes = settings.kubernetes
    if kubernetes.cluster is None:
        yield scheduler_address()
        return
    with tunnel.opened(kubernetes.cluster, kubernetes.namespace, kubernetes.patience) as address:
        yield address


def _wait_for_workers(connected: Client, address: str, patience: float) -> None:
    # Images are pulled and nodes added first, which takes longer than a running scheduler may.
    try:
        connected.wait_for_workers(1, timeout=patience)
    except OSError as error:  # TimeoutError is an OSError
        raise ComputeError(
            f"no workers connected to the scheduler at {address} in {patience:g} s ({error}); "
            f"{_LOOK}"
        ) from None


def scheduler_address() -> str:
    """Return the address of the campaign's scheduler, as this pod's environment has it.

    Raises
    ------
    ComputeError
        It has none.
    """
    address, operators = os.environ.get(ADDRESS, ""), os.environ.get(_OPERATORS, "")
    if not address:
        raise ComputeError(
            f"this is no pod of the campaign on Kubernetes ({ADDRESS} is not set); hand the "
            "campaign over with `skymosaic submit`, or run it here with --set compute.backend=local"
        )
    # Kubernetes leaves a reference as it is where the Service came after the pod.
    if "$(" not in address:
        return address
    if not operators:
        raise ComputeError(
            f"the scheduler's Service was not there when this pod started ({ADDRESS} is "
            f"{address}); the next pod finds it"
        )
    # The operator says tcp:// of every scheduler.
    (scheme, _), (_, location) = parse_address(address), parse_address(operators)
    return unparse_address(scheme, location)


def alive(_settings: Compute) -> list[str]:
    """Return that there is nobody to ask: the workers start with a run."""
    return ["kubernetes: workers start with a run, so there is nothing to check before"]
