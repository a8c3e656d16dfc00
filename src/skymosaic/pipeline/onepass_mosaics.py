"""The mosaics of the one-pass engine in a store, however they were made."""

from __future__ import annotations

from skymosaic.pipeline.results import DRIZZLE, ONEPASS, DrizzleResult, as_run
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished, forget, recorded_parameters
from skymosaic.steps.place import Place

BLOCKS = "blocks"
"""The parameter by which the step of a mosaic says that it was put together from blocks."""


def is_from_blocks(place: Place, name: str) -> bool:
    """Tell whether the mosaic of a method or variant was put together from blocks, if it is there.

    Else the engine's one step made it, or AstroDrizzle.
    """
    return BLOCKS in (recorded_parameters(place, DRIZZLE.step(name).name) or {})


def find_mosaic(place: Place, name: str) -> Finished[DrizzleResult] | None:
    """Return the mosaic of a method or variant, None where there is none."""
    if is_from_blocks(place, name):
        return finished(place, DRIZZLE.step(name))
    every = finished(place, ONEPASS.step())
    return as_run(every, name) if every is not None and name in every.result.runs else None


def forget_blocks(place: Place, names: list[str]) -> None:
    """Let mosaics from blocks count as not finished, where the one step has made others."""
    for name in names:
        if is_from_blocks(place, name):
            forget(place, DRIZZLE.step(name).name)
