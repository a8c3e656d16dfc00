"""The exposures with the WCS that a campaign chose or corrected, read back from its store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from skymosaic.config import Align
from skymosaic.config.align import AS_THEY_ARE, ExposureChecks
from skymosaic.pipeline.results import InspectionResult, RetrieveResult
from skymosaic.pipeline.wcs import over, parcel_of, with_placed
from skymosaic.pipeline.wcs_results import (
    CHOICE,
    SHAPES,
    SHIFTED,
    WCS,
    WCS_TILES,
    WITHIN,
    ChoiceResult,
)
from skymosaic.pipeline.within import association_of, with_within
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished, read_manifest, recorded_parameters
from skymosaic.steps.place import Place
from skymosaic.steps.tasks import Step
from skymosaic.store import Product

_R = TypeVar("_R")


def read_placed(
    place: Place,
    settings: Align,
    inspected: Finished[InspectionResult],
    retrieved: Sequence[Finished[RetrieveResult]],
) -> Finished[InspectionResult] | None:
    """Return what was inspected with the files and headers that are aligned.

    Parameters
    ----------
    place : Place
        The campaign's.
    settings : Align
        What the campaign asks for.
    inspected, retrieved
        The finished steps before.

    Returns
    -------
    Finished or None
        None where nothing was chosen or compared yet, or something else. What was made from other
        files, or for another choice, is not taken.
    """
    placed: Sequence[Finished[RetrieveResult]] = retrieved
    if settings.wcs != AS_THEY_ARE:
        choice = finished(place, CHOICE.step())
        if choice is None or choice.result.wanted != settings.wcs:
            return None
        placed = [_chosen(place, one, choice.result) for one in retrieved]
        inspected = with_placed(inspected, choice, placed)
    if settings.exposures is not None:
        return _compared(place, settings.exposures, inspected, placed)
    return inspected


def _chosen(
    place: Place, retrieved: Finished[RetrieveResult], choice: ChoiceResult
) -> Finished[RetrieveResult]:
    """Return a parcel with the WCS that was chosen."""
    for spec in (WCS, WCS_TILES):
        done = _current(place, spec.step(parcel_of(retrieved)), retrieved.products)
        if done is not None and _is_of(done, choice):
            retrieved = over(retrieved, done)
    return retrieved


def _compared(
    place: Place,
    checks: ExposureChecks,
    inspected: Finished[InspectionResult],
    placed: Sequence[Finished[RetrieveResult]],
) -> Finished[InspectionResult] | None:
    """Return what was inspected with how it lies within associations."""
    shapes: dict[str, Product] = {}
    for one in placed:
        seen = _current(place, SHAPES.step(parcel_of(one)), one.products)
        shapes |= {} if seen is None else seen.products
    within = _current(place, WITHIN.step(), shapes)
    recorded = recorded_parameters(place, WITHIN.step().name) or {}
    exposures = inspected.result.exposures
    wanted = {
        **checks.model_dump(mode="json"),
        "associations": {one.rootname: association_of(one) for one in exposures},
    }
    if within is None or any(recorded.get(name) != value for name, value in wanted.items()):
        return None
    moved = []
    for one in placed:
        done = _current(place, SHIFTED.step(parcel_of(one)), one.products)
        names = () if done is None else [image.rootname for image in done.result.images]
        current = done is not None and set(names) <= set(within.result.corrected)
        moved.append(over(one, done) if done is not None and current else one)
    return with_within(inspected, within, moved)


def _current(place: Place, step: Step[_R], files: Mapping[str, Product]) -> Finished[_R] | None:
    """Return a step that was made from the files that there are now; None where there is none."""
    done = finished(place, step)
    manifest = None if done is None else read_manifest(place, step.name)
    if manifest is None:
        return None
    now = {name: product.sha256 for name, product in files.items()}
    same = all(now.get(name) == sha256 for name, sha256 in manifest["inputs"].items())
    return done if same else None


def _is_of(done: Finished[RetrieveResult], choice: ChoiceResult) -> bool:
    """Tell whether files have the solutions that were chosen; drizzled images one of them."""
    names = {one.solution.name for one in choice.chosen.values()}
    for image in done.result.images:
        chosen = choice.chosen.get(image.name)
        wanted = names if chosen is None else {chosen.solution.name}
        if image.chips[0].wcsname not in wanted or (chosen is not None and chosen.stays):
            return False
    return True
