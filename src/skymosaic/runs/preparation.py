"""What a submission would hand over, told before it is: graph, memory, documents."""

from __future__ import annotations

from collections.abc import Sequence

from dask.utils import format_bytes

from skymosaic.config import Campaign
from skymosaic.drizzle.grid import Grid
from skymosaic.errors import SkymosaicError
from skymosaic.host.counting import counted
from skymosaic.pipeline.admission import require_admissible, require_possible
from skymosaic.pipeline.groups import Group, groups_of, tasks_of_groups
from skymosaic.pipeline.place import open_place
from skymosaic.pipeline.sentences.order import decided_at_plan
from skymosaic.pipeline.sources import open_source
from skymosaic.runs import handover
from skymosaic.steps.step import Finished, Place, finished
from skymosaic.steps.tasks import Task, count_kinds

_PIXEL = 8  # bytes of a pixel of a mosaic and its weights, float32 each
_CONTEXT = 4  # bytes of a pixel of a plane of the context image
_CHIPS_A_PLANE = 32


def lines(campaign: Campaign) -> list[str]:
    """Return what would be submitted of a campaign, a line each; nothing is.

    Raises
    ------
    CampaignError, DrizzleError, InputError
        As a run would be refused.
    InputError, UnreachableError
        The source has no exposures, or does not answer.
    """
    require_possible(campaign)
    place = open_place(campaign)
    source = open_source(campaign.source, mixed=campaign.groups is not None)
    groups = groups_of(campaign, source.parcels())
    named = [group for group in groups if group.name]
    if not named:
        [group] = groups
        require_admissible(campaign, group.parcels)
    tasks = tasks_of_groups(campaign, groups)
    told = [
        f"campaign {campaign.name}, back end {campaign.compute.backend}, "
        f"store {place.store.where(place.campaign)}",
        f"graph: {counted(len(tasks), 'task')}",
        *(f"  {kind:<11} {count:>6}" for kind, count in count_kinds(tasks).items()),
        f"groups: {len(named) or 'one mosaic'}",
        *(_group_line(campaign, group) for group in named),
        *_memory(campaign, place, len(groups)),
        *decided_at_plan(campaign),
    ]
    if campaign.compute.backend == "local":
        return [*told, "documents: none; `skymosaic run` runs it here"]
    for name, text in handover.documents(campaign).items():
        told += ["", f"--- {name}", text.rstrip("\n")]
    return told


def _group_line(campaign: Campaign, group: Group) -> str:
    """Return what is known of a group: one that is refused does not stop the others."""
    line = f"  {group.name}: {counted(len(group.parcels), 'file')}"
    try:
        own = group.own(campaign)
        require_possible(own)
        require_admissible(own, group.parcels)
    except SkymosaicError as error:
        return f"{line}; will fail: {error}"
    return line


def _memory(campaign: Campaign, place: Place, mosaics: int) -> list[str]:
    """Return a projection of a drizzle's memory from what is known of the output grid."""
    most = campaign.drizzle.max_output_megapixels
    planned = finished(place, "plan")
    if planned is None or mosaics > 1:
        return [
            "memory: the output grid is not known before the exposures are aligned; at most "
            f"{most:g} megapixels are allowed: {format_bytes(int(most * 1e6 * _PIXEL))} of science "
            "and weights for each drizzle"
        ]
    columns, rows = Grid.from_call(planned.result["grid"]).shape
    images = sum(len(group) for group in planned.result["groups"])
    told = [
        f"memory: {columns} x {rows} pixels of output, {counted(images, 'exposure')}: "
        f"{format_bytes(columns * rows * _PIXEL)} of science and weights for each drizzle, "
        f"{format_bytes(columns * rows * _CONTEXT * -(-images // _CHIPS_A_PLANE))} more where a "
        "context image is made"
    ]
    return told + _peaks(_drizzled(campaign, place))


def _drizzled(campaign: Campaign, place: Place) -> list[Finished]:
    engine, methods = campaign.drizzle.engine, campaign.sky.methods
    # With onepass that of all methods is one step.
    steps = sorted({Task("drizzle", method).step(engine) for method in methods})
    found = (finished(place, step) for step in steps)
    return [step for step in found if step is not None]


def _peaks(steps: Sequence[Finished]) -> list[str]:
    if not steps:
        return []
    peak = max(step.peak_memory for step in steps)
    return [f"        the last run's drizzles took {format_bytes(peak)} at most"]
