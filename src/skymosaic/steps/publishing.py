"""Products and the manifest of a step, stored so that both exist or neither does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar
from uuid import uuid4

from skymosaic.errors import LockedError, SkymosaicError, UnreachableError
from skymosaic.steps.bench import Bench
from skymosaic.steps.failures import try_to
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished, from_manifest, manifest_key
from skymosaic.steps.place import Place
from skymosaic.steps.tasks import KINDS, Step
from skymosaic.store import Product, lease, shapes
from skymosaic.store.base import as_json, is_ours
from skymosaic.store.lease import Lease

_R = TypeVar("_R")
_SHARED = frozenset(kind.folder for kind in KINDS if kind.folder)
"""Folders that several steps have together."""
_PUBLISHING = 600.0  # s to wait for another worker that publishes the same step


def publish(
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
            at = manifest_key(place, name)
            if place.store.age(at) is not None:
                done = finished(place, step)
                if done is not None and done.key == key:
                    place.store.remove(staging)
                    return done
                place.store.delete(at)
            products = {}
            for file, product in staged.items():
                _require_held(lock, name)
                products[file] = place.store.move(product, place.key(step.folder, file))
            if step.folder == name and name not in _SHARED:  # nothing older belongs there
                _remove_others(place, step.folder, products)
            entries = {file: asdict(product) for file, product in products.items()}
            manifest = shapes.sealed({**record(), "products": entries})
            _require_held(lock, name)
            if not place.store.create(at, as_json(manifest)):
                raise LockedError(f"another worker published {name} at the same time; run again")
            # Also what workers that were killed had staged for this step.
            place.store.remove(place.key("staging", name))
    except UnreachableError:
        raise
    except SkymosaicError:
        try_to(lambda: place.store.remove(staging), f"remove {staging}")
        raise
    place.store.delete(place.key("failed", f"{name}.json"))
    place.store.remove(place.key("failed", name))
    address = place.store.address(at)
    published = shapes.checked(manifest, shapes.MANIFEST, address)
    return from_manifest(place, step, published, reused=False)


def _require_held(lock: Lease, step: str) -> None:
    """Stop publishing where this process was asleep for so long that another took over."""
    if not lock.is_held():
        raise LockedError(f"another worker is publishing {step}; run again")


def _remove_others(place: Place, folder: str, products: Mapping[str, Product]) -> None:
    for key in place.store.list(place.key(folder)):
        if key.removeprefix(place.key(folder, "")) not in products and is_ours(key):
            place.store.delete(key)
