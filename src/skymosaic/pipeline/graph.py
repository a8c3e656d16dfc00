"""The graph of a campaign: which steps it has, and what each is made from.

Who makes the calls is an argument: workers do the work (`OnWorkers`), or this thread looks up
whether all of it is finished (`Here`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from skymosaic.archive.base import Parcel, Source
from skymosaic.config import Campaign
from skymosaic.config.align import AS_THEY_ARE
from skymosaic.drizzle.request import Request
from skymosaic.pipeline import comparison
from skymosaic.pipeline.admission import rules_of
from skymosaic.pipeline.align import make_alignment
from skymosaic.pipeline.drizzle import drizzle
from skymosaic.pipeline.inspect import inspect
from skymosaic.pipeline.part_steps import Noted, sum_up_calls
from skymosaic.pipeline.plan import on_grid, plan
from skymosaic.pipeline.results import ComparisonResult
from skymosaic.pipeline.retrieve import retrieve
from skymosaic.steps.execution import Calls, Here, in_order
from skymosaic.steps.step import Finished, Place
from skymosaic.steps.tasks import DIFFERENCES, looks_at_pairs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FirstTasks:
    """How a campaign's graph begins: what other groups of its field may need of it."""

    retrieved: Sequence[Any]
    inspected: Any
    """With the WCS that the campaign chose, and what is known of them within associations."""
    aligned: Any
    sources: Sequence[Any] = ()
    """Those that list the sources of drizzled images, where they are aligned."""
    parts: Any = None
    """The task that sums up what the steps of the alignment cost."""
    placed: Sequence[Any] = ()
    """What was retrieved, with that WCS; empty where exposures are used as they are."""


@dataclass(frozen=True)
class PreparedTasks:
    """The first half of a campaign's graph: what all sky methods share."""

    retrieved: Sequence[Any]
    inspected: Any
    aligned: Any
    planned: Any
    positions: Any = None
    """With `align: none`: whether the stars of the exposures lie at the same places."""
    located: Any = None
    """The exposures that were aligned, with where they lie; those of `aligned` do not tell it."""
    parts: Any = None
    """The task that sums up what the steps of the alignment cost."""


@dataclass(frozen=True)
class DrizzleTasks:
    """The second half: what the comparison is made from."""

    runs: Sequence[Any]
    """A task of each sky method, in the campaign's order."""
    differences: Any = None
    """The task that measured the skies of this project's own methods, where there is one."""
    onepass: Any = None
    """The tasks of the one-pass engine (`onepass.OnepassTasks`), where it drizzles."""
    parts: Any = None
    """The task that sums up what its steps cost, where there are many."""


@dataclass(frozen=True)
class CellTasks:
    """The mosaics of cells, where a campaign has them."""

    index: Any = None
    """The task that lists them."""
    each: Sequence[Any] = ()
    """A task of each cell."""


def retrieve_each(
    calls: Calls, campaign: Campaign, place: Place, source: Source, parcels: Sequence[Parcel]
) -> list[Any]:
    """Make a task of each parcel that a source has."""
    # Dask looks for tasks in arguments, one by one; what all have in common hides from it.
    fetch = partial(retrieve, place, source, rules_of(campaign))
    names = [parcel.name for parcel in parcels]
    return calls.each(fetch, parcels, of=names, near=in_order(calls.hosts(), len(parcels)))


def inspect_all(calls: Calls, campaign: Campaign, place: Place, retrieved: Sequence[Any]) -> Any:
    """Make the task that inspects what was retrieved."""
    return calls.call(inspect, place, retrieved, rules_of(campaign))


def begin(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    source: Source,
    parcels: Sequence[Parcel],
    catalogue: Any = None,
) -> FirstTasks:
    """Make the tasks that retrieve, inspect and align; with a catalogue, to its sources."""
    retrieved = retrieve_each(calls, campaign, place, source, parcels)
    inspected = inspect_all(calls, campaign, place, retrieved)
    placed: Sequence[Any] = ()
    if campaign.align.wcs != AS_THEY_ARE:
        from skymosaic.pipeline.wcs import with_chosen_wcs  # few campaigns need it

        placed, inspected = with_chosen_wcs(calls, campaign, place, retrieved, inspected)
    known = inspected
    if campaign.align.exposures is not None:
        from skymosaic.pipeline.within import check_exposures  # with scipy, as in `drizzle_each`

        files, checks = placed or retrieved, campaign.align.exposures
        placed, inspected, known = check_exposures(calls, checks, place, files, inspected)
    noted = Noted(calls)
    tasks = make_alignment(noted, campaign, place, parcels, inspected, catalogue)
    parts = None if campaign.align.method == "none" else sum_up_calls(calls, noted.every)
    return FirstTasks(retrieved, known, tasks.aligned, tasks.sources, parts, placed)


def prepare(
    calls: Calls, campaign: Campaign, place: Place, first: FirstTasks, grid: Any = None
) -> PreparedTasks:
    """Make the task that plans the mosaics; `grid`: that of several groups.

    Exposures that are not aligned get tasks that compare the positions of their stars.
    """
    more = [] if grid is None else [grid]
    planned = calls.call(plan, place, campaign, first.aligned, *more)
    aligned = calls.call(on_grid, first.aligned, planned)
    positions = None
    if campaign.align.method == "none":
        from skymosaic.pipeline import (
            positions as positions_stage,  # with scipy, as in `drizzle_each`
        )

        files = first.placed or first.retrieved
        positions = positions_stage.check_positions(calls, place, files, aligned, planned)
    return PreparedTasks(
        *(first.retrieved, first.inspected, aligned, planned, positions, first.aligned, first.parts)
    )


def drizzle_each(
    calls: Calls, campaign: Campaign, place: Place, prepared: PreparedTasks
) -> DrizzleTasks:
    """Make the task of each sky method."""
    if campaign.drizzle.engine == "onepass":
        from skymosaic.pipeline import onepass  # with scipy, which takes half a second to import

        noted = Noted(calls)
        tasks = onepass.drizzle_each(noted, campaign, place, prepared)
        runs = [tasks.runs[one] for one in campaign.sky.methods]
        parts = sum_up_calls(calls, noted.every)
        return DrizzleTasks(runs, onepass=tasks, parts=parts)
    methods, given, skies = campaign.sky.methods, {}, None
    if own := Request.of(campaign).own_methods:
        from skymosaic.pipeline import differences as differences_stage  # likewise

        skies = calls.call(
            differences_stage.measure_differences,
            place,
            campaign,
            prepared.aligned,
            prepared.planned,
            name=DIFFERENCES.name,
        )
        given = {method: calls.call(differences_stage.given_sky, skies, method) for method in own}
    # The longest first, so that none of them is left alone at the end.
    longest_first = sorted(methods, key=lambda method: not looks_at_pairs(method))
    drizzled = {
        method: calls.call(
            drizzle,
            place,
            prepared.aligned,
            prepared.planned,
            method,
            given.get(method),
            name="drizzle_pairs" if looks_at_pairs(method) else "drizzle",
        )
        for method in longest_first
    }
    return DrizzleTasks([drizzled[method] for method in methods], skies)


def make_cells(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    prepared: PreparedTasks,
    drizzled: DrizzleTasks,
) -> CellTasks:
    """Make the tasks of cells; waits for what tells which cells there are."""
    if campaign.drizzle.cells is None:
        return CellTasks()
    from skymosaic.pipeline import cells  # as in `drizzle_each`

    return CellTasks(*cells.make_cells(calls, campaign, place, prepared, drizzled.onepass))


def compare(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    source: Source,
    prepared: PreparedTasks,
    drizzled: DrizzleTasks,
    cells: CellTasks,
) -> Any:
    """Make the task that gathers the sky methods, which ends the campaign."""
    witness = engines = None
    if campaign.drizzle.checks:
        from skymosaic.pipeline import checks  # as in `drizzle_each`

        witness, engines = checks.check_each(calls, campaign, place, prepared, drizzled)
    return calls.call(
        comparison.compare_methods,
        place,
        campaign,
        list(source.left_out),
        prepared.retrieved,
        prepared.inspected,
        prepared.aligned,
        prepared.planned,
        drizzled.differences,
        drizzled.runs,
        witness,
        engines,
        prepared.positions,
        cells.index,
        cells.each,
        None if drizzled.onepass is None else dict(drizzled.onepass.compared),
        [prepared.parts, drizzled.parts],
    )


def look_up(
    campaign: Campaign, place: Place, source: Source, first: FirstTasks, grid: Any = None
) -> Finished[ComparisonResult]:
    """Return the finished comparison of a campaign; nothing is run.

    Parameters
    ----------
    campaign, place, source
        The campaign's.
    first, grid
        What its graph begins with, and the grid of several groups, looked up as well.

    Raises
    ------
    NotFinishedError
        The first step that would have to run.
    """
    here, place = Here(), place.only_finished()
    prepared = prepare(here, campaign, place, first, grid)
    drizzled = drizzle_each(here, campaign, place, prepared)
    cells = make_cells(here, campaign, place, prepared, drizzled)
    done: Finished[ComparisonResult] = compare(
        here, campaign, place, source, prepared, drizzled, cells
    )
    return done
