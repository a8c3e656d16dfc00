"""Which groups of a field are red, green and blue in its colour picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from skymosaic.config import Campaign
from skymosaic.config.colour import Colour
from skymosaic.errors import CampaignError
from skymosaic.hst.wavelengths import wavelength_of
from skymosaic.pipeline.group import Field, Group
from skymosaic.pipeline.grouping import is_called

ColourName = Literal["red", "green", "blue"]


class Shade(NamedTuple):
    """A colour, and the group that it shows."""

    colour: ColourName
    group: str
    filter: str


@dataclass(frozen=True)
class ColourPlan:
    """The picture of a field."""

    field: str
    """What it is called by."""
    shades: tuple[Shade, ...]
    """Red, green and blue; or red and blue, and green is their mean."""

    def __str__(self) -> str:
        return ", ".join(f"{shade.group} {shade.colour}" for shade in self.shades)


class _Candidate(NamedTuple):
    group: str
    filter: str
    wavelength: float | None


def colour_plans(campaign: Campaign, groups: Sequence[Group]) -> list[ColourPlan]:
    """Return the pictures that are to be made, a field each; none of a field that lacks a filter.

    Raises
    ------
    CampaignError
        What is named for a colour names several groups, or one that has a grid of its own, or does
        not have the sky method that is asked for.
    """
    if campaign.colour is None:
        return []
    plans = (_plan_of(campaign, field, its) for field, its in _by_field(groups).items())
    return [plan for plan in plans if plan is not None]


def missing_pictures(campaign: Campaign, groups: Sequence[Group]) -> list[str]:
    """Return of which fields there will be no picture, a line each.

    Raises
    ------
    CampaignError
        There would be none at all; or as `colour_plans`.
    """
    if campaign.colour is None:
        return []
    pictured = {plan.field for plan in colour_plans(campaign, groups)}
    wanted = _wanted(campaign.colour)
    if not pictured:
        _require_names(campaign.colour, groups)
        raise CampaignError(
            f"colour: no target has {wanted}; there are: "
            f"{', '.join(group.name for group in groups)}. Name groups of these, or leave colour "
            "out"
        )
    fields = [field.name for field in _by_field(groups)]
    return [
        f"no colour picture of {name}: it does not have {wanted}"
        for name in fields
        if name not in pictured
    ] + [
        f"no colour picture of {group.name}: it is the only group of its target"
        for group in groups
        if group.field is None
    ]


def _require_names(settings: Colour, groups: Sequence[Group]) -> None:
    """Refuse a colour that no group at all is called by."""
    for colour, name in (("red", settings.red), ("green", settings.green), ("blue", settings.blue)):
        if name is not None and not any(is_called(group.name, name) for group in groups):
            raise CampaignError(
                f"colour.{colour}: {name!r} names none of the groups; there are: "
                f"{', '.join(group.name for group in groups)}"
            )


def _wanted(settings: Colour) -> str:
    if settings.by_wavelength:
        return "two filters whose wavelengths are known by their names"
    named = [name for name in (settings.red, settings.green, settings.blue) if name is not None]
    return " and ".join((", ".join(named[:-1]), named[-1]))


def _by_field(groups: Sequence[Group]) -> dict[Field, list[Group]]:
    found: dict[Field, list[Group]] = {}
    for group in groups:
        if group.field is not None:
            found.setdefault(group.field, []).append(group)
    return found


def _plan_of(campaign: Campaign, field: Field, groups: Sequence[Group]) -> ColourPlan | None:
    assert campaign.colour is not None
    candidates = [_candidate(group) for group in groups]
    if campaign.colour.by_wavelength:
        apart = _apart(campaign, field)
        shades = _by_wavelength([one for one in candidates if one.group not in apart])
    else:
        shades = _as_named(campaign, field, candidates)
    for shade in shades:
        _require_method(campaign, shade.group)
    return ColourPlan(field.name, shades) if shades else None


def _require_method(campaign: Campaign, group: str) -> None:
    """Refuse a sky method that a group of the picture does not have."""
    assert campaign.colour is not None
    assert campaign.groups is not None
    method, own = campaign.colour.method, campaign.groups.parameters.get(group)
    if method is None or own is None or own.sky is None or method in own.sky.methods:
        return
    if "methods" in own.sky.model_fields_set:
        raise CampaignError(
            f"colour.method: {group} has no mosaic of {method}: its sky.methods in "
            f"groups.parameters are {', '.join(own.sky.methods)}. Add {method} to them, or leave "
            "colour.method out"
        )


def _apart(campaign: Campaign, field: Field) -> set[str]:
    """Return the groups that do not have the grid of the others."""
    if campaign.groups is None or campaign.groups.grid != "shared" or campaign.drizzle.has_one_grid:
        parameters = campaign.groups.parameters if campaign.groups is not None else {}
        own = {name for name, its in parameters.items() if _places_grid(its.drizzle)}
        return own & set(field.groups)
    return set(field.groups) - set(field.on_grid)


def _places_grid(drizzle: object) -> bool:
    return "grid" in getattr(drizzle, "model_fields_set", ())


def _candidate(group: Group) -> _Candidate:
    facts = {(p.facts.filter, p.facts.instrument) for p in group.parcels if p.facts is not None}
    filters = sorted({filter_ for filter_, _ in facts})
    if len(filters) != 1:
        return _Candidate(group.name, "+".join(filters), None)
    instrument = min(instrument for _, instrument in facts)
    return _Candidate(group.name, filters[0], wavelength_of(filters[0], instrument))


def _by_wavelength(candidates: Sequence[_Candidate]) -> tuple[Shade, ...]:
    """Return the longest as red, the shortest as blue, and what is nearest to half-way as green."""
    by_wavelength: dict[float, _Candidate] = {}
    for one in candidates:
        if one.wavelength is not None:
            by_wavelength.setdefault(one.wavelength, one)  # of several epochs the first
    if len(by_wavelength) < 2:
        return ()
    waves = sorted(by_wavelength)
    middle = math.sqrt(waves[0] * waves[-1])
    green = min(waves[1:-1], key=lambda wave: abs(math.log(wave / middle)), default=None)
    chosen: list[tuple[ColourName, float | None]]
    chosen = [("red", waves[-1]), ("green", green), ("blue", waves[0])]
    return tuple(
        Shade(colour, by_wavelength[wave].group, by_wavelength[wave].filter)
        for colour, wave in chosen
        if wave is not None
    )


def _as_named(
    campaign: Campaign, field: Field, candidates: Sequence[_Candidate]
) -> tuple[Shade, ...]:
    settings = campaign.colour
    assert settings is not None
    named: list[tuple[ColourName, str | None]]
    named = [("red", settings.red), ("green", settings.green), ("blue", settings.blue)]
    shades = []
    for colour, wanted in named:
        if wanted is None:
            continue
        found = [one for one in candidates if is_called(one.group, wanted)]
        if not found:
            return ()
        if len(found) > 1:
            raise CampaignError(
                f"colour.{colour}: {wanted} names several groups of {field.name}: "
                f"{', '.join(one.group for one in found)}; give more of the name of one"
            )
        [one] = found
        if one.group in _apart(campaign, field):
            raise CampaignError(
                f"colour.{colour}: {one.group} has a grid of its own, so that its pixels do not "
                "lie on those of the others: leave its drizzle.grid out of groups.parameters and "
                "set groups.grid: shared, or name another group"
            )
        shades.append(Shade(colour, one.group, one.filter))
    return tuple(shades)
