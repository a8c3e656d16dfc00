"""The tasks that find the skies: a task an exposure measures it, one solves for all.

An exposure is measured as a whole and in its part of each overlap, in each way that a method or a
variant asks for. Who solves reads these records and no pixel; what it finds is a table, of which
later tasks take the rows of their exposures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from skymosaic.config import Campaign
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.missing_pixels import fill_missing, key_of_missing
from skymosaic.drizzle.onepass.blocks import blocks_of
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.equations import merge
from skymosaic.drizzle.onepass.grid_differences import VERSION, OnGrid, matched_by_equations
from skymosaic.drizzle.onepass.measured import (
    Neighbour,
    compare_swapped,
    measure_exposure,
    neighbours_of,
    put_together,
)
from skymosaic.drizzle.onepass.skies import distinct_ways, skies_of_measured
from skymosaic.drizzle.onepass.sky import Mask, SkySettings
from skymosaic.drizzle.onepass.sky_table import SkyTable, read_skies, write_skies
from skymosaic.drizzle.request import Request
from skymosaic.hst.exposure import Exposure
from skymosaic.methods import OWN
from skymosaic.pipeline.block_pixels import mask_products, read_masks
from skymosaic.pipeline.equations import opened
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.onepass_results import (
    MEASURED,
    PLAIN,
    SKIES,
    MeasuredResult,
    SkiesResult,
    SourcesResult,
    StaticResult,
)
from skymosaic.pipeline.outlines import draw_each
from skymosaic.pipeline.results import AlignResult, KeptSky
from skymosaic.pipeline.slots import computing_slot
from skymosaic.pipeline.static import all_masks_of, digest_of, plain_masks
from skymosaic.pipeline.static import find_static as find_static
from skymosaic.pipeline.static import masks_of as masks_of
from skymosaic.sky.chip_models import PerChip
from skymosaic.sky.source_mask import SourceMask
from skymosaic.sky.values import SkyValue
from skymosaic.steps.held import Held
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what these steps do; part of their keys."""
_TABLE = "skies.fits"


@dataclass(frozen=True)
class _Job:
    """What the task that measures one exposure needs: nothing that grows with the campaign."""

    exposure: Exposure
    file: Product
    neighbours: tuple[Neighbour, ...]
    masks: Mapping[Mask, Mapping[int, Product]]
    swapped: bool
    """Whether chips are drawn with rows and columns exchanged."""
    plainly: bool
    """As for `measure_each`."""


@dataclass(frozen=True)
class _Ways:
    """What all of these tasks have in common."""

    parameters: Mapping[str, Any]
    """AstroDrizzle's, of the run."""
    variants: Sequence[Mapping[str, Any]]
    """Those of the sky step that differ, of each choice."""
    settings: Mapping[str, SkySettings]
    grid: Grid | None = None
    """Of the mosaics, where sources on it do not count."""


def measure_each(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    prepared: Any,
    static: Finished[StaticResult],
    homes: Homes,
    sources: Mapping[str, Any] | None = None,
    *,
    plainly: bool = False,
) -> list[Any]:
    """Make a task of each exposure that measures its sky; none where all skies are given.

    Parameters
    ----------
    calls, campaign, place, prepared
        As for the other parts of the graph.
    static : Finished
        What the call of `find_static` gives.
    homes : Homes
        The host of each exposure.
    sources : mapping of str to call, or None
        Of each block by name the pixels of sources, which do not count; None: all do.
    plainly : bool
        Whether it is measured as AstroDrizzle does it while it looks for cosmic rays, whatever the
        campaign asks of its mosaics.
    """
    images = images_of(calls.result(prepared.aligned))
    exposures = sorted(images.exposures, key=lambda one: one.rootname)
    parameters = dict(calls.result(prepared.planned).result.order.parameters)
    choices = Request.of(campaign).choices
    settings = distinct_ways(choices, parameters)
    if not settings:
        return []
    variants = [choice.parameters for choice in choices.values() if choice.method is not None]
    swapped = campaign.sky.footprints == "swapped" and not plainly
    drawn = draw_each(calls, place, images, exposures, homes) if swapped else exposures
    jobs = [
        _Job(one, images.products[one.name], near, all_masks_of(static, one), swapped, plainly)
        for one, near in zip(exposures, neighbours_of(drawn), strict=True)
    ]
    grid = None if sources is None else calls.result(prepared.planned).result.grid
    act = partial(measure_one, place, _Ways(parameters, variants, settings, grid))
    names = [job.exposure.rootname for job in jobs]
    if sources is None or grid is None:
        return calls.each(act, jobs, of=names, near=homes.each(names))
    masks = _masks_of(grid, exposures, sources)
    return [
        calls.call(*(act, job, masks[name]), name="measure_one", of=name, near=homes.of([name]))
        for name, job in zip(names, jobs, strict=True)
    ]


def solve_skies(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    prepared: Any,
    measured: Sequence[Any],
    equations: Sequence[Any] = (),
) -> Any:
    """Make the task that solves the skies; return the call that gives them.

    Parameters
    ----------
    calls, campaign, place, prepared
        As for the other parts of the graph.
    measured : sequence of call
        As from `measure_each`.
    equations : sequence of call
        Those that give the equations of the blocks of the common grid, each with a product
        `EQUATIONS`; none where no mosaic needs them.
    """
    parameters = dict(calls.result(prepared.planned).result.order.parameters)
    choices = Request.of(campaign).choices
    sky = campaign.sky
    wanted = _Choices(choices, parameters, sky.per_chip, sky.planes, sky.footprints == "swapped")
    return calls.call(
        partial(solve, place, wanted),
        prepared.aligned,
        list(measured),
        list(equations),
        name="solve",
    )


def _masks_of(
    grid: Grid, exposures: Sequence[Exposure], sources: Mapping[str, Any]
) -> dict[str, list[Any]]:
    """Return the calls that give the sources upon each exposure, by rootname."""
    found: dict[str, list[Any]] = {one.rootname: [] for one in exposures}
    for block in blocks_of(grid, exposures):
        for name in block.exposures:
            found[name].append(sources[block.name])
    return found


def measure_one(
    place: Place, ways: _Ways, job: _Job, sources: Sequence[Finished[SourcesResult]] = ()
) -> Finished[MeasuredResult]:
    """Measure one exposure; `sources`: those of the blocks that it touches."""
    exposure = job.exposure
    wanted = {way.mask for way in ways.settings.values()}
    masks = {mask: own for mask, own in job.masks.items() if mask in wanted}

    def work(bench: Bench) -> MeasuredResult:
        path = bench.fetch(job.file)
        lows: dict[Mask, dict[int, Any]] = {}
        for mask, own in masks.items():
            lows[mask] = {}
            for extver, product in own.items():
                with bench.open(product) as file:
                    lows[mask][extver] = np.load(file, allow_pickle=False)
        with computing_slot(place):
            fill_missing(bench.scratch, [exposure], ways.parameters, ways.variants)
            chips = measure_exposure(
                *(path, exposure, job.neighbours, ways.settings, lows),
                swapped=job.swapped,
                sources=_source_mask(bench, ways.grid, sources),
            )
        return MeasuredResult(chips)

    return run_step(
        place,
        (PLAIN if job.plainly else MEASURED).step(exposure.rootname),
        inputs={exposure.name: job.file, **mask_products(sources)},
        parameters={
            "engine": _ENGINE,
            "ways": [asdict(way) for way in ways.settings.values()],
            "static": plain_masks(masks),
            "neighbours": [dict(vars(near)) for near in job.neighbours],
            **({"footprints": "swapped"} if job.swapped else {}),
            **({} if ways.grid is None else {"sources on": ways.grid.to_dict()}),
            **key_of_missing([exposure]),
        },
        versions=versions(),
        work=work,
    )


def _source_mask(
    bench: Bench, grid: Grid | None, sources: Sequence[Finished[SourcesResult]]
) -> SourceMask | None:
    boxes = [one.result.box for one in sources if one.result.box is not None]
    if grid is None or not boxes:
        return None
    box = boxes[0]
    for one in boxes[1:]:
        box = box.around(one)
    return SourceMask(read_masks(bench, sources, box), grid.wcs(), (box.y, box.x))


@dataclass(frozen=True)
class _Choices:
    """Which skies are asked for."""

    choices: Mapping[str, SkyChoice]
    parameters: Mapping[str, Any]
    """AstroDrizzle's, of the run."""
    per_chip: PerChip
    planes: bool
    """Whether skies from differences on the grid have a plane of each exposure beside."""
    swapped: bool
    """Whether chips are drawn with rows and columns exchanged."""


def solve(
    place: Place,
    wanted: _Choices,
    aligned: Finished[AlignResult],
    measured: Sequence[Finished[MeasuredResult]],
    equations: Sequence[Finished[Any]],
) -> Finished[SkiesResult]:
    """Find the skies of all chips by all methods and variants.

    Raises
    ------
    CampaignError, SkyError
        As from `onepass.skies.find_skies`.
    """
    exposures = sorted(aligned.result.exposures, key=lambda one: one.rootname)
    choices, parameters = wanted.choices, wanted.parameters
    settings = distinct_ways(choices, parameters)
    own = any(choice.method in OWN for choice in choices.values())

    def work(bench: Bench) -> SkiesResult:
        records = {
            one.step.removeprefix(MEASURED.step("").name): one.result.chips for one in measured
        }
        known = put_together(exposures, records, settings) if settings else {}

        def on_grid() -> OnGrid:
            merged = merge(opened(bench, equations))
            return matched_by_equations(
                merged, exposures, planes=wanted.planes, per_chip=wanted.per_chip
            )

        skies = skies_of_measured(
            exposures, choices, parameters, known, on_grid if equations else None
        )
        write_skies(bench.out / _TABLE, skies)
        found = {name: sky.differences for name, sky in skies.items() if sky.differences}
        swapped = None
        if wanted.swapped and known:
            swapped = compare_swapped(exposures, next(iter(known.values())).layout)
        return SkiesResult(list(skies), _TABLE, found, swapped)

    return run_step(
        place,
        SKIES.step(),
        inputs={},
        parameters={
            "engine": _ENGINE,
            "choices": {name: asdict(choice) for name, choice in choices.items()},
            "ways": [asdict(way) for way in settings.values()],
            "measured": digest_of(measured),
            "exposures": digest_of_exposures(exposures),
            **({"differences": VERSION, "equations": digest_of(equations)} if own else {}),
            **({"planes": True} if own and wanted.planes else {}),
            **({"footprints": "swapped"} if wanted.swapped else {}),
            **(
                {"per_chip": wanted.per_chip}
                if own and any(len(e.chips) > 1 for e in exposures)
                else {}
            ),
        },
        versions=versions(),
        work=work,
    )


def digest_of_exposures(exposures: Sequence[Exposure]) -> str:
    """Return a checksum of what the skies depend on of the exposures beside what was measured."""
    chips = [
        [one.rootname, chip.extver, one.brightness_factor(chip.extver), one.exptime, chip.counts]
        for one in exposures
        for chip in one.chips
    ]
    return hashlib.sha256(json.dumps(chips).encode()).hexdigest()


_tables = Held[SkyTable](read_skies)


def table_of(place: Place, skies: Finished[SkiesResult]) -> SkyTable:
    """Return the table of the skies, from the store or the host's cache."""
    return _tables.get(place.store, skies.products[skies.result.table])


def skies_of(
    place: Place, skies: Finished[SkiesResult], rootnames: Sequence[str]
) -> dict[str, KeptSky]:
    """Return the skies of the chips of some exposures, by method and variant.

    Parameters
    ----------
    place : Place
        Where the table is.
    skies : Finished
        As the call of `solve_skies` gives it.
    rootnames : sequence of str
        The exposures; their chips come in this order.
    """
    table = table_of(place, skies)
    rows = table.rows(rootnames)
    found = {}
    for name in skies.result.names:
        sky = table.applied(name, rows)
        tilts = [(tilt.x, tilt.y, tilt.slope_x, tilt.slope_y) for tilt in sky.tilts]
        found[name] = KeptSky(sky.subtracted, sky.recorded, tilts or None)
    return found


def values_of(place: Place, skies: Finished[SkiesResult], name: str) -> list[SkyValue]:
    """Return what is published of a method or variant, of all chips in the exposures' order."""
    table = table_of(place, skies)
    return table.values(name, range(len(table.rootnames)))
