"""The tasks that make the mosaics of cells, a task a cell, and the one that lists them.

Skies and masks are those that the one-pass engine found for all exposures together. A cell depends
on what touches it alone: its exposures, their masks and skies.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from skymosaic.config import Campaign
from skymosaic.drizzle.cells import Cell
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.imagers import product_suffix
from skymosaic.pipeline.cell import CellJob, OfAllCells, make_cell
from skymosaic.pipeline.images import images_of, select
from skymosaic.pipeline.onepass import word
from skymosaic.pipeline.results import (
    CELL,
    CELLS,
    AlignResult,
    CellResult,
    CellsResult,
    KeptSky,
    OnepassResult,
    Planned,
)
from skymosaic.pipeline.sentences.cells import cells_document, cells_sheet, empty_warnings
from skymosaic.sky.skycell_names import HapMosaic, hap_name
from skymosaic.steps.manifests import forget
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store.base import is_ours
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

log = logging.getLogger(__name__)


def make_cells(
    calls: Calls, campaign: Campaign, place: Place, prepared: Any, onepass: Any
) -> tuple[Any, list[Any]]:
    """Make a task of each cell, and the one that lists them.

    Returns
    -------
    list, cells
        The call of the list, and those of the cells.
    """
    # Which cells there are, and what touches each, only a plan tells.
    planned: Finished[Planned] = calls.result(prepared.planned)
    jobs = _jobs(campaign, place, calls.result(prepared.aligned), planned, calls.result(onepass))
    shared = OfAllCells(
        campaign,
        dict(planned.result.order.parameters),
        planned.result.grid,
        len(jobs),
    )
    cells = calls.each(partial(make_cell, place, shared), jobs)
    return calls.call(index_cells, place, campaign, prepared.planned, cells), cells


def _jobs(
    campaign: Campaign,
    place: Place,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    onepass: Finished[OnepassResult],
) -> list[CellJob]:
    """Return what each cell is made from."""
    every = images_of(aligned)
    chips: dict[str, range] = {}
    first = 0
    for exposure in every.exposures:
        chips[exposure.rootname] = range(first, first + len(exposure.chips))
        first += len(exposure.chips)
    by_name = {exposure.rootname: exposure for exposure in every.exposures}
    skies, masks = onepass.result.skies or {}, onepass.result.masks or {}
    jobs = []
    for cell in planned.result.cells or ():
        exposures = [by_name[name] for name in cell.exposures]
        near = [by_name[name] for name in cell.near or ()]
        both = [*exposures, *near]
        numbers = [number for one in exposures for number in chips[one.rootname]]
        jobs.append(
            CellJob(
                cell,
                exposures,
                near,
                select(both, every.products).products,
                {one.rootname: onepass.products[masks[one.rootname]] for one in both},
                {name: _of_chips(sky, numbers) for name, sky in skies.items()},
                product_roots(campaign, place, cell, exposures, list(skies)),
            )
        )
    return jobs


def _of_chips(sky: KeptSky, numbers: Sequence[int]) -> KeptSky:
    return KeptSky(
        tuple(sky.subtracted[number] for number in numbers),
        tuple(sky.recorded[number] for number in numbers),
        sky.tilts and [sky.tilts[number] for number in numbers],
    )


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
        _forget_others(place, [one.step for one in cells])
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


def _forget_others(place: Place, steps: Sequence[str]) -> None:
    """Let cells of another layout count as not finished: `skymosaic clean` removes their files."""
    prefix, kept = place.key("manifests", ""), {*steps, CELLS.step().name}
    for key in place.store.list(place.key("manifests", CELL.kind.step_of().rstrip("/"))):
        step = key.removeprefix(prefix).removesuffix(".json")
        if is_ours(key) and key.endswith(".json") and step not in kept:
            forget(place, step)
