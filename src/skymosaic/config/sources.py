"""Where exposures come from, as a campaign file says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from skymosaic.archive.simulated.names import (
    CCD_EFFECTS,
    CCDS,
    DEFAULT_SCENES,
    DITHERS,
    HUBBLE,
    INFRARED_EFFECTS,
    MAXIMUM_DITHERS,
    MOST_MOTION,
    FilterName,
    InstrumentName,
    SceneName,
)
from skymosaic.archive.twins import KINDS, Kind
from skymosaic.config.fields import (
    Bucket,
    Count,
    Endpoint,
    Moment,
    Names,
    Number,
    PositiveNumber,
    Proposals,
    Region,
    S3Uri,
    Seed,
    Text,
    no_repeats,
)
from skymosaic.config.sections import Section
from skymosaic.config.simulated_detector import SimulatedDetector

_KINDS = (
    "Products to take. If an exposure has a file with corrected charge transfer (FLC, DRC), "
    "only that file is taken."
)
Kinds = Annotated[tuple[Kind, ...], AfterValidator(no_repeats), Field(min_length=1)]
Untried = Annotated[
    bool,
    Field(description="Take exposures of imagers that were never tested, such as ACS/SBC."),
]
NonImaging = Annotated[
    bool,
    Field(
        description="Take spectra (grisms, prisms), ramps, and files that are not exposures of "
        "the sky."
    ),
]


# A bound that stands beside the default would give way to that of Count.
Downloads = Annotated[Count, Field(le=256)]
Dithers = Annotated[Count, Field(le=MAXIMUM_DITHERS)]


def _filters_with_tiles(value: Any) -> Any:
    """Return filters with their tiles; those of a list have the tiles of all."""
    if isinstance(value, Mapping):
        return {name: () if tiles is None else tiles for name, tiles in value.items()}
    if not isinstance(value, list | tuple):
        return value
    if not all(isinstance(name, str) for name in value):
        raise ValueError(f"must be names of filters such as F110W, not {value!r}")
    return dict.fromkeys(no_repeats(tuple(value)), ())


Filters = Annotated[
    Mapping[FilterName, Names],
    BeforeValidator(
        _filters_with_tiles,
        json_schema_input_type=tuple[FilterName, ...] | Mapping[FilterName, Names | None],
    ),
]
Offset = Annotated[Number, Field(ge=-3600, le=3600)]

LeftOut = Annotated[
    Literal["refuse", "leave_out"],
    Field(
        description=(
            "An image that cannot be used stops the campaign once all are there (refuse), or is "
            "left out and reported."
        )
    ),
]


class SimulatedSource(Section):
    """Exposures made by the program itself, with known sky and known pointing errors."""

    kind: Literal["simulated"] = Field(description="Make the exposures.")
    instrument: InstrumentName = Field(default="wfc3-ir", description="What observes.")
    seed: Seed = Field(
        default=12812, description="Seed of the random numbers: the same seed, the same pixels."
    )
    size: Literal["full", "small"] = Field(
        default="full",
        description=(
            "full: the whole detector; small, quick to run: a 256 x 256 subarray, of CCDs "
            "256 x 512 pixels of both chips."
        ),
    )
    tiles: Names = Field(
        default=(),
        description=(
            "Tiles to make, such as ['54', '51']; empty means all nine. CCDs: such as ['01', "
            "'02', '03']; empty means the first two."
        ),
    )
    filters: Filters = Field(
        default_factory=dict,
        description=(
            "WFC3/IR only: the filters to observe the field with, such as [F110W, F160W], or each "
            "with its own tiles, such as {F110W: [54, 51], F160W: [54, 51, 53]}; without tiles: "
            "those of source.tiles. Empty: F160W. Several filters need `groups`."
        ),
    )
    dithers: Dithers = Field(
        default=2,
        description="Exposures of each tile (count); default: 2, CCDs: 3.",
    )
    displace: Mapping[Text, tuple[Offset, Offset]] = Field(
        default_factory=dict,
        description="True offset of a tile on the sky, as tile: [east, north] (arcsec).",
    )
    scene: SceneName = Field(
        default="horsehead",
        description=(
            "What the exposures show; default: horsehead, CCDs: sparse. In each of the others a "
            "different sky method is best."
        ),
    )
    chip_step: Number = Field(
        default=0.0,
        gt=-1.0,
        lt=1.0,
        description="CCDs only: sky of chip 2 minus sky of chip 1, as a fraction of their mean.",
    )
    sky: Number | None = Field(
        default=None,
        ge=0.0,
        lt=1e6,
        description=(
            "CCDs only: mean sky of the visits (electrons/s per pixel); null: a usual one."
        ),
    )
    cosmic_rays: bool = Field(default=True, description="CCDs only: whether to add cosmic rays.")
    motion: Number = Field(
        default=0.0,
        ge=0.0,
        le=MOST_MOTION,
        exclude_if=lambda value: value == 0.0,  # older versions had none
        description=(
            "Proper motion of the stars, rms in either axis (mas/yr). They lie where those without "
            "motion do at 2016.0."
        ),
    )
    epochs: Mapping[Text, Annotated[Number, Field(ge=HUBBLE[0], le=HUBBLE[1])]] = Field(
        default_factory=dict,
        exclude_if=lambda value: not value,
        description=(
            "When tiles are observed, as tile: Julian year, such as {'54': 2022.5}; the others: "
            "2012, of CCDs 2020."
        ),
    )
    detector: SimulatedDetector = Field(
        default_factory=SimulatedDetector,
        description="What a real detector adds: flat residuals, offsets, gradients and so on.",
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_for_the_instrument(cls, given: Any) -> Any:
        instrument = given.get("instrument") if isinstance(given, Mapping) else None
        if instrument not in CCDS:
            return given
        usual = {"dithers": DITHERS[instrument], "scene": DEFAULT_SCENES[instrument]}
        return {**usual, **given}

    @model_validator(mode="after")
    def _ccd_options_are_for_ccds(self) -> Self:
        for name, usual in (("chip_step", 0.0), ("sky", None), ("cosmic_rays", True)):
            if self.instrument not in CCDS and getattr(self, name) != usual:
                raise ValueError(
                    f"{name} is for CCDs alone: leave it out, or set instrument to "
                    f"{' or '.join(CCDS)}"
                )
        return self

    @model_validator(mode="after")
    def _effects_are_those_of_the_detector(self) -> Self:
        ccd = self.instrument in CCDS
        for name in INFRARED_EFFECTS if ccd else CCD_EFFECTS:
            if getattr(self.detector, name):
                raise ValueError(
                    f"detector.{name} is not for {self.instrument}: leave it out, or set "
                    f"instrument to {'wfc3-ir' if ccd else ' or '.join(CCDS)}"
                )
        return self

    @model_validator(mode="after")
    def _filters_are_for_the_infrared(self) -> Self:
        if self.filters and self.instrument in CCDS:
            raise ValueError(
                f"filters are for wfc3-ir alone: leave them out, or set instrument to wfc3-ir; "
                f"{self.instrument} is simulated with one filter"
            )
        return self

    @model_validator(mode="after")
    def _named_tiles_are_simulated(self) -> Self:
        sets = [tiles or self.tiles for tiles in self.filters.values()] or [self.tiles]
        simulated = {tile for tiles in sets for tile in tiles}
        for name, named in (("displace", self.displace), ("epochs", self.epochs)):
            strangers = [tile for tile in named if all(sets) and tile not in simulated]
            if strangers:
                raise ValueError(f"{name} names {strangers[0]!r}, which is not among tiles")
        return self


class DirectorySource(Section):
    """Exposures and drizzled tiles that are already in a folder."""

    kind: Literal["directory"] = Field(description="Take the files of a folder.")
    path: Path = Field(
        description=(
            "The folder, relative to the folder of the campaign file; all folders below are looked "
            "through."
        )
    )
    on_bad_file: Literal["refuse", "leave_out"] = Field(
        default="refuse",
        description="A damaged file stops the campaign (refuse), or is left out and reported.",
    )
    filter: Text | None = Field(
        default=None, description="Take the exposures of this filter only, such as F160W."
    )
    detector: Text | None = Field(
        default=None, description="Take the exposures of this detector only, such as IR."
    )
    allow_mixed: bool = Field(
        default=False, description="Allow exposures of several filters or detectors in one mosaic."
    )
    allow_untried: Untried = False
    allow_non_imaging: NonImaging = False


class MastSource(Section):
    """What the archive at MAST has of what is asked for."""

    kind: Literal["mast"] = Field(description="Query MAST, and fetch what it finds.")
    proposal_id: Proposals = Field(default=(), description="Proposals, such as 12812.")
    filters: Names = Field(default=(), description="Filters, such as F160W.")
    instrument: Names = Field(default=(), description="Instruments, such as WFC3/IR.")
    target: Names = Field(default=(), description="Targets, by their names in the proposals.")
    obs_id: Names = Field(
        default=(), description="Observations, such as ibxl54030; * stands for anything."
    )
    coordinates: Text | None = Field(
        default=None, description="Centre of a region, such as '05h40m59s -02d27m30s'."
    )
    radius: PositiveNumber = Field(
        default=0.2, le=180, description="Radius of that region (degrees)."
    )
    start: Moment | None = Field(
        default=None, description="Earliest start of exposures: a date (UTC), or MJD (days)."
    )
    end: Moment | None = Field(
        default=None, description="Latest start of exposures: a date (UTC), or MJD (days)."
    )
    projects: Names = Field(
        default=("CALWF3", "CALACS"),
        description=(
            "What made the products: calibration pipelines such as CALWF3 and CALACS; HAP's own "
            "mosaics are made and aligned another way, and are left out."
        ),
    )
    kinds: Kinds = Field(default=KINDS, description=_KINDS)
    min_files: Count = Field(default=1, description="Fewest files that the query may find (count).")
    max_files: Count = Field(
        default=2000, description="Most files that the query may find (count)."
    )
    download: Literal["auto", "mast", "bucket"] = Field(
        default="auto",
        description="From MAST, from the public bucket, or (auto) from MAST what the bucket lacks.",
    )
    bucket: Bucket = Field(default="stpubdata", description="Name of the public bucket.")
    bucket_endpoint_url: Endpoint | None = Field(
        default=None, description="Address of the bucket's server; null: what AWS's settings say."
    )
    on_bad_file: LeftOut = "refuse"
    allow_untried: Untried = False
    allow_non_imaging: NonImaging = False
    downloads: Downloads = Field(
        default=8, description="Most files fetched at the same time (count)."
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        wanted = (self.proposal_id, self.filters, self.instrument, self.target, self.obs_id)
        if not any(wanted):
            raise ValueError(
                "needs at least one of proposal_id, filters, instrument, target, obs_id"
            )
        return self

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        if self.min_files > self.max_files:
            raise ValueError(
                f"min_files ({self.min_files}) is more than max_files ({self.max_files}): no query "
                "could find so many files"
            )
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError(
                f"start (MJD {self.start:g}) is not before end (MJD {self.end:g}): no exposure "
                "begins between them"
            )
        return self


class S3Source(Section):
    """Exposures and drizzled tiles in a bucket."""

    kind: Literal["s3"] = Field(description="Take the files of a bucket, or of a folder in one.")
    uri: S3Uri = Field(description="s3://BUCKET/FOLDER; all folders below are looked through.")
    names: Names = Field(
        default=(), description="Rootnames, such as ibxl54*; * stands for anything; empty: all."
    )
    kinds: Kinds = Field(default=KINDS, description=_KINDS)
    max_files: Count = Field(default=2000, description="Most files that there may be (count).")
    allow_mixed: bool = Field(
        default=False, description="Allow exposures of several filters or detectors in one mosaic."
    )
    on_bad_file: LeftOut = "refuse"
    allow_untried: Untried = False
    allow_non_imaging: NonImaging = False
    profile: Text | None = Field(
        default=None, description="Profile of ~/.aws; null: what AWS's own settings say."
    )
    region: Region | None = Field(
        default=None, description="Region of the bucket; null: what AWS's own settings say."
    )
    endpoint_url: Endpoint | None = Field(
        default=None, description="Address of a server; null: what AWS's own settings say."
    )
    unsigned: bool = Field(default=False, description="Read a public bucket without credentials.")
    downloads: Downloads = Field(
        default=8, description="Most files fetched at the same time (count)."
    )


AnySource = SimulatedSource | DirectorySource | MastSource | S3Source
Source = Annotated[
    AnySource,
    Field(discriminator="kind", description="Where the exposures come from."),
]
