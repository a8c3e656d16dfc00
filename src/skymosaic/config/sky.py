"""The section `sky` of a campaign file: the methods to compare, and how they measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from skymosaic.config.drizzlepac_ranges import require_ordered
from skymosaic.config.fields import Method, Methods, Name, Number, Parameters, PerChip, Static, Text
from skymosaic.config.sections import OptionalSection, Section


class Variant(Section):
    """A further sky to make a mosaic with: another way to measure it, or values of one's own."""

    method: Method | None = Field(
        default=None, description="The sky method; not together with values."
    )
    parameters: Parameters = Field(
        default_factory=dict,
        description="Parameters of the sky step that differ from sky.parameters.",
    )
    values: Mapping[Text, Number] = Field(
        default_factory=dict,
        description="The sky of each exposure by rootname (the units of its file).",
    )

    @model_validator(mode="after")
    def _method_or_values(self) -> Self:
        if (self.method is None) == (not self.values):
            raise ValueError("needs either a method or values")
        if self.values and self.parameters:
            raise ValueError("values are given, not measured: parameters have no effect on them")
        return self


class Sky(OptionalSection):
    """The sky methods to compare, and the statistics they share."""

    methods: Methods = Field(
        default=("localmin", "match", "globalmin", "globalmin+match"),
        description=(
            "AstroDrizzle's sky methods, a mosaic each; and match-differences and "
            "globalmin+match-differences, skymosaic's own, from differences on the common grid."
        ),
    )
    parameters: Parameters = Field(
        default_factory=dict,
        description="AstroDrizzle's parameters of the sky step and of the static mask.",
    )
    static: Static = Field(
        default="auto",
        description=(
            "Which pixels the static mask leaves out of all exposures of a detector: once, those "
            "low in any exposure (AstroDrizzle's rule); repeated, those low in several, more than "
            "by chance; none; or auto, which is decided at the campaign's first run and kept: "
            "repeated from 50 exposures on, else once."
        ),
    )
    footprints: Literal["right", "swapped"] = Field(
        default="right",
        description=(
            "swapped: the overlaps that AstroDrizzle found of wide chips with spherical_geometry "
            "before 1.4, to reproduce older mosaics (drizzle.engine: onepass only)."
        ),
    )
    mask_sources: bool = Field(
        default=False,
        description=(
            "Whether all methods leave out the pixels of sources, which are found on the common "
            "grid and are the same for all exposures (drizzle.engine: onepass only)."
        ),
    )
    planes: bool = Field(
        default=False,
        description=(
            "Whether skymosaic's own methods subtract a plane from each exposure, not a constant "
            "alone (drizzle.engine: onepass only)."
        ),
    )
    per_chip: PerChip = Field(
        default="auto",
        description=(
            "Whether skymosaic's own methods find a sky for each chip, not for each exposure: "
            "true, false, or auto, where the differences of the exposures show that chips have "
            "skies of their own. For detectors with one chip there is no difference."
        ),
    )
    variants: Mapping[Name, Variant] = Field(
        default_factory=dict,
        description="Further mosaics, by any name (drizzle.engine: onepass only).",
    )

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        require_ordered(self.parameters)
        for variant in self.variants.values():
            require_ordered({**self.parameters, **variant.parameters})
        return self

    @model_validator(mode="after")
    def _variants_have_files_of_their_own(self) -> Self:
        files: dict[str, str] = {}
        for name in self.variants:
            other = files.setdefault(name.lower(), name)
            if other != name:
                raise ValueError(
                    f"the variants {other} and {name} would have the same files, whose names are "
                    "in lower case; rename one of them"
                )
        return self

    @model_validator(mode="after")
    def _one_word_on_the_static_mask(self) -> Self:
        theirs = self.parameters.get("static")
        if theirs is None or self.static == "auto":
            return self
        if self.static != ("once" if theirs else "none"):
            raise ValueError(
                f"static: {self.static} and parameters.static: {str(theirs).lower()} contradict "
                "each other; leave parameters.static out"
            )
        return self
