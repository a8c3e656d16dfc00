"""The task that gives the reference engine the skies of this project's own methods.

AstroDrizzle takes them as its `skyfile`. The one-pass engine needs no such task: it has the
exposures on the common grid anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.missing_pixels import key_of_missing
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.grid_differences import VERSION, matched_on_grid
from skymosaic.drizzle.onepass.limits import KERNELS, WEIGHTS
from skymosaic.drizzle.onepass.run import drizzle_chips
from skymosaic.drizzle.onepass.skies import AppliedSky, find_skies
from skymosaic.drizzle.request import Request
from skymosaic.host.counting import counted
from skymosaic.hst.usable import require_engine
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.results import (
    DIFFERENCES,
    AlignResult,
    DifferencesResult,
    FoundSky,
    Planned,
)
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign, Sky
    from skymosaic.hst.exposure import Exposure


def measure_differences(
    place: Place,
    campaign: Campaign,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
) -> Finished[DifferencesResult]:
    """Drizzle every chip alone, and find the skies that fit the differences.

    Raises
    ------
    InputError
        The exposures are of an instrument whose data AstroDrizzle converts to electrons.
    """
    images = images_of(aligned)
    grid, parameters = planned.result.grid, planned.result.order.parameters
    request = Request.of(campaign)
    methods = list(request.own_methods)
    require_engine(images.exposures, f"sky.methods: {methods[0]}")

    def work(bench: Bench) -> DifferencesResult:
        images.fetch(bench)
        with computing_slot(place):
            log = bench.scratch / "differences.log"
            bench.doing(f"differences of {counted(len(images.exposures), 'exposure')}")
            cut_outs, load = drizzle_chips(
                bench.scratch,
                log,
                images.exposures,
                grid,
                linear(parameters),
                processes=request.processes(len(images.exposures)),
            )
            skies = find_skies(
                bench.scratch,
                images.exposures,
                {method: SkyChoice(method) for method in methods},
                parameters,
                match_on_grid=lambda: matched_on_grid(
                    grid, cut_outs, load, images.exposures, per_chip=campaign.sky.per_chip
                ),
            )
        return DifferencesResult(
            {
                method: FoundSky(sky.values, sky.subtracted, sky.recorded, sky.differences)
                for method, sky in skies.items()
            }
        )

    return run_step(
        place,
        DIFFERENCES.step(),
        tasks=[DIFFERENCES.task()],
        inputs=images.products,
        parameters={
            "engine": VERSION,
            "methods": methods,
            **_per_chip_of(campaign.sky, images.exposures),
            **key_of_missing(images.exposures),
            "grid": grid.to_dict(),
            "astrodrizzle": dict(parameters),
        },
        versions=versions(),
        work=work,
    )


def linear(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters by which each exposure can be drizzled alone.

    The differences need no more than that: cosmic rays are rejected where exposures disagree.
    """
    plain = {**parameters, **dict.fromkeys(pars.CR_STEPS, False)}
    if plain.get("final_kernel", "square") not in KERNELS:
        plain["final_kernel"] = "square"
    if plain.get("final_wht_type", "EXP") not in WEIGHTS:
        plain["final_wht_type"] = "EXP"
    return plain


def given_sky(done: Finished[DifferencesResult], method: str) -> AppliedSky:
    """Return the sky of a method that the task found."""
    sky = done.result.skies[method]
    return AppliedSky(sky.values, sky.subtracted, sky.recorded, differences=sky.differences)


def _per_chip_of(sky: Sky, exposures: Sequence[Exposure]) -> dict[str, Any]:
    """Return `sky.per_chip` as a parameter of a step: where exposures have several chips."""
    return {"per_chip": sky.per_chip} if any(len(e.chips) > 1 for e in exposures) else {}
