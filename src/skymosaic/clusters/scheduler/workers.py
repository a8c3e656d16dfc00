"""A Dask scheduler that is running already, with its workers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client
from distributed.comm.addressing import parse_address, parse_host_port

from skymosaic.clusters import dask_versions
from skymosaic.clusters.addresses import require_private, warn_if_open
from skymosaic.clusters.alive import of_scheduler
from skymosaic.config import Compute
from skymosaic.errors import ComputeError, InstallationError
from skymosaic.versions import versions

_PORT = 8786  # of a scheduler whose address names none
GLANCE = 15.0  # s for the scheduler to answer those who only ask how things are
_PATIENCE = 60.0  # s for the scheduler to answer and for the first worker to be there
_REFUSAL = 2.0  # s for a host to say that nobody listens there: a round trip, where it says so


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
def connected(settings: Compute) -> Iterator[Client]:
    """Yield a client of a running scheduler that has workers, whatever they are.

    TLS is Dask's: what its configuration says under ``distributed.comm.tls``. A scheduler that is
    being started is waited for.

    Raises
    ------
    CampaignError, ComputeError
        As `client`.
    """
    address = _permitted(settings)
    with answering(address, _PATIENCE, _remedy(address)) as connection:
        _wait_for_worker(connection, address)
        yield connection


@contextmanager
def glance(settings: Compute) -> Iterator[Client]:
    """Yield a client of a scheduler for those who only ask how things are.

    Where nobody listens it ends at once. Raises as `client`, but needs no workers.
    """
    address = _permitted(settings)
    if _refuses(address):
        raise ComputeError(f"no Dask scheduler listens at {address}; {_remedy(address)}")
    with answering(address, GLANCE, _remedy(address)) as connection:
        yield connection


def _permitted(settings: Compute) -> str:
    """Return the scheduler's address, where it may be used; warn where others can, too."""
    address = str(settings.address)
    require_private(address, insecure=settings.insecure)
    warn_if_open(address)
    return address


def _remedy(address: str) -> str:
    tls = ", or set its TLS files in Dask's configuration (distributed.comm.tls)"
    return (
        "start one with `dask scheduler`, or correct compute.address"
        f"{tls if address.startswith('tls:') else ''}"
    )


def _refuses(address: str) -> bool:
    """Whether the host of an address answers that nobody listens there."""
    scheme, location = parse_address(address)
    if scheme not in ("tcp", "tls"):
        return False
    try:
        with socket.create_connection(parse_host_port(location, _PORT), _REFUSAL):
            return False
    except ConnectionRefusedError:
        return True
    except (OSError, ValueError):  # it may be slow, or on its way
        return False


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
        if not _refuses(address):
            dask_versions.require_ours(
                f"the scheduler at {address}", dask_versions.of_scheduler(address, patience)
            )
        raise ComputeError(f"no Dask scheduler answers at {address} ({error}); {remedy}") from None
    with connection:
        yield connection


def _wait_for_worker(connection: Client, address: str) -> None:
    try:
        connection.wait_for_workers(1, timeout=_PATIENCE)
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
    """Return what the scheduler says of itself and its workers, a line each; errors as `glance`."""
    with glance(settings) as connection:
        return of_scheduler(connection)
