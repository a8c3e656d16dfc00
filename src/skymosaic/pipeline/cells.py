"""The tasks that make the mosaics of cells, a task a cell, and the one that lists them.

Skies and masks are those that the one-pass engine found for all exposures together. A cell depends
on what touches it alone: its exposures, their masks and skies.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits

from skymosaic.config import Campaign
from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.cells import Cell
from skymosaic.drizzle.expected import work_at_hand
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.memory import memory_of, require_memory
from skymosaic.drizzle.missing_pixels import key_of_missing
from skymosaic.drizzle.onepass.cells import CellWork, drizzle_cell, tilts_on
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.skies import AppliedSky
from skymosaic.drizzle.onepass.sums import Tilt
from skymosaic.drizzle.product_headers import MosaicOrigin, outline_of
from skymosaic.drizzle.request import Request
from skymosaic.host import limits
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.imagers import product_suffix
from skymosaic.methods import OWN
from skymosaic.pipeline.images import images_of, select
from skymosaic.pipeline.mosaic_files import publish
from skymosaic.pipeline.onepass import word
from skymosaic.pipeline.results import (
    CELL,
    CELLS,
    AlignResult,
    CellMosaic,
    CellResult,
    CellsResult,
    KeptSky,
    OnepassResult,
    Planned,
)
from skymosaic.pipeline.sentences.cells import cells_document, cells_sheet, empty_warnings
from skymosaic.pipeline.sentences.history import cell_history, sky_of
from skymosaic.pipeline.slots import computing_slot
from skymosaic.sky.skycell_names import CellMosaic as HapMosaic
from skymosaic.sky.skycell_names import hap_name
from skymosaic.steps.results import as_plain
from skymosaic.steps.step import Bench, Finished, Place, forget, run_step
from skymosaic.store import Product
from skymosaic.store.base import is_ours
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

log = logging.getLogger(__name__)

_ENGINE = 1
"""Version of what is made of a cell; part of its step's key."""


@dataclass(frozen=True)
class CellJob:
    """What the task of one cell needs: nothing that grows with the campaign."""

    cell: Cell
    exposures: Sequence[Exposure]
    files: Mapping[str, Product]
    """Of the exposures, by their names."""
    masks: Mapping[str, Product]
    """By rootname."""
    skies: Mapping[str, KeptSky]
    """Of their chips, by method and variant."""
    outputs: Mapping[str, str]
    """Root names of the products, likewise."""


@dataclass(frozen=True)
class _All:
    """What all cells have in common."""

    campaign: Campaign
    parameters: Mapping[str, Any]
    """AstroDrizzle's."""
    common: Grid
    """On which skies were found."""
    count: int
    """How many cells there are."""


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
    shared = _All(
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
    skies, masks = onepass.result.skies or {}, onepass.result.masks or {}
    jobs = []
    for cell in planned.result.cells or ():
        touching = set(cell.exposures)
        exposures = [one for one in every.exposures if one.rootname in touching]
        numbers = [number for one in exposures for number in chips[one.rootname]]
        jobs.append(
            CellJob(
                cell,
                exposures,
                select(exposures, every.products).products,
                {e.rootname: onepass.products[masks[e.rootname]] for e in exposures},
                {name: _of_chips(sky, numbers) for name, sky in skies.items()},
                _outputs(campaign, place, cell, exposures, list(skies)),
            )
        )
    return jobs


def _of_chips(sky: KeptSky, numbers: Sequence[int]) -> KeptSky:
    return KeptSky(
        tuple(sky.subtracted[number] for number in numbers),
        tuple(sky.recorded[number] for number in numbers),
        sky.tilts and [sky.tilts[number] for number in numbers],
    )


def _outputs(
    campaign: Campaign,
    place: Place,
    cell: Cell,
    exposures: Sequence[Exposure],
    names: Sequence[str],
) -> dict[str, str]:
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


def make_cell(place: Place, shared: _All, job: CellJob) -> Finished[CellResult]:
    """Make the mosaics of one cell; it is told as a part of the task that lists them."""
    telling = place.work_of(CELLS.task(), CELLS.step())
    cell, campaign = job.cell, shared.campaign
    request = Request.of(campaign)
    tilted = any(sky.tilts for sky in job.skies.values())

    def work(bench: Bench) -> CellResult:
        try:
            # One that failed is what people should see, whichever begins after it.
            if not place.store.list(place.key("failed", CELL.step("").name.rstrip("/"))):
                telling.doing(f"cell {cell.name} of {shared.count}")
            return make(bench)
        except Exception as error:
            telling.tell("failed", f"cell {cell.name}: {error}")
            raise

    def make(bench: Bench) -> CellResult:
        for product in job.files.values():
            bench.fetch(product)
        masks = {rootname: bench.fetch(product) for rootname, product in job.masks.items()}
        with computing_slot(place):
            there = work_at_hand(
                bench.scratch, job.exposures, cell.grid, request, shared.parameters
            )
            processes = max(1, there.processes // shared.count)
            there = replace(there, cosmic_rays=False, mask_sources=False, processes=processes)
            require_memory(memory_of("onepass", there), limits.free_memory())
            drizzled = drizzle_cell(
                bench.scratch,
                bench.scratch / "cell.log",
                CellWork(
                    cell.grid,
                    job.exposures,
                    {name: _applied(sky, shared.common, cell) for name, sky in job.skies.items()},
                    job.outputs,
                    shared.parameters,
                    request.errors,
                    processes,
                ),
                masks,
            )
        return _published(bench, place, shared, job, drizzled)

    products = campaign.drizzle.products
    return run_step(
        place,
        CELL.step(cell.name),
        inputs={
            **job.files,
            **{f"runs/onepass/{product.name}": product for product in job.masks.values()},
        },
        parameters={
            "engine": _ENGINE,
            "cell": as_plain(replace(cell, exposures=[]), Cell),
            "skies": {name: as_plain(sky, KeptSky) for name, sky in job.skies.items()},
            # Planes were found on it.
            **({"common": shared.common.to_dict()} if tilted else {}),
            "drizzle": final_of(shared.parameters),
            "files": dict(job.outputs),
            **({"products": list(products)} if products else {}),
            **key_of_missing(job.exposures),
        },
        versions=versions(),
        work=work,
    )


def _applied(sky: KeptSky, common: Grid, cell: Cell) -> AppliedSky:
    tilts = [Tilt(*values) for values in sky.tilts or ()]
    return AppliedSky(
        [], sky.subtracted, sky.recorded, tilts_on(tilts, common, cell.grid) if tilts else ()
    )


def _published(
    bench: Bench, place: Place, shared: _All, job: CellJob, drizzled: Mapping[str, Drizzled]
) -> CellResult:
    """Move what was made to where it is published from; nothing where no pixel has weight."""
    weight = next(iter(drizzled.values())).weight
    covered = _covered(weight)
    if not covered:
        return CellResult(job.cell, {}, 0.0)
    outline = outline_of(weight)
    choices, mosaics = Request.of(shared.campaign).choices, {}
    for name, one in drizzled.items():
        method = choices[name].method
        history = cell_history(
            job.cell,
            job.exposures,
            shared.parameters,
            sky_of(method, "onepass", ours=method in OWN),
        )
        origin = MosaicOrigin(
            method or "given", place.campaign, bench.key, history, _cards(job.cell)
        )
        files = publish(bench, one, origin, outline)
        context = files.science.replace("_sci.fits", "_ctx.fits")
        mosaics[name] = CellMosaic(
            files.science,
            files.weight,
            files.preview,
            context if (bench.out / context).exists() else None,
            files.error,
        )
    return CellResult(job.cell, mosaics, covered)


def _covered(weight: Any, rows: int = 256) -> float:
    """Return what of a weight map is not zero, read some rows at a time."""
    with fits.open(weight, memmap=False) as hdus:
        section = hdus[0].section
        count = sum(
            int(np.count_nonzero(section[first : first + rows]))
            for first in range(0, hdus[0].shape[0], rows)
        )
        return float(count / np.prod(hdus[0].shape))


def _cards(cell: Cell) -> list[tuple[str, str | float, str]]:
    """Return what the headers of a cell tell of it: of a sky cell, the whole one."""
    cards: list[tuple[str, str | float, str]] = [("CELLNAME", cell.name, "cell of the mosaic")]
    if cell.part is not None:
        whole = cell.part.whole
        cards += [
            ("CELLSCAL", cell.part.scale, "scale of the sky cell"),
            ("CELLNX", whole.shape[0], "columns of the whole cell"),
            ("CELLNY", whole.shape[1], "rows of the whole cell"),
            ("CELLPIX1", whole.crpix[0], "CRPIX1 of the whole cell"),
            ("CELLPIX2", whole.crpix[1], "CRPIX2 of the whole cell"),
            ("CELLX0", cell.part.corner[0], "columns of the cell before the first"),
            ("CELLY0", cell.part.corner[1], "rows of the cell before the first"),
        ]
    return cards


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
    prefix = place.key("manifests", "")
    for key in place.store.list(place.key("manifests", CELL.kind.step_of().rstrip("/"))):
        step = key.removeprefix(prefix).removesuffix(".json")
        if is_ours(key) and key.endswith(".json") and step not in (*steps, CELLS.step().name):
            forget(place, step)
