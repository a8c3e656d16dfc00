"""The processes that mpirun started: rank 0 schedules, rank 1 drives, the others work.

Dask needs MPI only to find each other: rank 0 broadcasts its address, and all talk by TLS then.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client

from skymosaic.compute import certificates, local
from skymosaic.config import Compute
from skymosaic.errors import CampaignError, ComputeError, InstallationError

log = logging.getLogger(__name__)

_FEWEST = 3
_PATIENCE = 120  # s for all workers to be there
_USAGE = (
    "start it as `mpirun -np N skymosaic run ...`, N at least 3: a scheduler, a driver, workers"
)


def join(settings: Compute) -> None:
    """Take this process's part: only the driver returns, the others serve until it ends.

    Parameters
    ----------
    settings : Compute
        The campaign's.

    Raises
    ------
    CampaignError
        There are too few processes.
    InstallationError
        dask-mpi, mpi4py or an MPI library is missing.
    SystemExit
        The driver has ended, and with it this process's part.
    """
    try:
        from dask_mpi import initialize
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: no MPI library
        raise InstallationError(
            f"compute.backend mpi needs dask-mpi, mpi4py and an MPI library ({error}): "
            "pip install skymosaic[mpi], and Debian's openmpi-bin or your site's module"
        ) from None
    world = MPI.COMM_WORLD
    if world.Get_size() < _FEWEST:
        raise CampaignError(f"there are {world.Get_size()} processes of MPI: {_USAGE}")
    dask.config.set(local.DASK_SETTINGS)
    limit = settings.memory_limit
    try:
        _encrypt(world)
        initialize(
            interface=settings.mpi.interface,
            nthreads=1,
            protocol="tls://",
            memory_limit=0 if limit is None else limit,
            dashboard=False,
            comm=world,
            worker_options={"death_timeout": _PATIENCE},
        )
    except Exception as error:
        # The others wait for this process: an end of its own would leave them waiting.
        log.error(
            "process %s of MPI ends all: %s: %s", world.Get_rank(), type(error).__name__, error
        )
        sys.stderr.flush()
        world.Abort(ComputeError.exit_code)


def _encrypt(world: Any) -> None:
    """Let all processes use one certificate, which rank 0 makes for this run."""
    made = certificates.temporary() if world.Get_rank() == 0 else None
    certificate, key = world.bcast(made and (made.tls_ca_file, made.tls_client_key), root=0)
    tls = "distributed.comm.tls"
    dask.config.set({f"{tls}.ca-file": certificate, "distributed.comm.require-encryption": True})
    for role in ("scheduler", "worker", "client"):
        dask.config.set({f"{tls}.{role}.cert": certificate, f"{tls}.{role}.key": key})


@contextmanager
def client(settings: Compute, tasks: int, idlers: int = 0) -> Iterator[Client]:
    """Yield the driver's client, once all workers are there; parameters as for `local.client`.

    Raises
    ------
    CampaignError
        This process has not joined the others: it is no `skymosaic run`.
    ComputeError
        Workers did not come.
    """
    address = dask.config.get("scheduler_address", None)
    if address is None:
        raise CampaignError(f"compute.backend mpi: {_USAGE}")
    from mpi4py import MPI

    workers = MPI.COMM_WORLD.Get_size() - 2
    with Client(address, timeout=_PATIENCE) as connected:
        try:
            connected.wait_for_workers(workers, timeout=_PATIENCE)
        except TimeoutError:
            raise ComputeError(
                f"of {workers} workers not all came within {_PATIENCE} s: is there a "
                "network between the hosts (compute.mpi.interface)?"
            ) from None
        yield connected
