"""What the steps of the engine onepass give, a type each: those of exposures, blocks and skies.

As `results`, which has those of the other stages.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from skymosaic.drizzle.checks.sample_window import Window
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.errors import CorrelatedNoise
from skymosaic.drizzle.onepass.measured import MeasuredChip
from skymosaic.drizzle.onepass.separate import ChipSky, Separated
from skymosaic.drizzle.onepass.stored import Box, StoredChip
from skymosaic.drizzle.static_masks import ChipArea
from skymosaic.drizzle.summaries import (
    DifferencesSummary,
    MaskSummary,
    SwappedFootprints,
)
from skymosaic.sky.static_rule import Rule
from skymosaic.steps import tasks
from skymosaic.steps.results import Omitted
from skymosaic.steps.tasks import StepSpec

# Depth is written as its points, a check of the sky with what comes of it.


@dataclass(frozen=True)
class LowResult:
    """Of finding the low pixels of an exposure."""

    places: list[ChipArea]
    """Which pixels of the detector its chips hold."""
    low: list[list[int]]
    """How many pixels of each chip are low, a list for each threshold (count)."""


@dataclass(frozen=True)
class StaticFile:
    """One static mask among the products of `StaticResult`."""

    name: str
    """``.npy``: bool, true where a pixel is left out."""
    mask: tuple[Rule, float]
    """The rule, and the threshold (standard deviations)."""


@dataclass(frozen=True)
class StaticResult:
    """Of the static masks of all exposures."""

    files: list[StaticFile]
    chips: dict[str, list[tuple[int, list[int]]]]
    """For each exposure by rootname its chips: EXTVER, and the places of its masks in `files`."""
    summaries: list[MaskSummary]
    """Of those that are used for the mosaics."""
    used: tuple[Rule, float] | None = None
    """Which these are; None: no pixel is left out."""


@dataclass(frozen=True)
class SingleResult:
    """Of the chips of one exposure, each drizzled alone."""

    rootname: str
    chips: list[StoredChip]
    version: str
    """Of the resampler; empty where no chip meets the grid."""
    pixels: str
    """Name of the drizzled chips among the products."""
    skeleton: str
    """Of the headers of the exposure."""
    masks: str
    """Of the pixels that were left out beside those that DQ flags."""


@dataclass(frozen=True)
class OutlinesResult:
    """Of drawing the chips of an exposure with rows and columns exchanged."""

    corners: list[tuple[int, list[tuple[float, float]]]]
    """Of each chip EXTVER, and RA, Dec in degrees in the order of `Chip.footprint`."""


@dataclass(frozen=True)
class MeasuredResult:
    """Of measuring the sky of an exposure."""

    chips: list[MeasuredChip]


@dataclass(frozen=True)
class SeparateGridResult:
    """Of the grid on which exposures are drizzled separately, to find cosmic rays."""

    grid: Grid


@dataclass(frozen=True)
class SeparateSkyResult:
    """Of the sky that is taken off meanwhile."""

    method: str
    """The sky method."""
    skies: dict[str, list[ChipSky]]
    """Of each chip, by rootname."""


@dataclass(frozen=True)
class SeparateResult:
    """Of an exposure that was drizzled separately."""

    rootname: str
    separated: Separated
    stored: StoredChip
    """All of its chips together."""
    pixels: str
    """Name of its drizzled pixels among the products."""


@dataclass(frozen=True)
class MedianResult:
    """Of the median of separate images in one rectangle of their grid."""

    box: Box
    pixels: str
    """Name of the product: a numpy array."""


@dataclass(frozen=True)
class HitChip:
    """What cosmic rays hit of a chip."""

    extver: int
    mask: str
    """Name of the mask among the products, see `cosmic_rays.read_hits`."""
    pixels: int
    """Of the chip (count)."""
    hit: int
    """Those that are masked (count)."""


@dataclass(frozen=True)
class HitsResult:
    """Of what cosmic rays hit in an exposure."""

    rootname: str
    chips: list[HitChip]


@dataclass(frozen=True)
class GuessesResult:
    """Of what exposures differ by in a block, at first sight."""

    table: str
    """Name of the product that has it."""


@dataclass(frozen=True)
class FirstSkiesResult:
    """Of the first guess of all skies."""

    table: str
    """Name of the product that has them."""


@dataclass(frozen=True)
class EquationsResult:
    """Of the equations of the skies in a block."""

    table: str
    """Name of the product that has them."""


@dataclass(frozen=True)
class SourcesResult:
    """Of one of the steps that look for sources on the mosaic."""

    files: dict[str, str]
    """Names of its products, by what they are."""
    box: Omitted[Box] = None
    """The rectangle of the mosaic that it is about; None: all."""


@dataclass(frozen=True)
class SkiesResult:
    """Of the skies of all chips by all methods and variants."""

    names: list[str]
    """Of the mosaics: methods, and variants as ``variant:NAME``."""
    table: str
    """Name of the table of the skies among the products, see `onepass.sky_table`."""
    differences: dict[str, DifferencesSummary] = field(default_factory=dict)
    """By method and variant, where differences on the common grid were looked at."""
    footprints: Omitted[SwappedFootprints] = None
    """What swapped footprints do to the overlaps, where they were used."""


@dataclass(frozen=True)
class BlockResult:
    """Of the sums in one rectangle of the mosaics."""

    box: Box
    mosaics: dict[str, str]
    """Names of the products by method and variant: numpy arrays of the type of FITS."""
    weight: str
    context: Omitted[str] = None


@dataclass(frozen=True)
class HeadersResult:
    """Of what the headers of the mosaics have in common."""

    root: str
    """Root name of the product that they are made for."""
    version: str
    """Of the resampler."""


@dataclass(frozen=True)
class VariancesResult:
    """Of the variances of one exposure's chips."""

    file: str
    """Name of the product that has them, in the strips of the drizzled chips."""
    typical: list[float]
    """The error of a typical pixel of each chip, in its data units; 1 beside the grid."""


@dataclass(frozen=True)
class ErrorsResult:
    """Of the error plane in one rectangle of the mosaics."""

    box: Box
    error: str
    """Name of the product: a numpy array of the type of FITS."""


@dataclass(frozen=True)
class NoiseResult:
    """Of how noise is correlated in the mosaics."""

    noise: CorrelatedNoise | None
    """None where no chip lies on the grid."""


@dataclass(frozen=True)
class WitnessedResult:
    """Of the part of one mosaic that AstroDrizzle made again."""

    window: Window
    """Where it lies."""
    sky: list[float]
    """What was taken off each chip, in its data units."""
    pixels: str
    """Name of the product that has mosaic and weights."""
    log: str
    """Of what AstroDrizzle logged."""


LOW = StepSpec(tasks.LOW, LowResult)
STATIC = StepSpec(tasks.STATIC, StaticResult)
SEPARATE_GRID = StepSpec(tasks.SEPARATE_GRID, SeparateGridResult)
SEPARATE_SKY = StepSpec(tasks.SEPARATE_SKY, SeparateSkyResult)
SEPARATE = StepSpec(tasks.SEPARATE, SeparateResult)
MEDIAN = StepSpec(tasks.MEDIAN, MedianResult)
HITS = StepSpec(tasks.HITS, HitsResult)
SINGLE = StepSpec(tasks.SINGLE, SingleResult)
OUTLINES = StepSpec(tasks.OUTLINES, OutlinesResult)
MEASURED = StepSpec(tasks.MEASURED, MeasuredResult)
PLAIN = StepSpec(tasks.PLAIN, MeasuredResult)
GUESS = StepSpec(tasks.GUESS, GuessesResult)
FIRST_SKIES = StepSpec(tasks.FIRST_SKIES, FirstSkiesResult)
EQUATION = StepSpec(tasks.EQUATION, EquationsResult)
SOURCES = StepSpec(tasks.SOURCES, SourcesResult)
SKIES = StepSpec(tasks.SKIES, SkiesResult)
BLOCK = StepSpec(tasks.BLOCK, BlockResult)
VARIANCES = StepSpec(tasks.VARIANCES, VariancesResult)
ERRORS = StepSpec(tasks.ERRORS, ErrorsResult)
NOISE = StepSpec(tasks.NOISE, NoiseResult)
HEADERS = StepSpec(tasks.HEADERS, HeadersResult)
WITNESSED = StepSpec(tasks.WITNESSED, WitnessedResult)
