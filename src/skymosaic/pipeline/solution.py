"""The step that finds where all drizzled images lie, from their headers and sources alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from skymosaic.align.catalogue import FILE
from skymosaic.align.finding import FinderSettings, advice
from skymosaic.align.image_files import frame_name, read_image, read_sources, sources_name
from skymosaic.align.records import AlignImage, SolverRoom
from skymosaic.align.reference import Reference
from skymosaic.align.solvers import solver_of
from skymosaic.align.vectors import VECTORS
from skymosaic.config import Align
from skymosaic.evidence.wording import some
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline import reference as references
from skymosaic.pipeline.align_results import (
    SOLUTION,
    FindingResult,
    ReferenceResult,
    SolutionResult,
    TileSourcesResult,
    TilesResult,
)
from skymosaic.pipeline.results import CatalogueResult, InspectionResult
from skymosaic.pipeline.slots import computing_slot
from skymosaic.pipeline.tiles import digest
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

log = logging.getLogger(__name__)

LOG = "align.log"
_VERSION = 1
"""Version of what this step does; part of its key."""


def solve_tiles(
    place: Place,
    settings: Align,
    inspected: Finished[InspectionResult],
    tiles: Finished[TilesResult],
    found: Finished[FindingResult],
    sources: Sequence[Finished[TileSourcesResult]],
    catalogue: Finished[CatalogueResult] | None = None,
    reference: Finished[ReferenceResult] | None = None,
) -> Finished[SolutionResult]:
    """Find where the drizzled images lie: to each other, or to a catalogue or a reference."""
    files = {name: product for step in sources for name, product in step.products.items()}
    images = {image.rootname: image for image in inspected.result.drizzled}
    order = [images[name] for name in tiles.result.order]
    listed = {} if catalogue is None else {FILE: catalogue.products[FILE]}
    given = references.products_of(reference)

    frames = {name: files[frame_name(name)] for name in tiles.result.order}

    def work(bench: Bench) -> SolutionResult:
        finding, counts = found.result.finding, found.result.counts
        seen = [_seen(bench, image, files) for image in order]
        (bench.out / LOG).write_text("".join(_counted(finding, seen)))
        room = SolverRoom(
            bench.scratch,
            bench.out / LOG,
            finding,
            partial(advice, finding, counts),
            bench.fetch(listed[FILE]) if listed else None,
        )
        stars = references.fetch(bench, given)
        with computing_slot(place):
            done = solver_of(settings)(seen, stars, settings, room)
        warnings = [*done.warnings, *_of_epochs(seen, stars)]
        for warning in warnings:
            log.warning("%s", warning)
        done.vectors.write(bench.out / VECTORS)
        bench.peak_memory = done.peak_memory
        return SolutionResult(
            done.images, done.criteria, done.excluded, frames, done.groups, warnings
        )

    return run_step(
        place,
        SOLUTION.step(),
        inputs={**files, **listed, **given},
        parameters={
            "version": _VERSION,
            "order": digest(tiles.result.order),
            "finding": digest([found.result.finding.parameters, found.result.finding.tweakreg]),
            "settings": _without(settings.as_key(), "order", "imagefind"),
        },
        versions=versions(),
        work=work,
    )


def _of_epochs(images: Sequence[AlignImage], stars: Reference | None) -> list[str]:
    """Return a sentence on images for which nobody knows how far the stars have moved."""
    names = [one.name for one in images if one.epoch is None]
    if not names or stars is None or not stars.has_motion.any():
        return []
    return [
        f"the headers of {some(names)} tell no date (EXPSTART, EXPEND): the stars of {stars.name} "
        "may have moved since or until then; set EXPSTART in the primary header"
    ]


def _without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _seen(bench: Bench, image: Exposure, files: dict[str, Product]) -> AlignImage:
    with bench.open(files[frame_name(image.rootname)]) as file:
        frame = file.read()
    with bench.open(files[sources_name(image.rootname)]) as file:
        return read_image(bench.scratch, image, frame, read_sources(file))


def _counted(finding: FinderSettings, images: Sequence[AlignImage]) -> Iterator[str]:
    """Yield what the log begins with: how sources were found, and how many each image has."""
    yield f"{finding.why}\n"
    for image in images:
        yield f"{image.name}: {counted(len(image.catalogue), 'source')}\n"


def log_of(solved: Finished[Any]) -> Product:
    """Return the log of whoever solved."""
    return solved.products[LOG]
