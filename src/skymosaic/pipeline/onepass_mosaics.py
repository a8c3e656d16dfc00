"""The mosaics of the one-pass engine in a store, however they were made."""

from __future__ import annotations

from collections.abc import Sequence

from skymosaic.pipeline.results import DRIZZLE, ONEPASS, DrizzleResult, as_run
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished, forget, recorded_parameters
from skymosaic.steps.place import Place
from skymosaic.steps.tasks import Kind
from skymosaic.store.base import is_ours

BLOCKS = "blocks"
"""The parameter by which the step of a mosaic says that it was put together from blocks."""


def is_from_blocks(place: Place, name: str) -> bool:
    """Tell whether the mosaic of a method or variant was put together from blocks, if it is there.

    Else the one step of an older version made it, or AstroDrizzle.
    """
    return BLOCKS in (recorded_parameters(place, DRIZZLE.step(name).name) or {})


def find_mosaic(place: Place, name: str) -> Finished[DrizzleResult] | None:
    """Return the mosaic of a method or variant, None where there is none."""
    if is_from_blocks(place, name):
        return finished(place, DRIZZLE.step(name))
    every = finished(place, ONEPASS.step())
    return as_run(every, name) if every is not None and name in every.result.runs else None


def forget_others(place: Place, kind: Kind, names: Sequence[str]) -> None:
    """Let steps of a kind count as not finished that the campaign has no longer.

    `skymosaic clean` removes their files.

    Parameters
    ----------
    place : Place
        The campaign's.
    kind : Kind
        One of many steps.
    names : sequence of str
        What those that it has are about: exposures, blocks or cells.
    """
    prefix, kept = place.key("manifests", kind.step_of()), set(names)
    for key in place.store.list(prefix.rstrip("/")):
        name = key.removeprefix(prefix).removesuffix(".json")
        if is_ours(key) and key.endswith(".json") and name not in kept:
            forget(place, kind.step_of(name))
