"""The task that makes the mosaics of one cell, from what touches it alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from skymosaic.config import Campaign
from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.cells import NOISE, Cell, noise_margin, with_surroundings
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
from skymosaic.methods import OWN
from skymosaic.pipeline.mosaic_files import publish
from skymosaic.pipeline.onepass_results import SkiesResult
from skymosaic.pipeline.results import CELL, CELLS, CellMosaic, CellResult, KeptSky
from skymosaic.pipeline.sentences.history import cell_history, sky_of
from skymosaic.pipeline.skies import skies_of
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.results import as_plain
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

_ENGINE = 1
"""Version of what is made of a cell; part of its step's key."""


@dataclass(frozen=True)
class CellJob:
    """What the task of one cell needs: nothing that grows with the campaign."""

    cell: Cell
    exposures: Sequence[Exposure]
    near: Sequence[Exposure]
    """Others that share noise with it, for the error plane."""
    files: Mapping[str, Product]
    """Of all of these, by their names."""
    masks: Mapping[str, Product]
    """By rootname."""
    outputs: Mapping[str, str]
    """Root names of the products, by method and variant."""
    skies: Mapping[str, KeptSky] = field(default_factory=dict)
    """Of their chips, likewise; its task looks them up in those of all exposures."""


@dataclass(frozen=True)
class OfAllCells:
    """What all cells have in common."""

    campaign: Campaign
    parameters: Mapping[str, Any]
    """AstroDrizzle's."""
    common: Grid
    """On which skies were found."""
    count: int
    """How many cells there are."""
    skies: Finished[SkiesResult]
    """Of all exposures."""


def make_cell(place: Place, shared: OfAllCells, job: CellJob) -> Finished[CellResult]:
    """Make the mosaics of one cell; it is told as a part of the task that lists them."""
    rootnames = [exposure.rootname for exposure in job.exposures]
    job = replace(job, skies=skies_of(place, shared.skies, rootnames))
    telling = place.work_of(CELLS.task(), CELLS.step())
    cell, campaign = job.cell, shared.campaign

    def work(bench: Bench) -> CellResult:
        try:
            # One that failed is what people should see, whichever begins after it.
            if not place.store.list(place.key("failed", CELL.step("").name.rstrip("/"))):
                telling.doing(f"cell {cell.name} of {shared.count}")
            return _published(bench, place, shared, job, _drizzled(bench, place, shared, job))
        except Exception as error:
            telling.tell("failed", f"cell {cell.name}: {error}")
            raise

    products = campaign.drizzle.products
    tilted = any(sky.tilts for sky in job.skies.values())
    return run_step(
        place,
        CELL.step(cell.name),
        inputs=job.files,
        parameters={
            "engine": _ENGINE,
            "masks": {rootname: product.sha256 for rootname, product in job.masks.items()},
            "cell": as_plain(replace(cell, exposures=[], near=None), Cell),
            "skies": {name: as_plain(sky, KeptSky) for name, sky in job.skies.items()},
            # Planes were found on it.
            **({"common": shared.common.to_dict()} if tilted else {}),
            "drizzle": final_of(shared.parameters),
            "files": dict(job.outputs),
            **({"products": list(products)} if products else {}),
            **({"noise": NOISE} if products and cell.part is None else {}),
            **key_of_missing([*job.exposures, *job.near]),
        },
        versions=versions(),
        work=work,
    )


def _drizzled(
    bench: Bench, place: Place, shared: OfAllCells, job: CellJob
) -> Mapping[str, Drizzled]:
    """Fetch what touches a cell, and make its mosaics in the scratch folder."""
    for product in job.files.values():
        bench.fetch(product)
    masks = {rootname: bench.fetch(product) for rootname, product in job.masks.items()}
    grid, request = job.cell.grid, Request.of(shared.campaign)
    with computing_slot(place):
        there = work_at_hand(bench.scratch, job.exposures, grid, request, shared.parameters)
        processes = max(1, there.processes // shared.count)
        there = replace(there, cosmic_rays=False, processes=processes)
        require_memory(memory_of("onepass", there), limits.free_memory())
        skies = {name: _applied(sky, shared.common, job.cell) for name, sky in job.skies.items()}
        work = CellWork(
            *(grid, job.exposures, skies, job.outputs, shared.parameters),
            *(request.errors, processes, job.near, _around(shared, job)),
        )
        return drizzle_cell(bench.scratch, bench.scratch / "cell.log", work, masks)


def _around(shared: OfAllCells, job: CellJob) -> tuple[Grid, tuple[int, int]] | None:
    """Return a square cell's grid with the pixels that share noise with it, for its error plane."""
    if job.cell.part is not None or "err" not in shared.campaign.drizzle.products:
        return None
    kernel = str(shared.parameters.get("final_kernel", "square"))
    margin = noise_margin(kernel, job.cell.grid, [*job.exposures, *job.near])
    return with_surroundings(job.cell.grid, shared.common, margin)


def _applied(sky: KeptSky, common: Grid, cell: Cell) -> AppliedSky:
    tilts = [Tilt(*values) for values in sky.tilts or ()]
    return AppliedSky(
        [], sky.subtracted, sky.recorded, tilts_on(tilts, common, cell.grid) if tilts else ()
    )


def _published(
    bench: Bench, place: Place, shared: OfAllCells, job: CellJob, drizzled: Mapping[str, Drizzled]
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


def _covered(weight: Path, rows: int = 256) -> float:
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
