"""The mosaics of a campaign: one, or the groups of a program.

Each group is a campaign of its own in a folder below the program's, such as
``PROPOSAL/TARGET/FILTER``, with what it has of its own in the campaign file. A campaign of one
mosaic is a program of one group, which has no name and lies in the campaign's own folder.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from skymosaic.archive.base import Parcel
from skymosaic.config import Campaign
from skymosaic.drizzle.request import Request
from skymosaic.errors import CampaignError
from skymosaic.pipeline.colour_plan import colour_plans, missing_pictures
from skymosaic.pipeline.group import Field, Group, fields_in
from skymosaic.pipeline.grouping import Named, is_called, listed, safe, split
from skymosaic.steps.tasks import CATALOGUE, COLOUR, REFERENCE, SHARED_GRID, Task, tasks_of

log = logging.getLogger(__name__)


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


def _follows(group: Group) -> bool:
    field = group.field
    return field is not None and field.aligned and group.name != field.reference


def tasks_of_groups(campaign: Campaign, groups: Sequence[Group]) -> list[Task]:
    """Return the tasks of all groups, each with what the group has of its own.

    A group that asks for what cannot be fails before its first task.
    """
    tasks: list[Task] = []
    for group in groups:
        with suppress(CampaignError):
            its = tasks_of(group.own(campaign), group.parcels)
            # Who follows another group is aligned to that one's sources.
            tasks += [one for one in its if one.kind != REFERENCE.name or not _follows(group)]
    for field in fields_in(groups):
        tasks += [Task(CATALOGUE.name)] * field.aligned
        tasks += [Task(SHARED_GRID.name, field.name)] * bool(field.on_grid)
    tasks += [Task(COLOUR.name, plan.field) for plan in colour_plans(campaign, groups)]
    return tasks
