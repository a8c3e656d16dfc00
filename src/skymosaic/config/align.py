"""The section `align`: how the tiles are aligned with each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from skymosaic.config.drizzlepac_ranges import require_ordered
from skymosaic.config.fields import (
    Count,
    Names,
    Parameters,
    PositiveNumber,
    Text,
    no_boolean,
)
from skymosaic.config.reference import ReferenceChoice, TileReference
from skymosaic.config.sections import OptionalSection, Section


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


AS_THEY_ARE = "as-they-are"
BEST = "best"
BEFORE_ALIGNMENT = frozenset({"wcs", "exposures"})
"""Keys of what is done to exposures before they are aligned, or used as they are."""


class ExposureChecks(OptionalSection):
    """How the exposures of an association are compared with each other before the alignment."""

    max_offset_mas: PositiveNumber = Field(
        default=20,
        description=(
            "Largest distance of an exposure's stars from those of its association (milliarcsec)."
        ),
    )
    correct: bool = Field(
        default=False,
        description="Whether an exposure that is further off is moved to where its association is.",
    )
    max_elongation: Annotated[float, Field(gt=1, le=10), BeforeValidator(no_boolean)] = Field(
        default=1.25,
        description=(
            "Largest ratio of the length of an exposure's stars to their width, over that in the "
            "rest of its association (dimensionless); more is a trailed exposure."
        ),
    )


_WcsName = Annotated[
    Text,
    StringConstraints(min_length=1, max_length=68, pattern=r"^[!-~]([ -~]{0,66}[!-~])?$"),
]
"""A WCSNAME, which a FITS card holds: printable signs."""


class Align(Section):
    """How the tiles are aligned with each other before they are drizzled."""

    method: Literal["tweakreg", "none"] = Field(
        default="tweakreg", description="tweakreg, or none to keep the WCS that the files have."
    )
    wcs: _WcsName = Field(
        default=AS_THEY_ARE,
        description=(
            "Which of the WCS solutions that the exposures hold is used: as-they-are, best, or the "
            "WCSNAME of one, such as *-FIT_REL_GAIAeDR3; * stands for anything."
        ),
        exclude_if=lambda value: value == AS_THEY_ARE,  # keys of former runs do not have it
    )
    exposures: ExposureChecks | None = Field(
        default=None,
        description=(
            "Comparison of the exposures within each association; null: they are not compared."
        ),
        exclude_if=lambda value: value is None,
    )
    solve: Literal["in-order", "together"] = Field(
        default="in-order",
        description=(
            "in-order: TweakReg fits tile after tile, each to those before it; together: one "
            "solution for all tiles from all matches."
        ),
        exclude_if=lambda value: value == "in-order",  # keys of former runs do not have it
    )
    geometry: Literal["shift", "rshift", "rscale"] = Field(
        default="rshift",
        description=(
            "What solve: together fits of each tile: a shift, with a rotation, or with a rotation "
            "and a scale. TweakReg's own is align.tweakreg.fitgeometry."
        ),
        exclude_if=lambda value: value == "rshift",  # keys of former runs do not have it
    )
    order: Names = Field(
        default=(),
        description=(
            "Tiles in the order of alignment, the first is the reference: DRZ file names, "
            "rootnames, or a part that identifies a tile such as ibxl54 or 54. The tiles not "
            "named follow by overlap."
        ),
    )
    reference: ReferenceChoice = Field(
        default_factory=lambda: TileReference(kind="tile"),
        exclude_if=lambda value: isinstance(value, TileReference),  # older versions had none
        description=(
            "What the tiles are aligned to: tile (the first of `order`), gaia, or a mapping: "
            "{kind: tile, gaia, catalog, campaign or image, ...}."
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

    @property
    def changes_wcs(self) -> bool:
        """Whether steps before the alignment may give exposures another WCS."""
        return self.wcs != AS_THEY_ARE or self.exposures is not None

    @property
    def has_reference(self) -> bool:
        """Whether images are aligned to stars that are listed first, and not to one of them."""
        return self.method != "none" and not isinstance(self.reference, TileReference)

    def as_key(self) -> dict[str, Any]:
        """Return plain values for the key of a step that aligns.

        Which stars there are is told by the product with them. What older versions did not have is
        left out at its default, so that nothing is made anew.
        """
        # These change the files that are aligned, and no more.
        given = self.model_dump(mode="json", exclude=set(BEFORE_ALIGNMENT))
        if not isinstance(self.reference, TileReference):
            used = {"kind", "unknown_motion", "unknown_position"}
            given["reference"] = self.reference.model_dump(mode="json", include=used)
        return given

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        if self.tweakreg.get("refcat") and not isinstance(self.reference, TileReference):
            raise ValueError(
                f"reference.kind is {self.reference.kind}, and tweakreg.refcat names another "
                "catalogue: leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _refcat_is_for_tweakreg(self) -> Self:
        if self.tweakreg.get("refcat") and self.solve == "together":
            raise ValueError(
                "tweakreg.refcat has no effect with solve: together: name the catalogue in "
                "align.reference instead, as {kind: catalog, path: ...}"
            )
        return self

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        require_ordered(self.tweakreg)
        require_ordered(self.imagefind)
        return self


def align_from_word(value: Any) -> Any:
    """Return what a file gives for `align` as a mapping: it may say ``none`` in one word."""
    if value == "none":
        return {"method": "none"}
    if isinstance(value, (Mapping, Align)):
        return value
    raise ValueError("must be none, or a mapping such as {method: tweakreg}")
