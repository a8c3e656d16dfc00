"""The tasks that drizzle each exposure separately, for the median that cosmic rays stand out of.

First the grid of the separate images, and the sky that is taken off them: AstroDrizzle's own of one
method, from what `skies` measures of each exposure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from skymosaic.drizzle.expected import work_at_hand
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.memory import memory_of, require_memory
from skymosaic.drizzle.missing_pixels import fill_missing, key_of_missing
from skymosaic.drizzle.onepass.blocks import blocks_of
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.cosmic_rays import method_of
from skymosaic.drizzle.onepass.measured import put_together
from skymosaic.drizzle.onepass.medians import blank_of
from skymosaic.drizzle.onepass.separate import (
    ChipSky,
    parameters_of,
    read_separate,
    separate,
    separate_grid,
    skies_of_chips,
)
from skymosaic.drizzle.onepass.skies import distinct_ways, skies_of_measured
from skymosaic.drizzle.onepass.stored import store_exposure
from skymosaic.drizzle.request import Request
from skymosaic.host import limits
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.chip_masks import LeftOut
from skymosaic.pipeline.extents import extents_of, write_copy
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.images import Images, select
from skymosaic.pipeline.onepass_mosaics import forget_others
from skymosaic.pipeline.onepass_results import (
    MEDIAN,
    SEPARATE,
    SEPARATE_GRID,
    SEPARATE_SKY,
    MeasuredResult,
    SeparateGridResult,
    SeparateResult,
    SeparateSkyResult,
    StaticResult,
)
from skymosaic.pipeline.results import AlignResult
from skymosaic.pipeline.skies import digest_of_exposures
from skymosaic.pipeline.slots import computing_slot
from skymosaic.pipeline.static import digest_of, masks_of
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what these steps do; part of their keys."""


@dataclass(frozen=True)
class SeparateJob:
    """What the task of one exposure needs."""

    exposure: Exposure
    file: Product
    left_out: LeftOut
    sky: Sequence[ChipSky]


@dataclass(frozen=True)
class OfAllSeparate:
    """What all exposures have in common."""

    campaign: Campaign
    grid: Grid
    """Of the separate images."""
    parameters: Mapping[str, Any]
    """AstroDrizzle's."""


@dataclass(frozen=True)
class SeparateTasks:
    """Exposures that are drizzled separately."""

    shared: OfAllSeparate
    sky: Finished[SeparateSkyResult]
    jobs: Mapping[str, SeparateJob]
    """By rootname, in the order of the campaign."""
    calls: Mapping[str, Any]
    """The calls that give them, likewise."""


def make_separate(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    prepared: Any,
    static: Finished[StaticResult],
    homes: Homes,
    images: Images,
    measured: Sequence[Any],
) -> SeparateTasks:
    """Make a task of each exposure; waits for the grid and the skies.

    Parameters
    ----------
    calls, campaign, place, prepared
        As for the other parts of the graph.
    static : Finished
        What the call of `find_static` gives.
    homes : Homes
        The host of each exposure.
    images : Images
        The exposures of the mosaics.
    measured : sequence of call
        As from `skies.measure_each`, measured as AstroDrizzle does it.
    """
    parameters = dict(calls.result(prepared.planned).result.order.parameters)
    method = method_of(Request.of(campaign).choices)
    grid = calls.call(
        partial(find_grid, place, parameters, [one.name for one in images.exposures]),
        prepared.aligned if prepared.located is None else prepared.located,
        name="find_grid",
    )
    find = partial(find_sky, place, method, parameters, images.exposures)
    sky = calls.result(calls.call(find, list(measured), name="find_sky"))
    shared = OfAllSeparate(campaign, calls.result(grid).result.grid, parameters)
    jobs = {
        one.rootname: SeparateJob(
            one,
            images.products[one.name],
            LeftOut(masks_of(static, one)),
            sky.result.skies[one.rootname],
        )
        for one in images.exposures
    }
    act = partial(separate_one, place, shared)
    names = list(jobs)
    drizzled = calls.each(act, list(jobs.values()), of=names, near=homes.each(names))
    return SeparateTasks(shared, sky, jobs, dict(zip(jobs, drizzled, strict=True)))


def find_grid(
    place: Place,
    parameters: Mapping[str, Any],
    names: Sequence[str],
    aligned: Finished[AlignResult],
) -> Finished[SeparateGridResult]:
    """Find the grid of the separate images: AstroDrizzle's of all exposures, not the mosaics'."""
    by_name = {one.name: one for one in aligned.result.exposures}
    images = select([by_name[name] for name in names], aligned.products)
    first = images.exposures[0]
    known = [one.extent for one in images.exposures if one.extent is not None]
    placed = parameters_of("grid", parameters)

    def work(bench: Bench) -> SeparateGridResult:
        corners = [chip for extent in extents_of(bench, images) for chip in extent.corners]
        write_copy(bench, first, images.products[first.name])
        log = bench.scratch / "separate_grid.log"
        grid = separate_grid(bench.scratch, log, first, parameters, corners)
        blocks = [one.name for one in blocks_of(grid, images.exposures) if one.exposures]
        forget_others(place, MEDIAN.kind, blocks)
        return SeparateGridResult(grid)

    whole = len(known) == len(images.exposures)
    packed = "\n".join(chip for extent in known for chip in extent.packed_corners)
    return run_step(
        place,
        SEPARATE_GRID.step(),
        inputs={first.name: images.products[first.name]} if whole else images.products,
        parameters={
            "engine": _ENGINE,
            "grid": placed,
            "corners": hashlib.sha256(packed.encode()).hexdigest(),
            "exposures": len(images.exposures),
        },
        versions=versions(),
        work=work,
    )


def find_sky(
    place: Place,
    method: str,
    parameters: Mapping[str, Any],
    exposures: Sequence[Exposure],
    measured: Sequence[Finished[MeasuredResult]],
) -> Finished[SeparateSkyResult]:
    """Find the sky that is taken off while cosmic rays are looked for.

    Raises
    ------
    SkyError
        The method finds none.
    """
    ordered = sorted(exposures, key=lambda one: one.rootname)
    choices = {method: SkyChoice(method)}
    settings = distinct_ways(choices, parameters)

    def work(bench: Bench) -> SeparateSkyResult:
        records = {one.step.rpartition("/")[2]: one.result.chips for one in measured}
        known = put_together(ordered, records, settings)
        [sky] = skies_of_measured(ordered, choices, parameters, known).values()
        return SeparateSkyResult(method, skies_of_chips(method, ordered, sky))

    return run_step(
        place,
        SEPARATE_SKY.step(),
        inputs={},
        parameters={
            "engine": _ENGINE,
            "method": method,
            "ways": list(settings),
            "measured": digest_of(measured),
            "exposures": digest_of_exposures(ordered),
        },
        versions=versions(),
        work=work,
    )


def separate_one(place: Place, shared: OfAllSeparate, job: SeparateJob) -> Finished[SeparateResult]:
    """Drizzle one exposure separately."""
    exposure, root = job.exposure, job.exposure.rootname

    def work(bench: Bench) -> SeparateResult:
        bench.fetch(job.file)
        with computing_slot(place):
            require_room(bench, shared, exposure)
            fill_missing(bench.scratch, [exposure], shared.parameters)
            masks = job.left_out.write(bench, exposure)
            low = {
                chip.extver: masks.low[f"{exposure.name}_{chip.extver}"]
                for chip in exposure.chips
                if f"{exposure.name}_{chip.extver}" in masks.low
            }
            found, call = separate(
                bench.scratch,
                bench.scratch / "separate.log",
                exposure,
                *(shared.grid, shared.parameters, job.sky, low),
            )
            bench.peak_memory = call.peak_memory
            pixels = f"{root}_separate.npy"
            blank = float(np.float32(blank_of(shared.parameters)))
            planes = read_separate(bench.scratch)
            stored = store_exposure(bench.out / pixels, found.box, *planes, blank)
        return SeparateResult(root, found, stored, pixels)

    return run_step(
        place,
        SEPARATE.step(root),
        inputs={exposure.name: job.file, **job.left_out.inputs},
        parameters={
            "engine": _ENGINE,
            "grid": shared.grid.to_dict(),
            "sky": [list(one) for one in job.sky],
            "astrodrizzle": parameters_of("separate", shared.parameters),
            **key_of_missing([exposure]),
        },
        versions=versions(),
        work=work,
    )


def require_room(bench: Bench, shared: OfAllSeparate, exposure: Exposure) -> None:
    """Refuse what would not fit into memory, before it begins.

    Raises
    ------
    OutOfMemoryError
        With both numbers, and what to change.
    """
    request = Request.of(shared.campaign)
    there = work_at_hand(bench.scratch, [exposure], shared.grid, request, shared.parameters)
    there = replace(there, processes=1, columns=0, errors=False)
    require_memory(memory_of("onepass", there), limits.free_memory())
