"""The drizzle stage of `drizzle.engine: onepass`.

Each exposure is drizzled once, in a task of its own. The mosaics of all methods are summed in
blocks and put together (`singles`, `blocks`, `assembly`). What looks at the whole mosaic is left to
one task that has all exposures. To the tasks that follow each method had a run of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from skymosaic.drizzle import astrodrizzle
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.checks.sample_window import choose_window
from skymosaic.drizzle.expected import work_at_hand
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.memory import memory_of, require_memory
from skymosaic.drizzle.missing_pixels import key_of_missing
from skymosaic.drizzle.onepass.grid_differences import VERSION
from skymosaic.drizzle.onepass.run import KeptMasks, Options, drizzle_all
from skymosaic.drizzle.product_headers import MosaicOrigin, outline_of
from skymosaic.drizzle.request import Request
from skymosaic.drizzle.summaries import MaskSummary
from skymosaic.host import limits
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import Exposure
from skymosaic.methods import OWN, word
from skymosaic.pipeline.assembly import Parts, make_mosaics
from skymosaic.pipeline.blocks import make_blocks
from skymosaic.pipeline.drizzle import tell_static
from skymosaic.pipeline.equations import make_equations
from skymosaic.pipeline.errors import make_errors
from skymosaic.pipeline.hits import look_for_cosmic_rays
from skymosaic.pipeline.homes import find_homes
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.levels import make_levels
from skymosaic.pipeline.mosaic_files import MosaicFiles, publish
from skymosaic.pipeline.onepass_mosaics import forget_blocks
from skymosaic.pipeline.results import (
    COMPARISON,
    DRIZZLE,
    ONEPASS,
    AlignResult,
    DrizzleResult,
    KeptSample,
    KeptSky,
    OnepassResult,
    Planned,
    as_run,
)
from skymosaic.pipeline.sentences.history import history_of, sky_of
from skymosaic.pipeline.singles import make_singles
from skymosaic.pipeline.skies import find_static, measure_each, solve_skies
from skymosaic.pipeline.slots import computing_slot
from skymosaic.pipeline.source_masks import find_sources
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign, Sky
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what the engine does; part of its step's key."""


@dataclass(frozen=True)
class OnepassTasks:
    """The calls of the engine's tasks."""

    runs: Mapping[str, Any]
    """By method and, where the mosaics are made from blocks, by variant."""
    whole: Any = None
    """The one task that makes all mosaics, where they are not made from blocks."""
    parts: Parts | None = None
    """What the mosaics are put together from, where they are made from blocks."""
    levels: Sequence[Any] = ()
    """A task of each exposure for the comparison, where there are several hosts."""


def is_distributed(campaign: Campaign, parameters: Mapping[str, Any]) -> bool:
    """Tell whether exposures are drizzled in tasks of their own, and mosaics made from blocks.

    Steps against cosmic rays look at the whole mosaic: they are done by one task that has all
    exposures.

    Parameters
    ----------
    campaign : Campaign
        Its file.
    parameters : mapping
        AstroDrizzle's, as from `Request.decide`.
    """
    return True


def drizzle_each(calls: Calls, campaign: Campaign, place: Place, prepared: Any) -> OnepassTasks:
    """Make the tasks that drizzle; waits for the plan, which decides which there are."""
    planned: Finished[Planned] = calls.result(prepared.planned)
    if not is_distributed(campaign, planned.result.order.parameters):
        whole = calls.call(
            drizzle_all_methods,
            place,
            campaign,
            prepared.aligned,
            prepared.planned,
            name="drizzle_all",
        )
        methods = campaign.sky.methods
        return OnepassTasks({one: calls.call(as_run, whole, one) for one in methods}, whole)
    images = images_of(calls.result(prepared.aligned))
    first = campaign.sky.methods[0]
    place = replace(place, part_of=(DRIZZLE.task(first), DRIZZLE.step(first)))
    # The keys of what is drizzled have the masks of its own chips alone.
    homes = find_homes(calls.hosts(), [one.rootname for one in images.exposures])
    static = calls.result(find_static(calls, campaign, place, prepared, homes))
    sky, parameters = campaign.sky, planned.result.order.parameters
    beginning = (calls, campaign, place, prepared, static, homes)
    hits: dict[str, Any] = {}
    measured = search = None
    if pars.has_cr_steps(parameters):
        other = sky.mask_sources or sky.footprints == "swapped"
        plain = measure_each(*beginning, plainly=other)
        measured = None if other else plain
        hits, search = look_for_cosmic_rays(*beginning, images, plain)
    singles = make_singles(calls, campaign, place, images, planned.result, static, homes, hits)
    equations, sources = [], None
    if sky.mask_sources:
        sources = find_sources(calls, campaign, place, prepared, singles, homes)
    if Request.of(campaign).has_differences:
        on_grid = (images.exposures, planned.result, singles, homes, sources)
        equations = make_equations(calls, place, *on_grid)
    if measured is None:
        measured = measure_each(*beginning, sources)
    skies = solve_skies(calls, campaign, place, prepared, measured, equations)
    blocks = make_blocks(calls, place, images.exposures, planned.result, singles, skies, homes)
    errors = None
    if Request.of(campaign).errors:
        errors = make_errors(calls, campaign, place, images, planned.result, singles, blocks, homes)
    parts = Parts(singles, skies, blocks, static, errors, search)
    mosaics = make_mosaics(calls, campaign, place, prepared, parts)
    place = replace(place, part_of=(COMPARISON.task(), COMPARISON.step()))
    levels = make_levels(calls, place, images, planned.result, skies, homes)
    return OnepassTasks(mosaics, parts=parts, levels=levels)


def per_chip_of(sky: Sky, exposures: Sequence[Exposure]) -> dict[str, Any]:
    """Return `sky.per_chip` as a parameter of a step: where exposures have several chips."""
    return {"per_chip": sky.per_chip} if any(len(e.chips) > 1 for e in exposures) else {}


def drizzle_all_methods(
    place: Place,
    campaign: Campaign,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
) -> Finished[OnepassResult]:
    """Drizzle every exposure once, and make the mosaics of all methods and variants."""
    images = images_of(aligned)
    grid, parameters = planned.result.grid, dict(planned.result.order.parameters)
    request = Request.of(campaign)
    choices = request.choices
    root = place.campaign.replace("/", "_").lower()
    window = choose_window(images.exposures, grid, planned.result.pairs)
    masks = f"{root}_masks.npz"
    sampled = [one for one in images.exposures if one.rootname in window.exposures]
    of_each = {}
    if campaign.drizzle.cells is not None:
        of_each = {one.rootname: f"{one.rootname}_masks.npz" for one in images.exposures}

    def work(bench: Bench) -> OnepassResult:
        images.fetch(bench)
        with computing_slot(place):
            kept = [KeptMasks(bench.out / masks, sampled)]
            kept += [
                KeptMasks(bench.out / of_each[e.rootname], [e]) for e in images.exposures if of_each
            ]
            there = work_at_hand(bench.scratch, images.exposures, grid, request, parameters)
            require_memory(memory_of("onepass", there), limits.free_memory())
            if there.cosmic_rays:  # by one AstroDrizzle
                require_memory(memory_of("astrodrizzle", there), limits.free_memory())
            bench.doing(
                f"one drizzle of {counted(len(images.exposures), 'exposure')} for all methods"
            )
            mosaics = drizzle_all(
                bench.scratch,
                bench.out / "onepass.log",
                images.exposures,
                {name: f"{root}_{word(name)}" for name in choices},
                choices,
                grid,
                parameters,
                _options(campaign, request, there.processes, kept),
            )
        first = next(iter(mosaics.values()))  # all have one weight map
        static, outline = tell_static("onepass", first.static), outline_of(first.weight)
        runs = {}
        for name, run in mosaics.items():
            method = choices[name].method
            sky = sky_of(method, "onepass", ours=method in OWN)
            history = history_of(aligned.result, planned.result, "onepass", sky)
            origin = MosaicOrigin(method or "given", place.campaign, bench.key, history)
            runs[name] = _result(run, publish(bench, run, origin, outline), static)
        skies = {name: _kept(run) for name, run in mosaics.items()} if of_each else None
        return OnepassResult(runs, KeptSample(window, masks), skies, of_each or None)

    done = run_step(
        place,
        ONEPASS.step(),
        tasks=[DRIZZLE.task(method) for method in campaign.sky.methods],
        inputs=images.products,
        parameters=_key(campaign, request, images.exposures, grid, parameters),
        versions=versions(),
        work=work,
    )
    if not place.must_be_finished:
        forget_blocks(place, list(choices))
    return done


def _kept(run: astrodrizzle.Drizzled) -> KeptSky:
    sky = run.applied
    assert sky is not None  # of this engine
    tilts = [(tilt.x, tilt.y, tilt.slope_x, tilt.slope_y) for tilt in sky.tilts]
    return KeptSky(sky.subtracted, sky.recorded, tilts or None)


def _options(
    campaign: Campaign, request: Request, processes: int, keep: Sequence[KeptMasks]
) -> Options:
    sky = campaign.sky
    return Options(
        processes=processes,
        planes=sky.planes,
        mask_sources=sky.mask_sources,
        swapped_footprints=sky.footprints == "swapped",
        per_chip=sky.per_chip,
        errors=request.errors,
        keep=keep,
    )


def _key(
    campaign: Campaign,
    request: Request,
    exposures: Sequence[Exposure],
    grid: Grid,
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the parameters of the step."""
    products = campaign.drizzle.products
    on_grid = request.mask_sources or request.has_differences
    return {
        "engine": _ENGINE,
        **({"differences": VERSION, "planes": request.planes} if request.has_differences else {}),
        **(per_chip_of(campaign.sky, exposures) if on_grid else {}),
        "skies": {name: asdict(choice) for name, choice in request.choices.items()},
        **key_of_missing(exposures),
        **({"mask_sources": VERSION} if campaign.sky.mask_sources else {}),
        # Who checks the mosaics cannot find the same cosmic rays again.
        **({"masks": "kept"} if pars.has_cr_steps(parameters) else {}),
        **({"products": list(products)} if products else {}),
        **({"kept": "for cells"} if campaign.drizzle.cells is not None else {}),
        **({"footprints": "swapped"} if campaign.sky.footprints == "swapped" else {}),
        "grid": grid.to_dict(),
        "astrodrizzle": parameters,
    }


def _result(
    mosaic: astrodrizzle.Drizzled, files: MosaicFiles, static: list[MaskSummary]
) -> DrizzleResult:
    return DrizzleResult(
        sky=mosaic.sky,
        **asdict(files),
        differences=mosaic.differences,
        footprints=mosaic.footprints,
        cosmic_rays=mosaic.cosmic_rays,
        static=static,
    )
