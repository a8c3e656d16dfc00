"""Manifests read back: which steps have finished, and what they gave."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TypeVar

from skymosaic.errors import DamagedError
from skymosaic.steps import results
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place
from skymosaic.steps.tasks import Step
from skymosaic.store import Store, shapes
from skymosaic.store.base import is_ours
from skymosaic.store.shapes import Manifest

log = logging.getLogger(__name__)

_R = TypeVar("_R")


class NotFinishedError(Exception):
    """A step would have to run, where only finished ones were asked for."""

    def __init__(self, step: str, why: str = "") -> None:
        super().__init__(step)
        self.step = step
        self.why = why
        """What differs from when it was made, for people."""


def finished(place: Place, step: Step[_R]) -> Finished[_R] | None:
    """Return a step from the store, or None where it has not finished or a product is gone."""
    try:
        manifest = read_manifest(place, step.name)
        if manifest is None:
            return None
        done = from_manifest(place, step, manifest, reused=True)
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


def names_of_finished(place: Place) -> frozenset[str]:
    """Return the names of all steps that have a manifest, whatever is in it."""
    folder = place.key("manifests", "")
    return frozenset(
        key.removeprefix(folder).removesuffix(".json")
        for key in place.store.list(folder.rstrip("/"))
        if key.endswith(".json")
    )


def read_manifest(place: Place, step: str) -> Manifest | None:
    """Return the manifest of a step, None where there is none.

    Raises
    ------
    DamagedError
        It is not what was written.
    """
    return manifest_at(place.store, manifest_key(place, step))


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
    key = manifest_key(place, step)
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
    place.store.delete(manifest_key(place, step))


def manifest_key(place: Place, step: str) -> str:
    """Return the key that the manifest of a step has in the store."""
    return place.key("manifests", f"{step}.json")


def from_manifest(
    place: Place, step: Step[_R], manifest: Manifest, *, reused: bool
) -> Finished[_R]:
    """Return what a manifest tells; raises DamagedError where its result is another's."""
    address = place.store.address(manifest_key(place, step.name))
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
