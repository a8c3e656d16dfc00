"""Run a campaign: all of its mosaics, or what is not yet finished of them.

The mosaics of a program share the workers and the query; one that fails does not stop the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from distributed import Client

from skymosaic import clusters
from skymosaic.archive.base import Source
from skymosaic.config import Campaign, load_campaign_text, resolved_yaml
from skymosaic.errors import (
    CampaignError,
    DamagedError,
    MissingError,
    PartialError,
    SkymosaicError,
)
from skymosaic.host.counting import counted
from skymosaic.journal.runs import RunState, both, last_status
from skymosaic.pipeline import comparison
from skymosaic.pipeline.admission import require_possible
from skymosaic.pipeline.group import Field, Group
from skymosaic.pipeline.groups import groups_of, tasks_of_groups
from skymosaic.pipeline.installation import require_match
from skymosaic.pipeline.places import open_place
from skymosaic.pipeline.results import ComparisonResult
from skymosaic.pipeline.sources import open_source
from skymosaic.results.broken_off import report_broken_off, reported_if_broken_off
from skymosaic.results.outcomes import Outcome, outcome_of, outcome_of_program
from skymosaic.results.program_page import table_of, write_index
from skymosaic.results.program_states import STATES, GroupState
from skymosaic.runs.colours import Pictures
from skymosaic.runs.mosaic import MosaicRun, tell_changes, with_fields
from skymosaic.runs.supervision import Tell, locked, recorded, workers
from skymosaic.steps import execution
from skymosaic.steps.failures import as_record
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place
from skymosaic.store.lease import Holder

log = logging.getLogger(__name__)

FOREVER = 1e9
"""Seconds to wait for another run, for who means to wait for its end."""
_AT_ONCE = 16  # mosaics whose tasks are in the scheduler at once

Ended = Finished[ComparisonResult] | SkymosaicError
"""How a mosaic ended: its comparison, or why there is none."""


def run(
    campaign: Campaign,
    tell: Tell,
    expect: Callable[[int], None],
    *,
    wait: float = 0.0,
    on_wait: Callable[[Holder], None] = lambda _holder: None,
) -> Outcome:
    """Run a campaign, or what is not yet finished of it.

    Parameters
    ----------
    campaign : Campaign
        What to do.
    tell : callable
        Gets every event of every task, from a thread of its own.
    expect : callable
        Gets the number of tasks before the first one starts.
    wait : float
        How long to wait for another run of this campaign to end, s.
    on_wait : callable
        Gets who runs it, when waiting begins.

    Raises
    ------
    LockedError
        Another run of this campaign is at work.
    PartialError
        Some groups of a program failed. The message lists all of them; the others are finished.
    SkymosaicError
        The class tells the kind of failure; finished steps stay in the store.
    """
    clusters.join(campaign.compute)
    require_match()
    is_program = campaign.groups is not None
    if not is_program:
        require_possible(campaign)
    place = open_place(campaign)
    source = open_source(campaign.source, mixed=is_program, place=place)
    groups = groups_of(campaign, source.parcels())
    groups, share = groups_of_share(campaign.compute.share, groups, place)
    each = [_mosaic_or_error(campaign, place, source, group) for group in groups]
    mosaics = with_fields(each, groups, place)
    before = _each(_look_up, mosaics)
    pictures = Pictures.of(campaign, place, groups, mosaics)
    unfinished = before.count(None)
    todo = unfinished or not pictures.are_finished(before)
    has_states = not is_program or share.store.read_text(share.key(STATES)) is not None
    if not todo and has_states and is_recorded(campaign, share):
        return _outcome(is_program, place, before, reused=True)
    with (
        reported_if_broken_off(place),
        locked(share, "run", wait, on_wait) as held,
        recorded(share, campaign, held) as recorder,
    ):
        share.store.write_text(share.key("campaign.yaml"), resolved_yaml(campaign))
        ended: Sequence[Ended] = before
        unmade: Sequence[SkymosaicError] = ()
        if todo:
            parcels = sum(len(group.parcels) for group in groups)
            with workers(campaign, place, both(tell, recorder.tell), parcels) as client:
                recorder.watch(dashboard=execution.dashboard_of(client))
                tasks = tasks_of_groups(campaign, groups) if unfinished else pictures.plans
                both(expect, recorder.expect)(len(tasks))
                ended, unmade = _make_all(client, groups, mosaics, before, pictures)
        else:
            _each(_write_again, mosaics)
        if is_program:
            _write_states(share, place, groups, ended)
        for error in unmade:
            raise error
    return _outcome(is_program, place, ended, reused=not todo)


def is_recorded(campaign: Campaign, place: Place) -> bool:
    """Whether the store tells that this campaign is done, as asked for and by its last run."""
    try:
        status, text = last_status(place), place.store.read_text(place.key("campaign.yaml"))
        if status is None or status.state is not RunState.DONE or text is None:
            return False
        stored = load_campaign_text(text, place.store.address(place.key("campaign.yaml")), {})
    except (CampaignError, DamagedError) as error:  # or of a version that took other values
        log.warning("%s; writing it again", error)
        return False
    return comparison.result_settings(stored) == comparison.result_settings(campaign)


def groups_of_share(
    share: str | None, groups: list[Group], place: Place
) -> tuple[list[Group], Place]:
    """Return the groups of a share ``K/N``, and where its lock, record and states are.

    Shares run side by side, each with a lock and a record of its own; what they make is the
    program's. Groups that have something in common are in one share.
    """
    if share is None:
        return groups, place
    first, step = map(int, share.split("/"))
    own = replace(place, campaign=place.key("shares", f"{first:06d}-of-{step:06d}"))
    together: dict[Field | str, list[Group]] = {}
    for group in groups:
        together.setdefault(group.field or group.name, []).append(group)
    return [group for its in list(together.values())[first - 1 :: step] for group in its], own


def _mosaic_or_error(
    campaign: Campaign, place: Place, source: Source, group: Group
) -> MosaicRun | SkymosaicError:
    """Return a mosaic; of a group that cannot be, why: the others are made all the same."""
    try:
        return MosaicRun.of(campaign, place, source, group)
    except SkymosaicError as error:
        if not group.name:
            raise
        return error


def _look_up(mosaic: MosaicRun | SkymosaicError) -> Finished[ComparisonResult] | None:
    """Return the comparison of a mosaic that is finished; a group's errors are met later."""
    if isinstance(mosaic, SkymosaicError):
        return None
    try:
        return mosaic.look_up()
    except SkymosaicError:
        if not mosaic.place.label:
            raise
        return None


def _write_again(mosaic: MosaicRun) -> None:
    """Let the store tell of a mosaic, all of which is finished, as of one that was just made."""
    mosaic.write()
    mosaic.forget_failures()


def _make_all(
    client: Client,
    groups: Sequence[Group],
    mosaics: Sequence[MosaicRun | SkymosaicError],
    before: Sequence[Finished[ComparisonResult] | None],
    pictures: Pictures,
) -> tuple[Sequence[Ended], Sequence[SkymosaicError]]:
    """Make what is not finished; return how mosaics ended, and why there are pictures missing."""
    ended = _each(partial(_make, client), groups, mosaics, before)
    unmade = pictures.make(client, ended)
    if any(isinstance(error, (DamagedError, MissingError)) for error in unmade):
        # A mosaic was damaged, and was put aside: it is made anew.
        ended = _each(partial(_make, client), groups, mosaics, [None] * len(groups))
        unmade = pictures.make(client, ended)
    return ended, unmade


def _make(
    client: Client,
    group: Group,
    mosaic: MosaicRun | SkymosaicError,
    before: Finished[ComparisonResult] | None,
) -> Ended:
    """Make a mosaic that is not finished; a group that fails does not stop the others."""
    if isinstance(mosaic, SkymosaicError):
        log.warning("group %s: %s", group.name, mosaic)
        return mosaic
    try:
        mosaic.write()
        done = before
        if done is None:
            tell_changes(mosaic.campaign, mosaic.place, mosaic.parcels)
            done = mosaic.make(client)
        mosaic.forget_failures()
        return done
    except SkymosaicError as error:
        if not mosaic.place.label:
            raise
        log.warning("group %s: %s", group.name, error)
        report_broken_off(mosaic.place)
        return error


def _each(work: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
    """Do the same for all mosaics: what one of them waits for, another has the workers for."""
    count = len(columns[0])
    if count == 1:
        return [work(*(column[0] for column in columns))]
    pool = ThreadPoolExecutor(max(1, min(_AT_ONCE, count)))
    try:
        return list(pool.map(work, *columns))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _write_states(
    share: Place, place: Place, groups: Sequence[Group], ended: Sequence[Ended]
) -> None:
    """Write down what became of the groups of a program, and its page.

    Raises
    ------
    PartialError
        Some of them failed.
    """
    states = [_state(place, *pair) for pair in zip(groups, ended, strict=True)]
    share.store.write_json(share.key(STATES), [asdict(state) for state in states])
    write_index(place)
    failed = sum(state.state == "failed" for state in states)
    if failed:
        raise PartialError(
            f"{failed} of {counted(len(states), 'group')} failed; the others are finished. "
            f"Correct the causes listed below, and run again:\n{table_of(states)}"
        )


def _state(place: Place, group: Group, ended: Ended) -> GroupState:
    files = group.files
    if isinstance(ended, SkymosaicError):
        return GroupState(group.name, "failed", files, "", as_record(ended), group.folder)
    report = place.store.address(ended.products["report.html"].key)
    return GroupState(group.name, "done", files, report, None, group.folder)


def _outcome(is_program: bool, place: Place, ended: Sequence[Ended], *, reused: bool) -> Outcome:
    if is_program:
        return outcome_of_program(place, reused=reused)
    [done] = ended
    assert isinstance(done, Finished)  # an error was raised
    return outcome_of(place, done, reused=reused)
