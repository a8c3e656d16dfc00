"""The mosaics of a campaign: one, or the groups of a program.

Each group is a campaign of its own in a folder below the program's, such as
``PROPOSAL/TARGET/FILTER``, with what it has of its own in the campaign file. A campaign of one
mosaic is a program of one group, which has no name and lies in the campaign's own folder.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from skymosaic.archive.base import Parcel
from skymosaic.config import Campaign
from skymosaic.errors import CampaignError
from skymosaic.pipeline.grouping import listed, split
from skymosaic.steps.tasks import Task, tasks_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Group:
    """One mosaic of a program."""

    name: str
    """As the campaign file names it, such as ``TARGET/FILTER``.

    Empty where the campaign is one mosaic.
    """
    folder: str
    """Below the campaign's, such as ``PROPOSAL/TARGET/FILTER``; empty where it is that."""
    parcels: Sequence[Parcel]

    @property
    def files(self) -> int:
        """How many exposures and drizzled images it has."""
        return sum(len(parcel.images) for parcel in self.parcels)

    def own(self, campaign: Campaign) -> Campaign:
        """Return the campaign of this mosaic alone.

        Raises
        ------
        CampaignError
            The group asks for what cannot be.
        """
        return campaign.for_group(self.name) if self.name else campaign


def groups_of(campaign: Campaign, parcels: Sequence[Parcel]) -> list[Group]:
    """Return the mosaics of a campaign.

    Warns of exposures that no group of a list names, and of parameters for groups that there are
    none of.

    Raises
    ------
    InputError
        A list of groups names files that there are none of.
    """
    rules = campaign.groups
    if rules is None:
        return [Group("", "", parcels)]
    if rules.members:
        named, rest = listed(parcels, rules)
        if rest:
            log.warning("no group of groups.members names %s: left out", ", ".join(rest))
    else:
        named = split(parcels, rules, mixed=getattr(campaign.source, "allow_mixed", False))
    groups = [Group(one.name, one.folder, one.parcels) for one in named]
    known = {group.name for group in groups}
    for name in rules.parameters:
        if name not in known:  # a misspelt name changes nothing
            log.warning(
                "groups.parameters names %s, which is none of the groups; there are: %s",
                name,
                ", ".join(sorted(known)),
            )
    return groups


def tasks_of_groups(campaign: Campaign, groups: Sequence[Group]) -> list[Task]:
    """Return the tasks of all groups, each with what the group has of its own.

    A group that asks for what cannot be fails before its first task.
    """
    tasks: list[Task] = []
    for group in groups:
        with suppress(CampaignError):
            tasks += tasks_of(group.own(campaign), group.parcels)
    return tasks
