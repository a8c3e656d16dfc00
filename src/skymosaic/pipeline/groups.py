"""The mosaics of a campaign: one, or a group for each target and filter of a program.

Each group is a campaign of its own below the program's folder, ``PROPOSAL/TARGET/FILTER``, with
what it has of its own in the campaign file. A campaign of one mosaic is a program of one group,
which has no name and lies in the campaign's own folder.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from skymosaic.archive.base import Parcel
from skymosaic.config import Campaign
from skymosaic.errors import CampaignError
from skymosaic.steps.tasks import Task, tasks_of

log = logging.getLogger(__name__)

_REFUSED = {"proposal": "", "target": "refused", "filter": "", "instrument": ""}
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]|^[^A-Za-z0-9]")


@dataclass(frozen=True)
class Group:
    """One mosaic of a program."""

    name: str
    """``TARGET/FILTER``, as the campaign file names it; with the instrument where two have both.

    Empty where the campaign is one mosaic.
    """
    folder: str
    """Below the campaign's: ``PROPOSAL/TARGET/FILTER``, safe as a path; empty where it is that."""
    parcels: Sequence[Parcel]

    def own(self, campaign: Campaign) -> Campaign:
        """Return the campaign of this mosaic alone.

        Raises
        ------
        CampaignError
            The group asks for what cannot be.
        """
        return campaign.for_group(self.name) if self.name else campaign


def groups_of(campaign: Campaign, parcels: Sequence[Parcel]) -> list[Group]:
    """Return the mosaics of a campaign; warn of parameters for groups that there are none of."""
    if campaign.groups is None:
        return [Group("", "", parcels)]
    groups = split(parcels)
    known = {group.name for group in groups}
    for name in campaign.groups.parameters:
        if name not in known:  # a misspelt name changes nothing
            log.warning(
                "groups.parameters names %s, which the query does not find; there are: %s",
                name,
                ", ".join(sorted(known)),
            )
    return groups


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


def tasks_of_groups(campaign: Campaign, groups: Sequence[Group]) -> list[Task]:
    """Return the tasks of all groups, each with what the group has of its own.

    A group that asks for what cannot be fails before its first task.
    """
    tasks: list[Task] = []
    for group in groups:
        with suppress(CampaignError):
            tasks += tasks_of(group.own(campaign), group.parcels)
    return tasks
