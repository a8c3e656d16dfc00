"""The sections of a campaign file, as frozen models that refuse unknown keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from skymosaic.config.colour import Colour, colour_from_word
from skymosaic.config.compute import Compute
from skymosaic.config.drizzlepac_parameters import CR_STEPS
from skymosaic.config.drizzlepac_ranges import require_ordered
from skymosaic.config.fields import (
    Count,
    Endpoint,
    Name,
    Names,
    Parameters,
    PositiveNumber,
    Region,
    Seconds,
    StoreUri,
    Text,
    no_boolean,
    no_repeats,
)
from skymosaic.config.grid import (
    REFERENCE,
    CellLayout,
    GridChoice,
    GridInCells,
    GridOfSkyCell,
    known_shape,
    require_one_grid,
)
from skymosaic.config.groups import GroupRules
from skymosaic.config.sections import OptionalSection, Section
from skymosaic.config.sky import Sky
from skymosaic.config.sources import Source
from skymosaic.config.text_fields import text_fields
from skymosaic.errors import CampaignError
from skymosaic.methods import METHODS


class Identity(Section):
    """What the campaign is called."""

    name: Name = Field(
        description="Name of the campaign, used as a folder name: letters, digits, '.', '_', '-'."
    )
    description: Text | None = Field(default=None, description="One line for people.")


class Gates(OptionalSection):
    """What a tile must pass for its alignment to be kept."""

    min_matches: Count = Field(
        default=4, description="Fewest sources matched with the reference (count)."
    )
    max_rms_mas: PositiveNumber = Field(
        default=40,
        description=(
            "Largest rms of the fit in either axis (milliarcsec). Chance matches scatter by more."
        ),
    )
    max_chance: PositiveNumber = Field(
        default=0.0001,
        description=(
            "Largest number of fits, with as many matches within as small residuals, that are "
            "expected by chance from the density of sources (dimensionless)."
        ),
    )
    max_shift_arcsec: PositiveNumber = Field(
        default=5, description="Largest shift of the tile (arcsec)."
    )
    max_rotation_deg: PositiveNumber = Field(
        default=0.5, description="Largest rotation of the tile, of either sign (degrees)."
    )
    max_scale_change: PositiveNumber = Field(
        default=0.01, description="Largest change of scale, as |scale - 1| (dimensionless)."
    )


class Align(Section):
    """How the tiles are aligned with each other before they are drizzled."""

    method: Literal["tweakreg", "none"] = Field(
        default="tweakreg", description="tweakreg, or none to keep the WCS that the files have."
    )
    order: Names = Field(
        default=(),
        description=(
            "Tiles in the order of alignment, the first is the reference: DRZ file names, "
            "rootnames, or a part that identifies a tile such as ibxl54 or 54. The tiles not "
            "named follow by overlap."
        ),
    )
    tweakreg: Parameters = Field(
        default_factory=dict, description="Parameters of TweakReg, by its own names."
    )
    imagefind: Parameters = Field(
        default_factory=dict, description="Parameters of TweakReg's source finding, imagefindpars."
    )
    gates: Gates = Field(
        default_factory=Gates, description="Tests that the alignment of each tile must pass."
    )
    min_sources: Count = Field(
        default=10, description="A tile with fewer sources is not aligned (count)."
    )
    on_failure: Literal["stop", "drop", "keep"] = Field(
        default="stop",
        description=(
            "A tile that does not pass stops the campaign, is dropped from the mosaic, or is kept "
            "with the WCS it had."
        ),
    )

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        require_ordered(self.tweakreg)
        require_ordered(self.imagefind)
        return self


def _align_from_word(value: Any) -> Any:
    if value == "none":
        return {"method": "none"}
    if isinstance(value, (Mapping, Align)):
        return value
    raise ValueError("must be none, or a mapping such as {method: tweakreg}")


class Drizzle(OptionalSection):
    """How the exposures are drizzled, the same for every sky method."""

    engine: Literal["astrodrizzle", "onepass"] = Field(
        default="astrodrizzle",
        description=(
            "astrodrizzle: one AstroDrizzle run for each sky method; onepass: each exposure is "
            "drizzled once, and the methods' mosaics are sums."
        ),
    )
    parameters: Parameters = Field(
        default_factory=dict,
        description="AstroDrizzle's other parameters, by its own names.",
    )
    grid: GridChoice = Field(
        default="auto",
        description=(
            "The output grid: auto (a box around the exposures), {like: ...} (that of an image or "
            "of an earlier campaign), {ra, dec, columns, rows, scale, rotation}, {crval, crpix, "
            "cd, shape}, {skycell, scale, crop}, or {cells: {layout, size, scale, crop, names}} "
            "(auto, and a mosaic for each cell beside it)."
        ),
    )
    max_output_megapixels: PositiveNumber = Field(
        default=500,
        le=10**7,
        description="Largest size of the mosaic; a larger one is not started (10^6 pixels).",
    )
    witness: bool | None = Field(
        default=None,
        description=(
            "Let the other engine check the mosaics. With engine onepass, AstroDrizzle makes a "
            "part of each mosaic again, from the MDRIZSKY values in its headers; null: yes. With "
            "engine astrodrizzle, onepass predicts each mosaic from the MDRIZSKY values in its "
            "headers, which takes one more drizzle in all; null: no."
        ),
    )
    sample: Annotated[int, Field(ge=2, le=1000), BeforeValidator(no_boolean)] | None = Field(
        default=None,
        description=(
            "Drizzle this number of overlapping exposures with both engines, and report the "
            "largest differences; null: do not."
        ),
    )
    products: Annotated[tuple[Literal["err"], ...], AfterValidator(no_repeats)] = Field(
        default=(),
        json_schema_extra={"uniqueItems": True},
        description=(
            "Planes beside each mosaic and its weight map. err: the error of each pixel (1 sigma), "
            "from the ERR extensions of the exposures; engine onepass alone."
        ),
    )

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        require_ordered(self.parameters)
        return self

    @model_validator(mode="after")
    def _one_grid_within_the_limit(self) -> Self:
        require_one_grid(self.grid, self.parameters)
        shape = known_shape(self.grid, self.parameters)
        if shape is not None and math.prod(shape) > self.max_output_megapixels * 1e6:
            raise ValueError(
                f"the output grid has {shape[0]} x {shape[1]} = {math.prod(shape) / 1e6:.0f} "
                f"megapixels, more than max_output_megapixels = {self.max_output_megapixels:g}: "
                "make it smaller, or raise the limit"
            )
        return self

    @model_validator(mode="after")
    def _cells_need_onepass(self) -> Self:
        if self.cells is not None and self.engine != "onepass":
            raise ValueError(
                "grid.cells needs engine: onepass, which finds skies and masks once for all cells; "
                "AstroDrizzle would find others in each: set engine: onepass, or leave grid out"
            )
        return self

    @model_validator(mode="after")
    def _errors_need_onepass(self) -> Self:
        if "err" in self.products and self.engine != "onepass":
            raise ValueError(
                "products: err needs engine: onepass, which resamples the variances of the "
                "exposures as it does their pixels; AstroDrizzle does not: set engine: onepass, or "
                "leave err out"
            )
        return self

    @model_validator(mode="after")
    def _a_witness_needs_masks_that_are_kept(self) -> Self:
        on = [step for step in CR_STEPS if self.parameters.get(step)]
        if self.engine == "astrodrizzle" and "witness" in self.checks and on:
            raise ValueError(
                f"witness does not work with {' and '.join(on)}: a run does not keep its masks "
                "of cosmic rays; leave witness out, or set these steps to false"
            )
        return self

    @property
    def has_one_grid(self) -> bool:
        """Whether the file gives a grid that does not depend on the exposures."""
        if isinstance(self.grid, GridOfSkyCell):
            return not self.grid.crop
        given = {name for name, value in self.parameters.items() if value not in (None, "")}
        own = self.grid != "auto" and self.cells is None
        return own or REFERENCE in given or {"final_ra", "final_outnx"} <= given

    @property
    def cells(self) -> CellLayout | None:
        """The cells that get mosaics of their own; None: none do."""
        return self.grid.cells if isinstance(self.grid, GridInCells) else None

    @property
    def has_witness(self) -> bool:
        """Whether the other engine checks the mosaics."""
        return self.engine == "onepass" if self.witness is None else self.witness

    @property
    def checks(self) -> tuple[str, ...]:
        """Names of the steps in which the engines check each other, those that are asked for."""
        return ("witness",) * self.has_witness + ("engines",) * (self.sample is not None)


class StoreSection(OptionalSection):
    """Where the products live."""

    uri: StoreUri = Field(
        default="store",
        description=(
            "Where the products go: a folder (a path or file:PATH, relative to the folder of the "
            "campaign file) or s3://BUCKET/PREFIX. Not given: ./store in the current folder."
        ),
    )
    profile: Text | None = Field(
        default=None, description="S3: profile of ~/.aws; null: what AWS's own settings say."
    )
    region: Region | None = Field(
        default=None, description="S3: region; null: what AWS's own settings say."
    )
    endpoint_url: Endpoint | None = Field(
        default=None,
        description="S3: address of a server; null: what AWS's own settings say, else AWS's.",
    )
    unsigned: bool = Field(
        default=False, description="S3: read a public bucket without credentials."
    )
    encryption: Literal["AES256", "aws:kms"] | None = Field(
        default=None, description="S3: server-side encryption; null: the default of the bucket."
    )
    kms_key: Text | None = Field(
        default=None, description="S3: key of aws:kms (its id or ARN); null: the bucket's."
    )
    patience: Seconds = Field(
        default=120, description="S3: how long to wait for a server that does not answer (s)."
    )

    @model_validator(mode="after")
    def _key_goes_with_kms(self) -> Self:
        if self.kms_key is not None and self.encryption != "aws:kms":
            raise ValueError("kms_key needs encryption: aws:kms")
        return self


class GroupParameters(Section):
    """What a group has of its own; everything else is the campaign's."""

    align: Annotated[
        Align | None,
        BeforeValidator(
            lambda value: value if value is None else _align_from_word(value),
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
        BeforeValidator(_align_from_word, json_schema_input_type=Literal["none"] | Align),
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
        if self.groups.grid != "shared" and not self.drizzle.has_one_grid:
            raise ValueError(
                "colour lays the mosaics of a field on each other, but each group has a grid of "
                "its own: set groups.grid: shared, or leave colour out"
            )
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


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(old)
    for key, value in new.items():
        # A grid is one thing: half of one and half of another are none.
        nested = key != "grid" and isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = _merged(both[key], value) if nested else value
    return both


TEXT_FIELDS = text_fields(Campaign)
"""Keys whose plain numbers are meant as text: tile 050 is '050', not 50."""
