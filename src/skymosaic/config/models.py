"""The campaign file as a whole: its sections, and what goes together in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from skymosaic.config.align import Align, align_from_word
from skymosaic.config.colour import Colour, colour_from_word
from skymosaic.config.compute import Compute
from skymosaic.config.drizzle import Drizzle
from skymosaic.config.fields import Name, Text
from skymosaic.config.grid import PLACE, GridOfSkyCell
from skymosaic.config.groups import GroupRules
from skymosaic.config.sections import Section
from skymosaic.config.sky import Sky
from skymosaic.config.sources import Source
from skymosaic.config.store import StoreSection
from skymosaic.config.text_fields import text_fields
from skymosaic.errors import CampaignError
from skymosaic.methods import METHODS


class Identity(Section):
    """What the campaign is called."""

    name: Name = Field(
        description="Name of the campaign, used as a folder name: letters, digits, '.', '_', '-'."
    )
    description: Text | None = Field(default=None, description="One line for people.")


class GroupParameters(Section):
    """What a group has of its own; everything else is the campaign's."""

    align: Annotated[
        Align | None,
        BeforeValidator(
            lambda value: value if value is None else align_from_word(value),
            json_schema_input_type=Literal["none"] | Align | None,
        ),
    ] = Field(default=None, description="How its tiles are aligned.")
    sky: Sky | None = Field(default=None, description="Its sky methods.")
    drizzle: Drizzle | None = Field(default=None, description="How it is drizzled.")


class Groups(GroupRules):
    """A program: several mosaics of the exposures of one source."""

    parameters: Mapping[Text, GroupParameters] = Field(
        default_factory=dict,
        description="Settings of single groups, by their names as `skymosaic prepare` shows them.",
    )


class Campaign(Section):
    """One campaign file: what to mosaic, how, and where."""

    campaign: Identity = Field(description="What the campaign is called.")
    source: Source
    align: Annotated[
        Align,
        BeforeValidator(align_from_word, json_schema_input_type=Literal["none"] | Align),
    ] = Field(default_factory=Align, description="How the tiles are aligned; none: not at all.")
    sky: Sky = Field(default_factory=Sky, description="The sky methods to compare.")
    drizzle: Drizzle = Field(default_factory=Drizzle, description="How to drizzle.")
    store: StoreSection = Field(
        default_factory=StoreSection, description="Where the products live."
    )
    compute: Compute = Field(
        default_factory=Compute, description="Which workers do the work, and where."
    )

    groups: Groups | None = Field(
        default=None, description="Given (`groups: {}`): a mosaic for each target and filter."
    )
    colour: Annotated[
        Colour | None,
        BeforeValidator(colour_from_word, json_schema_input_type=Literal["auto"] | Colour | None),
    ] = Field(
        default=None,
        description=(
            "A colour picture of the groups of each target, which must have one grid: {red, green, "
            "blue}, or auto (by wavelength)."
        ),
    )

    @model_validator(mode="after")
    def _variants_need_onepass(self) -> Self:
        if self.sky.variants and self.drizzle.engine != "onepass":
            raise ValueError("sky.variants need drizzle.engine: onepass, where each costs a sum")
        return self

    @model_validator(mode="after")
    def _options_that_need_onepass(self) -> Self:
        if self.sky.mask_sources and self.drizzle.engine != "onepass":
            raise ValueError(
                "sky.mask_sources needs drizzle.engine: onepass, which has all exposures on one "
                "grid before it measures a sky"
            )
        if self.sky.footprints == "swapped" and self.drizzle.engine != "onepass":
            raise ValueError(
                "sky.footprints: swapped needs drizzle.engine: onepass: AstroDrizzle itself has "
                "right footprints now"
            )
        if self.sky.planes and self.drizzle.engine != "onepass":
            raise ValueError(
                "sky.planes need drizzle.engine: onepass: AstroDrizzle subtracts constants"
            )
        return self

    @model_validator(mode="after")
    def _a_sample_needs_a_method_of_both_engines(self) -> Self:
        if self.drizzle.sample is not None and not set(self.sky.methods) & set(METHODS):
            raise ValueError(
                "drizzle.sample compares the engines under AstroDrizzle's own sky methods, and "
                f"sky.methods names none of them: add one of {', '.join(METHODS)}, or leave "
                "drizzle.sample out"
            )
        return self

    @model_validator(mode="after")
    def _a_shared_alignment_needs_one(self) -> Self:
        groups = self.groups
        if groups is None or groups.align != "shared" or self.align.method != "none":
            return self
        if not any(own.align is not None for own in groups.parameters.values()):
            raise ValueError(
                "groups.align: shared aligns the groups to each other, but align: none aligns "
                "nothing: leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _colours_need_one_grid(self) -> Self:
        if self.colour is None:
            return self
        if self.groups is None:
            raise ValueError(
                "colour shows several mosaics of one field, but the file has no groups: set "
                "groups: {grid: shared}, or leave colour out"
            )
        if not self.drizzle.has_one_grid:
            _require_shared_grid(self.drizzle, self.groups)
        method = self.colour.method
        if method is not None and method not in self.sky.methods:
            raise ValueError(
                f"colour.method: {method!r} is none of sky.methods; choose one of "
                f"{', '.join(self.sky.methods)}"
            )
        return self

    @property
    def name(self) -> str:
        """Name of the campaign, a safe folder name."""
        return self.campaign.name

    def for_group(self, name: str) -> Campaign:
        """Return the campaign of one group, with what the group has of its own.

        Parameters
        ----------
        name
            The group's, such as ``TARGET/FILTER``.

        Raises
        ------
        CampaignError
            What the group has of its own does not go together with the rest of the file.
        """
        # A group is no program: nothing of it is shared out.
        given = self.model_dump(
            exclude={"groups": True, "colour": True, "compute": {"share"}}, exclude_unset=True
        )
        own = self.groups.parameters.get(name) if self.groups else None
        for section, values in (own.model_dump(exclude_unset=True) if own else {}).items():
            if values is not None:
                # What the others are aligned by says nothing of a group that is not.
                replaces = section == "align" and values.get("method") == "none"
                given[section] = values if replaces else _merged(given.get(section, {}), values)
        try:
            return Campaign.model_validate(given)
        except ValidationError as error:
            wrong = "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())
            raise CampaignError(f"groups.parameters.{name}: {wrong}") from None


def _require_shared_grid(drizzle: Drizzle, groups: Groups) -> None:
    """Refuse a colour picture where the grid of each group depends on its exposures."""
    why = "colour lays the mosaics of a field on each other, but"
    if isinstance(drizzle.grid, GridOfSkyCell):
        raise ValueError(
            f"{why} each group gets the part of {drizzle.grid.skycell} that its exposures touch: "
            "set drizzle.grid.crop: false, or leave colour out"
        )
    placed = [name for name in PLACE if drizzle.parameters.get(name) not in (None, "")]
    if placed and drizzle.cells is None:
        raise ValueError(
            f"{why} drizzle.parameters.{placed[0]} places the grid of each group, and the rest of "
            "it depends on the exposures: give final_ra, final_dec, final_outnx and final_outny "
            f"together, or leave {' and '.join(placed)} out and set groups.grid: shared"
        )
    if groups.grid != "shared":
        raise ValueError(
            f"{why} each group has a grid of its own: set groups.grid: shared, or leave colour out"
        )


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(old)
    for key, value in new.items():
        # A grid is one thing, and so is a reference: half of one and half of another are none.
        whole = key in ("grid", "reference")
        nested = not whole and isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = _merged(both[key], value) if nested else value
    return both


TEXT_FIELDS = text_fields(Campaign)
"""Keys whose plain numbers are meant as text: tile 050 is '050', not 50."""
