"""How the calls of a graph are made on a client's workers, or looked up without any."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from dask.typing import Key
from dask.utils import funcname, key_split
from distributed import (
    Client,
    Future,
    KilledWorker,
    Semaphore,
    get_client,
    get_worker,
    wait,
)
from distributed.client import FutureCancelledError, FuturesCancelledError

from skymosaic.errors import ComputeError, OutOfMemoryError, SkymosaicError, StoreError
from skymosaic.host import container, scratch
from skymosaic.host.disk import SCRATCH_REMEDY, no_space

_SAME_TIME = "60s"


class Calls(Protocol):
    """Who makes the calls that a campaign's graph is made of.

    What a call gives can be an argument of the next one, by itself or in a list or a mapping.
    """

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        name: str = "",
        of: str = "",
        near: str = "",
    ) -> Any:
        """Make one call.

        Parameters
        ----------
        function : callable
            Makes it.
        *arguments
            What it gets.
        name : str
            What the scheduler knows its like as; by default the function's.
        of : str
            What it is about, such as an exposure or a block: the scheduler's key of it says so.
        near : str
            The host, one of `hosts`, that it is best made on, because that has its files; it is
            made elsewhere where that host is gone, or others are idle. Empty: anywhere.
        """

    def each(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        of: Sequence[str] = (),
        near: Sequence[str] = (),
    ) -> list[Any]:
        """Make a call for each item; `of`, `near`: of each, as of `call`."""

    def hosts(self) -> list[str]:
        """Return the host of each worker that there is now; empty where the place is no matter."""

    def makes(self) -> bool:
        """Tell whether calls make what has not finished; else they only look it up."""

    def result(self, call: Any) -> Any:
        """Return what a call gives, once it is there: where it decides which calls come next."""


class Here:
    """Calls in this thread, at once: for what only looks up finished steps."""

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        name: str = "",
        of: str = "",
        near: str = "",
    ) -> Any:
        """Return what the function gives."""
        return function(*arguments)

    def each(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        of: Sequence[str] = (),
        near: Sequence[str] = (),
    ) -> list[Any]:
        """Return what the function gives for each item."""
        return [function(item) for item in items]

    def hosts(self) -> list[str]:
        """Return nothing: all is made here."""
        return []

    def makes(self) -> bool:
        """Return False."""
        return False

    def result(self, call: Any) -> Any:
        """Return the same."""
        return call


class OnWorkers:
    """Calls on a client's workers, as tasks.

    What comes first is begun first; but of mosaics that are made side by side, whose tasks come
    within a minute, none goes before the others.

    Parameters
    ----------
    client : Client
        Whose workers.
    """

    # Of `dask.delayed` each task is a layer of its own, and Dask takes time with the square of
    # their number: 1 ms a task at 10,000 of them.

    def __init__(self, client: Client) -> None:
        self._client = client
        self._id = uuid4().hex
        self._known: Counter[tuple[str, str]] = Counter()

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        name: str = "",
        of: str = "",
        near: str = "",
    ) -> Any:
        """Return the future of the task; errors as `result_of`."""
        key = self._key(name or funcname(function), of)
        with _named_losses():
            return self._client.submit(function, *arguments, key=key, **_options(near))

    def _key(self, name: str, of: str) -> Key:
        """Return a new key that tells what a task does, and what it is about."""
        # The scheduler takes what follows a name in such a pair for one of the same group.
        self._known[name, of] += 1
        number = self._known[name, of]
        return (f"{name}-{self._id}", of if of and number == 1 else f"{of}#{number}")

    def each(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        of: Sequence[str] = (),
        near: Sequence[str] = (),
    ) -> list[Any]:
        """Return the future of each task; errors as `result_of`."""
        keys = [self._key(funcname(function), one) for one in of or [""] * len(items)]
        if not near:
            return self._map(function, items, keys, "")
        # One message to the scheduler for each host, whose tasks come in the order of the items.
        futures: dict[int, Any] = {}
        for host in dict.fromkeys(near):
            numbers = [number for number, own in enumerate(near) if own == host]
            some = self._map(
                function,
                [items[number] for number in numbers],
                [keys[number] for number in numbers],
                host,
            )
            futures |= dict(zip(numbers, some, strict=True))
        return [futures[number] for number in range(len(items))]

    def _map(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        keys: Sequence[Key],
        near: str,
    ) -> list[Any]:
        with _named_losses():
            return list(self._client.map(function, items, key=list(keys), **_options(near)))

    def hosts(self) -> list[str]:
        """Return the host of each worker, sorted; nothing where all workers share one.

        Raises
        ------
        ComputeError
            The scheduler was lost.
        """
        found = sorted(_hosts_of(self._client))
        return found if len(set(found)) > 1 else []

    def makes(self) -> bool:
        """Return True."""
        return True

    def result(self, call: Any) -> Any:
        """Wait for the task; errors as `result_of`."""
        return result_of(call)


def in_order(hosts: Sequence[str], count: int) -> list[str]:
    """Return the host of each of so many things, of which workers get equal shares in their order.

    Parameters
    ----------
    hosts : sequence of str
        The host of each worker; empty: the place is no matter, and nothing is returned.
    count : int
        How many things there are.
    """
    return [hosts[number * len(hosts) // count] for number in range(count)] if hosts else []


def result_of(future: Any) -> Any:
    """Wait for a task, and return what it gave.

    Raises
    ------
    ComputeError
        The workers were lost.
    OutOfMemoryError
        A worker died again and again of the same task.
    SkymosaicError
        What the task raised.
    """
    with _named_losses(future):
        return future.result()


def has_failed(calls: Sequence[Any]) -> bool:
    """Tell whether any of what calls gave is a task that has failed, or was lost."""
    return any(getattr(each, "status", "") in ("error", "cancelled", "lost") for each in calls)


def most_on_a_host(client: Client) -> int:
    """Return the largest number of workers that share a host.

    Raises
    ------
    ComputeError
        The scheduler was lost.
    """
    return max(Counter(_hosts_of(client)).values(), default=1)


def _hosts_of(client: Client) -> list[str]:
    with _named_losses():
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return [worker["host"] for worker in workers]


def _options(near: str) -> dict[str, Any]:
    """Return how a task is given to the scheduler, and that it is best made on a host."""
    # A thief of the same host goes before others; others take a task only where they are idle.
    hint = {"workers": [near], "allow_other_workers": True} if near else {}
    return {"pure": False, "fifo_timeout": _SAME_TIME, **hint}


def dashboard() -> str:
    """Return the address of the Dask dashboard of the worker that runs this; empty elsewhere."""
    try:
        get_worker()
    except ValueError:
        return ""
    return dashboard_of(get_client())


def dashboard_of(client: Client) -> str:
    """Return the address of the Dask dashboard of a client's scheduler; empty where it has none."""
    try:
        return str(client.dashboard_link or "")
    except KeyError:  # what distributed makes of a scheduler without one
        return ""


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
    slots = Semaphore(max_leases=most, name=name)
    try:
        with slots:
            yield
    finally:
        # Dask's semaphore asks every few seconds for as long as its process lives, whether it holds
        # a lease or not: thousands of tasks would leave a worker no time for anything else.
        refresh = getattr(slots, "refresh_callback", None)  # none where leases never end
        if refresh is not None and slots.loop is not None:
            slots.loop.add_callback(refresh.stop)


def hold_everywhere(client: Client, futures: Sequence[Any]) -> None:
    """Wait for tasks, and give what they gave to every worker.

    The scheduler starts a task where its input is. Were that one worker only, all tasks with this
    input would queue there while the others idle.

    Raises
    ------
    ComputeError, SkymosaicError
        As `result_of`.
    """
    with _named_losses(*futures):
        client.gather(futures)
        client.replicate(futures)


def wait_for_all(calls: Sequence[Any]) -> None:
    """Wait until tasks have ended, well or not: one failure need not stop the others."""
    with _named_losses():
        wait([each for each in calls if isinstance(each, Future)])


@contextmanager
def _named_losses(*futures: Any) -> Iterator[None]:
    """Turn what distributed says of lost workers into an error that tells what to do.

    Parameters
    ----------
    *futures
        Tasks that are waited for: an error of theirs is no lost worker.
    """
    try:
        yield
    except SkymosaicError:  # a task's own, which may be an OSError, too
        raise
    except KilledWorker as error:
        raise OutOfMemoryError(
            f"a worker died repeatedly with the task {_shown(error.task)}: memory probably ran "
            f"out; {container.remedy()}. Run again to resume from the finished steps"
        ) from None
    except OSError as error:
        if any(future.status == "error" for future in futures):
            raise _of_a_task(error) from None
        raise _lost(error) from None
    except (FutureCancelledError, FuturesCancelledError) as error:
        raise _lost(error) from None


def _shown(key: Key) -> str:
    """Return the key of a task for people: what it does, and what it is about."""
    kind, *of = key if isinstance(key, tuple) else (key,)
    return " ".join([key_split(str(kind)), *map(str, of)])


def _of_a_task(error: OSError) -> StoreError:
    """Return what to raise where the system refused a task something on its worker's disk."""
    path = Path(os.fsdecode(error.filename)) if error.filename else None
    folder = path.parent if path else scratch.base(None)
    return no_space(error, path.name if path else "a task", folder, SCRATCH_REMEDY) or StoreError(
        f"a task failed: {error}; do you have permission to read and write there? If not, set "
        "compute.scratch to another folder"
    )


def _lost(error: Exception) -> ComputeError:
    # Waiting for several tasks, distributed lists all of them, a line each.
    why = next(iter(str(error).splitlines()), type(error).__name__)
    return ComputeError(
        f"the workers were lost ({why}); run again to resume from the finished steps"
    )
