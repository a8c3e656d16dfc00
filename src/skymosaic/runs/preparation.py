"""What a submission would hand over, told before it is: graph, memory, documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dask.utils import format_bytes, parse_bytes

from skymosaic.archive.base import Source
from skymosaic.clusters.kubernetes.submit import NAMESPACE
from skymosaic.clusters.slurm.memory import job_memory, sized
from skymosaic.config import Campaign
from skymosaic.config.kubernetes import parse_quantity
from skymosaic.drizzle.expected import Expected, needs_of, of_campaign
from skymosaic.drizzle.request import Request
from skymosaic.errors import CampaignError, SkymosaicError, StoreError
from skymosaic.host.counting import counted
from skymosaic.pipeline.admission import require_admissible, require_possible
from skymosaic.pipeline.colour_plan import colour_plans
from skymosaic.pipeline.group import Field, Group, fields_in
from skymosaic.pipeline.groups import groups_of, tasks_of_groups
from skymosaic.pipeline.onepass_results import SINGLE
from skymosaic.pipeline.places import open_place
from skymosaic.pipeline.results import DRIZZLE, ONEPASS, PLAN, SHARED_GRID
from skymosaic.pipeline.sentences.cells import planned_cells
from skymosaic.pipeline.sentences.foreseen import foreseen_lines
from skymosaic.pipeline.sentences.grid import grid_lines, placed
from skymosaic.pipeline.sentences.order import decided_at_plan
from skymosaic.pipeline.sentences.reference import reference_line
from skymosaic.pipeline.sentences.sizes import memory_line
from skymosaic.pipeline.sources import open_source
from skymosaic.runs import handover
from skymosaic.runs.mosaic import MosaicRun, with_fields
from skymosaic.steps.finished import Finished
from skymosaic.steps.foresight import Foreseen
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place
from skymosaic.steps.tasks import count_kinds, tasks_of
from skymosaic.store.base import is_ours

_PATIENCE = 20.0  # s for the store, of which only what is finished is wanted
_BY_HAND = "an administrator applies it once: skymosaic prepare CONFIG --document namespace.yaml"


def lines(campaign: Campaign) -> list[str]:
    """Return what would be submitted of a campaign, a line each; nothing is.

    What goes to Kubernetes is YAML as a whole: what is no object is a comment. A store that cannot
    be read, as by who has no keys of it, is said so.

    Raises
    ------
    CampaignError, DrizzleError, InputError
        As a run would be refused.
    InputError, UnreachableError
        The source has no exposures, or does not answer.
    """
    require_possible(campaign)
    place = open_place(campaign)
    known, problem = _readable(place)
    source = open_source(campaign.source, mixed=campaign.groups is not None, place=known)
    groups = groups_of(campaign, source.parcels())
    named = [group for group in groups if group.name]
    if not named:
        [group] = groups
        require_admissible(campaign, group.parcels)
    tasks = tasks_of_groups(campaign, groups)
    summary = [
        f"campaign {campaign.name}, back end {campaign.compute.backend}, "
        f"store {place.store.address(place.campaign)}",
        f"graph: {counted(len(tasks), 'task')}",
        *(f"  {kind:<11} {count:>6}" for kind, count in count_kinds(tasks).items()),
        f"groups: {len(named) or 'one mosaic'}",
        *(line for group in named for line in _group_lines(campaign, group)),
        *(line for field in fields_in(named) for line in _field_lines(known, field)),
        *(f"  {plan.field}: colour picture, {plan}" for plan in colour_plans(campaign, named)),
        *([line] if (line := reference_line(campaign)) else []),
        *grid_lines(campaign),
        *memory_lines(campaign, known, len(groups)),
        *decided_at_plan(campaign),
        *(
            _step_lines(campaign, known, source, groups)
            if known
            else [f"steps: the store cannot be read, so what is finished is not known ({problem})"]
        ),
    ]
    if campaign.compute.backend == "local":
        return [*summary, "documents: none; `skymosaic run` runs it here"]
    documents = handover.documents(campaign)
    if campaign.compute.backend == "kubernetes":
        return _as_yaml(summary, documents)
    for name, text in documents.items():
        summary += ["", f"--- {name}", text.rstrip("\n")]
    return summary


def _as_yaml(summary: Sequence[str], documents: Mapping[str, str]) -> list[str]:
    """Return a summary and the objects of a user, so that `kubectl apply` can read all of it."""
    comments = [f"# {line}".rstrip() for text in summary for line in text.split("\n")]
    comments.append(f"# {NAMESPACE} is not below: {_BY_HAND}")
    texts = {name: text for name, text in documents.items() if name != NAMESPACE}
    return comments + [
        line for name, text in texts.items() for line in (f"# {name}", text.rstrip("\n"))
    ]


def _readable(place: Place) -> tuple[Place | None, str]:
    """Return a campaign's place if its store can be read; else None, and why it cannot."""
    try:
        place.store.hurried(_PATIENCE).list(place.key())
    except StoreError as error:
        return None, str(error)
    return place, ""


def document(campaign: Campaign, name: str) -> str:
    """Return one script, or one file of objects, that would be submitted; no store is asked.

    Parameters
    ----------
    campaign : Campaign
        What would be submitted.
    name : str
        Of the file, as `write` names it.

    Raises
    ------
    CampaignError
        The campaign cannot be submitted as it is, or has no file of that name.
    """
    require_possible(campaign)
    texts = handover.documents(campaign)
    if name not in texts:
        raise CampaignError(
            f"there is no {name} of this campaign: --document takes one of {', '.join(texts)}"
        )
    return texts[name]


def write(campaign: Campaign, folder: Path) -> list[Path]:
    """Write what would be submitted into a folder, a file each; neither store nor source is asked.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    CampaignError
        The campaign cannot be submitted as it is, or is not for a cluster.
    StoreError
        The folder cannot be written.
    """
    require_possible(campaign)
    texts = handover.documents(campaign)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written ({error.strerror}): name another folder with --output"
        ) from error
    return [folder / name for name in texts]


def _step_lines(
    campaign: Campaign, place: Place, source: Source, groups: Sequence[Group]
) -> list[str]:
    """Return which steps a run would make, and why; of each mosaic."""
    if not place.store.list(place.key()):
        return ["steps: none is finished; a run makes all"]
    mosaics = with_fields([_mosaic(campaign, place, source, one) for one in groups], groups, place)
    lines = []
    book: dict[str, Foreseen] = {}
    for group, mosaic in zip(groups, mosaics, strict=True):
        if isinstance(mosaic, SkymosaicError):  # as its line above tells
            continue
        own = tasks_of(mosaic.campaign, mosaic.parcels)
        found = foreseen_lines(mosaic.foresee(book), own)
        lines += [f"{group.name} {found[0]}".lstrip(), *found[1:]]
    return lines


def _mosaic(
    campaign: Campaign, place: Place, source: Source, group: Group
) -> MosaicRun | SkymosaicError:
    try:
        return MosaicRun.of(campaign, place, source, group)
    except SkymosaicError as error:
        return error


def _field_lines(place: Place | None, field: Field) -> list[str]:
    """Return what the groups of a field have in common, a line each."""
    lines = []
    if field.on_grid:
        lines.append(f"  {field.name}: {', '.join(field.on_grid)} have one grid")
        computed = finished(place, SHARED_GRID.step(field.name)) if place else None
        if computed is not None:
            lines.append(f"      the last run's: {placed(computed.result.grid)}")
    if field.aligned:
        followers = ", ".join(field.groups[1:])
        verb = "is" if len(field.groups) == 2 else "are"
        lines.append(f"  {field.name}: {followers} {verb} aligned to {field.reference}")
    return lines


def _group_lines(campaign: Campaign, group: Group) -> list[str]:
    """Return what is known of a group: one that is refused does not stop the others."""
    line = f"  {group.name}: {counted(group.files, 'file')}"
    try:
        own = group.own(campaign)
        require_possible(own)
        require_admissible(own, group.parcels)
        grid = [] if own.drizzle == campaign.drizzle else grid_lines(own)
    except SkymosaicError as error:
        return [f"{line}; will fail: {error}"]
    if grid == grid_lines(campaign.model_copy(update={"groups": None})):
        grid = []  # what it has of its own is something else
    return [line, *(f"      {one}" for one in grid)]


def memory_lines(campaign: Campaign, place: Place | None, mosaics: int) -> list[str]:
    """Return what a worker needs, what its cluster is asked for, and what is known of this run."""
    expected = of_campaign(campaign)
    work = expected.work
    summary = [memory_line(expected), *_requested_memory(campaign, expected)]
    planned = finished(place, PLAN.step()) if place else None
    if place is None or planned is None or mosaics > 1:
        return summary
    columns, rows = planned.result.grid.shape
    known = replace(work, columns=columns, output_pixels=columns * rows)
    summary.append(
        f"        the last plan has {columns} x {rows} pixels of output, for which "
        f"{_size(needs_of(Request.of(campaign), known).memory)} are enough: "
        f"{placed(planned.result.grid)}"
    )
    if campaign.drizzle.cells is not None and planned.result.cells is not None:
        summary.append(f"        its {planned_cells(planned.result.cells)}")
    return summary + _peaks(_drizzled(campaign, place))


def _requested_memory(campaign: Campaign, expected: Expected) -> list[str]:
    """Return what a cluster is asked for, and whether that is enough."""
    settings, needed = campaign.compute, expected.needs.memory
    if settings.backend == "slurm":
        what, key, needed = "a job on a node", "slurm", job_memory(campaign, expected)
        requested = parse_bytes(sized(campaign).slurm.memory)
    elif settings.backend == "kubernetes":
        what, key, given = "a worker", "kubernetes", settings.kubernetes.memory
        requested = needed if given == "auto" else int(parse_quantity(given))
    else:
        return []
    line = f"        {settings.backend} is asked for {_size(requested)} {what}"
    if requested < needed:
        line += f": less than the {_size(needed)} that are projected (compute.{key}.memory)"
    return [line]


def _size(count: float) -> str:
    return format_bytes(int(count))


def _drizzled(campaign: Campaign, place: Place) -> list[Finished[object]]:
    found: list[Finished[object] | None]
    if campaign.drizzle.engine == "onepass":
        parts = place.store.list(place.key("manifests", SINGLE.kind.step_of().rstrip("/")))
        names = [key.rsplit("/", 1)[-1].removesuffix(".json") for key in parts if is_ours(key)]
        found = [
            finished(place, ONEPASS.step()),
            *(finished(place, SINGLE.step(name)) for name in names),
        ]
    else:
        found = [finished(place, DRIZZLE.step(method)) for method in campaign.sky.methods]
    return [step for step in found if step is not None]


def _peaks(steps: Sequence[Finished[object]]) -> list[str]:
    if not steps:
        return []
    peak = max(step.peak_memory for step in steps)
    return [f"        the last run's drizzles took {format_bytes(peak)} at most"]
