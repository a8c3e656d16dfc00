"""The task that computes the one output grid of several groups of a field."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from skymosaic.config import Campaign
from skymosaic.drizzle.grid import bound_output
from skymosaic.drizzle.request import Request
from skymosaic.pipeline.extents import extents_of, grid_of
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.results import SHARED_GRID, AlignResult, SharedGridResult
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions


def shared_grid(
    place: Place, field: str, campaign: Campaign, aligned: Sequence[Finished[AlignResult]]
) -> Finished[SharedGridResult]:
    """Compute the grid that holds the exposures of all groups.

    It is the grid that AstroDrizzle makes for the reference group, with as many rows and columns
    more as the footprints of the others need. So another group, of the same field, changes no pixel
    of those that there are.

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
    requested, bound = Request.of(campaign).grid, campaign.drizzle.max_output_megapixels
    reference, exposures = images_of(aligned[0]), [e for a in aligned for e in a.result.exposures]
    footprints = [polygon for exposure in exposures for polygon in exposure.polygons]

    def work(bench: Bench) -> SharedGridResult:
        own, call = grid_of(bench, reference, extents_of(bench, reference), requested)
        bench.peak_memory = call.peak_memory
        grid = own.holding(footprints)
        bound_output(exposures, grid, bound)
        (bench.out / "grid.json").write_text(json.dumps(grid.to_dict(), indent=1) + "\n")
        return SharedGridResult(grid)

    return run_step(
        place,
        SHARED_GRID.step(field),
        tasks=[SHARED_GRID.task(field)],
        inputs=reference.products,
        parameters={
            "final": dict(requested.choice),
            "max_output_megapixels": int(bound) if bound == int(bound) else bound,
            # Of the other groups the files say no more than these.
            "footprints": _checksum([polygon.tolist() for polygon in footprints]),
        },
        versions=versions(),
        work=work,
    )


def _checksum(values: list[list[list[float]]]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
