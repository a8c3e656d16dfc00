"""What the parts of the comparison give, a type each; as `pipeline.results` of the other steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.evidence.estimate import Estimate, MethodComparison
from skymosaic.evidence.graph import OverlapGraph
from skymosaic.evidence.residuals import MethodQuality
from skymosaic.steps import tasks
from skymosaic.steps.results import Omitted
from skymosaic.steps.tasks import StepSpec


@dataclass(frozen=True)
class ObservedResult:
    """Of bringing all exposures into cells of the sky."""

    seen: list[str]
    """Rootnames of those that have a valid pixel, in their order; none where nothing is known."""
    unseen: list[str]
    side: int
    """Of a cell, pixels of the mosaics."""
    scale: float
    """Side of the pixel that levels refer to, arcsec."""
    chips: ChipsSummary | None
    """What is known of the skies of chips."""
    truth: Omitted[dict[str, float]] = None
    """The true skies, if the data are simulated."""


@dataclass(frozen=True)
class PairsResult:
    """Of the differences of exposures that overlap in a block."""

    table: str
    """Name of the product that has them, see `arrays.BlockDifferences`."""
    pairs: int
    """How many there are."""


@dataclass(frozen=True)
class EdgesResult:
    """Of the edges of the exposures."""

    table: str
    """Name of the product that has them, see `arrays.StoredEdges`."""
    dense: bool
    """Whether edges of other exposures lie beside them."""


@dataclass(frozen=True)
class OverlapsResult:
    """Of what the overlaps call for."""

    noise: float
    """Of one pixel, e-/s."""
    misfit: float
    """See `evidence.levels.RelativeLevels`."""
    left_out: int
    """Pairs of exposures near one another that were not looked at."""
    graph: OverlapGraph
    empty_share: float | None
    """Share of the whole mosaic that is as dark as its darkest parts; None: unknown."""
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    """By method."""
    against: Mapping[str, MethodComparison] = field(default_factory=dict)
    """By method."""
    differences: str = "differences.npz"
    """Name of the product that has the differences of all pairs, see `arrays.AllDifferences`."""
    levels: str = "levels.npz"
    """Of that which has what they call for, see `arrays.StoredLevels`."""


@dataclass(frozen=True)
class JudgedResult:
    """Of judging one method."""

    quality: MethodQuality
    seams: str
    """Name of the product that has the steps of its mosaic, see `arrays.StoredSeams`."""


@dataclass(frozen=True)
class FigureResult:
    """Of drawing a figure of the comparison."""

    files: list[str]
    """Names among the products of its PNG and its PDF, none where there was nothing to draw; or of
    the pictures of the mosaics."""
    chart: Omitted[str] = None
    """Of what the page shows of it, if anything: see `figures.read_figures`."""


OBSERVED = StepSpec(tasks.OBSERVED, ObservedResult)
PAIRS = StepSpec(tasks.PAIRS, PairsResult)
EDGES = StepSpec(tasks.EDGES, EdgesResult)
OVERLAPS = StepSpec(tasks.OVERLAPS, OverlapsResult)
JUDGED = StepSpec(tasks.JUDGED, JudgedResult)
FIGURE = StepSpec(tasks.FIGURE, FigureResult)
PARTS = (OBSERVED, PAIRS, EDGES, OVERLAPS, JUDGED, FIGURE)
