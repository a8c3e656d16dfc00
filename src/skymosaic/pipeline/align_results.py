"""What the steps of an alignment give, a type each; see `results`."""

from __future__ import annotations

from dataclasses import dataclass, field

from skymosaic.align.finding import FinderSettings, ImageNoise, PeakCounts
from skymosaic.align.gates import Criterion
from skymosaic.align.records import ImageSolution
from skymosaic.hst.exposure import Exposure
from skymosaic.steps import tasks
from skymosaic.steps.tasks import StepSpec
from skymosaic.store import Product


@dataclass(frozen=True)
class ReferenceResult:
    """Of listing the stars that drizzled images are aligned to."""

    name: str
    """Of the catalogue, as headers have it."""
    kind: str
    """As `align.reference` names it."""
    origin: str
    """Where it is from, for people."""
    stars: int
    """How many (count)."""
    moving: int
    """Of how many of them the proper motion is known (count)."""
    epochs: list[float]
    """The first and the last of their positions, Julian years; empty where none is known."""
    left_out: int = 0
    """Rows without a position (count)."""


@dataclass(frozen=True)
class TilesResult:
    """Of what there is to align."""

    order: list[str]
    """Rootnames of the drizzled images in the order of the alignment."""
    members: dict[str, list[str]]
    """Rootnames of the exposures of each."""
    shares: dict[str, float]
    """What part of each (0 to 1) overlaps what it is matched with."""


@dataclass(frozen=True)
class NoiseResult:
    """Of the noise of drizzled images: one, as a rule."""

    images: list[ImageNoise]


@dataclass(frozen=True)
class CountsResult:
    """Of the sources of drizzled images at several thresholds."""

    images: dict[str, dict[str, int]]
    """By rootname, and by threshold as text."""


@dataclass(frozen=True)
class FindingResult:
    """Of how sources are found."""

    finding: FinderSettings
    counts: PeakCounts


@dataclass(frozen=True)
class TileSourcesResult:
    """Of the sources of drizzled images, which are among the products with their headers."""

    images: dict[str, int]
    """How many each has, by rootname."""


@dataclass(frozen=True)
class SolutionResult:
    """Of where the drizzled images lie."""

    images: list[ImageSolution]
    """In the order of the alignment."""
    criteria: list[Criterion]
    excluded: list[str]
    """Rootnames of those that failed a gate."""
    frames: dict[str, Product]
    """The files with their headers, by rootname, for who moves exposures."""
    groups: list[list[str]] = field(default_factory=list)
    """Rootnames of images that matches link, where there are several such groups."""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MovedResult:
    """Of exposures that were moved as their drizzled image was: one, as a rule."""

    exposures: list[Exposure]
    unlike_motion: dict[str, float]
    """By rootname: how its motion differs from its drizzled image's, mas; none of those that stay
    where they are."""


REFERENCE = StepSpec(tasks.REFERENCE, ReferenceResult)
TILES = StepSpec(tasks.TILES, TilesResult)
TILE_NOISE = StepSpec(tasks.TILE_NOISE, NoiseResult)
TILE_COUNTS = StepSpec(tasks.TILE_COUNTS, CountsResult)
FINDING = StepSpec(tasks.FINDING, FindingResult)
TILE_SOURCES = StepSpec(tasks.TILE_SOURCES, TileSourcesResult)
SOLUTION = StepSpec(tasks.SOLUTION, SolutionResult)
MOVED = StepSpec(tasks.MOVED, MovedResult)

PARTS: tuple[StepSpec[object], ...] = (
    *(TILES, TILE_NOISE, TILE_COUNTS, FINDING, TILE_SOURCES, SOLUTION, MOVED),
)
"""The steps that an alignment is made from."""
