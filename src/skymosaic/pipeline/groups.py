"""The mosaics of a campaign: one, or the groups of a program.

Each group is a campaign of its own in a folder below the program's, such as
``PROPOSAL/TARGET/FILTER``, with what it has of its own in the campaign file. A campaign of one
mosaic is a program of one group, which has no name and lies in the campaign's own folder.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from skymosaic.archive.base import Parcel
from skymosaic.config import Campaign
from skymosaic.drizzle.request import Request
from skymosaic.errors import CampaignError
from skymosaic.pipeline.colour_plan import colour_plans, missing_pictures
from skymosaic.pipeline.grouping import Named, is_called, listed, safe, split
from skymosaic.steps.tasks import CATALOGUE, COLOUR, SHARED_GRID, Task, tasks_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Field:
    """Groups of one target that share their grid, their alignment, or a colour picture."""

    name: str
    """Of the target, safe as a part of a path."""
    groups: tuple[str, ...]
    """Names; the first is the reference."""
    aligned: bool
    """Whether the others are aligned to the reference."""
    on_grid: tuple[str, ...]
    """Names of the groups that have one grid; empty where each has its own."""

    @property
    def is_linked(self) -> bool:
        """Whether any group depends on another one."""
        return self.aligned or bool(self.on_grid)

    @property
    def reference(self) -> str:
        """Name of the group that the others are aligned to."""
        return self.groups[0]

    def needed_by(self, name: str) -> list[str]:
        """Return the other groups whose alignment a group depends on, by their names."""
        needed = set(self.on_grid) if name in self.on_grid else set()
        needed |= {self.reference} if self.aligned else set()
        return [each for each in self.groups if each in needed - {name}]


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
    field: Field | None = None
    """What it shares with other groups; None: nothing."""

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
    CampaignError
        The reference that is named is none of the groups, or no colour picture can be made.
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
    return grouped(campaign, named)


def grouped(campaign: Campaign, named: Sequence[Named]) -> list[Group]:
    """Return groups with what they share; as `groups_of`.

    Raises
    ------
    CampaignError
        The reference that is named is none of the groups, or no colour picture can be made.
    """
    rules = campaign.groups
    assert rules is not None
    fields = fields_of(campaign, named) if rules.share or campaign.colour is not None else {}
    groups = [Group(one.name, one.folder, one.parcels, fields.get(one.name)) for one in named]
    known = {group.name for group in groups}
    for name in rules.parameters:
        if name not in known:  # a misspelt name changes nothing
            log.warning(
                "groups.parameters names %s, which is none of the groups; there are: %s",
                name,
                ", ".join(sorted(known)),
            )
    for line in (*_unused_pixels(campaign, fields), *missing_pictures(campaign, groups)):
        log.warning("%s", line)
    return groups


def _unused_pixels(campaign: Campaign, fields: Mapping[str, Field]) -> list[str]:
    """Return which groups say something of pixels that a shared grid tells, a line each."""
    lines = []
    for name, own in campaign.groups.parameters.items() if campaign.groups is not None else ():
        on_grid = fields[name].on_grid if name in fields else ()
        given = {} if own.drizzle is None else own.drizzle.parameters
        unused = [one for one in ("final_scale", "final_rot") if one in given]
        if name in on_grid[1:] and unused:
            lines.append(
                f"groups.parameters.{name}: {' and '.join(unused)} of no use: the size and the "
                f"angle of a shared grid's pixels are those of {on_grid[0]}"
            )
    return lines


def fields_of(campaign: Campaign, named: Sequence[Named]) -> dict[str, Field]:
    """Return the field of each group that shares something with others, by the group's name.

    Raises
    ------
    CampaignError
        ``groups.reference`` names none of the groups.
    """
    rules = campaign.groups
    assert rules is not None
    by_field: dict[str, list[str]] = {}
    for one in named:
        by_field.setdefault(one.field, []).append(one.name)
    every = [one.name for one in named]
    if rules.reference is not None and not any(is_called(n, rules.reference) for n in every):
        raise CampaignError(
            f"groups.reference: {rules.reference!r} names none of the groups; there are: "
            f"{', '.join(every)}"
        )
    fields: dict[str, Field] = {}
    taken: set[str] = set()
    for target, names in by_field.items():
        # The sort is stable: the others keep their order.
        ordered = sorted(names, key=lambda name: not is_called(name, rules.reference))
        if len(ordered) < 2:
            continue
        title = safe(target or campaign.name)
        while title in taken:  # a target that looks like another as a path
            title += "_"
        taken.add(title)
        without = [name for name in ordered if not _has_own_grid(campaign, name)]
        on_grid = without if rules.grid == "shared" and len(without) > 1 else []
        field = Field(title, tuple(ordered), rules.align == "shared", tuple(on_grid))
        fields |= dict.fromkeys(ordered, field)
    return fields


def _has_own_grid(campaign: Campaign, name: str) -> bool:
    try:
        return Request.of(campaign.for_group(name)).grid.is_given
    except CampaignError:  # a group that cannot be, which fails by name
        return False


def tasks_of_groups(campaign: Campaign, groups: Sequence[Group]) -> list[Task]:
    """Return the tasks of all groups, each with what the group has of its own.

    A group that asks for what cannot be fails before its first task.
    """
    tasks: list[Task] = []
    for group in groups:
        with suppress(CampaignError):
            tasks += tasks_of(group.own(campaign), group.parcels)
    for field in fields_in(groups):
        tasks += [Task(CATALOGUE.name)] * field.aligned
        tasks += [Task(SHARED_GRID.name, field.name)] * bool(field.on_grid)
    tasks += [Task(COLOUR.name, plan.field) for plan in colour_plans(campaign, groups)]
    return tasks


def fields_in(groups: Sequence[Group]) -> list[Field]:
    """Return the fields that groups are of, in the order of their first groups."""
    return list(dict.fromkeys(group.field for group in groups if group.field is not None))
