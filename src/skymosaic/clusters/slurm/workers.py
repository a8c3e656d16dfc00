"""Workers that are jobs of Slurm, asked for by dask-jobqueue; the scheduler is in this process.

In a job that `skymosaic submit` made, scheduler and workers are there already: the run joins them.
"""

from __future__ import annotations

import logging
import math
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dask
from dask.utils import parse_bytes
from distributed import Client

from skymosaic.clusters import certificates, local
from skymosaic.clusters.slurm import allocation
from skymosaic.clusters.slurm.commands import command, last_words, remedy_of, require_accepted
from skymosaic.config import Compute
from skymosaic.config.slurm import Slurm
from skymosaic.errors import ComputeError, InstallationError, OutOfMemoryError, SkymosaicError

if TYPE_CHECKING:
    from dask_jobqueue import SLURMCluster

log = logging.getLogger(__name__)

JOB_NAME = "skymosaic-workers"
_DEATH = 60  # s after which a worker ends that finds no scheduler
_GATHERING = 60.0  # s for the other workers, once there is one


@contextmanager
def client(settings: Compute, tasks: int, idlers: int = 0) -> Iterator[Client]:
    """Yield a client of workers that Slurm runs, each with one thread, ended with the context.

    Parameters
    ----------
    settings : Compute
        The campaign's.
    tasks, idlers : int
        How many tasks can run at once at most, and how many that wait more than they work.

    Raises
    ------
    ComputeError
        Slurm refuses the jobs, they end again and again, or none begins for too long: in Slurm's
        own words.
    InstallationError
        dask-jobqueue is missing.
    OutOfMemoryError
        A task took its worker down again and again; with what Slurm says of it.
    """
    if allocation.is_ours():
        with allocation.client(settings) as joined:
            yield joined
        return
    slurm = settings.slurm
    jobs, processes = share_out(settings, max(tasks, idlers))
    logs = _log_folder(slurm)
    with (
        dask.config.set(local.DASK_SETTINGS),
        _cluster(settings, processes, logs) as cluster,
        Client(cluster) as connected,
    ):
        from skymosaic.clusters.slurm.jobs import Keeper

        with Keeper(cluster, connected, jobs, logs) as keeper:
            wait_for_workers(keeper, connected, slurm.patience, jobs * processes)
            try:
                yield connected
            except SkymosaicError as error:
                if not (keeper.problem or isinstance(error, ComputeError | OutOfMemoryError)):
                    raise
                why = keeper.problem or keeper.history()
                raise type(error)(explained(str(error), why, logs)) from None


def alive(settings: Compute) -> list[str]:
    """Return what Slurm says of the partition that workers would run in, a line each.

    Raises
    ------
    ComputeError
        Slurm does not answer.
    """
    partition = settings.slurm.partition
    chosen = [f"--partition={partition}"] if partition else []
    rows = command("sinfo", "--format=%P %a %l %D %T %c %m", *chosen).splitlines()
    return ["Slurm: alive", *rows, "workers start with a run, or with skymosaic submit"]


def share_out(settings: Compute, tasks: int) -> tuple[int, int]:
    """Return how many jobs of how many workers each to ask for.

    Parameters
    ----------
    settings : Compute
        The campaign's.
    tasks : int
        How many can run at once at most.
    """
    slurm = settings.slurm
    if settings.workers == "auto":
        workers = max(1, min(tasks, slurm.jobs * slurm.cores))
    else:
        workers = int(settings.workers)
    processes = min(slurm.cores, workers)
    return math.ceil(workers / processes), processes


def script_settings(settings: Compute, processes: int, logs: Path) -> dict[str, Any]:
    """Return what dask-jobqueue is asked for, by its own names.

    Parameters
    ----------
    settings : Compute
        The campaign's.
    processes : int
        Workers of a job.
    logs : Path
        Folder for the jobs' logs.
    """
    slurm = settings.slurm
    stagger = slurm.grace / 4
    lifetime = slurm.walltime_seconds - slurm.grace - stagger
    return {
        "cores": processes,
        "processes": processes,
        "memory": slurm.memory,
        "job_mem": slurm_memory(slurm),
        "job_cpu": processes,
        "job_name": JOB_NAME,
        "queue": slurm.partition,
        "account": slurm.account,
        "walltime": slurm.walltime,
        "interface": slurm.interface,
        "python": shlex.join([*slurm.command, slurm.python or sys.executable]),
        "nanny": True,
        "death_timeout": _DEATH,
        "worker_extra_args": [
            *("--lifetime", f"{lifetime:.0f}s", "--lifetime-stagger", f"{stagger:.0f}s"),
            *memory_limit(settings),
        ],
        "job_extra_directives": [
            f"--output={logs}/worker-%j.log",
            "--open-mode=append",
            "--requeue" if slurm.requeue else "--no-requeue",
            *([f"--qos={slurm.qos}"] if slurm.qos else []),
            *slurm.directives,
        ],
        "job_script_prologue": prologue(slurm),
        "job_directives_skip": [],
        "log_directory": None,
        "shebang": "#!/bin/bash",
        "worker_command": "skymosaic.clusters.worker",
    }


def slurm_memory(slurm: Slurm) -> str:
    """Return the memory of a job as Slurm reads it."""
    return f"{math.ceil(parse_bytes(slurm.memory) / 2**20)}M"


def memory_limit(settings: Compute) -> list[str]:
    """Return the words that limit a worker's memory, if not to its share of the job's."""
    if settings.memory_limit == "auto":
        return []
    limit = settings.memory_limit
    return ["--memory-limit", "0" if limit is None else limit.replace(" ", "")]


def prologue(slurm: Slurm) -> list[str]:
    """Return the commands that a job begins with."""
    # A variable that the job does not have ends it, rather than work elsewhere.
    expanded = re.sub(r"\$\{?(\w+)\}?", r"${\1:?has no value in this job}", slurm.scratch or "")
    threads = "export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1"
    scratch = [f'export TMPDIR="{expanded}"', 'mkdir -p "$TMPDIR"'] if slurm.scratch else []
    return ["umask 077", threads, *slurm.prologue, *scratch]


@contextmanager
def _cluster(settings: Compute, processes: int, logs: Path) -> Iterator[SLURMCluster]:
    try:
        from skymosaic.clusters.slurm.jobs import WorkerJob, cluster_of
    except ImportError as error:
        raise InstallationError(
            f"compute.backend slurm needs dask-jobqueue ({error}): pip install skymosaic[slurm]"
        ) from None
    words = script_settings(settings, processes, logs)
    script = WorkerJob("tcp://127.0.0.1:1", name="test", **words).job_script()
    require_accepted(script)
    security = certificates.of_run() if settings.slurm.encrypted else None
    with cluster_of(words, security, logs) as cluster:
        yield cluster


def _log_folder(slurm: Slurm) -> Path:
    """Make and return the folder of this run's logs and certificates."""
    stamp = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
    folder = logs_root(slurm) / f"workers-{stamp}-{uuid4().hex[:6]}"
    try:
        folder.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise ComputeError(
            f"no folder for logs can be made at {folder} ({error.strerror}); set compute.slurm.logs"
        ) from None
    return folder


def logs_root(slurm: Slurm) -> Path:
    """Return the folder that holds a folder for each run's logs.

    Raises
    ------
    ComputeError
        Slurm could not read its name from a script.
    """
    root = slurm.logs or Path.cwd() / "slurm-logs"
    try:
        Slurm(logs=root)
    except ValueError:
        raise ComputeError(
            f"logs cannot be kept in {root}: Slurm cannot read such a name from a script; set "
            "compute.slurm.logs to a folder of letters and digits"
        ) from None
    return root


def wait_for_workers(keeper: Any, connected: Client, patience: float, expected: int) -> None:
    """Wait for the first worker, and for a while for the others, telling what Slurm says.

    Raises
    ------
    ComputeError
        None came in time, or their jobs end again and again.
    """
    end, said, first = time.monotonic() + patience, "", 0.0
    while (count := len(connected.scheduler_info(n_workers=-1)["workers"])) < expected:
        keeper.require_hope()
        now = time.monotonic()
        if count:
            first = first or now
            if now - first > _GATHERING or not keeper.starting():
                return  # the rest waits in the queue: begin with these
        elif now > end:
            raise ComputeError(
                f"no worker began within {patience:.0f} s; Slurm says: {keeper.summary()}. Wait "
                "longer (compute.slurm.patience), or ask for less"
            )
        if (summary := keeper.summary()) != said and not count:
            said = summary
            log.warning("waiting for Slurm: %s", said)
        time.sleep(0.5)


def explained(why: str, history: str, logs: Path) -> str:
    """Return why a run ended, with what Slurm and the jobs' logs say.

    Parameters
    ----------
    why, history : str
        What the run saw; what Slurm said of jobs that ended, empty without any.
    logs : Path
        Folder of the jobs' logs.
    """
    words = last_words(sorted(logs.glob("*.log"), key=os.path.getmtime))
    slurm = f". Slurm says: {history}" if history else ""
    said = f". The jobs' logs say: {words}" if words else ""
    return f"{why}{slurm}{said}{remedy_of(words)}. Logs: {logs}"
