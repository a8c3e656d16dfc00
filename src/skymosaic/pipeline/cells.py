"""The tasks that make the mosaics of cells, a task a cell, and the one that lists them.

Skies and masks are those that the one-pass engine found for all exposures together. A cell depends
on what touches it alone: its exposures, their masks and skies.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from skymosaic.config import Campaign
from skymosaic.drizzle.cells import Cell
from skymosaic.drizzle.request import Request
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.imagers import product_suffix
from skymosaic.methods import word
from skymosaic.pipeline.cell import CellJob, OfAllCells, make_cell
from skymosaic.pipeline.images import images_of, select
from skymosaic.pipeline.onepass_mosaics import forget_others
from skymosaic.pipeline.onepass_results import SingleResult
from skymosaic.pipeline.results import CELL, CELLS, AlignResult, CellResult, CellsResult, Planned
from skymosaic.pipeline.sentences.cells import cells_document, cells_sheet, empty_warnings
from skymosaic.sky.skycell_names import HapMosaic, hap_name
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.pipeline.onepass import OnepassTasks
    from skymosaic.steps.execution import Calls
    from skymosaic.store import Product

log = logging.getLogger(__name__)


def make_cells(
    calls: Calls, campaign: Campaign, place: Place, prepared: Any, onepass: OnepassTasks
) -> tuple[Any, list[Any]]:
    """Make a task of each cell, and the one that lists them.

    Parameters
    ----------
    calls, campaign, place, prepared
        As for `graph.make_cells`.
    onepass : OnepassTasks
        The tasks that found the skies and masks of all exposures.

    Returns
    -------
    list, cells
        The call of the list, and those of the cells.
    """
    # Which cells there are, and what touches each, only a plan tells.
    planned: Finished[Planned] = calls.result(prepared.planned)
    singles = {name: calls.result(one) for name, one in onepass.parts.singles.items()}
    jobs = _jobs(campaign, place, calls.result(prepared.aligned), planned, singles)
    shared = OfAllCells(
        campaign,
        dict(planned.result.order.parameters),
        planned.result.grid,
        len(jobs),
        calls.result(onepass.parts.skies),
    )
    cells = calls.each(partial(make_cell, place, shared), jobs)
    return calls.call(index_cells, place, campaign, prepared.planned, cells), cells


def _jobs(
    campaign: Campaign,
    place: Place,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    singles: Mapping[str, Finished[SingleResult]],
) -> list[CellJob]:
    """Return what each cell is made from."""
    every = images_of(aligned)
    by_name = {exposure.rootname: exposure for exposure in every.exposures}
    jobs = []
    for cell in planned.result.cells or ():
        exposures = [by_name[name] for name in cell.exposures]
        near = [by_name[name] for name in cell.near or ()]
        both = [*exposures, *near]
        jobs.append(
            CellJob(
                cell,
                exposures,
                near,
                select(both, every.products).products,
                {one.rootname: _masks_of(singles[one.rootname]) for one in both},
                product_roots(campaign, place, cell, exposures, list(Request.of(campaign).choices)),
            )
        )
    return jobs


def _masks_of(single: Finished[SingleResult]) -> Product:
    return single.products[single.result.masks]


def product_roots(
    campaign: Campaign,
    place: Place,
    cell: Cell,
    exposures: Sequence[Exposure],
    names: Sequence[str],
) -> dict[str, str]:
    """Return how the names of a cell's products begin, by mosaic.

    Parameters
    ----------
    exposures : sequence of Exposure
        Those that touch the cell.
    names : sequence of str
        Of the mosaics.
    """
    layout = campaign.drizzle.cells
    if layout is None or layout.names != "hap" or cell.part is None:
        root = f"{place.campaign.replace('/', '_').lower()}_{cell.name}"
        return {name: f"{root}_{word(name)}" for name in names}
    one = exposures[0]
    suffix = product_suffix(one.instrument, one.detector, one.suffix)
    mosaic = HapMosaic(
        cell.name, one.instrument, one.detector, one.filter, cell.part.scale, suffix.lstrip("_")
    )
    root = hap_name(mosaic).removesuffix(f"_{suffix}.fits")
    # The names of the archive know one sky.
    return {name: root if len(names) == 1 else f"{root}-{word(name)}" for name in names}


def index_cells(
    place: Place,
    campaign: Campaign,
    planned: Finished[Planned],
    cells: Sequence[Finished[CellResult]],
) -> Finished[CellsResult]:
    """List the cells: ``cells/cells.json`` and ``cells/cells.ecsv``."""

    def work(bench: Bench) -> CellsResult:
        kept = [one for one in cells if one.result.mosaics]
        empty = [one.result.cell.name for one in cells if not one.result.mosaics]
        for line in empty_warnings(cells):
            log.warning("%s", line)
        document = cells_document(place, planned.result.grid, cells)
        (bench.out / "cells.json").write_text(json.dumps(document, indent=1) + "\n")
        cells_sheet(place, cells).write(bench.out / "cells.ecsv", format="ascii.ecsv")
        forget_others(place, CELL.kind, [*(one.result.cell.name for one in cells), "index"])
        return CellsResult([one.result.cell.name for one in kept], empty)

    return run_step(
        place,
        CELLS.step(),
        tasks=[CELLS.task()],
        inputs={},
        parameters={"cells": {one.result.cell.name: one.key for one in cells}},
        versions=versions(),
        work=work,
    )
