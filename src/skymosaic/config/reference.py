"""What the images are aligned to, as a campaign file says it: `align.reference`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from skymosaic.config.fields import Count, Number, PositiveNumber, Seconds, Text, Url, uri_scheme
from skymosaic.config.sections import OptionalSection, Section

GAIA_SERVER = "https://gea.esac.esa.int/tap-server/tap"
GAIA_TABLE = "gaiadr3.gaia_source"
_FIRST_EPOCH, _LAST_EPOCH = 1800.0, 2200.0
_TABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*){0,2}$"


def _place(text: str) -> str:
    """Refuse addresses of servers that no files are read from."""
    if uri_scheme(text) not in ("", "s3"):
        raise ValueError(f"must be a path, or s3://BUCKET/NAME, not {text!r}")
    return text


def _no_quote(name: str) -> str:
    """Refuse what no header takes as the name of a catalogue."""
    if not name.isascii() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise ValueError(
            f"must be at most {_LONGEST_NAME} plain characters, which FITS headers take; not "
            f"{name!r}"
        )
    return name


_LONGEST_NAME = 40
Place = Annotated[Text, AfterValidator(_place)]
CatalogueName = Annotated[Text, AfterValidator(_no_quote)]
Epoch = Annotated[Number, Field(ge=_FIRST_EPOCH, le=_LAST_EPOCH)]
Magnitude = Annotated[Number, Field(ge=-30, le=60)]


class TileReference(Section):
    """The drizzled images themselves: the first is left where it is."""

    kind: Literal["tile"] = Field(description="The first drizzled image, and those aligned to it.")


class _Stars(Section):
    """What all catalogues have in common."""

    unknown_motion: PositiveNumber = Field(
        default=5.0,
        description="Error of the proper motion, in either axis, of stars without one (mas/yr).",
    )
    unknown_position: PositiveNumber = Field(
        default=10.0,
        description="Error of the position, in either axis, of stars without one (mas).",
    )


class GaiaReference(_Stars):
    """The Gaia catalogue: of a server, or of files."""

    kind: Literal["gaia"] = Field(description="The Gaia catalogue.")
    path: Place | None = Field(
        default=None,
        description=(
            "A copy of the catalogue in HATS layout: a folder, relative to that of the campaign "
            "file, or s3://BUCKET/FOLDER; null: the server at url is asked."
        ),
    )
    url: Url = Field(default=GAIA_SERVER, description="Address of the TAP server.")
    table: Annotated[Text, Field(pattern=_TABLE_NAME)] = Field(
        default=GAIA_TABLE, description="Table of the server."
    )
    min_mag: Magnitude | None = Field(
        default=None, description="Magnitude (G) of the brightest star; null: no limit."
    )
    max_mag: Magnitude | None = Field(
        default=None, description="Magnitude (G) of the faintest star; null: no limit."
    )
    max_ruwe: PositiveNumber | None = Field(
        default=1.4,
        description=(
            "Largest RUWE (dimensionless): by it Gaia tells stars from binaries and galaxies; "
            "stars without it are taken. null: no limit."
        ),
    )
    need_motion: bool = Field(
        default=False, description="Whether to leave out stars without proper motion."
    )
    margin: Annotated[Number, Field(ge=0, le=600)] = Field(
        default=15.0, description="How far outside of the exposures stars are taken (arcsec)."
    )
    max_rows: Count = Field(
        default=500_000, description="Most stars; of more the campaign is refused (count)."
    )
    wait: Seconds = Field(
        default=1800.0, description="Longest time that the server may take for all (s)."
    )
    refresh: Count = Field(
        default=1,
        description="What was fetched is kept; another number here fetches it anew (count).",
    )

    @model_validator(mode="after")
    def _the_address_is_of_a_tap_service(self) -> Self:
        if not self.url.endswith("/tap"):
            raise ValueError(
                f"url ({self.url}) must end in /tap, as TAP services' addresses do, such as "
                f"{GAIA_SERVER}"
            )
        return self

    @model_validator(mode="after")
    def _magnitudes_are_in_order(self) -> Self:
        if None not in (self.min_mag, self.max_mag) and self.min_mag >= self.max_mag:  # type: ignore[operator]
            raise ValueError(
                f"min_mag ({self.min_mag:g}) is not brighter than max_mag ({self.max_mag:g}): no "
                "star is between them; the larger magnitude is that of the fainter star"
            )
        return self


class CatalogueColumns(OptionalSection):
    """Names of a catalogue's columns; null: the usual names are looked for."""

    ra: Text | None = Field(default=None, description="Right ascension.")
    dec: Text | None = Field(default=None, description="Declination.")
    epoch: Text | None = Field(default=None, description="Epoch of the position (Julian year).")
    ra_error: Text | None = Field(default=None, description="Error along RA, times cos(Dec).")
    dec_error: Text | None = Field(default=None, description="Error along Dec.")
    pmra: Text | None = Field(default=None, description="Proper motion in RA, times cos(Dec).")
    pmdec: Text | None = Field(default=None, description="Proper motion in Dec.")
    pmra_error: Text | None = Field(default=None, description="Its error in RA.")
    pmdec_error: Text | None = Field(default=None, description="Its error in Dec.")
    parallax: Text | None = Field(default=None, description="Parallax.")
    parallax_error: Text | None = Field(default=None, description="Its error.")
    mag: Text | None = Field(default=None, description="Magnitude.")


class CatalogueReference(_Stars):
    """A catalogue of the user's."""

    kind: Literal["catalog"] = Field(description="A catalogue in a file.")
    path: Place = Field(
        description=(
            "FITS, VOTable, ECSV, or text with a line of names: a file, relative to the folder of "
            "the campaign file, or s3://BUCKET/FILE."
        )
    )
    columns: CatalogueColumns = Field(
        default_factory=CatalogueColumns, description="Names of the columns, as far as needed."
    )
    epoch: Epoch | None = Field(
        default=None,
        description=(
            "Epoch of the positions (Julian year), where no column has it; null: that of the "
            "exposures."
        ),
    )
    name: CatalogueName | None = Field(
        default=None, description="What headers and reports call it; null: the name of the file."
    )


class CampaignReference(_Stars):
    """The sources of an earlier campaign, where its alignment put them."""

    kind: Literal["campaign"] = Field(description="The sources of an earlier campaign.")
    campaign: Place = Field(
        description=(
            "STORE/CAMPAIGN, of a program STORE/PROGRAM/GROUP; relative to the folder of the "
            "campaign file."
        )
    )


class ImageReference(_Stars):
    """The sources in an image of the user's."""

    kind: Literal["image"] = Field(description="The sources in an image.")
    path: Place = Field(
        description=(
            "A FITS image with a WCS: a file, relative to the folder of the campaign file, or "
            "s3://BUCKET/FILE."
        )
    )
    epoch: Epoch | None = Field(
        default=None,
        description=(
            "When it was taken (Julian year); null: what its header says, else the epoch of the "
            "exposures."
        ),
    )
    threshold: PositiveNumber = Field(
        default=10.0, description="How far sources are above the noise of a pixel (sigma)."
    )
    width: PositiveNumber = Field(
        default=3.5, le=50, description="Width of its stars, full at half maximum (pixels)."
    )
    name: CatalogueName | None = Field(
        default=None, description="What headers and reports call it; null: the name of the file."
    )


StarsReference = GaiaReference | CatalogueReference | CampaignReference | ImageReference
AnyReference = TileReference | StarsReference

REFERENCES: Mapping[str, type[BaseModel]] = {
    "tile": TileReference,
    "gaia": GaiaReference,
    "catalog": CatalogueReference,
    "campaign": CampaignReference,
    "image": ImageReference,
}
"""By the word of `kind`."""


def _from_word(value: Any) -> Any:
    """Return what a file gives as a mapping: a word stands for its kind."""
    if value is None:
        return {"kind": "tile"}
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, Mapping | BaseModel):
        return value
    raise ValueError(f"must be {' or '.join(REFERENCES)}, or a mapping with one as kind")


ReferenceChoice = Annotated[
    Annotated[AnyReference, Field(discriminator="kind")],
    BeforeValidator(
        _from_word, json_schema_input_type=Literal["tile", "gaia"] | AnyReference | None
    ),
]
