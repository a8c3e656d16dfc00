"""One step of a campaign: its key, its products, and the manifest that says they exist.

A step's key is the hash of its inputs' checksums, its parameters and the versions of the software.
Products are stored first and the manifest last, so a product exists when its manifest does. A step
whose manifest has the same key is not run again. A step that failed leaves a record like a
manifest, with the error, under ``failed/``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar
from uuid import uuid4

from skymosaic.errors import DamagedError, LockedError, SkymosaicError, StoreError, UnreachableError
from skymosaic.host import scratch, signals
from skymosaic.host.disk import SCRATCH_REMEDY, no_space
from skymosaic.steps import progress, results
from skymosaic.steps.tasks import Step, Task
from skymosaic.store import Product, Store, cache_of, lease, shapes, traffic
from skymosaic.store.base import as_json, is_ours
from skymosaic.store.lease import Lease
from skymosaic.store.shapes import ErrorRecord, Manifest
from skymosaic.store.traffic import Traffic

log = logging.getLogger(__name__)

_R = TypeVar("_R")
_Gives = TypeVar("_Gives", covariant=True)

_PUBLISHING = 600.0  # s to wait for another worker that publishes the same step


class NotFinishedError(Exception):
    """A step would have to run, where only finished ones were asked for."""


@dataclass(frozen=True)
class Place:
    """Where a campaign lives: what every task needs to know."""

    store: Store
    campaign: str
    scratch: Path | None
    must_be_finished: bool = False
    """Whether a step may only be looked up, never run."""
    topic: str = progress.TOPIC
    """Where the tasks of a run tell what they do."""
    label: str = ""
    """What the names of a group's tasks begin with."""
    computing: int = 0
    """How many tasks may compute at once on a host; 0: as many as there are workers."""
    downloads: int | None = None
    """How many tasks may download at once; 0: all; None: these are no downloads, but computed."""

    def only_finished(self) -> Place:
        """Return the same place, in which steps are looked up and never run."""
        return replace(self, must_be_finished=True)

    def announced(
        self, task: Task, step: Step[object]
    ) -> AbstractContextManager[progress.RunningTask]:
        """Tell those who listen when a task that makes a step here starts, ends or fails."""
        return progress.task(
            self.label + task.title,
            self.topic,
            kind=task.kind,
            group=self.label.strip(),
            step=step.name,
        )

    def work_of(self, task: Task, step: Step[object]) -> progress.RunningTask:
        """Return what a part of a task tells by, while the task itself waits for its parts."""
        return progress.RunningTask(
            self.label + task.title,
            self.topic,
            kind=task.kind,
            group=self.label.strip(),
            step=step.name,
        )

    def key(self, *parts: str) -> str:
        """Return a key below the campaign's folder."""
        return "/".join((self.campaign, *parts))

    def put_aside(self, product: Product) -> None:
        """Move a damaged product out of the way, for people to look at."""
        aside = self.key("damaged", uuid4().hex[:8], product.name)
        try:
            self.store.move(product, aside)
        except StoreError as error:
            log.warning("the damaged %s could not be moved to damaged/: %s", product.key, error)


@dataclass(frozen=True)
class Finished(Generic[_Gives]):
    """A finished step, as its manifest tells it: small enough to travel between tasks."""

    step: str
    key: str
    products: Mapping[str, Product]
    """By file name, which may have folders in it, such as ``colour_files/0/0_0.jpg``."""
    result: _Gives
    """Numbers and names that later steps and the report need: one of `pipeline.results`."""
    seconds: float
    """Wall time of the step when it ran, s."""
    peak_memory: int
    """Largest resident set of a drizzlepac process in it, bytes; 0 where none ran."""
    reused: bool
    """Whether it had finished before this run."""
    fetched: Mapping[str, int] = field(default_factory=dict)
    """Bytes of what it fetched from the store, by SHA-256."""
    moved: Traffic = field(default_factory=Traffic)
    """Bytes between its host and the store."""
    host: str = ""
    """Name of the host that it ran on."""
    cache: str = ""
    """A word for the cache that it used; empty where the store needs none."""

    def with_result(self, result: _R) -> Finished[_R]:
        """Return the same step with another result."""
        return Finished(**{**vars(self), "result": result})


class Bench:
    """What the work of a step gets: a scratch folder, a folder for products, and its inputs."""

    def __init__(
        self, place: Place, root: Path, tasks: Sequence[progress.RunningTask] = (), key: str = ""
    ) -> None:
        self.key = key
        """Of the step; empty where none is made."""
        self.scratch = root / "work"
        self.out = root / "out"
        self.peak_memory = 0
        self.fetched: dict[str, int] = {}
        """Bytes of what was fetched, by SHA-256."""
        self._place, self._tasks = place, tasks
        self.scratch.mkdir()
        self.out.mkdir()

    def doing(self, detail: str) -> None:
        """Tell what the step is doing now."""
        for task in self._tasks:
            task.doing(detail)

    def fetch(self, product: Product) -> Path:
        """Fetch a private, writable copy into the scratch folder, verifying its checksum.

        Raises
        ------
        DamagedError
            The product is not what it was. It was put aside, and has to be made anew.
        """
        path = self.scratch / product.name
        with self._put_aside_if_damaged(product):
            self._place.store.get(product, path)
        return path

    def open(self, product: Product) -> BinaryIO:
        """Open a product for reading only, its checksum verified; errors as for `fetch`."""
        with self._put_aside_if_damaged(product):
            return self._place.store.open(product)

    @contextmanager
    def _put_aside_if_damaged(self, product: Product) -> Iterator[None]:
        try:
            yield
        except DamagedError:
            self._place.put_aside(product)
            raise
        self.fetched[product.sha256] = product.size


def run_step(
    place: Place,
    step: Step[_R],
    *,
    tasks: Sequence[Task] = (),
    inputs: Mapping[str, Product],
    parameters: Mapping[str, Any],
    versions: Mapping[str, str],
    work: Callable[[Bench], _R],
) -> Finished[_R]:
    """Run a step, or take it from the store when it has been done, and tell how it goes.

    Parameters
    ----------
    place : Place
        The campaign's store and scratch.
    step : Step
        Its name, what its result is, and where its products go.
    tasks : sequence of Task
        What it is to those who watch the run.
    inputs : mapping of str to Product
        Everything it reads.
    parameters : mapping
        Everything else that its result depends on; plain JSON values.
    versions : mapping of str to str
        Software that its result depends on.
    work : callable
        Does it: writes products into ``bench.out`` and returns the result.

    Raises
    ------
    NotFinishedError
        It would have to run, and `place` forbids it.
    StoreError
        The store or the scratch folder failed.
    SkymosaicError
        What `work` raised; the store is then as it was, but for what ``failed/`` tells of it.
    """
    wanted = {
        "step": step.name,
        "inputs": {name: product.sha256 for name, product in sorted(inputs.items())},
        "parameters": parameters,
        "versions": dict(versions),
    }
    key = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    with ExitStack() as stack:
        running = [stack.enter_context(place.announced(task, step)) for task in tasks]
        for task in running[1:]:
            task.in_one_with = running[0].name
        done = finished(place, step)
        if done is None or done.key != key:
            if place.must_be_finished:
                raise NotFinishedError(step.name)
            if done is None:
                _put_aside_what_changed(place, step.name, key)
            done = _make(place, step, {**wanted, "key": key}, work, running)
        for task in running:
            task.reused = done.reused
    return done


def _make(
    place: Place,
    step: Step[_R],
    wanted: Mapping[str, Any],
    work: Callable[[Bench], _R],
    tasks: Sequence[progress.RunningTask],
) -> Finished[_R]:
    """Do the work of a step and publish it; `wanted` begins its manifest."""
    started, clock, before = datetime.now(UTC), time.monotonic(), traffic.moved()

    def record(bench: Bench | None) -> dict[str, Any]:
        return {
            **wanted,
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 3),
            "peak_memory": bench.peak_memory if bench else 0,
            "host": platform.node(),
            "fetched": bench.fetched if bench else {},
            "moved": asdict(traffic.moved() - before),
            "cache": cache_of(place.store),
        }

    bench = None
    try:
        with (
            scratch.folder(place.scratch, step.name.replace("/", "-")) as root,
            _scratch_errors(place, step.name),
        ):
            bench = Bench(place, root, tasks, wanted["key"])
            try:
                result = results.as_plain(work(bench), step.gives)
            except UnreachableError:
                raise
            except Exception:
                _keep_logs(place, step.name, bench)
                raise
            return _publish(
                place,
                step,
                bench,
                wanted["key"],
                lambda: {**record(bench), "result": result},
            )
    except UnreachableError:
        raise  # a record could not be written either, and each try would wait again
    except Exception as error:
        _keep_error(place, step.name, {**record(bench), "error": as_record(error)})
        raise


def _put_aside_what_changed(place: Place, step: str, key: str) -> None:
    """Move products out of the way that are not those of their manifest; raises DamagedError then.

    The next attempt makes them anew. People are told: nothing else says that a store loses bytes.
    """
    try:
        manifest = read_manifest(place, step)
    except DamagedError:  # as `finished` warned
        return
    if manifest is None or manifest["key"] != key:
        return
    store, products = place.store, manifest["products"].values()
    changed = [p for p in products if not store.has(p) and store.age(p.key) is not None]
    for product in changed:
        place.put_aside(product)
    if changed:
        addresses = ", ".join(store.address(product.key) for product in changed)
        raise DamagedError(f"{addresses} changed in the store; `skymosaic run` makes it again")


def finished(place: Place, step: Step[_R]) -> Finished[_R] | None:
    """Return a step from the store, or None where it has not finished or a product is gone."""
    try:
        manifest = read_manifest(place, step.name)
        if manifest is None:
            return None
        done = _from_manifest(place, step, manifest, reused=True)
    except DamagedError as error:  # or another version of the project wrote it
        log.warning("%s counts as not finished: %s", step.name, error)
        return None
    return done if all(map(place.store.has, done.products.values())) else None


def recorded_parameters(place: Place, step: str) -> Mapping[str, Any] | None:
    """Return the parameters that a step last finished with, None where it never did."""
    try:
        manifest = read_manifest(place, step)
    except DamagedError:  # its step is made anew, whatever it was made with
        return None
    return None if manifest is None else dict(manifest["parameters"])


def read_manifest(place: Place, step: str) -> Manifest | None:
    """Return the manifest of a step, None where there is none.

    Raises
    ------
    DamagedError
        It is not what was written.
    """
    return manifest_at(place.store, _manifest_key(place, step))


def manifest_at(store: Store, key: str) -> Manifest | None:
    """Return the manifest that lies at a key; as `read_manifest`."""
    manifest = shapes.read(store, key, shapes.MANIFEST)
    if manifest is None:
        return None
    for product in manifest["products"].values():
        if not is_ours(product.key):
            raise DamagedError(
                f"{store.address(key)} names {product.key!r}; `skymosaic run` makes it again"
            )
    return manifest


def recorded_result(place: Place, step: str, part: type[_R]) -> _R | None:
    """Return a part of what a step last found, of whatever inputs; None where it never finished.

    A manifest that changed in the store still tells it: the step is to be made anew.
    """
    key = _manifest_key(place, step)
    try:
        manifest = place.store.read_json(key)
        result = manifest.get("result") if isinstance(manifest, Mapping) else None
        return results.from_plain(result, part, place.store.address(key))
    except DamagedError:
        return None


def forget(place: Place, step: str) -> None:
    """Let a step count as not finished, so that it is run again.

    Raises
    ------
    NotFinishedError
        `place` forbids to run it.
    StoreError
        The store cannot be written.
    """
    if place.must_be_finished:
        raise NotFinishedError(step)
    place.store.delete(_manifest_key(place, step))


def _manifest_key(place: Place, step: str) -> str:
    return place.key("manifests", f"{step}.json")


def _from_manifest(
    place: Place, step: Step[_R], manifest: Manifest, *, reused: bool
) -> Finished[_R]:
    """Return what a manifest tells; raises DamagedError where its result is another's."""
    address = place.store.address(_manifest_key(place, step.name))
    return Finished(
        step=manifest["step"],
        key=manifest["key"],
        products=manifest["products"],
        result=results.from_plain(manifest["result"], step.gives, address),
        seconds=manifest["seconds"],
        peak_memory=manifest["peak_memory"],
        reused=reused,
        fetched=manifest["fetched"],
        moved=manifest["moved"],
        host=manifest["host"],
        cache=manifest["cache"],
    )


def as_record(error: BaseException) -> ErrorRecord:
    """Return what records tell of an error."""
    known = error if isinstance(error, SkymosaicError) else SkymosaicError()
    return {
        "class": type(error).__name__,
        "message": signals.interruption(error) or str(error),
        "exit_code": known.exit_code,
        "passes_by_itself": known.passes_by_itself,
    }


def _publish(
    place: Place,
    step: Step[_R],
    bench: Bench,
    key: str,
    record: Callable[[], dict[str, Any]],
) -> Finished[_R]:
    """Store the products, all of them or none, and the manifest that says so.

    They are staged first, because storing can fail half-way; moving them into place does not.
    Until the manifest is written they do not count as existing. A worker that was given up for lost
    may still be at work on the same step: only one publishes at a time, and the first one has done
    it for both.
    """
    name, staging = step.name, place.key("staging", step.name, uuid4().hex[:8])
    staged: dict[str, Product] = {}
    try:
        for path in sorted(path for path in bench.out.rglob("*") if path.is_file()):
            file = path.relative_to(bench.out).as_posix()
            staged[file] = place.store.put(path, f"{staging}/{file}", take=True)
        with lease.held(place.store, place.key("locks", name), name, wait=_PUBLISHING) as lock:
            manifest_key = _manifest_key(place, name)
            if place.store.age(manifest_key) is not None:
                done = finished(place, step)
                if done is not None and done.key == key:
                    place.store.remove(staging)
                    return done
                place.store.delete(manifest_key)
            products = {}
            for file, product in staged.items():
                _require_held(lock, name)
                products[file] = place.store.move(product, place.key(step.folder, file))
            if step.folder == name:  # the folder is this step's alone: nothing older belongs there
                _remove_others(place, step.folder, products)
            entries = {file: asdict(product) for file, product in products.items()}
            manifest = shapes.sealed({**record(), "products": entries})
            _require_held(lock, name)
            if not place.store.create(manifest_key, as_json(manifest)):
                raise LockedError(f"another worker published {name} at the same time; run again")
            # Also what workers that were killed had staged for this step.
            place.store.remove(place.key("staging", name))
    except UnreachableError:
        raise
    except SkymosaicError:
        _try_to(lambda: place.store.remove(staging), f"remove {staging}")
        raise
    place.store.delete(place.key("failed", f"{name}.json"))
    place.store.remove(place.key("failed", name))
    address = place.store.address(manifest_key)
    published = shapes.checked(manifest, shapes.MANIFEST, address)
    return _from_manifest(place, step, published, reused=False)


def _require_held(lock: Lease, step: str) -> None:
    """Stop publishing where this process was asleep for so long that another took over."""
    if not lock.is_held():
        raise LockedError(f"another worker is publishing {step}; run again")


def _remove_others(place: Place, folder: str, products: Mapping[str, Product]) -> None:
    for key in place.store.list(place.key(folder)):
        if key.removeprefix(place.key(folder, "")) not in products and is_ours(key):
            place.store.delete(key)


def _keep_logs(place: Place, step: str, bench: Bench) -> None:
    """Keep the logs of a failed step."""
    for path in (*bench.out.glob("*.log"), *bench.scratch.glob("*.log")):
        key = place.key("failed", step, path.name)
        _try_to(partial(place.store.put, path, key), f"keep {path.name}")


def _keep_error(place: Place, step: str, record: Mapping[str, Any]) -> None:
    """Keep what is known of a failed step."""
    key = place.key("failed", f"{step}.json")
    _try_to(
        lambda: place.store.write_json(key, shapes.sealed(record)), f"keep the record of {step}"
    )


def _try_to(act: Callable[[], object], what: str) -> None:
    """Do what the store may refuse when something else has failed already: that matters more."""
    try:
        act()
    except StoreError as error:
        log.warning("could not %s: %s", what, error)


@contextmanager
def _scratch_errors(place: Place, step: str) -> Iterator[None]:
    """Tell that the scratch folder is full, where a library says so in its own words."""
    try:
        yield
    except SkymosaicError:  # some are OSErrors, too
        raise
    except OSError as error:
        what = Path(os.fsdecode(error.filename)).name if error.filename else step
        full = no_space(error, what, scratch.base(place.scratch), SCRATCH_REMEDY)
        raise full or error from None
