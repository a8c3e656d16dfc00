"""How a graph is computed on a client's workers, or looked up without any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dask.base import compute
from distributed import (
    Client,
    KilledWorker,
    Semaphore,
    futures_of,
    get_client,
    get_worker,
    wait,
)
from distributed.client import FutureCancelledError, FuturesCancelledError

from skymosaic.errors import ComputeError, OutOfMemoryError, SkymosaicError


def compute_here(task: Any) -> Any:
    """Compute a task's graph in this thread: for what only looks up finished steps."""
    [result] = compute(task, scheduler="synchronous")
    return result


def compute_on(client: Client, task: Any) -> Any:
    """Compute a task's graph on the workers, and return its result.

    Raises
    ------
    ComputeError
        The workers were lost.
    OutOfMemoryError
        A worker died again and again of the same task.
    SkymosaicError
        What a task raised.
    """
    with _named_losses():
        return client.compute(task).result()


def start(client: Client, tasks: Sequence[Any]) -> list[Any]:
    """Start tasks on the workers; return them, held there."""
    with _named_losses():
        return list(client.persist(list(tasks)))


def start_in_order(client: Client, tasks: Sequence[Any]) -> list[Any]:
    """Start tasks on the workers in this order; return them, held there."""
    with _named_losses():
        return [client.persist(task) for task in tasks]


def most_on_a_host(client: Client) -> int:
    """Return the largest number of workers that share a host.

    Raises
    ------
    ComputeError
        The scheduler was lost.
    """
    with _named_losses():
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return max(Counter(worker["host"] for worker in workers).values(), default=1)


def dashboard() -> str:
    """Return the address of the Dask dashboard of the worker that runs this; empty elsewhere."""
    try:
        get_worker()
    except ValueError:
        return ""
    return str(get_client().dashboard_link or "")


@contextmanager
def slot(name: str, most: int) -> Iterator[None]:
    """Wait on a worker until fewer than `most` others hold a slot of this name; then hold one.

    Parameters
    ----------
    name : str
        Whose slots; all tasks that name them agree on `most`.
    most : int
        How many there are; 0: no limit.
    """
    if not most:
        yield
        return
    with Semaphore(max_leases=most, name=name):
        yield


def hold_everywhere(client: Client, tasks: Sequence[Any]) -> None:
    """Wait for started tasks, and give their results to every worker.

    The scheduler starts a task where its input is. Were that one worker only, all tasks with this
    input would queue there while the others idle.

    Raises
    ------
    ComputeError, SkymosaicError
        As `compute_on`.
    """
    futures = futures_of(tasks)
    with _named_losses():
        client.gather(futures)
        client.replicate(futures)


def wait_for_all(tasks: Sequence[Any]) -> None:
    """Wait until started tasks have ended, well or not: one failure need not stop the others."""
    with _named_losses():
        wait(futures_of(tasks))


@contextmanager
def _named_losses() -> Iterator[None]:
    """Turn what distributed says of lost workers into an error that tells what to do."""
    try:
        yield
    except SkymosaicError:  # a task's own, which may be an OSError, too
        raise
    except KilledWorker as error:
        raise OutOfMemoryError(
            f"a worker died repeatedly with the task {error.task}: memory probably ran out; use "
            "fewer workers (compute.workers). Run again to go on from what is finished"
        ) from None
    except (FutureCancelledError, FuturesCancelledError, OSError) as error:
        # Waiting for several tasks, distributed lists all of them, a line each.
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise ComputeError(
            f"the workers were lost ({why}); run again to go on from what is finished"
        ) from None
