"""A lock in a store, held for as long as its holder lives.

A lock is a folder of numbered documents; who made the one with the highest number holds it. To take
over, one creates the next number, which a store lets exactly one do. The holder writes its document
again and again; one that has not been written for the length of the lease belongs to nobody. Ages
are told by the store's clock, so that no host's clock matters. A lock that was let go says so, and
its document stays until the next one: a late competitor then finds that its number is not the
highest.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field, TypeAdapter

from skymosaic.errors import DamagedError, LockedError, StoreError
from skymosaic.store import shapes
from skymosaic.store.base import Store, as_json

log = logging.getLogger(__name__)

LENGTH = 30.0
"""Seconds that a lock is held after the last sign of its holder's life."""
_CERTAIN = 0.5  # of the length; a lock cannot be taken over so soon after a sign of life
_POLL = 1.0  # s between two looks at a lock that another holds
_NUMBERED = re.compile(r"([0-9]{6}|[1-9][0-9]{6,17})\.json")
_MOST = 10**12
"""The highest number that a lock can have come to: taken each millisecond, in 30 years."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock."""

    what: str
    """What it is held for, such as ``run``."""
    host: str
    pid: int
    process: str
    """The process beyond its number: which boot, which PID namespace, started when."""
    nonce: str
    """Random: no two holders have the same."""

    @classmethod
    def here(cls, what: str) -> Holder:
        """Return this process as a holder."""
        me = os.getpid()
        return cls(what, platform.node(), me, _process(me), uuid4().hex)

    def is_dead(self) -> bool:
        """Whether this is known to have ended; of other hosts nothing is known."""
        ours, theirs = _process(os.getpid()), self.process
        same_host = bool(theirs) and ours.rsplit(" ", 1)[0] == theirs.rsplit(" ", 1)[0]
        return same_host and _process(self.pid) != theirs

    def __str__(self) -> str:
        return f"{self.what} on host {self.host}, process {self.pid}"


@dataclass(frozen=True)
class _Document:
    """What a lock's document tells."""

    holder: Holder
    length: Annotated[float, Field(gt=0, le=86400)]
    """How long it is held after a sign of life, s."""
    released: bool


_DOCUMENT = TypeAdapter(_Document)


@dataclass(frozen=True)
class State:
    """How a lock was found."""

    number: int
    """The highest number; 0 where nobody ever held it."""
    holder: Holder | None
    """Who holds it, None where nobody does."""
    age: float
    """Time since its last sign of life, s."""


def look(store: Store, folder: str) -> State:
    """Return who holds the lock in a folder."""
    while True:
        numbers = _numbers(store, folder)
        if not numbers:
            return State(0, None, 0.0)
        key = _key(folder, numbers[-1])
        document, age = _read(store, key), store.age(key)
        if document is not None and age is not None:
            break
        # The next one was just made, and this one deleted.
    holder = document.holder
    held = not document.released and age < document.length and not holder.is_dead()
    return State(numbers[-1], holder if held else None, age)


def _read(store: Store, key: str) -> _Document | None:
    """Return a document; of one that cannot be read, that somebody holds it for as long as usual.

    It may be one that is just written, where the file system has no hard links.
    """
    try:
        return shapes.read(store, key, _DOCUMENT)
    except DamagedError as error:
        log.warning(
            "%s; the lock counts as held until %.0f s after that was written", error, LENGTH
        )
        return _Document(Holder("something", "unknown", 0, "", ""), LENGTH, released=False)


class Lease:
    """A lock that this process holds.

    Parameters
    ----------
    store : Store
        Where the lock is.
    folder : str
        The lock's folder.
    number : int
        The number of our document.
    holder : Holder
        Who we are.
    length : float
        How long it is held after a sign of life, s.
    born : float
        Before the first sign of life, as `time.monotonic` tells it.
    """

    def __init__(
        self,
        store: Store,
        folder: str,
        number: int,
        holder: Holder,
        length: float,
        born: float,
    ) -> None:
        self.number = number
        self._patient = store
        # A sign of life that waits longer than the lease for the store comes too late.
        self._store = store.hurried(length / 3)
        self._folder, self._key = folder, _key(folder, number)
        self._holder, self._length = holder, length
        self._ended = threading.Event()
        self._lost = False
        self._alive = born

    @property
    def lost(self) -> bool:
        """Whether another took it over."""
        return self._lost

    def renew(self) -> bool:
        """Give a sign of life; tell whether the lock is still ours.

        Raises
        ------
        StoreError
            The store failed.
        """
        if not self._look(self._store):
            self._write(released=False)
        return not self._lost

    def release(self) -> None:
        """Let it go."""
        self._write(released=True)

    def _write(self, *, released: bool) -> None:
        if self._lost or self._is_lost(self._store):
            return
        now = time.monotonic()
        self._store.write_json(self._key, _document(self._holder, self._length, released=released))
        if self._is_lost(self._store):
            # Taken over since we looked: ours was gone, and must not come back.
            self._store.delete(self._key)
        self._alive = now

    def is_held(self) -> bool:
        """Tell whether the lock is still ours, however long the store takes to answer."""
        return not self._lost and not self._is_lost(self._patient)

    def _is_lost(self, store: Store) -> bool:
        """Whether another holds it; soon after a sign of life nobody can, and no look is needed."""
        fresh = time.monotonic() - self._alive < self._length * _CERTAIN
        return self._lost if fresh else self._look(store)

    def _look(self, store: Store) -> bool:
        """Whether another holds a higher number; then ours counts no more."""
        self._lost = _numbers(store, self._folder)[-1:] != [self.number]
        return self._lost

    def keep(self, on_lost: Callable[[], None]) -> None:
        """Give signs of life until `end`; call `on_lost` when another has taken over."""
        while not self._ended.wait(self._length / 3):
            try:
                if not self.renew():
                    on_lost()
                    return
            except StoreError as error:  # the next sign may come through; others may take over
                log.warning("the lock could not be renewed: %s", error)

    def end(self) -> None:
        """Stop giving signs of life."""
        self._ended.set()


@contextmanager
def held(
    store: Store,
    folder: str,
    what: str,
    *,
    wait: float = 0.0,
    length: float = LENGTH,
    on_wait: Callable[[Holder], None] = lambda _holder: None,
    on_lost: Callable[[], None] = lambda: None,
) -> Iterator[Lease]:
    """Hold the lock in a folder.

    Parameters
    ----------
    store : Store
        Where the lock is.
    folder : str
        Its folder.
    what : str
        What it is held for, for others to read.
    wait : float
        How long to wait for another holder, s.
    length : float
        How long it stays ours after the last sign of life, s.
    on_wait : callable
        Gets the other holder, once, when waiting begins.
    on_lost : callable
        Called from another thread when another has taken over.

    Raises
    ------
    LockedError
        Another holds it.
    DamagedError
        Its document has a number that no lock comes to.
    StoreError
        The store failed.
    """
    lease = _acquire(store, folder, Holder.here(what), wait, length, on_wait)
    keeper = threading.Thread(target=lease.keep, args=(on_lost,), daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        lease.end()
        keeper.join()
        try:
            lease.release()
        except StoreError as error:
            log.warning("the lock could not be released; it expires by itself: %s", error)


def _acquire(
    store: Store,
    folder: str,
    me: Holder,
    wait: float,
    length: float,
    on_wait: Callable[[Holder], None],
) -> Lease:
    end, announced = time.monotonic() + wait, False
    while True:
        found = look(store, folder)
        if found.number >= _MOST:
            # The next number may be none of ours, and would be looked for without end.
            raise DamagedError(
                f"{store.address(_key(folder, found.number))} is damaged: no lock has been taken "
                f"{found.number} times; make sure that no run of this campaign is at work, delete "
                "this file and run again"
            )
        if found.holder is None:
            number, born = found.number + 1, time.monotonic()
            if _take(store, folder, number, me, length):
                return Lease(store, folder, number, me, length, born)
            continue
        if time.monotonic() >= end:
            raise LockedError(
                f"{store.address(folder)} is held by {found.holder}, which renewed it "
                f"{found.age:.0f} s ago. Wait until it ends (`skymosaic run --wait`), or stop "
                f"it: then the lock is free after {length:.0f} s at most"
            )
        if not announced:
            on_wait(found.holder)
            announced = True
        time.sleep(_POLL)


def _take(store: Store, folder: str, number: int, me: Holder, length: float) -> bool:
    """Create a numbered document; tell whether that made us the holder."""
    if not store.create(_key(folder, number), as_json(_document(me, length))):
        return False
    numbers = _numbers(store, folder)
    if numbers[-1] != number:  # we came too late: others have held it and let it go meanwhile
        store.delete(_key(folder, number))
        return False
    for old in numbers[:-1]:
        store.delete(_key(folder, old))
    return True


def _document(holder: Holder, length: float, *, released: bool = False) -> dict[str, Any]:
    return {"holder": asdict(holder), "length": length, "released": released}


def _process(pid: int) -> str:
    """Tell a process from all others, ever; empty where the system does not let us."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # no Linux
        return ""
    try:
        # After the program's name, which may hold blanks: field 22, the start in ticks.
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        started = "ended"
    return f"{boot} {namespace} {started}"


def _numbers(store: Store, folder: str) -> list[int]:
    return sorted(number for number, _ in numbered(store.list(folder)))


def _key(folder: str, number: int) -> str:
    return f"{folder}/{number:06d}.json"


def numbered(keys: Iterable[str]) -> list[tuple[int, str]]:
    """Return the keys that are called like ours, ``NNNNNN.json``, with their numbers, in order."""
    matches = ((_NUMBERED.fullmatch(key.rsplit("/", 1)[-1]), key) for key in keys)
    return sorted((int(match[1]), key) for match, key in matches if match)
