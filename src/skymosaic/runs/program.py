"""A whole program in one campaign file: a mosaic for each target and filter, a group.

Each group is a campaign of its own below the program's folder, ``PROPOSAL/TARGET/FILTER``, with
what it has of its own in the campaign file. They share the workers and the query; one that fails
does not stop the others.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial

from distributed import Client

from skymosaic import clusters
from skymosaic.archive.base import Parcel, Source
from skymosaic.config import Campaign, resolved_yaml
from skymosaic.errors import CampaignError, PartialError, SkymosaicError
from skymosaic.journal.runs import both
from skymosaic.pipeline.admission import require_admissible, require_possible
from skymosaic.pipeline.graph import look_up
from skymosaic.pipeline.installation import require_match
from skymosaic.pipeline.place import open_place
from skymosaic.pipeline.sources import open_source
from skymosaic.results.broken_off import report_broken_off
from skymosaic.results.outcomes import Outcome, outcome_of
from skymosaic.results.program_page import (
    INDEX,
    STATES,
    GroupState,
    program_text,
    read_states,
    write_index,
)
from skymosaic.runs.mosaic import compute_graph, tell_changes
from skymosaic.runs.supervision import Tell, locked, recorded, with_second_chances, workers
from skymosaic.steps import execution
from skymosaic.steps.step import NotFinishedError, Place, as_record
from skymosaic.steps.tasks import Task, tasks_of
from skymosaic.store.lease import Holder

log = logging.getLogger(__name__)

_AT_ONCE = 16  # groups whose tasks are in the scheduler at once
_REFUSED = {"proposal": "", "target": "refused", "filter": "", "instrument": ""}
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]|^[^A-Za-z0-9]")


@dataclass(frozen=True)
class Group:
    """One mosaic of a program."""

    name: str
    """``TARGET/FILTER``, as the campaign file names it; with the instrument where two have both."""
    folder: str
    """Below the program's: ``PROPOSAL/TARGET/FILTER``, safe as a path."""
    parcels: Sequence[Parcel]


def split(parcels: Sequence[Parcel]) -> list[Group]:
    """Return what the archive has by proposal, target, filter and instrument, in this order."""
    members: dict[tuple[str, str, str, str], list[Parcel]] = {}
    for parcel in parcels:
        # What the archive's list holds and is refused is a group of its own, that fails by name.
        file = parcel.identity.get("file", _REFUSED)
        key = (file["proposal"], file["target"], file["filter"], file["instrument"])
        members.setdefault(key, []).append(parcel)
    taken: set[str] = set()
    groups = []
    for (proposal, target, filter_, instrument), its in sorted(members.items()):
        name = f"{target}/{filter_}"
        folder = "/".join(map(_safe, (proposal, target, filter_)))
        if folder in taken:  # another instrument, or a target that looks like this one as a folder
            name = f"{name} {instrument}"
            folder += f"-{_safe(instrument)}"
        if folder in taken:
            folder += "-" + hashlib.sha256(target.encode()).hexdigest()[:8]
        taken.add(folder)
        groups.append(Group(name, folder, its))
    return groups


def _safe(part: str) -> str:
    return _UNSAFE.sub("_", part) or "_"


def run(
    campaign: Campaign,
    tell: Tell,
    expect: Callable[[int], None],
    *,
    wait: float = 0.0,
    on_wait: Callable[[Holder], None] = lambda _holder: None,
) -> Outcome:
    """Run a program, or what is not yet finished of it; parameters as `campaign.run`.

    Raises
    ------
    PartialError
        Some groups failed. The message lists all of them; the others are finished.
    SkymosaicError
        The program could not be started: the query found nothing, another run is at work.
    """
    clusters.join(campaign.compute)
    require_match()
    place = open_place(campaign)
    source = open_source(campaign.source, mixed=True)
    groups = split(source.parcels())
    _require_known(campaign, groups)
    groups, told = _share(campaign.compute.share, groups, place)
    with (
        locked(told, "run", wait, on_wait) as held,
        recorded(told, campaign, held) as recorder,
    ):
        told.store.write_text(told.key("campaign.yaml"), resolved_yaml(campaign))
        parcels = sum(len(group.parcels) for group in groups)
        with workers(campaign, place, both(tell, recorder.tell), parcels) as client:
            recorder.watch(dashboard=execution.dashboard_of(client))
            both(expect, recorder.expect)(len(tasks_of_groups(campaign, groups)))
            states = _run_all(client, campaign, place, source, groups)
        told.store.write_json(told.key(STATES), [asdict(state) for state in states])
        report = write_index(place)
        table = "\n".join(_lines(states))
        failed = sum(state.state == "failed" for state in states)
        if failed:
            raise PartialError(
                f"{failed} of {len(states)} groups failed; the others are finished. Put right what "
                f"is said of them, and run again:\n{table}"
            )
    return _outcome(place, table, report)


def tasks_of_groups(campaign: Campaign, groups: Sequence[Group]) -> list[Task]:
    """Return the tasks of all groups, each with what the group has of its own.

    A group that asks for what cannot be fails before its first task.
    """
    tasks: list[Task] = []
    for group in groups:
        with suppress(CampaignError):
            tasks += tasks_of(campaign.for_group(group.name), group.parcels)
    return tasks


def find_outcome(campaign: Campaign) -> Outcome:
    """Return what the program's last run gave; nothing is run.

    Raises
    ------
    MissingError
        No run has ended.
    """
    place = open_place(campaign)
    states = read_states(place)
    if place.store.read_text(place.key(INDEX)) is None:
        return _outcome(place, "\n".join(_lines(states)), "one for each group, see above")
    where = place.store.where(place.key(INDEX))
    return _outcome(place, "\n".join(_lines(states)), where)


def report_text(campaign: Campaign, form: str) -> str:
    """Return the report of a campaign, or the page of a program, as ``html``, ``json`` or ``md``.

    Raises
    ------
    MissingError
        The store holds nothing of it.
    """
    place = open_place(campaign)
    if campaign.groups is not None:
        return program_text(place, form)
    from skymosaic.results import reporting

    return reporting.report_text(place, form)


def _share(share: str | None, groups: list[Group], place: Place) -> tuple[list[Group], Place]:
    """Return the groups of a share ``K/N``, and where its lock, record and states are.

    Shares run side by side, each with a lock and a record of its own; what they make is the
    program's.
    """
    if share is None:
        return groups, place
    first, step = map(int, share.split("/"))
    own = replace(place, campaign=place.key("shares", f"{first:06d}-of-{step:06d}"))
    return groups[first - 1 :: step], own


def _outcome(place: Place, table: str, report: str) -> Outcome:
    where = place.store.where(place.campaign)
    return Outcome(table, [], report, where, reused=False)


def _require_known(campaign: Campaign, groups: Sequence[Group]) -> None:
    """Warn of parameters for groups that there are none of: a misspelt name changes nothing."""
    known = {group.name for group in groups}
    for name in campaign.groups.parameters if campaign.groups else ():
        if name not in known:
            log.warning(
                "groups.parameters names %s, which the query does not find; there are: %s",
                name,
                ", ".join(sorted(known)),
            )


def _run_all(
    client: Client, campaign: Campaign, place: Place, source: Source, groups: Sequence[Group]
) -> list[GroupState]:
    """Run the groups side by side: what one of them waits for, another has the workers for."""
    pool = ThreadPoolExecutor(max(1, min(_AT_ONCE, len(groups))))
    try:
        return list(pool.map(partial(_run_one, client, campaign, place, source), groups))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _run_one(
    client: Client, campaign: Campaign, place: Place, source: Source, group: Group
) -> GroupState:
    files = len(group.parcels)
    there = replace(place, campaign=place.key(group.folder), label=f"{group.name} ")
    try:
        own = campaign.for_group(group.name)
        require_possible(own)
        require_admissible(own, group.parcels)
        there.store.write_text(there.key("campaign.yaml"), resolved_yaml(own))
        try:
            done = look_up(own, there, source, group.parcels)
        except NotFinishedError:
            tell_changes(own, there, group.parcels)
            done = with_second_chances(
                client,
                lambda share: compute_graph(client, own, there, source, group.parcels, share),
            )
        report = outcome_of(there, done, reused=False).report
        return GroupState(group.name, "done", files, report, None, group.folder)
    except SkymosaicError as error:
        log.warning("group %s: %s", group.name, error)
        report_broken_off(there)
        return GroupState(group.name, "failed", files, "", as_record(error), group.folder)


def _lines(states: Sequence[GroupState]) -> list[str]:
    """Return two lines a group, as paths and errors are long: the second has one of them."""
    lines = [f"{'group':<30} {'state':<7} {'files':>5}", "  report, or why it failed"]
    for state in states:
        error = state.error
        why = f"{error['class']}: {error['message']}" if error else state.report
        lines += [f"{state.name:<30} {state.state:<7} {state.files:>5}", f"  {why}"]
    return lines
