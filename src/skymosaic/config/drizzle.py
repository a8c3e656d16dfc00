"""The section `drizzle`: how the exposures are drizzled."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from skymosaic.config.drizzlepac_parameters import CR_STEPS
from skymosaic.config.drizzlepac_ranges import require_ordered
from skymosaic.config.fields import Parameters, PositiveNumber, no_boolean, no_repeats
from skymosaic.config.grid import (
    REFERENCE,
    CellLayout,
    GridChoice,
    GridInCells,
    GridOfSkyCell,
    known_shape,
    require_one_grid,
)
from skymosaic.config.sections import OptionalSection


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
