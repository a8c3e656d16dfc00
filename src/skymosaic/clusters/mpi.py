"""The processes that mpirun started: rank 0 schedules, rank 1 drives, the others work.

Dask needs MPI only to find each other: rank 0 broadcasts its address and the run's certificate, and
all talk by TLS then.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client
from distributed.security import Security

from skymosaic.clusters import certificates, local, servers
from skymosaic.config import Compute
from skymosaic.errors import CampaignError, ComputeError, InstallationError
from skymosaic.host import scratch
from skymosaic.host.counting import counted

log = logging.getLogger(__name__)

_FEWEST = 3
_PATIENCE = 120  # s for all workers to be there
_USAGE = (
    "start it as `mpirun -np N skymosaic run ...`, N at least 3: a scheduler, a driver, workers"
)

_scheduler: tuple[str, Security] | None = None
"""The driver's: where the scheduler is, and what it talks to it with."""


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
        mpi4py or an MPI library is missing.
    SystemExit
        The driver has ended, and with it this process's part.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: no MPI library
        raise InstallationError(
            f"compute.backend mpi needs mpi4py and an MPI library ({error}): "
            "pip install skymosaic[mpi], and Debian's openmpi-bin or your site's module"
        ) from None
    world = MPI.COMM_WORLD
    if world.Get_size() < _FEWEST:
        raise CampaignError(
            f"MPI started {counted(world.Get_size(), 'process', 'processes')}: {_USAGE}"
        )
    dask.config.set(local.DASK_SETTINGS)
    try:
        _take_part(settings, world)
    except Exception as error:
        # The others wait for this process: an end of its own would leave them waiting.
        log.error(
            "process %s of MPI ends all: %s: %s", world.Get_rank(), type(error).__name__, error
        )
        sys.stderr.flush()
        world.Abort(ComputeError.exit_code)


def _take_part(settings: Compute, world: Any) -> None:
    """Schedule, or work, until the driver ends; then this process ends. The driver returns."""
    global _scheduler
    rank = world.Get_rank()
    # In memory only: MPI carries it, and no configuration that somebody could print.
    security: Security = world.bcast(certificates.of_run() if rank == 0 else None, root=0)
    ours = {
        "interface": settings.mpi.interface,
        "protocol": "tls://",
        "security": security,
        "dashboard": False,
    }
    if rank == 0:
        asyncio.run(_schedule(ours, world))
    else:
        address = world.bcast(None, root=0)
        if rank == 1:
            _scheduler = address, security
            atexit.register(_end_all)
            return
        limit = settings.memory_limit
        with scratch.folder(settings.scratch, "dask") as folder:
            options = {
                **ours,
                "name": rank,
                "nthreads": 1,
                "memory_limit": 0 if limit is None else limit,
                "death_timeout": _PATIENCE,
                "local_directory": str(folder),
            }
            asyncio.run(_work(address, options))
    sys.exit()


async def _schedule(options: dict[str, Any], world: Any) -> None:
    async with servers.Scheduler(**options) as scheduler:
        world.bcast(scheduler.address, root=0)
        await scheduler.finished()


async def _work(address: str, options: dict[str, Any]) -> None:
    async with servers.Worker(address, **options) as worker:
        await worker.finished()


def _end_all() -> None:
    assert _scheduler is not None
    address, security = _scheduler
    with Client(address, security=security, timeout=_PATIENCE) as connected:
        connected.shutdown()


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
    if _scheduler is None:
        raise CampaignError(f"compute.backend mpi: {_USAGE}")
    from mpi4py import MPI

    address, security = _scheduler
    workers = MPI.COMM_WORLD.Get_size() - 2
    with Client(address, security=security, timeout=_PATIENCE) as connected:
        try:
            connected.wait_for_workers(workers, timeout=_PATIENCE)
        except TimeoutError:
            raise ComputeError(
                f"not all of {workers} workers connected within {_PATIENCE} s: is there a "
                "network between the hosts (compute.mpi.interface)?"
            ) from None
        yield connected


def alive(_settings: Compute) -> list[str]:
    """Return that there is nobody to ask: the workers start with a run."""
    return ["mpi: workers start with a run, so there is nothing to check before"]
