"""The task that computes the one output grid of several groups of a field."""

from __future__ import annotations

import json
from collections.abc import Sequence

from skymosaic.config import Campaign
from skymosaic.drizzle.grid import bound_output, output_grid
from skymosaic.drizzle.request import Request
from skymosaic.hst.files import write_frame
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.results import SHARED_GRID, AlignResult, SharedGridResult
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions


def shared_grid(
    place: Place, field: str, campaign: Campaign, aligned: Sequence[Finished[AlignResult]]
) -> Finished[SharedGridResult]:
    """Compute the grid that holds the exposures of all groups, as AstroDrizzle makes it.

    Parameters
    ----------
    place : Place
        The program's.
    field : str
        What the step is called by.
    campaign : Campaign
        Of the reference group: it tells the size and the angle of pixels, and the bound.
    aligned : sequence of Finished
        The alignments of all groups, the reference first.

    Raises
    ------
    DrizzleError
        There is no such grid, or it is too large.
    """
    each = [images_of(one) for one in aligned]
    requested, bound = Request.of(campaign).grid, campaign.drizzle.max_output_megapixels
    # Two groups of a list may have one exposure, aligned in each.
    products = {
        f"{number:03d}_{exposure.name}": images.products[exposure.name]
        for number, images in enumerate(each)
        for exposure in images.exposures
    }
    exposures = [exposure for images in each for exposure in images.exposures]

    def work(bench: Bench) -> SharedGridResult:
        for name, product in products.items():
            with bench.open(product) as file:
                write_frame(file, bench.scratch / name)
        log_file = bench.scratch / "grid.log"
        grid, call = output_grid(bench.scratch, log_file, list(products), requested.choice)
        bench.peak_memory = call.peak_memory
        bound_output(exposures, grid, bound)
        (bench.out / "grid.json").write_text(json.dumps(call.value, indent=1) + "\n")
        return SharedGridResult(grid)

    return run_step(
        place,
        SHARED_GRID.step(field),
        tasks=[SHARED_GRID.task(field)],
        inputs=products,
        parameters={
            "final": dict(requested.choice),
            "max_output_megapixels": int(bound) if bound == int(bound) else bound,
        },
        versions=versions(),
        work=work,
    )
