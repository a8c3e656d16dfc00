"""The drizzle stage of `drizzle.engine: onepass`: one task makes the mosaics of all methods.

To the tasks that follow it looks as if each method had been a run of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
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
from skymosaic.methods import OWN, column
from skymosaic.pipeline.drizzle import tell_static
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.mosaic_files import MosaicFiles, publish
from skymosaic.pipeline.results import (
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
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign, Sky
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what the engine does; part of its step's key."""


def drizzle_each(
    calls: Calls, campaign: Campaign, place: Place, prepared: Any
) -> tuple[Any, list[Any]]:
    """Make the one task that drizzles, and that of each sky method in the campaign's order."""
    onepass = calls.call(
        drizzle_all_methods,
        place,
        campaign,
        prepared.aligned,
        prepared.planned,
        name="drizzle_all",
    )
    return onepass, [calls.call(as_run, onepass, method) for method in campaign.sky.methods]


def per_chip_of(sky: Sky, exposures: Sequence[Exposure]) -> dict[str, Any]:
    """Return `sky.per_chip` as a parameter of a step: where exposures have several chips."""
    return {"per_chip": sky.per_chip} if any(len(e.chips) > 1 for e in exposures) else {}


def word(name: str) -> str:
    """Return what the files of a method's or a variant's mosaic are called by."""
    if name.startswith("variant:"):
        return name.replace("variant:", "variant_").replace("+", "_").lower()
    return column(name)


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
    masks = f"{root}_masks.fits"
    sampled = [one for one in images.exposures if one.rootname in window.exposures]
    of_each = {}
    if campaign.drizzle.cells is not None:
        of_each = {one.rootname: f"{one.rootname}_masks.fits" for one in images.exposures}

    def work(bench: Bench) -> OnepassResult:
        images.fetch(bench)
        with computing_slot(place):
            kept = [KeptMasks(bench.out / masks, sampled)]
            kept += [
                KeptMasks(bench.out / of_each[e.rootname], [e]) for e in images.exposures if of_each
            ]
            there = work_at_hand(bench.scratch, images.exposures, grid, request, parameters)
            require_memory(memory_of("onepass", there), limits.free_memory())
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

    return run_step(
        place,
        ONEPASS.step(),
        tasks=[DRIZZLE.task(method) for method in campaign.sky.methods],
        inputs=images.products,
        parameters=_key(campaign, request, images.exposures, grid, parameters),
        versions=versions(),
        work=work,
    )


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
