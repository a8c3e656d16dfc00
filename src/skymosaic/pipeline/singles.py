"""The tasks that drizzle each exposure alone, without its sky, on the grid of the mosaics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from skymosaic.drizzle.expected import work_at_hand
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.kept_masks import save_masks
from skymosaic.drizzle.memory import memory_of, require_memory
from skymosaic.drizzle.missing_pixels import fill_missing, key_of_missing
from skymosaic.drizzle.onepass.drizzling import drizzling
from skymosaic.drizzle.onepass.errors import require_errors
from skymosaic.drizzle.onepass.frames import Frames
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.stored import store_chips
from skymosaic.drizzle.request import Request
from skymosaic.host import limits
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.skeletons import write_skeleton
from skymosaic.pipeline.chip_masks import LeftOut
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.images import Images
from skymosaic.pipeline.onepass_results import SINGLE, HitsResult, SingleResult, StaticResult
from skymosaic.pipeline.results import Planned
from skymosaic.pipeline.skies import masks_of
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what is made of an exposure; part of its step's key."""
_DRIZZLE = ("pixfrac", "kernel", "bits", "resetbits", "wht_type", "wt_scl", "stepsize")
"""What the drizzle of a chip alone depends on."""


@dataclass(frozen=True)
class SingleJob:
    """What the task of one exposure needs."""

    exposure: Exposure
    file: Product
    left_out: LeftOut
    """The masks of its chips."""


@dataclass(frozen=True)
class OfAllSingles:
    """What all exposures have in common."""

    campaign: Campaign
    grid: Grid
    parameters: Mapping[str, Any]
    """AstroDrizzle's."""


def make_singles(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    images: Images,
    planned: Planned,
    static: Finished[StaticResult],
    homes: Homes,
    hits: Mapping[str, Any],
) -> dict[str, Any]:
    """Make a task of each exposure; by rootname, in the order of the campaign.

    `hits`: the calls that tell what cosmic rays hit, by rootname; none where none are looked for.
    """
    shared = OfAllSingles(campaign, planned.grid, dict(planned.order.parameters))
    jobs = [
        SingleJob(exposure, images.products[exposure.name], LeftOut(masks_of(static, exposure)))
        for exposure in images.exposures
    ]
    names = [job.exposure.rootname for job in jobs]
    if not hits:
        tasks = calls.each(
            partial(make_single, place, shared), jobs, of=names, near=homes.each(names)
        )
        return dict(zip(names, tasks, strict=True))
    return {
        name: calls.call(
            partial(make_single, place, shared, job),
            hits[name],
            name="make_single",
            of=name,
            near=homes.of([name]),
        )
        for name, job in zip(names, jobs, strict=True)
    }


def make_single(
    place: Place,
    shared: OfAllSingles,
    job: SingleJob,
    hits: Finished[HitsResult] | None = None,
) -> Finished[SingleResult]:
    """Drizzle the chips of one exposure."""
    exposure, job = job.exposure, replace(job, left_out=job.left_out.with_hits(hits))
    final = final_of(shared.parameters)

    def work(bench: Bench) -> SingleResult:
        bench.fetch(job.file)
        with computing_slot(place):
            return _drizzled(bench, shared, job)

    return run_step(
        place,
        SINGLE.step(exposure.rootname),
        inputs={exposure.name: job.file, **job.left_out.inputs},
        parameters={
            "engine": _ENGINE,
            "grid": shared.grid.to_dict(),
            "drizzle": {name: final[name] for name in _DRIZZLE},
            **key_of_missing([exposure]),
        },
        versions=versions(),
        work=work,
    )


def _drizzled(bench: Bench, shared: OfAllSingles, job: SingleJob) -> SingleResult:
    exposure, grid, parameters = job.exposure, shared.grid, shared.parameters
    request = Request.of(shared.campaign)
    there = work_at_hand(bench.scratch, [exposure], grid, request, parameters)
    there = replace(there, processes=1, columns=0, cosmic_rays=False)
    require_memory(memory_of("onepass", there), limits.free_memory())
    if parameters.get("final_wht_type") == "ERR":
        require_errors(bench.scratch / exposure.name, exposure)
    fill_missing(bench.scratch, [exposure], parameters)
    masks = job.left_out.write(bench, exposure)
    log = bench.scratch / "single.log"
    frames = Frames(bench.scratch, log, [exposure], final_of(parameters), masks)
    root, out = exposure.rootname, bench.out
    names = SingleResult(
        *(root, [], "", f"{root}_drizzled.npy", f"{root}_headers.bin", f"{root}_masks.npz")
    )
    with drizzling(frames, grid) as wait:
        write_skeleton(bench.scratch / exposure.name, out / names.skeleton)
        save_masks(out / names.masks, bench.scratch, [exposure], masks.low, masks.hits)
        chips = wait()
    bench.peak_memory = chips.peak_memory
    extvers = [chip.extver for chip in exposure.chips]
    stored = store_chips(out / names.pixels, extvers, chips)
    return replace(names, chips=stored, version=chips.version)
