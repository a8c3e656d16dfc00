"""The tasks that align the exposures, or leave them as they came.

A task an image finds its sources, one solves, a task an exposure writes its WCS, and the last one
gathers what they tell. None of them has more than one image, and who solves has none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from skymosaic.align.alignment import Alignment
from skymosaic.align.catalogue import FILE
from skymosaic.align.solutions import mixed_in_tiles
from skymosaic.align.vectors import VECTORS
from skymosaic.archive.base import Parcel
from skymosaic.config import Align
from skymosaic.hst.exposure import suffix_of
from skymosaic.pipeline import reference as references
from skymosaic.pipeline import tiles as tile_steps
from skymosaic.pipeline.align_results import (
    MOVED,
    FindingResult,
    MovedResult,
    ReferenceResult,
    SolutionResult,
    TilesResult,
)
from skymosaic.pipeline.earlier_alignment import PARTS, all_fitted, find_earlier
from skymosaic.pipeline.image_shares import Share, shares_of
from skymosaic.pipeline.images import select
from skymosaic.pipeline.moving import move
from skymosaic.pipeline.onepass_mosaics import forget_others
from skymosaic.pipeline.results import ALIGN, AlignResult, CatalogueResult, InspectionResult
from skymosaic.pipeline.solution import log_of, solve_tiles
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.store.base import is_ours
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AlignTasks:
    """The calls that align."""

    aligned: Any
    sources: Sequence[Any] = ()
    """Those that list the sources of drizzled images."""


def make_alignment(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    parcels: Sequence[Parcel],
    inspected: Any,
    catalogue: Any = None,
) -> AlignTasks:
    """Make the tasks that align exposures into ``aligned/``; with ``align: none`` they stay.

    Parameters
    ----------
    calls, campaign, place
        As for the other parts of the graph.
    parcels : sequence of Parcel
        What is retrieved: it tells which tasks there are.
    inspected : call
        Gives the images.
    catalogue : call or None
        Gives the sources of another group, which the images are aligned to.
    """
    settings = campaign.align
    if settings.method == "none":
        return AlignTasks(calls.call(leave, place, inspected, name="align"))
    part = replace(place, part_of=(ALIGN.task(), ALIGN.step()))
    more = [] if catalogue is None else [catalogue]
    # Where a group follows another, it is that group which the stars are for.
    is_listed = catalogue is None and settings.has_reference
    earlier = calls.call(partial(find_earlier, place, settings), inspected, *more, name="earlier")

    def call(function: Callable[..., Any], *arguments: Any, share: Share | None = None) -> Any:
        about = {} if share is None else {"of": share.name, "near": share.near}
        act, name = partial(_unless, function), _name_of(function)
        return calls.call(act, earlier, *arguments, name=name, **about)

    def each(function: Callable[..., Any], shares: Sequence[Share], *arguments: Any) -> list[Any]:
        return [call(partial(function, share), *arguments, share=share) for share in shares]

    of_tiles = shares_of(parcels, calls.hosts(), drizzled=True)
    if is_listed:
        list_stars = partial(references.list_reference, place, campaign)
        stars = calls.call(list_stars, inspected, name="list_reference")
        more = [None, stars]
    alone = catalogue is not None or is_listed
    tiles = call(partial(tile_steps.list_tiles, part, settings, alone), inspected)
    noise = each(partial(tile_steps.measure_noise, part), of_tiles, inspected, tiles)
    level = call(partial(tile_steps.find_level, settings), noise)
    counted = each(partial(tile_steps.count_sources, part), of_tiles, inspected, level)
    found = call(partial(tile_steps.choose_threshold, part, settings), tiles, level, counted)
    sources = each(partial(tile_steps.list_tile_sources, part), of_tiles, inspected, found)
    solve = partial(solve_tiles, part, settings)
    solved = call(solve, inspected, tiles, found, sources, *more)
    of_exposures = shares_of(parcels, calls.hosts(), drizzled=False)
    moved = each(partial(move, part, settings), of_exposures, inspected, tiles, solved)
    gather = partial(align, place, settings)
    aligned = calls.call(
        gather, earlier, inspected, tiles, found, solved, moved, *more, name="align"
    )
    return AlignTasks(aligned, sources)


def _unless(function: Callable[..., Any], earlier: Any, *arguments: Any) -> Any:
    """Return what a function gives; nothing where an earlier version has aligned all already."""
    return None if earlier is not None else function(*arguments)


def _name_of(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = function.func
    return function.__name__


def leave(place: Place, inspected: Finished[InspectionResult]) -> Finished[AlignResult]:
    """Leave the exposures as they are, and tell so."""
    with place.announced(ALIGN.task(), ALIGN.step()) as task:
        task.reused = True
    return as_they_came(inspected)


def align(
    place: Place,
    settings: Align,
    earlier: Finished[AlignResult] | None,
    inspected: Finished[InspectionResult],
    tiles: Finished[TilesResult],
    found: Finished[FindingResult],
    solved: Finished[SolutionResult],
    moved: Sequence[Finished[MovedResult]],
    catalogue: Finished[CatalogueResult] | None = None,
    reference: Finished[ReferenceResult] | None = None,
) -> Finished[AlignResult]:
    """Gather what the parts of an alignment did.

    `earlier`: what an older version gave in one step, which stays. `catalogue`, `reference`: what
    the images were aligned to, if that is not one of them.

    Returns
    -------
    Finished
        Its products have the exposures, too, which other steps made.
    """
    if earlier is not None:
        with place.announced(ALIGN.task(), ALIGN.step()) as task:
            task.reused = True
        return knowing_pixels(earlier, inspected)
    listed = {} if catalogue is None else {FILE: catalogue.products[FILE]}
    files = {name: product for step in moved for name, product in step.products.items()}

    def work(bench: Bench) -> AlignResult:
        exposures, drizzled = inspected.result.exposures, inspected.result.drizzled
        alignment = _alignment(settings, tiles, found, solved, moved)
        for warning in mixed_in_tiles(alignment.used, exposures, drizzled):
            log.warning("%s", warning)
        alignment.table().write(bench.out / "alignment.ecsv")
        for product in (solved.products[VECTORS], log_of(solved)):
            bench.fetch(product).rename(bench.out / product.name)
        _forget_older(place, moved, files)
        aligned = {one.rootname: one for step in moved for one in step.result.exposures}
        used = [aligned[one.rootname] for one in exposures if alignment.uses(one.rootname)]
        key = listed[FILE].key if listed else None
        stars = None if reference is None else reference.result
        return AlignResult(used, alignment, key, files, stars)

    done = run_step(
        place,
        ALIGN.step(),
        tasks=[ALIGN.task()],
        inputs={**_images_in(inspected), **listed, **references.products_of(reference)},
        parameters={
            **settings.as_key(),
            **all_fitted(settings, listed),
            PARTS: tile_steps.digest([solved.key, sorted(step.key for step in moved)]),
        },
        versions=versions(),
        work=work,
    )
    return knowing_pixels(with_exposures(done), inspected)


def _forget_older(
    place: Place, moved: Sequence[Finished[MovedResult]], files: Mapping[str, Product]
) -> None:
    """Remove exposures that a former run aligned, and that are dropped or gone."""
    names = [one.step.removeprefix(MOVED.kind.step_of()) for one in moved if one.key]
    forget_others(place, MOVED.kind, names)
    folder = place.key(MOVED.kind.folder, "")
    for key in place.store.list(folder.rstrip("/")):
        name = key.removeprefix(folder)
        if is_ours(key) and suffix_of(name) is not None and name not in files:
            place.store.delete(key)


def _alignment(
    settings: Align,
    tiles: Finished[TilesResult],
    found: Finished[FindingResult],
    solved: Finished[SolutionResult],
    moved: Sequence[Finished[MovedResult]],
) -> Alignment:
    drop, excluded = settings.on_failure == "drop", solved.result.excluded
    return Alignment(
        order=tiles.result.order,
        fits=[one.fit for one in solved.result.images],
        criteria=solved.result.criteria,
        dropped=excluded if drop else [],
        kept=[] if drop else excluded,
        members=tiles.result.members,
        unlike_motion={
            name: unlike for step in moved for name, unlike in step.result.unlike_motion.items()
        },
        finding=found.result.finding,
    )


def _images_in(inspected: Finished[InspectionResult]) -> Mapping[str, Product]:
    exposures = select(inspected.result.exposures, inspected.products)
    return {**exposures.products, **select(inspected.result.drizzled, inspected.products).products}


def with_exposures(aligned: Finished[AlignResult]) -> Finished[AlignResult]:
    """Return what was aligned with the exposures among the products; others made them."""
    files = aligned.result.files or {}
    return replace(aligned, products={**aligned.products, **files})


def as_they_came(inspected: Finished[InspectionResult]) -> Finished[AlignResult]:
    """Return the step of `align: none`, which makes nothing of what was inspected."""
    exposures = inspected.result.exposures
    return Finished(
        step=ALIGN.step().name,
        key=inspected.key,
        products=select(exposures, inspected.products).products,
        result=AlignResult(exposures),
        seconds=0.0,
        peak_memory=0,
        reused=True,
    )


def knowing_pixels(
    aligned: Finished[AlignResult], inspected: Finished[InspectionResult]
) -> Finished[AlignResult]:
    """Return what was aligned with what was seen in the pixels, which stayed as they were."""
    seen = {one.rootname: one.health for one in inspected.result.exposures}
    exposures = [
        replace(one, health=seen.get(one.rootname, ())) for one in aligned.result.exposures
    ]
    return aligned.with_result(replace(aligned.result, exposures=exposures))
