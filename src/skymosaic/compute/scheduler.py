"""A Dask scheduler that is running already, with its workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client

from skymosaic.config import Compute
from skymosaic.errors import ComputeError
from skymosaic.versions import versions

_PATIENCE = 60  # s for the scheduler to answer and for the first worker to be there


@contextmanager
def client(settings: Compute, tasks: int, idlers: int = 0) -> Iterator[Client]:
    """Yield a client of a running scheduler; it and its workers go on when we are done.

    Parameters
    ----------
    settings : Compute
        The campaign's; `address` is the scheduler's.
    tasks, idlers : int
        How many tasks can run at once at most; whose scheduler it is decides on the workers.

    Raises
    ------
    ComputeError
        The scheduler does not answer, has no workers, or they are not fit for the work: more than
        one thread each, or other software.
    """
    try:
        connected = Client(settings.address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise ComputeError(
            f"no Dask scheduler answers at {settings.address} ({error}); start one with "
            "`dask scheduler`, or correct compute.address"
        ) from None
    with connected:
        try:
            connected.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise ComputeError(
                f"the scheduler at {settings.address} has no workers after {_PATIENCE} s; start "
                f"some with `dask worker {settings.address} --nthreads 1`"
            ) from None
        for address, worker in connected.scheduler_info(n_workers=-1)["workers"].items():
            # What a step moves is counted by process.
            if worker["nthreads"] != 1:
                raise ComputeError(
                    f"the worker {address} has {worker['nthreads']} threads; start workers with "
                    "--nthreads 1, as many as there are cores (--nworkers)"
                )
        _require_same_software(connected)
        yield connected


def _require_same_software(connected: Client) -> None:
    """Refuse workers whose versions would give other results, or that cannot work for us."""
    ours = versions()
    try:
        found = connected.run(versions)
    except Exception as error:  # whatever its import raised there
        raise ComputeError(
            f"a worker cannot import skymosaic ({type(error).__name__}: {error}); start the "
            "workers in an environment that has it"
        ) from None
    for address, theirs in found.items():
        for name, version in theirs.items():
            if version != ours.get(name):
                raise ComputeError(
                    f"the worker {address} has {name} {version}, here it is {ours.get(name)}; use "
                    "one environment (requirements.lock) everywhere"
                )
