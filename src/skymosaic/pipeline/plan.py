"""The task that plans the mosaics: their grid, the groups of exposures, what is asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from skymosaic.align.solutions import mixed_as_they_are
from skymosaic.config import Campaign
from skymosaic.drizzle import order as ordering
from skymosaic.drizzle.cells import Cell, bound_cells, cells_key, cut, require_one_filter
from skymosaic.drizzle.depth import depth_of
from skymosaic.drizzle.grid import Grid, bound_output, off_grid
from skymosaic.drizzle.grid_request import GridRequest
from skymosaic.drizzle.order import Order
from skymosaic.drizzle.reference_image import Reference
from skymosaic.drizzle.request import Request
from skymosaic.drizzle.sky_cell import SkyCellPart, cropped
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.extent import Extent
from skymosaic.pipeline.extents import extents_of, grid_of, without_extents
from skymosaic.pipeline.given_grid import reference_of
from skymosaic.pipeline.images import Images, images_of
from skymosaic.pipeline.results import (
    PLAN,
    AlignResult,
    Planned,
    PlanResult,
    RecordedRule,
    SharedGridResult,
)
from skymosaic.pipeline.sentences.cells import planned_cells
from skymosaic.pipeline.sentences.grid import left_out_warnings
from skymosaic.sky.overlaps import groups, overlaps
from skymosaic.sky.static_rule import FirstRule, first_rule
from skymosaic.steps.manifests import recorded_result
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

log = logging.getLogger(__name__)

_DEPTH = 1
"""Version of how depth is measured; part of the key of `plan` where its result depends on it."""


def plan(
    place: Place,
    campaign: Campaign,
    aligned: Finished[AlignResult],
    shared: Finished[SharedGridResult] | None = None,
) -> Finished[Planned]:
    """Compute the output grid of all methods, bound it, and find the groups that overlap.

    Then it is known what AstroDrizzle is to be asked for, and which exposures do not touch a grid
    of the user's own. With a grid that groups share it is that one.

    Raises
    ------
    CampaignError, InputError
        The grid that the campaign names is not there, is one that the engines cannot make, or holds
        no exposure.
    DrizzleError
        There is no such grid, it is too large, or the order is one that an engine or a check that
        the campaign asks for cannot do.
    """
    images = images_of(aligned)
    request = Request.of(campaign)
    detectors = _detectors(images.exposures)
    grid_request, reference = request.grid, reference_of(campaign, detectors)
    if shared is not None:
        grid_request = GridRequest()
        reference = Reference(shared.result.grid, "groups.grid: shared")
    layout = campaign.drizzle.cells
    kernel = str(request.parameters.get("final_kernel", "square"))
    named = shared is not None or bool(grid_request.like)
    bound = campaign.drizzle.max_output_megapixels

    def work(bench: Bench) -> PlanResult:
        extents = extents_of(bench, images)
        grid, cell, off = _grid(bench, images, extents, grid_request, reference)
        bound_output(images.exposures, grid, bound, given=grid_request.is_given)
        _write(bench, grid, cell)
        outside = set(off)
        both = zip(images.exposures, extents, strict=True)
        kept = [(one, extent) for one, extent in both if one.name not in outside]
        exposures = [one for one, _ in kept]
        pairs = overlaps({e.rootname: e.polygons for e in exposures})
        depth = depth_of((e.polygons for e in exposures), grid)
        result = PlanResult(
            grid=grid,
            pairs=[(a, b, area) for (a, b), area in pairs.items()],
            groups=groups([e.rootname for e in exposures], pairs),
            depth=depth,
            started=_first_start(images.exposures, extents),
            static=static_rule(place, len(exposures)),
            grid_from=None if reference is None or not named else reference.name,
            cell=cell,
            left_out=off or None,
            cells=None if layout is None else _cells(campaign, kernel, grid, kept),
        )
        unaligned = campaign.align.method == "none"
        mixed = mixed_as_they_are(exposures) if unaligned else []
        order = _decide(campaign, exposures, result)
        for warning in (*left_out_warnings(result), *order.warnings, *mixed):
            log.warning("%s", warning)
        return result

    done = run_step(
        place,
        PLAN.step(),
        tasks=[PLAN.task()],
        inputs=images.products,
        parameters={
            **_key(grid_request, reference, bound, detectors),
            **(
                {}
                if layout is None
                else {"cells": cells_key(layout, kernel, errors=request.errors)}
            ),
        },
        versions=versions(),
        work=work,
    )
    planned = with_order(done, campaign, images.exposures)
    request.require_order(planned.result.order)
    if layout is not None and layout.names == "hap":
        require_one_filter(images.exposures)
    return planned


def _key(
    requested: GridRequest,
    reference: Reference | None,
    bound: float,
    detectors: Sequence[ordering.Detector],
) -> dict[str, Any]:
    """Return the parameters of the step."""
    return {
        "final": dict(requested.choice),
        # A file that changed is planned anew; a grid of the numbers above needs no more.
        **({} if reference is None else {"like": reference.to_dict()}),
        **({"crop": True} if requested.crop else {}),
        # 500 and 500.0 are one number: the file that is stored with a run, which `restart`
        # reads, has another form than the default.
        "max_output_megapixels": int(bound) if bound == int(bound) else bound,
        # The order of WFC3/IR needs no depth: what was planned without it stays good.
        **({} if all(map(ordering.is_infrared, detectors)) else {"depth": _DEPTH}),
    }


def _first_start(exposures: Sequence[Exposure], extents: Sequence[Extent]) -> float | None:
    """Return when the first exposure began, MJD (days), of those where that matters."""
    dated = [
        extent.started
        for one, extent in zip(exposures, extents, strict=True)
        if ordering.changes_with_date((one.instrument, one.detector)) and extent.started is not None
    ]
    return min(dated, default=None)


def _grid(
    bench: Bench,
    images: Images,
    extents: Sequence[Extent],
    requested: GridRequest,
    reference: Reference | None,
) -> tuple[Grid, SkyCellPart | None, list[str]]:
    """Return the output grid, what of a sky cell it is, and the files that do not touch it."""
    grid = _whole_grid(bench, images, extents, requested, reference)
    cell = None if reference is None else reference.cell
    if not requested.is_given:
        return grid, cell, []
    outlines = [extent.outlines for extent in extents]
    off = off_grid(images.exposures, grid, outlines)
    if cell is not None and requested.crop:
        grid, cell = cropped(cell, outlines)
    return grid, cell, off


def _whole_grid(
    bench: Bench,
    images: Images,
    extents: Sequence[Extent],
    requested: GridRequest,
    reference: Reference | None,
) -> Grid:
    like = None if reference is None else reference.grid
    if like is not None and not requested.choice:
        return like
    grid, call = grid_of(bench, images, extents, requested, like)
    bench.peak_memory = call.peak_memory
    return grid


def _cells(
    campaign: Campaign, kernel: str, grid: Grid, kept: Sequence[tuple[Exposure, Extent]]
) -> list[Cell]:
    """Return the cells that exposures touch, once they are bounded."""
    exposures, outlines = [one for one, _ in kept], [extent.outlines for _, extent in kept]
    layout = campaign.drizzle.cells
    assert layout is not None  # or there are no cells
    cells = cut(layout, grid, exposures, outlines, kernel, errors=Request.of(campaign).errors)
    bound_cells(cells, campaign.drizzle.max_output_megapixels)
    log.info("%s", planned_cells(cells))
    return cells


def _write(bench: Bench, grid: Grid, cell: SkyCellPart | None) -> None:
    """Write the output grid down among the products; of a sky cell the whole one, too."""
    values = grid.to_dict()
    if cell is not None:
        values["sky_cell"] = {**vars(cell), "whole": cell.whole.to_dict()}
    (bench.out / "grid.json").write_text(json.dumps(values, indent=1) + "\n")


def on_grid(aligned: Finished[AlignResult], facts: Finished[PlanResult]) -> Finished[AlignResult]:
    """Return what was aligned as the steps that follow take it.

    That is without the exposures that do not touch the output grid: there is one place that leaves
    exposures out. And without their extents, four fifths of a record, which `plan` has used: each
    worker gets the records of all exposures.
    """
    off = set(facts.result.left_out or ())
    exposures = [one for one in aligned.result.exposures if one.name not in off]
    return aligned.with_result(replace(aligned.result, exposures=without_extents(exposures)))


def with_order(
    done: Finished[PlanResult], campaign: Campaign, exposures: Sequence[Exposure]
) -> Finished[Planned]:
    """Return what was planned with what AstroDrizzle is asked for, by `drizzle.order`.

    The step tells facts of the exposures. What the campaign makes of them is no part of its key, so
    that another parameter of AstroDrizzle's does not plan anew.
    """
    off = set(done.result.left_out or ())
    kept = [exposure for exposure in exposures if exposure.name not in off]
    order = _decide(campaign, kept, done.result)
    return done.with_result(Planned(**vars(done.result), order=order))


def _decide(campaign: Campaign, exposures: Sequence[Exposure], facts: PlanResult) -> Order:
    return Request.of(campaign).decide(
        _detectors(exposures), facts.depth, facts.started, facts.static
    )


def static_rule(place: Place, exposures: int) -> FirstRule | None:
    """Return the rule of the static mask that this campaign began with, or begins with now."""
    before = recorded_result(place, PLAN.step().name, RecordedRule)
    return FirstRule(first_rule(exposures), exposures) if before is None else before.static


def _detectors(exposures: Sequence[Exposure]) -> list[ordering.Detector]:
    return [(exposure.instrument, exposure.detector) for exposure in exposures]
