"""What is tried again when a task failed, and what is not."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path

import dask
import pytest
from distributed import Client, Semaphore
from distributed.client import (
    CancelledFuturesGroup,
    FutureCancelledError,
    FuturesCancelledError,
)
from tornado.ioloop import PeriodicCallback

from skymosaic.config import load_campaign_text
from skymosaic.errors import (
    AlignmentError,
    ComputeError,
    DamagedError,
    InputError,
    MissingError,
    OutOfMemoryError,
    StoreError,
    UnreachableError,
)
from skymosaic.runs import supervision
from skymosaic.steps import execution
from skymosaic.steps.place import Place
from skymosaic.store.local import LocalStore

Fail = Callable[..., Callable[[int], str]]


@pytest.fixture
def four_on_a_host(monkeypatch) -> None:
    monkeypatch.setattr(execution, "most_on_a_host", lambda _: 4)


@pytest.fixture
def shares() -> list[int]:
    """How many workers had to share, at each attempt."""
    return []


@pytest.fixture
def failing(shares) -> Fail:
    """Return an attempt that raises these errors, one after the other, and then succeeds."""

    def failing(*errors: Exception) -> Callable[[int], str]:
        left = list(errors)

        def attempt(share: int) -> str:
            shares.append(share)
            if left:
                raise left.pop(0)
            return "done"

        return attempt

    return failing


def again(attempt: Callable[[int], str]) -> str:
    return supervision.with_second_chances(None, attempt)


@pytest.mark.parametrize("error", [OutOfMemoryError("full"), ComputeError("lost")])
def test_what_needs_memory_gets_twice_as_much(four_on_a_host, failing, shares, error) -> None:
    assert again(failing(error, error)) == "done"
    assert shares == [1, 2, 4]


def test_there_is_a_limit_to_memory(four_on_a_host, failing, shares, caplog) -> None:
    with pytest.raises(OutOfMemoryError, match="still"):
        again(failing(*[OutOfMemoryError("full")] * 2, OutOfMemoryError("still")))
    assert shares == [1, 2, 4]
    assert "again, with 2 times the memory" in caplog.text


def test_what_another_task_put_aside_is_made_anew(four_on_a_host, failing, shares) -> None:
    assert again(failing(MissingError("a_flt.fits is not in the store"))) == "done"
    assert shares == [1, 1]


def test_what_was_damaged_is_made_anew_a_few_times(four_on_a_host, failing, shares) -> None:
    damage = DamagedError("a_flt.fits changed")
    assert again(failing(damage, damage)) == "done"
    assert shares == [1, 1, 1]
    with pytest.raises(DamagedError):
        again(failing(*[damage] * 10))


@pytest.mark.parametrize(
    "error",
    [
        InputError("truncated"),
        AlignmentError("gate"),
        StoreError("no space left"),
        UnreachableError("it was waited for already"),
        ZeroDivisionError(),
    ],
)
def test_what_cannot_succeed_is_not_tried_again(four_on_a_host, failing, shares, error) -> None:
    with pytest.raises(type(error)):
        again(failing(error))
    assert shares == [1]


class Workers:
    """What a client says of its workers."""

    def __init__(self, hosts: str) -> None:
        self.workers = {f"tcp://{host}:{i}": {"host": host} for i, host in enumerate(hosts)}

    def scheduler_info(self, n_workers: int) -> dict:
        assert n_workers == -1  # else only the first five are told
        return {"workers": self.workers}


@pytest.mark.parametrize(("share", "slots"), [(1, 4), (2, 2), (4, 1), (8, 1)])
def test_twice_the_memory_is_half_as_many_at_once_on_each_host(
    share: int, slots: int, tmp_path: Path
) -> None:
    client = Workers("aaaabbb")
    assert execution.most_on_a_host(client) == 4
    campaign = load_campaign_text(
        "campaign: {name: x}\nsource: {kind: simulated}\n"
        "compute: {backend: scheduler, address: tcp://127.0.0.1:1}\n",
        "x.yaml",
        {},
    )
    place = Place(LocalStore(tmp_path), "x", None)
    assert supervision.with_slots(place, client, campaign, share).computing == slots
    here = load_campaign_text(
        "campaign: {name: x}\nsource: {kind: simulated}\ncompute: {workers: 4}\n", "x.yaml", {}
    )
    assert supervision.with_slots(place, client, here, share).computing == slots


@pytest.mark.parametrize(
    ("backend", "downloads", "slots"),
    [("local", 8, 0), ("local", 2, 2), ("scheduler", 8, 8), ("local", None, None)],
)
def test_downloads_are_counted_where_more_workers_may_be(
    backend: str, downloads: int | None, slots: int | None, tmp_path: Path
) -> None:
    address = "" if backend == "local" else ", address: tcp://127.0.0.1:1"
    campaign = load_campaign_text(
        "campaign: {name: x}\nsource: {kind: simulated}\n"
        f"compute: {{backend: {backend}{address}}}\n",
        "x.yaml",
        {},
    )
    place = Place(LocalStore(tmp_path), "x", None, downloads=downloads)
    assert supervision.with_slots(place, Workers("aaaa"), campaign, 1).downloads == slots


held: list[int] = []
most: list[int] = []


def hold_a_slot(number: int) -> int:
    """Hold one of two slots for a while, and note how many hold one."""
    with execution.slot("test-slots", 2):
        held.append(number)
        most.append(len(held))
        time.sleep(0.05)
        held.remove(number)
    return number


@pytest.mark.parametrize("timeout", ["30s", "inf"])
def test_no_more_at_once_than_there_are_slots(timeout: str) -> None:
    most.clear()
    with (
        dask.config.set({"distributed.scheduler.locks.lease-timeout": timeout}),
        Client(
            n_workers=1, threads_per_worker=6, processes=False, dashboard_address=None
        ) as client,
    ):
        assert sorted(client.gather(client.map(hold_a_slot, range(12)))) == list(range(12))
        # A slot that was held costs its worker nothing afterwards, however many there were.
        end = time.monotonic() + 10.0
        while (left := _that_refresh_leases()) and time.monotonic() < end:
            time.sleep(0.05)
        assert left == 0
    assert max(most) == 2


def _that_refresh_leases() -> int:
    """Count what asks Dask's semaphores every few seconds to keep their leases."""
    callbacks = [one for one in gc.get_objects() if type(one) is PeriodicCallback]
    owners = [getattr(one.callback, "__self__", None) for one in callbacks if one.is_running()]
    return sum(isinstance(owner, Semaphore) for owner in owners)


_LOST = FutureCancelledError("drizzle-1", "scheduler-connection-lost", "no connection")


@pytest.mark.parametrize(
    "error",
    [
        _LOST,
        FuturesCancelledError([CancelledFuturesGroup([_LOST] * 2, "scheduler-connection-lost")]),
        TimeoutError(),
        OSError("Timed out trying to connect to tcp://127.0.0.1:1"),
    ],
)
def test_a_lost_scheduler_is_named(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def lost(_futures: object) -> None:
        raise error

    monkeypatch.setattr(execution, "wait", lost)
    with pytest.raises(
        ComputeError, match=r"the workers were lost .* run again to resume"
    ) as raised:
        execution.wait_for_all([])
    assert "\n" not in str(raised.value)


def test_what_a_task_found_missing_is_no_lost_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an OSError, too; what is missing is made anew."""

    def missing(_futures: object) -> None:
        raise MissingError("a_flt.fits is not in the store")

    monkeypatch.setattr(execution, "wait", missing)
    with pytest.raises(MissingError):
        execution.wait_for_all([])
