"""Worker processes on this machine."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import dask
import distributed
from distributed import Client, Nanny, SpecCluster

from skymosaic.clusters import certificates, servers
from skymosaic.clusters.alive import of_host
from skymosaic.config import Compute
from skymosaic.drizzlepac_calls import process
from skymosaic.errors import ComputeError
from skymosaic.host import limits, scratch
from skymosaic.host.disk import SCRATCH_REMEDY, require_space
from skymosaic.steps.tasks import CALLS

# What a worker and its drizzlepac child were seen to need, with room for a larger mosaic.
MEMORY_PER_WORKER = 2e9  # bytes

DASK_SETTINGS = {
    # A worker that dies three times with the same task is dying of the task.
    "distributed.scheduler.allowed-failures": 3,
    "distributed.comm.timeouts.connect": "30s",
    # A spawned worker imports everything anew, which takes a second of a core.
    "distributed.worker.multiprocessing-method": "forkserver",
    # Dask's looking at itself, many times a second in each process, cost a fifth of a busy worker.
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "2s",
    "distributed.scheduler.default-task-durations": CALLS,
}


def choose_workers(settings: Compute, tasks: int) -> int:
    """Return the number of workers: the user's, or as many as cores, memory and tasks allow.

    Cores and memory are those that the container may use, not those of its host.
    """
    if settings.workers != "auto":
        return int(settings.workers)
    by_memory = int(limits.free_memory() // MEMORY_PER_WORKER)
    return max(1, min(limits.cores(), by_memory, tasks))


@contextmanager
def client(settings: Compute, tasks: int, idlers: int = 0) -> Iterator[Client]:
    """Yield a Dask client of worker processes with one thread each, stopped at the end.

    drizzlepac cannot run in two threads of a process, so parallelism is by processes.

    Parameters
    ----------
    settings : Compute
        The campaign's.
    tasks : int
        How many tasks can run at once at most.
    idlers : int
        How many tasks that wait more than they work, such as downloads, can run at once: there
        are at least so many workers.

    Raises
    ------
    ComputeError
        The workers did not start.
    """
    with (
        scratch.folder(settings.scratch, "dask") as folder,
        dask.config.set({**DASK_SETTINGS, "temporary-directory": str(folder)}),
    ):
        try:
            cluster = _cluster(settings, max(choose_workers(settings, tasks), idlers))
        except (OSError, RuntimeError, TimeoutError) as error:
            require_space(folder, SCRATCH_REMEDY)
            raise ComputeError(
                f"the workers did not start ({error}); is 127.0.0.1 reachable and memory left? "
                f"Python: {sys.executable}"
            ) from error
        with cluster, Client(cluster) as connected:
            yield connected


def alive(_settings: Compute) -> list[str]:
    """Return what this host offers, a line each."""
    return of_host()


def _cluster(settings: Compute, workers: int) -> SpecCluster:
    """Start a scheduler in this process, and workers, each a process under a nanny.

    Other users of the host reach 127.0.0.1, too, and who talks to a scheduler or a worker can run
    anything: who has no certificate of this run gets no word from them. The key is in the memory of
    these processes only.
    """
    ours = {
        "host": "127.0.0.1",
        "protocol": "tls://",
        "security": certificates.of_run(),
    }
    # A dashboard comes with all that Dask serves over HTTP; without one, there is no such server.
    scheduler = {
        "cls": distributed.Scheduler if settings.dashboard else servers.Scheduler,
        "options": {
            **ours,
            "port": 0,
            "dashboard": settings.dashboard,
            "dashboard_address": "127.0.0.1:0",
        },
    }
    worker = {
        "cls": Nanny,
        "options": {
            **ours,
            "worker_class": servers.Worker,
            "nthreads": 1,
            "memory_limit": 0 if settings.memory_limit is None else settings.memory_limit,
            "silence_logs": logging.CRITICAL,
            "env": process.for_workers(),
        },
    }
    return SpecCluster(
        scheduler=scheduler,
        worker=worker,
        workers=dict.fromkeys(range(workers), worker),
        security=ours["security"],
        silence_logs=logging.CRITICAL,
    )
