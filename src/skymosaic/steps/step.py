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
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from skymosaic.errors import DamagedError, OutOfMemoryError, SkymosaicError, UnreachableError
from skymosaic.host import container, scratch
from skymosaic.host.disk import SCRATCH_REMEDY, no_space
from skymosaic.host.node import node_name
from skymosaic.steps import progress, results
from skymosaic.steps.bench import Bench
from skymosaic.steps.failures import as_record, keep_error, keep_logs
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import NotFinishedError, finished, read_manifest
from skymosaic.steps.place import Place
from skymosaic.steps.publishing import publish
from skymosaic.steps.reasons import reason
from skymosaic.steps.tasks import Step, Task
from skymosaic.store import Product, cache_of, traffic

__all__ = ["Bench", "Finished", "Place", "run_step"]

log = logging.getLogger(__name__)

_R = TypeVar("_R")


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
    if place.names is not None and step.name not in place.names:
        raise NotFinishedError(step.name)
    wanted = _wanted(step.name, inputs, parameters, versions)
    key = _digest(wanted)
    with ExitStack() as stack:
        running = [stack.enter_context(place.announced(task, step)) for task in tasks]
        for task in running[1:]:
            task.in_one_with = running[0].name
        done = finished(place, step)
        if done is None or done.key != key:
            if place.must_be_finished:
                why = "" if place.names is not None else reason(place, step.name, wanted)
                raise NotFinishedError(step.name, why)
            if done is None:
                _put_aside_what_changed(place, step.name, key)
            if not tasks:
                stack.enter_context(place.part(step.name))
            done = _make(place, step, {**wanted, "key": key}, work, running)
        for task in running:
            task.reused = done.reused
    return done


def key_of(
    step: str,
    inputs: Mapping[str, Product],
    parameters: Mapping[str, Any],
    versions: Mapping[str, str],
) -> str:
    """Return the key of a step that is made so; arguments as of `run_step`."""
    return _digest(_wanted(step, inputs, parameters, versions))


def _wanted(
    step: str,
    inputs: Mapping[str, Product],
    parameters: Mapping[str, Any],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "step": step,
        "inputs": {name: product.sha256 for name, product in sorted(inputs.items())},
        "parameters": parameters,
        "versions": dict(versions),
    }


def _digest(wanted: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


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
            "host": node_name(),
            "fetched": bench.fetched if bench else {},
            "moved": asdict(traffic.moved() - before),
            "cache": cache_of(place.store),
        }

    bench = None
    try:
        with (
            scratch.folder(place.scratch, step.name.replace("/", "-")) as root,
            _scratch_errors(place, step.name),
            _memory_errors(step.name),
        ):
            bench = Bench(place, root, tasks, wanted["key"])
            try:
                result = results.as_plain(work(bench), step.gives)
            except UnreachableError:
                raise
            except Exception:
                keep_logs(place, step.name, bench)
                raise
            return publish(
                place,
                step,
                bench,
                wanted["key"],
                lambda: {**record(bench), "result": result},
            )
    except UnreachableError:
        raise  # a record could not be written either, and each try would wait again
    except Exception as error:
        keep_error(place, step.name, {**record(bench), "error": as_record(error)})
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


@contextmanager
def _memory_errors(step: str) -> Iterator[None]:
    """Tell that memory ran out, where a library says so in its own words."""
    try:
        yield
    except SkymosaicError:
        raise
    except Exception as error:
        if not container.is_short(error):
            raise
        raise OutOfMemoryError(f"{step} ran out of memory; {container.remedy()}") from error


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
