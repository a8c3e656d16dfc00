"""The colour pictures of a program, made when its groups are finished."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distributed import Client

from skymosaic.config import Campaign
from skymosaic.config.colour import Colour
from skymosaic.errors import SkymosaicError
from skymosaic.pipeline.colour import ColourMember, colour_picture
from skymosaic.pipeline.colour_plan import ColourPlan, colour_plans
from skymosaic.pipeline.group import Group
from skymosaic.pipeline.results import ComparisonResult
from skymosaic.runs.mosaic import MosaicRun
from skymosaic.runs.supervision import with_second_chances
from skymosaic.steps import execution
from skymosaic.steps.execution import OnWorkers
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import NotFinishedError
from skymosaic.steps.place import Place

log = logging.getLogger(__name__)

Ended = Finished[ComparisonResult] | SkymosaicError | None
"""How a mosaic ended; None: it is not finished."""


@dataclass(frozen=True)
class Pictures:
    """The colour pictures of a program.

    Parameters
    ----------
    campaign : Campaign
        The program's file.
    place : Place
        The program's.
    plans : sequence of ColourPlan
        What is to be made.
    mosaics : mapping of str to MosaicRun or SkymosaicError
        The groups, by name.
    """

    campaign: Campaign
    place: Place
    plans: Sequence[ColourPlan]
    mosaics: Mapping[str, MosaicRun | SkymosaicError]

    @classmethod
    def of(
        cls,
        campaign: Campaign,
        place: Place,
        groups: Sequence[Group],
        mosaics: Sequence[MosaicRun | SkymosaicError],
    ) -> Pictures:
        """Return those of some groups, which are whole fields; errors as `colour_plans`."""
        by_name = {group.name: one for group, one in zip(groups, mosaics, strict=True)}
        return cls(campaign, place, colour_plans(campaign, groups), by_name)

    def are_finished(self, ended: Sequence[Ended]) -> bool:
        """Tell whether all of them are in the store; nothing is made."""
        only_finished = self.place.only_finished()
        try:
            for plan in self.plans:
                members = self._members(plan, ended)
                if members is None:
                    return False
                colour_picture(only_finished, plan, self._settings, members)
        except (NotFinishedError, SkymosaicError):  # errors are met again when they are made
            return False
        return True

    def make(self, client: Client, ended: Sequence[Ended]) -> list[SkymosaicError]:
        """Make them on the workers, and return what went wrong.

        There is no picture where a group failed that it shows.
        """
        calls, errors = OnWorkers(client), list[SkymosaicError]()
        for plan in self.plans:
            members = self._members(plan, ended)
            if members is None:
                log.warning("no colour picture of %s: a group that it shows failed", plan.field)
                continue
            try:
                self._make(client, calls, plan, members)
            except SkymosaicError as error:
                log.warning("colour picture of %s: %s", plan.field, error)
                errors.append(error)
        return errors

    def _make(
        self, client: Client, calls: OnWorkers, plan: ColourPlan, members: Sequence[ColourMember]
    ) -> None:
        with_second_chances(
            client,
            lambda _share: execution.result_of(
                calls.call(colour_picture, self.place, plan, self._settings, members)
            ),
        )

    @property
    def _settings(self) -> Colour:
        assert self.campaign.colour is not None  # or there would be no plans
        return self.campaign.colour

    def _members(self, plan: ColourPlan, ended: Sequence[Ended]) -> list[ColourMember] | None:
        """Return the groups of a picture; None where one is not finished."""
        by_name = dict(zip(self.mosaics, ended, strict=True))
        members = []
        for shade in plan.shades:
            mosaic, done = self.mosaics[shade.group], by_name[shade.group]
            if isinstance(mosaic, SkymosaicError) or not isinstance(done, Finished):
                return None
            members.append(ColourMember(mosaic.place, mosaic.campaign, done))
        return members
