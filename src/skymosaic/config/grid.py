"""The output grid that a campaign file gives: `drizzle.grid`, in one of several forms.

A form is a model of its own; which of them a mapping is, its keys tell (`FORMS`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag, model_validator

from skymosaic.config.fields import Count, Number, Text, no_boolean
from skymosaic.config.sections import Section
from skymosaic.config.skycell_table import tessellation
from skymosaic.sky.pixel_grid import NEAREST_TO_POLE
from skymosaic.sky.skycell_names import SkyCellName
from skymosaic.sky.square_pixels import LARGEST_PIXEL, SMALLEST_PIXEL, scale_and_rotation

RightAscension = Annotated[float, Field(ge=0, lt=360), BeforeValidator(no_boolean)]
Declination = Annotated[float, Field(ge=-90, le=90), BeforeValidator(no_boolean)]
PixelSize = Annotated[
    float, Field(ge=SMALLEST_PIXEL, le=LARGEST_PIXEL), BeforeValidator(no_boolean)
]
Angle = Annotated[float, Field(ge=-360, le=360), BeforeValidator(no_boolean)]


class GridLike(Section):
    """The grid of an image, or of another campaign: the same pixels."""

    like: Text = Field(
        description=(
            "A FITS image (a path, or s3://BUCKET/FILE; FILE[SCI,1] names an extension), or an "
            "earlier campaign, STORE/CAMPAIGN. A file that is there goes first. Relative to the "
            "folder of the campaign file."
        )
    )


class GridAround(Section):
    """A grid around a centre, its y axis at an angle to north."""

    ra: RightAscension = Field(description="Right ascension of the centre (degrees).")
    dec: Declination = Field(description="Declination of the centre (degrees).")
    columns: Count = Field(description="Columns of the mosaic (pixels).")
    rows: Count = Field(description="Rows of the mosaic (pixels).")
    scale: PixelSize | None = Field(
        default=None,
        description="Size of a pixel (arcsec); null: drizzle.parameters.final_scale, else that of "
        "the detector.",
    )
    rotation: Angle | None = Field(
        default=None,
        description="Position angle of the y axis, east of north (degrees); null: "
        "drizzle.parameters.final_rot, else 0.",
    )


class GridByMatrix(Section):
    """A grid by the keywords of a FITS header; always a tangent plane."""

    crval: tuple[RightAscension, Declination] = Field(
        description="CRVAL1, CRVAL2: RA and Dec of the reference pixel (degrees)."
    )
    crpix: tuple[Number, Number] = Field(
        description="CRPIX1, CRPIX2: the reference pixel (pixels, from 1)."
    )
    cd: tuple[tuple[Number, Number], tuple[Number, Number]] = Field(
        description="[[CD1_1, CD1_2], [CD2_1, CD2_2]] (degrees a pixel)."
    )
    shape: tuple[Count, Count] = Field(description="NAXIS1, NAXIS2: columns, rows (pixels).")

    @model_validator(mode="after")
    def _is_off_the_pole(self) -> Self:
        if self.crval[1] > NEAREST_TO_POLE:
            raise ValueError(
                f"crval: Dec {self.crval[1]:.15g} is the pole, where a header without LONPOLE "
                f"stands for a plane turned by 180 degrees; give {NEAREST_TO_POLE}"
            )
        return self

    @model_validator(mode="after")
    def _pixels_are_square(self) -> Self:
        try:
            scale_and_rotation(self.cd, max(self.shape))
        except ValueError as error:
            raise ValueError(
                f"cd: {error}; the engines make square pixels on a tangent plane with north and "
                "east as on the sky: give [[-s cos r, s sin r], [s sin r, s cos r]]"
            ) from None
        return self


class GridOfSkyCell(Section):
    """The pixels of a sky cell of MAST's multi-visit mosaics."""

    skycell: Text = Field(
        description="Name of the sky cell, such as skycell-p1889x07y19.",
        json_schema_extra={"pattern": "^skycell-p[0-9]{4}x[0-9]{2}y[0-9]{2}$"},
    )
    scale: Literal["fine", "coarse"] | None = Field(
        default=None,
        description="fine: 0.04 arcsec a pixel; coarse: 0.12; null: as MAST does for the detector "
        "(WFC3/IR and WFPC2 coarse, others fine).",
    )
    crop: bool = Field(
        default=True,
        description="Make the part of the cell that exposures touch, pixel on pixel; false: all.",
    )

    @model_validator(mode="after")
    def _is_a_cell(self) -> Self:
        SkyCellName.parse(self.skycell, tessellation())
        return self


def _both_sides(value: Any) -> Any:
    """Return one number as that of columns and of rows."""
    return value if value is None or isinstance(value, list | tuple) else (value, value)


class CellLayout(Section):
    """Which cells, and what of each is made."""

    layout: Literal["skycells", "square"] = Field(
        description="skycells: the sky cells of MAST's multi-visit mosaics that exposures touch; "
        "square: the common grid of the exposures, cut into rectangles of one size."
    )
    size: Annotated[
        tuple[Count, Count] | None,
        BeforeValidator(_both_sides, json_schema_input_type=Count | tuple[Count, Count] | None),
    ] = Field(
        default=None,
        description="Columns and rows of a cell, or one number for both (pixels); layout square.",
    )
    scale: Literal["fine", "coarse"] | None = Field(
        default=None,
        description="fine: 0.04 arcsec a pixel; coarse: 0.12; null: as MAST does for the detector; "
        "layout skycells.",
    )
    crop: bool = Field(
        default=True,
        description="Make the part of each cell that exposures touch, pixel on pixel; false: all "
        "of it; layout skycells.",
    )
    names: Literal["campaign", "hap"] = Field(
        default="campaign",
        description="How files are called: by the campaign and the cell, or as the Hubble Advanced "
        "Products are (hap; layout skycells).",
    )

    @model_validator(mode="after")
    def _of_this_layout(self) -> Self:
        if self.layout == "square":
            if self.size is None:
                raise ValueError(
                    "layout: square needs size: the columns and rows of a cell, such as 2000 or "
                    "[2000, 1000]"
                )
            given = {"scale": self.scale is not None, "crop": not self.crop}
            given["names: hap"] = self.names == "hap"
            if wrong := [name for name, is_given in given.items() if is_given]:
                raise ValueError(
                    f"{wrong[0]} is of layout: skycells; leave it out, or set layout: skycells"
                )
        elif self.size is not None:
            raise ValueError(
                "size is of layout: square (sky cells have their own); leave it out, or set "
                "layout: square"
            )
        return self


class GridInCells(Section):
    """A mosaic for each cell that exposures touch, beside the one on the grid that holds them."""

    cells: CellLayout = Field(description="The cells: {layout, size, scale, crop, names}.")


FORMS: Mapping[str, type[BaseModel]] = {
    "{like}": GridLike,
    "{ra, dec}": GridAround,
    "{crval, crpix}": GridByMatrix,
    "{skycell}": GridOfSkyCell,
    "{cells}": GridInCells,
}
"""By what pydantic calls them in the place of an error: no name of a key."""
_KEYS = {key for form in FORMS.values() for key in form.model_fields}


def _form(value: Any) -> str:
    """Return which form a value is, by its keys."""
    if isinstance(value, BaseModel):
        return next((tag for tag, model in FORMS.items() if isinstance(value, model)), "{auto}")
    if not isinstance(value, Mapping):
        return "{auto}"
    # A form is told by the keys that it alone has.
    if "like" in value:
        return "{like}"
    if "skycell" in value:
        return "{skycell}"
    if "cells" in value:
        return "{cells}"
    return "{crval, crpix}" if {"crval", "crpix", "cd", "shape"} & set(value) else "{ra, dec}"


def _word_or_mapping(value: Any) -> Any:
    if value is None:
        return "auto"
    if isinstance(value, Mapping) and not _KEYS & set(value):
        known = "; ".join(", ".join(form.model_fields) for form in FORMS.values())
        raise ValueError(f"must have the keys of one form of grid: {known}")
    if value == "auto" or isinstance(value, Mapping | BaseModel):
        return value
    raise ValueError(f"must be auto, or a mapping such as {{like: FILE}}, not {value!r}")


AUTO_FORM = "{auto}"
Form = (
    Annotated[Literal["auto"], Tag(AUTO_FORM)]
    | Annotated[GridLike, Tag("{like}")]
    | Annotated[GridAround, Tag("{ra, dec}")]
    | Annotated[GridByMatrix, Tag("{crval, crpix}")]
    | Annotated[GridOfSkyCell, Tag("{skycell}")]
    | Annotated[GridInCells, Tag("{cells}")]
)
GridChoice = Annotated[Form, Discriminator(_form), BeforeValidator(_word_or_mapping)]

PAIRS = (
    ("final_ra", "final_dec"),
    ("final_outnx", "final_outny"),
    ("final_crpix1", "final_crpix2"),
)
"""AstroDrizzle's parameters of the grid of which none goes without the other."""
REFERENCE = "final_refimage"
PLACE = (REFERENCE, *(name for pair in PAIRS for name in pair))
"""AstroDrizzle's parameters that place the grid; the size and the angle of pixels are beside."""


def _holds_all(grid: Any) -> bool:
    """Whether a grid is placed by the exposures, or by AstroDrizzle's own parameters."""
    return grid == "auto" or isinstance(grid, GridInCells)


def require_one_grid(grid: Any, parameters: Mapping[str, Any]) -> None:
    """Refuse AstroDrizzle's parameters of the grid that contradict each other or `drizzle.grid`.

    Parameters
    ----------
    grid : GridChoice
        ``drizzle.grid``.
    parameters : mapping
        ``drizzle.parameters``.

    Raises
    ------
    ValueError
        It names the parameters.
    """
    given = {name for name, value in parameters.items() if value not in (None, "")}
    for one, other in PAIRS:
        if len({one, other} & given) == 1:
            there, missing = (one, other) if one in given else (other, one)
            raise ValueError(f"parameters.{there} needs {missing} beside it")
    if _holds_all(grid):
        return
    if twice := [name for name in PLACE if name in given]:
        raise ValueError(
            f"grid and parameters.{twice[0]} both place the output grid: leave "
            f"{' and '.join(twice)} out of drizzle.parameters, or grid out"
        )
    for name, key in (("final_scale", "scale"), ("final_rot", "rotation")):
        own = getattr(grid, key, None) if isinstance(grid, GridAround) else "that of the grid"
        if name in given and own is not None and parameters[name] != own:
            conflict = f"grid.{key} is {own}" if isinstance(grid, GridAround) else "grid tells it"
            raise ValueError(
                f"parameters.{name} is {parameters[name]}, but {conflict}: leave one of them out"
            )


def known_shape(grid: Any, parameters: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return columns and rows of the output grid; None where the file alone does not tell them."""
    if isinstance(grid, GridAround):
        return grid.columns, grid.rows
    if isinstance(grid, GridByMatrix):
        return grid.shape
    columns, rows = parameters.get("final_outnx"), parameters.get("final_outny")
    return (int(columns), int(rows)) if columns and rows and _holds_all(grid) else None
