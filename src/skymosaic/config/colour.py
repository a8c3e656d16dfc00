"""A colour picture of several filters, as a campaign file asks for it: `colour`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from skymosaic.config.fields import PositiveNumber, Text, no_boolean
from skymosaic.config.sections import OptionalSection

Percentile = Annotated[float, Field(ge=0, le=100), BeforeValidator(no_boolean)]
Stretch = Literal["lupton", "linear", "log", "asinh"]


class Colour(OptionalSection):
    """Which filters are red, green and blue, and how bright they are."""

    red: Text | None = Field(
        default=None,
        description=(
            "The group that is red: its name or a part of it, such as F160W. red, green and blue "
            "all null: by wavelength."
        ),
    )
    green: Text | None = Field(
        default=None,
        description="The group that is green; null beside red and blue: the mean of these two.",
    )
    blue: Text | None = Field(default=None, description="The group that is blue.")
    method: Text | None = Field(
        default=None,
        description=(
            "The sky method whose mosaics are shown, such as match; null: for each group the one "
            "that its report recommends."
        ),
    )
    stretch: Stretch = Field(
        default="lupton",
        description=(
            "How brightness becomes tone. lupton: the three together, so that bright stars keep "
            "their colour; linear, log or asinh: each by itself."
        ),
    )
    percentiles: tuple[Percentile, Percentile] = Field(
        default=(25.0, 99.7),
        description=(
            "Which percentiles of a filter's pixels are black and the upper limit; the limits of "
            "the filters are the white balance (percent)."
        ),
    )
    linear_to: PositiveNumber | None = Field(
        default=None,
        le=1000,
        description=(
            "The level up to which tone grows nearly linearly, as a part of the range between the "
            "limits; null: by the noise of the sky, so that faint sources are seen."
        ),
    )
    q: PositiveNumber = Field(
        default=8.0,
        le=1e10,
        description="lupton: how strongly what is above linear_to is compressed (dimensionless).",
    )
    tiles: bool = Field(
        default=True, description="Also make tiles of the whole picture, with a page to zoom in."
    )

    @property
    def by_wavelength(self) -> bool:
        """Whether the filters are put in order by their wavelengths."""
        return self.red is None

    @model_validator(mode="after")
    def _red_and_blue_go_together(self) -> Self:
        if (self.red is None) != (self.blue is None) or (self.green and self.red is None):
            missing = "red" if self.red is None else "blue"
            raise ValueError(
                f"{missing} is missing: name red and blue (green may be left out), or none of the "
                "three"
            )
        return self

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        low, high = self.percentiles
        if low >= high:
            raise ValueError(
                f"percentiles are {low:g} and {high:g}: the first must be lower than the second, "
                "such as [25, 99.7]"
            )
        return self

    @model_validator(mode="after")
    def _values_go_with_the_stretch(self) -> Self:
        if self.stretch != "lupton" and self.q != Colour.model_fields["q"].default:
            raise ValueError("q is of use with stretch: lupton only; leave it out")
        if self.stretch == "linear" and self.linear_to is not None:
            raise ValueError("linear_to is of no use with stretch: linear; leave it out")
        return self


def colour_from_word(value: Any) -> Any:
    """Return ``auto`` as a mapping, which leaves everything to this program."""
    if value == "auto":
        return {}
    if value is None or isinstance(value, (dict, Colour)):
        return value
    raise ValueError("must be auto, or a mapping such as {red: F160W, green: F125W, blue: F110W}")
