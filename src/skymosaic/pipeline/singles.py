"""The tasks that drizzle each exposure alone, without its sky, on the grid of the mosaics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from skymosaic.drizzle.expected import work_at_hand
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.kept_masks import save_masks
from skymosaic.drizzle.memory import memory_of, require_memory
from skymosaic.drizzle.missing_pixels import fill_missing, key_of_missing
from skymosaic.drizzle.onepass.drizzling import drizzling
from skymosaic.drizzle.onepass.errors import require_errors
from skymosaic.drizzle.onepass.frames import ChipMasks, Frames
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.stored import store_chips
from skymosaic.drizzle.request import Request
from skymosaic.host import limits
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.skeletons import write_skeleton
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.images import Images
from skymosaic.pipeline.results import SINGLE, Planned, SingleResult, StaticResult
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
    low: Mapping[int, Product]
    """The static masks of its chips, by EXTVER."""


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
) -> dict[str, Any]:
    """Make a task of each exposure; by rootname, in the order of the campaign."""
    shared = OfAllSingles(campaign, planned.grid, dict(planned.order.parameters))
    jobs = [
        SingleJob(exposure, images.products[exposure.name], masks_of(static, exposure))
        for exposure in images.exposures
    ]
    names = [job.exposure.rootname for job in jobs]
    tasks = calls.each(partial(make_single, place, shared), jobs, of=names, near=homes.each(names))
    return dict(zip(names, tasks, strict=True))


def make_single(place: Place, shared: OfAllSingles, job: SingleJob) -> Finished[SingleResult]:
    """Drizzle the chips of one exposure."""
    exposure = job.exposure
    final = final_of(shared.parameters)

    def work(bench: Bench) -> SingleResult:
        bench.fetch(job.file)
        with computing_slot(place):
            return _drizzled(bench, shared, job)

    return run_step(
        place,
        SINGLE.step(exposure.rootname),
        inputs={
            exposure.name: job.file,
            **{f"static {extver}": product for extver, product in job.low.items()},
        },
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
    there = replace(there, processes=1, columns=0, cosmic_rays=False, mask_sources=False)
    require_memory(memory_of("onepass", there), limits.free_memory())
    if parameters.get("final_wht_type") == "ERR":
        require_errors(bench.scratch / exposure.name, exposure)
    fill_missing(bench.scratch, [exposure], parameters)
    masks = ChipMasks(_write_masks(bench, job), {})
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


def _write_masks(bench: Bench, job: SingleJob) -> dict[str, str]:
    """Fetch the masks of the chips; return their files as the resampler reads them."""
    files, known = {}, dict[str, str]()
    for extver, product in job.low.items():
        if product.sha256 not in known:
            with bench.open(product) as file:
                low = np.load(file)
            known[product.sha256] = f"mask_{extver}.npy"
            np.save(bench.scratch / known[product.sha256], low)
        files[f"{job.exposure.name}_{extver}"] = known[product.sha256]
    return files
