"""The workers of the job that this run is part of: `skymosaic submit` made it, with a scheduler."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from distributed import Client

from skymosaic.clusters import certificates
from skymosaic.clusters.slurm.commands import last_words, remedy_of
from skymosaic.config import Compute
from skymosaic.errors import ComputeError, OutOfMemoryError, WalltimeError

FOLDER = "SKYMOSAIC_SLURM_RUN"
"""Variable that the batch script sets: the folder of this run's logs and certificates."""
SCHEDULER = "scheduler.json"
WALLTIME, NO_WORKERS = "walltime", "no-workers"
"""Files in that folder: the walltime is nearly over; no node has workers any more."""
_PATIENCE = 120.0  # s for scheduler and workers of the job to be there


def is_ours() -> bool:
    """Whether this process is the driver in a job that `skymosaic submit` made."""
    return bool(os.environ.get(FOLDER))


@contextmanager
def client(settings: Compute) -> Iterator[Client]:
    """Yield a client of the job's own workers.

    Parameters
    ----------
    settings : Compute
        The campaign's.

    Raises
    ------
    ComputeError
        Scheduler or workers are not there, or were lost; with what their logs say.
    OutOfMemoryError
        A task took its worker down again and again.
    WalltimeError
        The job's time is nearly over.
    """
    folder = Path(os.environ[FOLDER])
    heard = {signal.SIGUSR1: _walltime_is_over, signal.SIGUSR2: _no_workers}
    before = {number: signal.signal(number, handler) for number, handler in heard.items()}
    try:
        # A signal may have come before we listened.
        for number, name in ((signal.SIGUSR1, WALLTIME), (signal.SIGUSR2, NO_WORKERS)):
            if (folder / name).exists():
                signal.raise_signal(number)
        with _connected(settings, folder) as connected:
            _wait_for_workers(connected, settings.slurm.nodes * settings.slurm.cores)
            yield connected
    except (ComputeError, OutOfMemoryError) as error:
        words = last_words(sorted(folder.glob("*.log")))
        said = f". The job's logs say: {words}" if words else ""
        raise type(error)(f"{error}{said}{remedy_of(words)}. Logs: {folder}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _connected(settings: Compute, folder: Path) -> Iterator[Client]:
    file = folder / SCHEDULER
    end = time.monotonic() + _PATIENCE
    while not file.exists():
        if time.monotonic() > end:
            raise ComputeError("the job's Dask scheduler did not start; submit again")
        time.sleep(0.1)
    security = certificates.security_of(folder) if settings.slurm.encrypted else None
    try:
        connected = Client(scheduler_file=str(file), security=security, timeout=_PATIENCE)
    except (OSError, ValueError, TypeError) as error:
        raise ComputeError(
            f"the job's Dask scheduler does not answer ({error}); submit again"
        ) from None
    with connected:
        yield connected


def _wait_for_workers(connected: Client, expected: int) -> None:
    """Wait for all workers of the job; those that come are enough, if there is one."""
    try:
        connected.wait_for_workers(expected, timeout=_PATIENCE)
    except TimeoutError:
        if not connected.scheduler_info(n_workers=-1)["workers"]:
            raise ComputeError(
                f"none of the job's {expected} workers came within {_PATIENCE:.0f} s"
            ) from None


def _walltime_is_over(_number: int, _frame: Any) -> NoReturn:
    identifier = os.environ.get("SLURM_JOB_ID", "")
    raise WalltimeError(
        f"the walltime of Slurm job {identifier} is nearly over, so the run was stopped. "
        "Finished steps are kept. To resume, submit it again or use `skymosaic restart`; with a "
        "longer compute.slurm.walltime it may finish in one job"
    )


def _no_workers(_number: int, _frame: Any) -> NoReturn:
    raise ComputeError(
        "the workers of all nodes of the job ended repeatedly; run again to resume from the "
        "finished steps"
    )
