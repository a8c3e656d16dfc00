"""One step of a campaign: its key, its products, and the manifest that says they exist.

A step's key is the hash of its inputs' checksums, its parameters and the versions of the software.
Products are stored first and the manifest last, so a product exists when its manifest does. A step
whose manifest has the same key is not run again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skymosaic import scratch
from skymosaic.errors import StoreError
from skymosaic.store import Product, Store

log = logging.getLogger(__name__)


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

    def only_finished(self) -> Place:
        """Return the same place, in which steps are looked up and never run."""
        return replace(self, must_be_finished=True)

    def key(self, *parts: str) -> str:
        """Return a key below the campaign's folder."""
        return "/".join((self.campaign, *parts))


@dataclass(frozen=True)
class Finished:
    """A finished step, as its manifest tells it: small enough to travel between tasks."""

    step: str
    key: str
    products: Mapping[str, Product]
    """By file name."""
    result: Mapping[str, Any]
    """Numbers and names that later steps and the report need; plain JSON values."""
    seconds: float
    """Wall time of the step when it ran, s."""
    peak_memory: int
    """Largest resident set of a drizzlepac process in it, bytes; 0 where none ran."""
    reused: bool
    """Whether it had finished before this run."""


class Bench:
    """What the work of a step gets: a scratch folder, a folder for products, and its inputs."""

    def __init__(self, store: Store, root: Path) -> None:
        self.scratch = root / "work"
        self.out = root / "out"
        self.peak_memory = 0
        self._store = store
        self.scratch.mkdir()
        self.out.mkdir()

    def fetch(self, product: Product) -> Path:
        """Fetch a private, writable copy into the scratch folder, verifying its checksum."""
        path = self.scratch / product.name
        self._store.get(product, path)
        return path


def run_step(
    place: Place,
    step: str,
    *,
    folder: str,
    inputs: Mapping[str, Product],
    parameters: Mapping[str, Any],
    versions: Mapping[str, str],
    work: Callable[[Bench], dict[str, Any]],
) -> Finished:
    """Run a step, or take it from the store when it has been done.

    Parameters
    ----------
    place : Place
        The campaign's store and scratch.
    step : str
        Its name, such as ``runs/match``; that of its manifest too.
    folder : str
        Folder of its products below the campaign's.
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
        What `work` raised; the store is then as it was, but for the logs under ``failed/``.
    """
    wanted = {
        "step": step,
        "inputs": {name: product.sha256 for name, product in sorted(inputs.items())},
        "parameters": parameters,
        "versions": dict(versions),
    }
    key = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    done = finished(place, step)
    if done is not None and done.key == key:
        return done
    if place.must_be_finished:
        raise NotFinishedError(step)
    started, clock = datetime.now(UTC), time.monotonic()
    with _scratch_errors(), scratch.folder(place.scratch, step.replace("/", "-")) as root:
        bench = Bench(place.store, root)
        try:
            result = work(bench)
        except Exception:
            _keep_logs(place, step, bench)
            raise
        products = _publish(place, step, folder, bench.out)
    manifest = {
        **wanted,
        "key": key,
        "products": {name: asdict(product) for name, product in products.items()},
        "result": result,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 3),
        "peak_memory": bench.peak_memory,
        "host": platform.node(),
    }
    place.store.write_json(_manifest_key(place, step), manifest)
    return _from_manifest(manifest, reused=False)


def finished(place: Place, step: str) -> Finished | None:
    """Return a step from the store, or None where it has not finished or a product is gone."""
    manifest = place.store.read_json(_manifest_key(place, step))
    if manifest is None:
        return None
    try:
        done = _from_manifest(manifest, reused=True)
    except (KeyError, TypeError):  # another version of the project wrote it: do the step anew
        return None
    return done if all(map(place.store.has, done.products.values())) else None


def _manifest_key(place: Place, step: str) -> str:
    return place.key("manifests", f"{step}.json")


def _from_manifest(manifest: Mapping[str, Any], *, reused: bool) -> Finished:
    return Finished(
        step=manifest["step"],
        key=manifest["key"],
        products={name: Product(**values) for name, values in manifest["products"].items()},
        result=manifest["result"],
        seconds=manifest["seconds"],
        peak_memory=manifest["peak_memory"],
        reused=reused,
    )


def _publish(place: Place, step: str, folder: str, out: Path) -> dict[str, Product]:
    """Store the products: all of them, or none.

    They are staged first, because storing can fail half-way; moving them into place does not.
    Until the manifest is written they do not count as existing.
    """
    staged: dict[str, Product] = {}
    try:
        for path in sorted(path for path in out.iterdir() if path.is_file()):
            staged[path.name] = place.store.put(
                path, place.key("staging", step, path.name), take=True
            )
    except StoreError:
        for product in staged.values():
            place.store.delete(product.key)
        raise
    place.store.delete(_manifest_key(place, step))
    products = {
        name: place.store.move(product, place.key(folder, name)) for name, product in staged.items()
    }
    if folder == step:  # the folder is this step's alone: nothing older belongs there
        for key in place.store.list(place.key(folder)):
            if key.rsplit("/", 1)[-1] not in products:
                place.store.delete(key)
    for stale in place.store.list(place.key("failed", step)):
        place.store.delete(stale)
    return products


def _keep_logs(place: Place, step: str, bench: Bench) -> None:
    """Keep the logs of a failed step, if the store still takes them: the error matters more."""
    for path in (*bench.out.glob("*.log"), *bench.scratch.glob("*.log")):
        try:
            place.store.put(path, place.key("failed", step, path.name))
        except StoreError as error:
            log.warning("the log of the failed step %s could not be kept: %s", step, error)


@contextmanager
def _scratch_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"no space left in the scratch folder ({error.filename}); free some, or set "
                "compute.scratch to a folder with more"
            ) from None
        raise
