"""A Dask scheduler that is running already, with its workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client

from skymosaic.clusters import dask_versions
from skymosaic.clusters.addresses import require_private, warn_if_open
from skymosaic.clusters.alive import of_scheduler
from skymosaic.config import Compute
from skymosaic.errors import ComputeError, InstallationError
from skymosaic.versions import versions

_PATIENCE = 60.0  # s for the scheduler to answer and for the first worker to be there


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
    CampaignError
        The address is remote and not encrypted, which was not allowed.
    ComputeError
        The scheduler does not answer, or has no workers.
    InstallationError
        It or its workers are not fit for the work: other software, or more than one thread each.
    """
    with connected(settings) as connection:
        require_fit(connection, str(settings.address))
        yield connection


def require_fit(connection: Client, address: str) -> None:
    """Refuse a scheduler or workers that cannot work for us, or would give other results.

    Raises
    ------
    InstallationError
        They have other software, or workers have more than one thread each.
    """
    reported = connection.get_versions()
    dask_versions.require_ours(f"the scheduler at {address}", reported["scheduler"])
    for worker, its in reported["workers"].items():
        dask_versions.require_ours(f"the worker {worker}", its)
    for worker, its in connection.scheduler_info(n_workers=-1)["workers"].items():
        # What a step moves is counted by process.
        if its["nthreads"] != 1:
            raise InstallationError(
                f"the worker {worker} has {its['nthreads']} threads; start workers with "
                "--nthreads 1, as many as there are cores (--nworkers)"
            )
    _require_same_software(connection)


@contextmanager
def connected(
    settings: Compute, workers: int = 1, patience: float | None = None
) -> Iterator[Client]:
    """Yield a client of a running scheduler that has workers, whatever they are.

    TLS is Dask's: what its configuration says under ``distributed.comm.tls``.

    Parameters
    ----------
    settings : Compute
        The campaign's.
    workers : int
        How many workers to wait for.
    patience : float
        How long to wait for an answer, s; default: a minute.

    Raises
    ------
    CampaignError, ComputeError
        As `client`.
    """
    address = str(settings.address)
    require_private(address, insecure=settings.insecure)
    warn_if_open(address)
    tls = ", or set its TLS files in Dask's configuration (distributed.comm.tls)"
    remedy = (
        "start one with `dask scheduler`, or correct compute.address"
        f"{tls if address.startswith('tls:') else ''}"
    )
    with answering(address, patience or _PATIENCE, remedy) as connection:
        if workers:
            _wait_for(connection, workers, address)
        yield connection


@contextmanager
def answering(address: str, patience: float, remedy: str) -> Iterator[Client]:
    """Yield a client of the scheduler at an address.

    Parameters
    ----------
    address : str
        The scheduler's.
    patience : float
        How long to wait for its answer, s.
    remedy : str
        What to do when there is none.

    Raises
    ------
    ComputeError
        It does not answer.
    InstallationError
        It does, but does not understand us: it is another version of Dask.
    """
    try:
        connection = Client(address, timeout=patience)
    # A version that does not understand ours may raise anything; tls:// without certificates is a
    # TypeError.
    except Exception as error:
        dask_versions.require_ours(
            f"the scheduler at {address}", dask_versions.of_scheduler(address, patience)
        )
        raise ComputeError(f"no Dask scheduler answers at {address} ({error}); {remedy}") from None
    with connection:
        yield connection


def _wait_for(connection: Client, workers: int, address: str) -> None:
    try:
        connection.wait_for_workers(workers, timeout=_PATIENCE)
    except TimeoutError:
        raise ComputeError(
            f"the scheduler at {address} has no workers after {_PATIENCE:.0f} s; start some with "
            f"`dask worker {address} --nthreads 1`"
        ) from None


def _require_same_software(connection: Client) -> None:
    """Refuse workers whose versions would give other results, or that cannot work for us."""
    ours = versions()
    try:
        found = connection.run(versions)
    except Exception as error:  # whatever its import raised there
        raise InstallationError(
            f"a worker cannot import skymosaic ({type(error).__name__}: {error}); start the "
            "workers in an environment that has it"
        ) from None
    for address, theirs in found.items():
        for name, version in theirs.items():
            if version != ours.get(name):
                raise InstallationError(
                    f"the worker {address} has {name} {version}, here it is {ours.get(name)}; use "
                    "one environment (requirements.lock) everywhere"
                )


def alive(settings: Compute) -> list[str]:
    """Return what the scheduler says of itself and its workers, a line each; errors as `client`."""
    with connected(settings, workers=0) as connection:
        return of_scheduler(connection)
