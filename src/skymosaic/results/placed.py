"""The exposures with the WCS that a campaign chose, read back from its store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from skymosaic.pipeline.results import RETRIEVE, InspectionResult, RetrieveResult
from skymosaic.pipeline.wcs import over, with_placed
from skymosaic.pipeline.wcs_results import CHOICE, WCS, WCS_TILES, ChoiceResult
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished, read_manifest
from skymosaic.steps.place import Place
from skymosaic.steps.tasks import Step
from skymosaic.store import Product

_R = TypeVar("_R")


def read_placed(
    place: Place,
    wanted: str,
    inspected: Finished[InspectionResult],
    retrieved: Sequence[Finished[RetrieveResult]],
    files: Mapping[str, Product],
) -> Finished[InspectionResult] | None:
    """Return what was inspected with the files and headers of the chosen WCS.

    Parameters
    ----------
    place : Place
        The campaign's.
    wanted : str
        What the campaign asks for: `align.wcs`.
    inspected, retrieved
        The finished steps before.
    files : mapping of str to Product
        What was retrieved, by file name.

    Returns
    -------
    Finished or None
        None where nothing was chosen yet, or something else. What was made from other files, or for
        another choice, is not taken.
    """
    choice = finished(place, CHOICE.step())
    if choice is None or choice.result.wanted != wanted:
        return None
    placed, now = [], dict(files)
    for one in retrieved:
        parcel = one.step.removeprefix(RETRIEVE.step("").name)
        for spec in (WCS, WCS_TILES):
            done = _current(place, spec.step(parcel), now)
            if done is not None and _is_of(done, choice.result):
                one = over(one, done)
        placed.append(one)
        now |= one.products
    return with_placed(inspected, choice, placed)


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
