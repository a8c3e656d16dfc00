"""The tasks that find what cosmic rays hit: a median a block, and a mask an exposure.

A block is one of the grid of the separate images. A median is made from what was drizzled about its
block, and a mask from the medians about its exposure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits

from skymosaic.drizzle.missing_pixels import fill_missing, key_of_missing
from skymosaic.drizzle.onepass.blocks import Block, blocks_of
from skymosaic.drizzle.onepass.cosmic_rays import method_of, save_hits
from skymosaic.drizzle.onepass.medians import Combination, find_median
from skymosaic.drizzle.onepass.separate import Separated, find_hits, parameters_of
from skymosaic.drizzle.onepass.stored import Box, read_pieces
from skymosaic.drizzle.request import Request
from skymosaic.drizzle.summaries import CosmicRaySearch, MaskedChip
from skymosaic.errors import DrizzleError
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.images import Images
from skymosaic.pipeline.onepass_results import (
    HITS,
    MEDIAN,
    HitChip,
    HitsResult,
    MedianResult,
    SeparateResult,
    StaticResult,
)
from skymosaic.pipeline.separate import (
    OfAllSeparate,
    SeparateJob,
    SeparateTasks,
    make_separate,
    require_room,
)
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what these steps do; part of their keys."""


def look_for_cosmic_rays(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    prepared: Any,
    static: Finished[StaticResult],
    homes: Homes,
    images: Images,
    measured: Sequence[Any],
) -> tuple[dict[str, Any], Any]:
    """Make the tasks that find what cosmic rays hit.

    Parameters
    ----------
    calls, campaign, place, prepared, static, homes, images, measured
        As for `separate.make_separate`.

    Returns
    -------
    dict, call
        By rootname the calls that give what was hit, none where one exposure is alone; and the call
        that gives what is recorded of the search.
    """
    exposures, hits = images.exposures, dict[str, Any]()
    if len(exposures) > 1:
        beginning = (calls, campaign, place, prepared, static, homes, images, measured)
        hits = make_hits(calls, place, make_separate(*beginning), homes)
    method = method_of(Request.of(campaign).choices)
    act = partial(search_of, method, exposures)
    return hits, calls.call(act, list(hits.values()), name="search_of")


def make_hits(calls: Calls, place: Place, tasks: SeparateTasks, homes: Homes) -> dict[str, Any]:
    """Make a task of each block and one of each exposure; return these by rootname."""
    exposures = [job.exposure for job in tasks.jobs.values()]
    kinds = [kind for chips in tasks.sky.result.skies.values() for _, kind, _ in chips]
    how = Combination.of(
        *(tasks.shared.parameters, exposures, tasks.shared.grid),
        double=any(kind != "float32" for kind in kinds),
    )
    blank = calls.call(partial(find_blank, how), list(tasks.calls.values()), name="find_blank")
    blocks = blocks_of(tasks.shared.grid, exposures)
    medians = {
        block.name: calls.call(
            partial(make_median, place, tasks.shared, how, block, list(tasks.jobs)),
            [tasks.calls[name] for name in block.exposures],
            blank,
            name="make_median",
            of=block.name,
            near=homes.of(block.exposures),
        )
        for block in blocks
        if block.exposures
    }
    touched: dict[str, list[Any]] = {}
    for block in blocks:
        for name in block.exposures:
            touched.setdefault(name, []).append(medians[block.name])
    return {
        name: calls.call(
            partial(find_one, place, tasks.shared, job),
            tasks.calls[name],
            touched.get(name, []),
            name="find_hits",
            of=name,
            near=homes.of([name]),
        )
        for name, job in tasks.jobs.items()
    }


def find_blank(
    how: Combination, separate: Sequence[Finished[SeparateResult]]
) -> dict[str, Separated]:
    """Return the exposures that count everywhere, seen there or not, by rootname: none as a rule.

    AstroDrizzle has no weight below which their pixels are left out.
    """
    return {
        one.result.rootname: one.result.separated
        for one in separate
        if how.counts_everywhere(one.result.separated)
    }


@dataclass(frozen=True)
class _Member:
    """An exposure that counts in a block."""

    rootname: str
    separated: Separated
    file: Finished[SeparateResult] | None
    """None where it has no pixels there."""


def make_median(
    place: Place,
    shared: OfAllSeparate,
    how: Combination,
    block: Block,
    order: Sequence[str],
    separate: Sequence[Finished[SeparateResult]],
    blank: Mapping[str, Separated],
) -> Finished[MedianResult]:
    """Make the median of the exposures in one block; `order`: rootnames of all, as they come."""
    box, around = block.box, how.around(block.box, shared.grid)
    seen = {one.result.rootname: one for one in separate if one.result.stored.meets(around)}
    members = {name: _Member(name, one, None) for name, one in blank.items()}
    members |= {name: _Member(name, one.result.separated, one) for name, one in seen.items()}
    numbers = {name: number for number, name in enumerate(order)}
    ordered = [members[name] for name in sorted(members, key=numbers.__getitem__)]
    pixels = f"{block.name}_median.npy"

    def work(bench: Bench) -> MedianResult:
        stack = []
        for one in ordered:
            pieces = []
            if one.file is not None:
                with bench.open(one.file.products[one.file.result.pixels]) as file:
                    pieces = list(read_pieces(file, one.file.result.stored, around))
            stack.append((one.separated, pieces))
        with computing_slot(place):
            log = bench.scratch / "median.log"
            call = find_median(bench.scratch, log, pixels, box, around, stack, how)
            bench.peak_memory = call.peak_memory
            (bench.scratch / pixels).rename(bench.out / pixels)
        return MedianResult(box, pixels)

    return run_step(
        place,
        MEDIAN.step(block.name),
        inputs={
            f"{one.step}/{one.result.pixels}": one.products[one.result.pixels]
            for one in seen.values()
        },
        parameters={
            "engine": _ENGINE,
            "box": asdict(box),
            "around": asdict(around),
            "how": how.to_dict(),
            "members": [
                [one.rootname, s.mean_weight, s.readnoise, s.background]
                for one, s in ((one, one.separated) for one in ordered)
            ],
        },
        versions=versions(),
        work=work,
    )


def find_one(
    place: Place,
    shared: OfAllSeparate,
    job: SeparateJob,
    separate: Finished[SeparateResult],
    medians: Sequence[Finished[MedianResult]],
) -> Finished[HitsResult]:
    """Find what cosmic rays hit in one exposure."""
    exposure, root = job.exposure, job.exposure.rootname
    chips = {one.extver: one.box for one in separate.result.separated.chips}
    near = [one for one in medians if any(one.result.box.meets(box) for box in chips.values())]

    def work(bench: Bench) -> HitsResult:
        bench.fetch(job.file)
        with computing_slot(place):
            require_room(bench, shared, exposure)
            fill_missing(bench.scratch, [exposure], shared.parameters)
            regions = {}
            for extver, box in chips.items():
                regions[extver] = f"median_{extver}.npy", box
                np.save(bench.scratch / regions[extver][0], _read(bench, near, box))
            masks, call = find_hits(
                bench.scratch,
                bench.scratch / "hits.log",
                exposure,
                *(shared.grid, shared.parameters, job.sky, regions),
            )
            bench.peak_memory = call.peak_memory
            found = []
            for extver, path in masks.items():
                name = f"{root}_{extver}_hits.npz"
                hit = fits.getdata(path) == 0
                save_hits(bench.out / name, hit)
                found.append(HitChip(extver, name, hit.size, int(np.count_nonzero(hit))))
        return HitsResult(root, found)

    return run_step(
        place,
        HITS.step(root),
        inputs={
            exposure.name: job.file,
            **{f"{one.step}/{one.result.pixels}": one.products[one.result.pixels] for one in near},
        },
        parameters={
            "engine": _ENGINE,
            "grid": shared.grid.to_dict(),
            "sky": [list(one) for one in job.sky],
            "chips": {str(extver): asdict(box) for extver, box in chips.items()},
            "astrodrizzle": parameters_of("hits", shared.parameters),
            **key_of_missing([exposure]),
        },
        versions=versions(),
        work=work,
    )


def _read(bench: Bench, medians: Sequence[Finished[MedianResult]], box: Box) -> np.ndarray:
    """Return the median in a rectangle, from the blocks that it lies in."""
    region = np.full((box.rows, box.columns), np.nan, dtype=np.float32)
    filled = 0
    for one in medians:
        own = one.result.box
        if not own.meets(box):
            continue
        top, bottom = max(own.y, box.y), min(own.bottom, box.bottom)
        left, right = max(own.x, box.x), min(own.right, box.right)
        with bench.open(one.products[one.result.pixels]) as file:
            pixels = np.load(file)[top - own.y : bottom - own.y, left - own.x : right - own.x]
        region[top - box.y : bottom - box.y, left - box.x : right - box.x] = pixels
        filled += pixels.size
    if filled < region.size:
        raise DrizzleError(
            f"the median covers {filled} of {region.size} pixels about a chip; report this"
        )
    return region


def search_of(
    method: str, exposures: Sequence[Exposure], hits: Sequence[Finished[HitsResult]]
) -> CosmicRaySearch:
    """Return what is recorded of the search.

    Parameters
    ----------
    method : str
        The sky method whose sky was taken off.
    exposures : sequence of Exposure
        All, in their order.
    hits : sequence of Finished
        Of each exposure; none where one is alone, which is compared with nothing.
    """
    found = {(one.result.rootname, chip.extver): chip for one in hits for chip in one.result.chips}
    chips = []
    for exposure in exposures:
        for chip in exposure.chips:
            hit = found.get((exposure.rootname, chip.extver))
            numbers = (None, None) if hit is None else (hit.pixels, hit.hit)
            chips.append(MaskedChip(exposure.rootname, chip.extver, *numbers))
    return CosmicRaySearch(method, chips)
