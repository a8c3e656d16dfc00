"""The lock in a store: one holder, signs of life, taking over from the dead."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from skymosaic.errors import DamagedError, LockedError
from skymosaic.store import LocalStore
from skymosaic.store.lease import Holder, Lease, held, look

FOLDER = "demo/locks/campaign"
SHORT = 1.5  # s; a lease that tests can wait for


@pytest.fixture
def store(tmp_path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def elsewhere(monkeypatch):
    """Let holders look as if they were on another host, of whose processes nothing is known."""
    here = Holder.here

    def on_another_host(what: str) -> Holder:
        return replace(here(what), host="another", process="another boot and namespace 1")

    monkeypatch.setattr(Holder, "here", on_another_host)


@pytest.fixture
def silent(store) -> Iterator[Callable[..., Lease]]:
    """Take a lock and give no more signs of life, as one does that is dead or asleep."""
    with ExitStack() as stack:

        def silent(what: str, length: float) -> Lease:
            lock = stack.enter_context(held(store, FOLDER, what, length=length))
            lock.end()
            return lock

        yield silent


def meanwhile(store: LocalStore, monkeypatch, call: str, happens: Callable[[], object]) -> None:
    """Let something happen just before the store is called next."""
    proceed = getattr(store, call)

    def overtaken(*arguments: object) -> object:
        monkeypatch.setattr(store, call, proceed)
        happens()
        return proceed(*arguments)

    monkeypatch.setattr(store, call, overtaken)


def test_a_lock_is_held_and_let_go(store) -> None:
    assert look(store, FOLDER).holder is None
    with held(store, FOLDER, "run"):
        holder = look(store, FOLDER).holder
        assert holder is not None
        assert (holder.what, holder.pid) == ("run", os.getpid())
    assert look(store, FOLDER).holder is None


def test_numbers_grow_and_only_the_last_is_kept(store) -> None:
    for number in (1, 2, 3):
        with held(store, FOLDER, "run") as lock:
            assert lock.number == number
        assert store.list(FOLDER) == [f"{FOLDER}/{number:06d}.json"]


def test_a_second_holder_is_refused_by_name(store) -> None:
    with held(store, FOLDER, "run"):
        with pytest.raises(LockedError) as caught, held(store, FOLDER, "run"):
            pytest.fail("two hold it")
        assert f"process {os.getpid()}" in str(caught.value)
        assert "--wait" in str(caught.value)
        assert look(store, FOLDER).number == 1


def test_waiting_gets_it_when_it_is_let_go(store) -> None:
    waited_for: list[Holder] = []
    order: list[str] = []

    def second() -> None:
        with held(store, FOLDER, "second", wait=30, on_wait=waited_for.append):
            order.append("second has it")

    with held(store, FOLDER, "first"):
        waiting = threading.Thread(target=second)
        waiting.start()
        while not waited_for:
            time.sleep(0.01)
        order.append("first lets go")
    waiting.join()
    assert order == ["first lets go", "second has it"]
    assert [holder.what for holder in waited_for] == ["first"]


def test_many_at_once_hold_it_one_after_the_other(store) -> None:
    inside, most = [0], [0]

    def work() -> None:
        with held(store, FOLDER, "step", wait=60):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert look(store, FOLDER).number == 6


def test_signs_of_life_keep_it(store, elsewhere) -> None:
    with held(store, FOLDER, "run", length=SHORT):
        time.sleep(2 * SHORT)
        assert look(store, FOLDER).holder is not None


def test_the_lock_of_a_dead_holder_is_taken_over_after_its_lease(store, elsewhere, silent) -> None:
    dead = silent("dead", SHORT)
    with pytest.raises(LockedError), held(store, FOLDER, "run"):
        pytest.fail("it is still held")
    started = time.monotonic()
    with held(store, FOLDER, "run", wait=30) as lock:
        assert time.monotonic() - started < 10 * SHORT
        assert lock.number == 2
        assert not dead.is_held()  # it was only asleep: it learns that it lost the lock
        assert not dead.renew()
        assert dead.lost
        dead.release()
        assert look(store, FOLDER).holder is not None
        assert store.list(FOLDER) == [f"{FOLDER}/000002.json"]


def test_of_two_who_take_over_one_gets_it(store, elsewhere, silent, monkeypatch) -> None:
    """Both see that the holder is dead; the other one is a moment sooner."""
    silent("dead", 0.1)
    time.sleep(0.3)
    with ExitStack() as stack:
        other = held(store, FOLDER, "quick")
        meanwhile(store, monkeypatch, "create", lambda: stack.enter_context(other))
        with pytest.raises(LockedError, match="quick"), held(store, FOLDER, "run"):
            pytest.fail("two hold it")
        assert store.list(FOLDER) == [f"{FOLDER}/000002.json"]


def test_a_competitor_that_comes_too_late_begins_anew(store, monkeypatch) -> None:
    """It saw number 1; before it creates number 2, others have held numbers 2 and 3."""

    def others() -> None:
        for _ in range(2):
            with held(store, FOLDER, "run"):
                pass

    with held(store, FOLDER, "run"):
        pass
    meanwhile(store, monkeypatch, "create", others)
    with held(store, FOLDER, "late") as lock:
        assert lock.number == 4
        assert store.list(FOLDER) == [f"{FOLDER}/000004.json"]


def test_a_holder_is_told_when_another_took_over(store, elsewhere) -> None:
    lost = threading.Event()
    with held(store, FOLDER, "asleep", length=SHORT, on_lost=lost.set) as lock:
        [key] = store.list(FOLDER)
        store.write_json(f"{FOLDER}/000002.json", store.read_json(key))
        store.delete(key)
        assert lost.wait(10)
        assert lock.lost
    assert store.list(FOLDER) == [f"{FOLDER}/000002.json"]


def test_a_process_of_this_host_that_ended_holds_nothing(store) -> None:
    """No lease need run out where the system says that the holder is dead."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from skymosaic.store import LocalStore, lease\n"
        "store = LocalStore(Path(sys.argv[1]))\n"
        "lease.held(store, sys.argv[2], 'run', length=3600).__enter__()\n"
        "os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", code, store.uri, FOLDER], check=False)
    assert look(store, FOLDER).number == 1
    with held(store, FOLDER, "run") as lock:
        assert lock.number == 2


def test_one_who_is_overtaken_while_writing_takes_its_document_back(
    store, elsewhere, silent, monkeypatch
) -> None:
    """It looked, slept, and writes when another has taken over and deleted its document."""
    slow = silent("slow", 0.1)
    time.sleep(0.3)
    with ExitStack() as stack:
        quick = held(store, FOLDER, "quick", length=60)
        meanwhile(store, monkeypatch, "write_json", lambda: stack.enter_context(quick))
        assert not slow.renew()
        assert slow.lost
        assert store.list(FOLDER) == [f"{FOLDER}/000002.json"]
        holder = look(store, FOLDER).holder
        assert holder is not None
        assert holder.what == "quick"


def test_strangers_among_the_documents_are_overlooked(store) -> None:
    store.write_text(f"{FOLDER}/README", "not ours")
    with held(store, FOLDER, "run") as lock:
        assert lock.number == 1


def test_the_hosts_clock_does_not_matter(store, monkeypatch) -> None:
    with held(store, FOLDER, "run"):
        monkeypatch.setattr(time, "time", lambda: 0.0)
        state = look(store, FOLDER)
        assert state.holder is not None
        assert 0 <= state.age < 10


def test_a_lock_that_holds_null_counts_as_held(store) -> None:
    """It read as one that is not there, and was looked for without end."""
    store.write_text("locks/x/000003.json", "null")
    found = look(store, "locks/x")
    assert found.number == 3
    assert found.holder is not None


@pytest.mark.parametrize("number", [10**12, 10**18 - 2, 10**18 - 1])
def test_a_number_that_no_lock_comes_to_is_damage_and_not_looked_for_without_end(
    store, number
) -> None:
    with held(store, FOLDER, "run"):
        document = store.read_json(f"{FOLDER}/000001.json")
    key = f"{FOLDER}/{number}.json"
    store.write_json(key, {**document, "released": True})
    with pytest.raises(DamagedError) as caught, held(store, FOLDER, "run"):
        pytest.fail("it was taken")
    assert store.address(key) in str(caught.value) and "delete" in str(caught.value)
    store.delete(key)  # what it says helps
    with held(store, FOLDER, "run") as lock:
        assert lock.number == 2
