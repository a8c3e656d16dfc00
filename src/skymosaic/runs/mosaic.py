"""One mosaic of a campaign: whether it is finished, and how it is made on workers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from distributed import Client

from skymosaic.archive.base import Parcel, Source
from skymosaic.config import Campaign, resolved_yaml
from skymosaic.errors import SkymosaicError
from skymosaic.pipeline.admission import require_admissible, require_possible
from skymosaic.pipeline.field import At, FieldGraph, Member
from skymosaic.pipeline.graph import (
    FirstTasks,
    begin,
    compare,
    drizzle_each,
    look_up,
    make_cells,
    prepare,
)
from skymosaic.pipeline.group import Group, fields_in
from skymosaic.pipeline.places import FAR
from skymosaic.pipeline.results import RETRIEVE, ComparisonResult
from skymosaic.runs.supervision import with_second_chances, with_slots
from skymosaic.steps import execution
from skymosaic.steps.execution import Calls, Here, OnWorkers
from skymosaic.steps.finished import Finished
from skymosaic.steps.finished_first import FinishedFirst
from skymosaic.steps.foresight import Foreseeing, Foreseen, count_earlier
from skymosaic.steps.manifests import NotFinishedError, recorded_parameters
from skymosaic.steps.place import Place

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MosaicRun:
    """What one mosaic is made of, and where it lies."""

    campaign: Campaign
    """Of this mosaic alone."""
    place: Place
    source: Source
    parcels: Sequence[Parcel]
    name: str = ""
    """Of its group; empty where the campaign is one mosaic."""
    field: FieldGraph | None = None
    """The steps that it shares with other groups; None: none."""

    @classmethod
    def of(cls, campaign: Campaign, place: Place, source: Source, group: Group) -> MosaicRun:
        """Return a mosaic of a campaign.

        Raises
        ------
        CampaignError, DrizzleError, InputError
            Its group asks for what cannot be, or has exposures that are refused.
        """
        own = group.own(campaign)
        require_possible(own)
        require_admissible(own, group.parcels)
        if group.name:
            place = replace(place, campaign=place.key(group.folder), label=f"{group.name} ")
        return cls(own, place, source, group.parcels, group.name)

    @property
    def member(self) -> Member:
        """What its steps are made from, for the other groups of its field."""
        return Member(self.name, self.campaign, self.place, self.source, self.parcels)

    def look_up(self) -> Finished[ComparisonResult] | None:
        """Return its comparison, where all of it is finished; nothing is run."""
        try:
            first, grid = self.begin(Here(), Place.only_finished)
            return look_up(self.campaign, self.place, self.source, first, grid)
        except NotFinishedError as step:
            log.info("%sfirst step to run: %s (%s)", self.place.label, step, step.why)
            return None

    def foresee(self, book: dict[str, Foreseen] | None = None) -> Foreseen:
        """Return which steps a run would make, and why; nothing is run.

        Groups that share steps need one `book` for all.
        """
        calls, place = Foreseeing(book, self.name), self.place.only_finished()
        try:
            first, grid = self.begin(calls, Place.only_finished)
            prepared = prepare(calls, self.campaign, place, first, grid)
            drizzled = drizzle_each(calls, self.campaign, place, prepared)
            cells = make_cells(calls, self.campaign, place, prepared, drizzled)
            compare(calls, self.campaign, place, self.source, prepared, drizzled, cells)
        except NotFinishedError:  # the graph goes on from what a step gives
            calls.foreseen.earlier = count_earlier(place, calls.foreseen)
        return calls.foreseen

    def write(self) -> None:
        """Write its campaign file into the store."""
        self.place.store.write_text(self.place.key("campaign.yaml"), resolved_yaml(self.campaign))

    def forget_failures(self) -> None:
        """Remove what tells of steps that failed: now that all is finished, none of it holds.

        A step that is made anew removes its own. One that failed by what was asked for in between,
        and is now asked for as before, is reused instead.
        """
        self.place.store.remove(self.place.key("failed"))

    def make(self, client: Client) -> Finished[ComparisonResult]:
        """Make it on the workers; what can succeed on a second try gets one."""
        return with_second_chances(client, lambda share: self._compute(client, share))

    def _compute(self, client: Client, share: int) -> Finished[ComparisonResult]:
        """Compute the graph on the workers, in the order that keeps them all busy."""
        campaign, source, calls = self.campaign, self.source, OnWorkers(client)

        def at(place: Place) -> Place:
            return with_slots(place, client, campaign, share)

        place = at(self.place)
        first, grid = self.begin(calls, at)
        prepared = prepare(calls, campaign, place, first, grid)
        execution.wait_for_all([*first.retrieved, prepared.planned])
        self._require_others(calls, at, first.aligned)
        execution.hold_everywhere(client, [prepared.aligned, prepared.planned])
        # From here on most steps are of one exposure, and of a former run.
        quick = FinishedFirst(calls, place)
        drizzled = drizzle_each(quick, campaign, place, prepared)
        execution.wait_for_all(drizzled.runs)
        cells = make_cells(quick, campaign, place, prepared, drizzled)
        compared = compare(quick, campaign, place, source, prepared, drizzled, cells)
        execution.wait_for_all(cells.each)
        done: Finished[ComparisonResult] = execution.result_of(compared)
        return done

    def begin(self, calls: Calls, at: At) -> tuple[FirstTasks, Any]:
        """Return how its graph begins, and the grid that it shares, None where it has its own."""
        if self.field is None:
            place = at(self.place)
            return begin(calls, self.campaign, place, self.source, self.parcels), None
        first = self.field.begin(calls, self.name, at)
        return first, self.field.grid(calls, self.name, at)

    def _require_others(self, calls: Calls, at: At, own: Any) -> None:
        """Raise by name what another group failed of that this one depends on."""
        others = {} if self.field is None else self.field.others(calls, self.name, at)
        for name, aligned in others.items():
            # What failed here first is no fault of those that depend on it in turn.
            if execution.has_failed([own]) and not self._is_aligned_to(name):
                return
            try:
                execution.result_of(aligned)
            except SkymosaicError as error:
                raise type(error)(f"{name}, which this group depends on, failed: {error}") from None

    def _is_aligned_to(self, name: str) -> bool:
        field = None if self.field is None else self.field.field
        return field is not None and field.aligned and name == field.reference


def tell_changes(campaign: Campaign, place: Place, parcels: Sequence[Parcel]) -> None:
    """Warn of files that the archive has changed since they were fetched: they are fetched anew."""
    if not isinstance(campaign.source, FAR):
        return
    for parcel in parcels:
        was = recorded_parameters(place, RETRIEVE.step(parcel.name).name)
        if was is not None and was["parcel"] != parcel.identity:
            log.warning(
                "%s.fits changed in the archive since it was fetched; fetching it again, and "
                "running what depends on it",
                parcel.name,
            )


def with_fields(
    mosaics: Sequence[MosaicRun | SkymosaicError], groups: Sequence[Group], program: Place
) -> list[MosaicRun | SkymosaicError]:
    """Return mosaics that know what they share with others.

    Parameters
    ----------
    mosaics : sequence of MosaicRun or SkymosaicError
        Of one that cannot be, why.
    groups : sequence of Group
        Theirs.
    program : Place
        The program's.

    Returns
    -------
    list
        The same; errors, too, of those that share something with one that cannot be.
    """
    by_name = {group.name: each for group, each in zip(groups, mosaics, strict=True)}
    found = [
        _error_of_another(group, by_name) or mosaic
        for group, mosaic in zip(groups, mosaics, strict=True)
    ]
    possible = {g.name: m for g, m in zip(groups, found, strict=True) if isinstance(m, MosaicRun)}
    graphs = {
        field: FieldGraph(
            field, [possible[name].member for name in field.groups if name in possible], program
        )
        for field in fields_in(groups)
        if field.is_linked
    }
    return [
        replace(mosaic, field=graphs.get(group.field))
        if isinstance(mosaic, MosaicRun) and group.field is not None
        else mosaic
        for group, mosaic in zip(groups, found, strict=True)
    ]


def _error_of_another(
    group: Group, mosaics: Mapping[str, MosaicRun | SkymosaicError]
) -> SkymosaicError | None:
    """Return why a group cannot be, where another one that it depends on cannot."""
    if group.field is None or isinstance(mosaics[group.name], SkymosaicError):
        return None
    for name in group.field.needed_by(group.name):
        error = mosaics.get(name)
        if isinstance(error, SkymosaicError):
            return type(error)(f"{name}, which this group depends on, cannot be: {error}")
    return None
