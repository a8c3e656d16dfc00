"""The steps before drizzled images are aligned: which there are, and how their sources are found.

A task an image measures its noise, another one counts sources at several thresholds, a third one
lists them. In between small tasks look at the records of all.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from skymosaic.align.finding import (
    Level,
    choose_finding,
    common_level,
    count_peaks,
    counts_of,
)
from skymosaic.align.finding import (
    measure_noise as measure_one,
)
from skymosaic.align.image_files import frame_name, sources_name, write_frame, write_sources
from skymosaic.align.members import members_of_all
from skymosaic.align.order import choose_order, overlap_shares
from skymosaic.config import Align
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import DrizzlepacError
from skymosaic.errors import AlignmentError, CampaignError
from skymosaic.pipeline.align_results import (
    FINDING,
    TILE_COUNTS,
    TILE_NOISE,
    TILE_SOURCES,
    TILES,
    CountsResult,
    FindingResult,
    NoiseResult,
    TileSourcesResult,
    TilesResult,
)
from skymosaic.pipeline.image_shares import Share
from skymosaic.pipeline.images import Images, select
from skymosaic.pipeline.results import InspectionResult
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.steps.tasks import StepSpec
from skymosaic.versions import versions

log = logging.getLogger(__name__)

_VERSION = 1
"""Version of what these steps do; part of their keys."""


def list_tiles(
    place: Place, settings: Align, is_matched_alone: bool, inspected: Finished[InspectionResult]
) -> Finished[TilesResult]:
    """Tell which drizzled images are aligned, in which order, and what moves with each.

    Parameters
    ----------
    place : Place
        The campaign's.
    settings : Align
        Its own.
    is_matched_alone : bool
        Whether each image is matched with a catalogue of the whole field.
    inspected : Finished
        What there is.

    Raises
    ------
    AlignmentError
        There is one image that there is nothing to align with, an exposure is part of no image or
        of several, or `align.order` names what there is not.
    """
    exposures, drizzled = inspected.result.exposures, inspected.result.drizzled

    def work(bench: Bench) -> TilesResult:
        members = members_of_all(drizzled, exposures)
        if len(drizzled) == 1 and not (is_matched_alone or settings.tweakreg.get("refcat")):
            raise AlignmentError(
                f"{drizzled[0].name} is the only drizzled image, so there is nothing to align it "
                "with. Set `align: none` to use its exposures with the WCS that they have (of one "
                "group: groups.parameters: {NAME OF THE GROUP: {align: none}}), or add the "
                "DRZ/DRC and exposures of other visits to the source"
            )
        footprints = {tile.rootname: tile.polygons for tile in drizzled}
        try:
            order = choose_order(footprints, settings.order)
        except CampaignError as error:  # found when files had been retrieved already
            raise AlignmentError(str(error)) from None
        # The catalogue that all are matched with shows all of the field.
        alone = dict.fromkeys(order, 1.0)
        return TilesResult(
            order, members, alone if is_matched_alone else overlap_shares(footprints, order)
        )

    files = {**select(exposures, inspected.products).products}
    return run_step(
        place,
        TILES.step(),
        inputs={**files, **select(drizzled, inspected.products).products},
        parameters={"version": _VERSION, "order": list(settings.order), "alone": is_matched_alone},
        versions=versions(),
        work=work,
    )


def measure_noise(
    place: Place, share: Share, inspected: Finished[InspectionResult], tiles: Finished[TilesResult]
) -> Finished[NoiseResult]:
    """Measure the noise of drizzled images, once it is known that there are `tiles` to align."""
    images = _images_of(share, inspected)
    if not images.exposures:
        return _nothing(TILE_NOISE, share, NoiseResult([]))

    def work(bench: Bench) -> NoiseResult:
        measured = []
        for image in images.exposures:
            path = bench.fetch(images.products[image.name])
            with computing_slot(place):
                measured.append(measure_one(path, image))
            path.unlink()
        return NoiseResult(measured)

    return run_step(
        place,
        TILE_NOISE.step(share.name),
        inputs=images.products,
        parameters={"version": _VERSION},
        versions=versions(),
        work=work,
    )


def find_level(settings: Align, measured: Sequence[Finished[NoiseResult]]) -> Level:
    """Return what sources are counted with in all images."""
    every = [one for step in measured for one in step.result.images]
    return common_level(every, settings.imagefind)


def count_sources(
    place: Place, share: Share, inspected: Finished[InspectionResult], level: Level
) -> Finished[CountsResult]:
    """Count the sources of drizzled images at several thresholds."""
    images = _images_of(share, inspected)
    if not images.exposures:
        return _nothing(TILE_COUNTS, share, CountsResult({}))

    def work(bench: Bench) -> CountsResult:
        counted = {}
        for image in images.exposures:
            path = bench.fetch(images.products[image.name])
            with computing_slot(place):
                counted[image.rootname] = count_peaks(path, level)
            path.unlink()
        return CountsResult(counted)

    return run_step(
        place,
        TILE_COUNTS.step(share.name),
        inputs=images.products,
        parameters={"version": _VERSION, "level": asdict(level)},
        versions=versions(),
        work=work,
    )


def choose_threshold(
    place: Place,
    settings: Align,
    tiles: Finished[TilesResult],
    level: Level,
    counted: Sequence[Finished[CountsResult]],
) -> Finished[FindingResult]:
    """Choose how sources are found in all drizzled images.

    Raises
    ------
    AlignmentError
        No image has pixels with data that differ.
    """
    every = {name: its for step in counted for name, its in step.result.images.items()}
    in_turn = {name: every[name] for name in tiles.result.order}

    def work(bench: Bench) -> FindingResult:
        counts = counts_of(level, in_turn)
        finding = choose_finding(counts, tiles.result.shares, settings.imagefind)
        log.info(finding.why)
        return FindingResult(finding, counts)

    return run_step(
        place,
        FINDING.step(),
        inputs={},
        parameters={
            "version": _VERSION,
            "level": asdict(level),
            "counts": digest(in_turn),
            "shares": digest(tiles.result.shares),
            "imagefind": dict(settings.imagefind),
        },
        versions=versions(),
        work=work,
    )


def list_tile_sources(
    place: Place,
    share: Share,
    inspected: Finished[InspectionResult],
    found: Finished[FindingResult],
) -> Finished[TileSourcesResult]:
    """List the sources of drizzled images with TweakReg's finder, and keep their headers."""
    images, finding = _images_of(share, inspected), found.result.finding
    if not images.exposures:
        return _nothing(TILE_SOURCES, share, TileSourcesResult({}))

    def work(bench: Bench) -> TileSourcesResult:
        counts = {}
        for image in images.exposures:
            path = bench.fetch(images.products[image.name])
            with computing_slot(place):
                rows = sources_in(bench, image.name, finding.parameters)
            write_frame(path, bench.out / frame_name(image.rootname))
            write_sources(bench.out / sources_name(image.rootname), rows)
            counts[image.rootname] = len(rows)
            path.unlink()
        return TileSourcesResult(counts)

    return run_step(
        place,
        TILE_SOURCES.step(share.name),
        inputs=images.products,
        parameters={"version": _VERSION, "imagefind": finding.parameters},
        versions=versions(),
        work=work,
    )


def sources_in(bench: Bench, name: str, imagefind: Mapping[str, Any]) -> list[list[float]]:
    """Return the sources of a drizzled image in the scratch folder: x, y, RA, Dec, flux."""
    arguments = {"files": [name], "parameters": {}, "imagefind": dict(imagefind)}
    try:
        done = process.call("find_sources", bench.scratch, arguments, bench.scratch / "find.log")
    except DrizzlepacError as error:
        raise AlignmentError(str(error)) from None
    bench.peak_memory = max(bench.peak_memory, done.peak_memory)
    rows: list[list[float]] = done.value[name]
    return rows


def digest(values: Any) -> str:
    """Return what stands for plain values in a key."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _images_of(share: Share, inspected: Finished[InspectionResult]) -> Images:
    return select(share.of(inspected.result.drizzled), inspected.products)


def _nothing(spec: StepSpec[Any], share: Share, result: Any) -> Finished[Any]:
    """Return the step of a task that has no image."""
    return Finished(spec.step(share.name).name, "", {}, result, 0.0, 0, reused=True)
