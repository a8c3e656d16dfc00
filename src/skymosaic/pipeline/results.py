"""What the steps of a campaign give, a type each: what is read from manifests and written there.

At the end stands what each kind of steps gives; the kinds themselves are declared in `steps.tasks`.
Those of the parts of the engine onepass are in `onepass_results`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue, PlainSerializer

from skymosaic.align.alignment import Alignment
from skymosaic.align.positions import Displacement
from skymosaic.align.within import Within
from skymosaic.drizzle.cells import Cell
from skymosaic.drizzle.checks.sameness import EngineDifferences
from skymosaic.drizzle.checks.sample_window import Window
from skymosaic.drizzle.checks.witness import Agreement
from skymosaic.drizzle.depth import Depth
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.order import Order
from skymosaic.drizzle.sky_cell import SkyCellPart
from skymosaic.drizzle.sky_record import SkyCheck
from skymosaic.drizzle.summaries import (
    CosmicRaySearch,
    DifferencesSummary,
    MaskSummary,
    SwappedFootprints,
)
from skymosaic.evidence.summary import EvidenceSummary
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.align_results import ReferenceResult
from skymosaic.pipeline.part_steps import PartSteps
from skymosaic.report.card import Card
from skymosaic.report.colour_facts import ColourFacts
from skymosaic.sky.static_rule import FirstRule
from skymosaic.sky.values import SkyValue
from skymosaic.steps import tasks
from skymosaic.steps.finished import Finished
from skymosaic.steps.results import Omitted
from skymosaic.steps.tasks import StepSpec
from skymosaic.store import Product
from skymosaic.store.traffic import Traffic

# Depth is written as its points, a check of the sky with what comes of it.
_Points = Annotated[
    Depth,
    BeforeValidator(lambda value: {"points": value} if isinstance(value, list) else value),
    PlainSerializer(lambda depth: [list(one) for one in depth.points]),
]
_Check = Annotated[SkyCheck, PlainSerializer(lambda check: {**asdict(check), "agree": check.agree})]


@dataclass(frozen=True)
class RetrieveResult:
    """Of `retrieve`: what the headers of a parcel's files say."""

    images: list[Exposure]
    left_out: Omitted[str] = None
    """Why none of them can be read, where such files are left out; None: they were."""


@dataclass(frozen=True)
class InspectionResult:
    """Of `inspect`: the exposures and drizzled images that are taken, by rootname."""

    exposures: list[Exposure]
    drizzled: list[Exposure]
    warnings: list[str] = field(default_factory=list)
    """What to know of them; older versions had none."""
    within: Omitted[Within] = None
    """How they lie within their associations, where the campaign asks; another step found it."""


@dataclass(frozen=True)
class AlignResult:
    """Of `align`."""

    exposures: list[Exposure]
    """Those that go on to the mosaics, as they are now."""
    alignment: Alignment | None = None
    """None with `align: none`."""
    catalogue: Omitted[str] = None
    """Key of the other group's catalogue that they were aligned to; None where there is none."""
    files: Omitted[dict[str, Product]] = None
    """The exposures by file name, which steps of their own made; None: this step made them."""
    reference: Omitted[ReferenceResult] = None
    """The stars that they were aligned to; None: to one of the images, or to a catalogue."""


@dataclass(frozen=True)
class CatalogueResult:
    """Of listing the sources that other groups are aligned to."""

    sources: int
    """How many (count)."""
    tiles: list[str]
    """Rootnames of the drizzled images that they are in."""


@dataclass(frozen=True)
class SharedGridResult:
    """Of the grid that several groups have."""

    grid: Grid


@dataclass(frozen=True)
class PlanResult:
    """Of `plan`: facts of the exposures on the output grid."""

    grid: Grid
    pairs: list[tuple[str, str, float]]
    """Exposures that overlap, and the area that they share."""
    groups: list[list[str]]
    """Exposures that overlaps link."""
    depth: Omitted[_Points] = None
    """How many exposures cover the output; older versions did not look at it."""
    started: float | None = None
    """When the first exposure began, MJD (days), where the order depends on it."""
    static: Omitted[FirstRule] = None
    """The rule of the static mask at the campaign's first run; None: an older version ran it."""
    grid_from: Omitted[str] = None
    """What the grid was taken from, with its extension or as STORE/CAMPAIGN; None: nothing else."""
    cell: Omitted[SkyCellPart] = None
    """Which part of which sky cell the grid is; None: of none."""
    left_out: Omitted[list[str]] = None
    """Names of the exposures that do not touch the user's grid; None: the grid holds all."""
    cells: Omitted[list[Cell]] = None
    """The cells that exposures touch; None: none are made."""


@dataclass(frozen=True)
class Planned(PlanResult):
    """The same with what the campaign makes of it, which is no part of the step."""

    order: Order = field(kw_only=True)
    """What AstroDrizzle is asked for."""


@dataclass(frozen=True)
class RecordedRule:
    """The part of `plan` that the next plan goes on from, whatever became of the step."""

    static: FirstRule | None = None


@dataclass(frozen=True)
class StarsResult:
    """Of finding stars in a parcel."""

    exposures: list[str]
    """Rootnames of those that were looked at."""


@dataclass(frozen=True)
class PositionsResult:
    """Of `positions`."""

    overlaps: int
    """Pairs of exposures that overlap."""
    pairs: list[Displacement]
    """Those that were compared."""


@dataclass(frozen=True)
class FoundSky:
    """The sky of one of this project's own methods, as `AppliedSky` has it."""

    values: list[SkyValue]
    subtracted: tuple[float, ...]
    recorded: tuple[float | None, ...]
    differences: Annotated[DifferencesSummary | None, Field(alias="told")]


@dataclass(frozen=True)
class DifferencesResult:
    """Of `differences`."""

    skies: dict[str, FoundSky]
    """By method."""


@dataclass(frozen=True)
class DrizzleResult:
    """Of `drizzle`: one sky method's mosaic."""

    sky: list[SkyValue]
    science: str
    """Name of the mosaic among the products."""
    weight: str
    """Of its weight map."""
    preview: str
    """Of the mosaic, reduced."""
    weight_checksum: str
    """Of the pixels of the weight map."""
    checks: Omitted[list[_Check]] = None
    """What AstroDrizzle's records say; None where it was not at work, or an older version was."""
    differences: Omitted[DifferencesSummary] = None
    """What the differences on the common grid tell, where the method looks at them."""
    footprints: Omitted[SwappedFootprints] = None
    """What swapped footprints do to the overlaps, where they were used."""
    cosmic_rays: Omitted[CosmicRaySearch] = None
    """How cosmic rays were looked for once for all methods."""
    static: Omitted[list[MaskSummary]] = None
    """The static mask of each chip. Older versions wrote none."""
    error: Omitted[str] = None
    """Name of the error plane among the products, where one was asked for."""


@dataclass(frozen=True)
class KeptSample:
    """What the one-pass engine keeps for AstroDrizzle, which makes a part of its mosaics again."""

    window: Window
    masks: str
    """Name of the masks of its exposures among the products."""


@dataclass(frozen=True)
class KeptSky:
    """What was taken off the chips of one mosaic, for its cells; by number of the chip."""

    subtracted: tuple[float, ...]
    """In its data units."""
    recorded: tuple[float | None, ...]
    """MDRIZSKY."""
    tilts: Omitted[list[tuple[float, float, float, float]]] = None
    """Planes as `Tilt` has them: x, y, and what they rise by along columns and rows."""


@dataclass(frozen=True)
class OnepassResult:
    """Of the one step in which the one-pass engine drizzles."""

    runs: dict[str, DrizzleResult]
    """By method, and by variant as ``variant:NAME``."""
    sample: Omitted[KeptSample] = None
    """Older versions kept none."""
    skies: Omitted[dict[str, KeptSky]] = None
    """By method and variant, where cells are made from them."""
    masks: Omitted[dict[str, str]] = None
    """Files of the masks of each exposure among the products, by rootname; likewise."""


@dataclass(frozen=True)
class CellMosaic:
    """The files of one mosaic of a cell: names among its products."""

    science: str
    weight: str
    preview: str
    context: Omitted[str] = None
    error: Omitted[str] = None


@dataclass(frozen=True)
class CellResult:
    """Of one cell."""

    cell: Cell
    mosaics: dict[str, CellMosaic]
    """By method and variant; none where the masks left no pixel."""
    covered: float
    """What of its pixels has weight."""


@dataclass(frozen=True)
class CellsResult:
    """Of the list of cells."""

    cells: list[str]
    """Names of those that have mosaics."""
    empty: list[str]
    """Names of those that the masks left nothing of."""


@dataclass(frozen=True)
class WitnessResult:
    """Of `witness`."""

    methods: dict[str, Agreement]
    window: Omitted[Window] = None
    """Where AstroDrizzle made mosaics of the one-pass engine again; None of its own mosaics."""
    left_out: Omitted[list[str]] = None
    """Mosaics that it cannot make."""
    cosmic_rays: Omitted[bool] = None
    """Whether pixels were left out as hit."""


@dataclass(frozen=True)
class EnginesResult:
    """Of `engines`: both engines on a sample."""

    exposures: list[str]
    """Rootnames of the sample."""
    methods: dict[str, EngineDifferences]
    masks_of: str | None = None
    """Method whose masks of cosmic rays onepass has for all; None: none were looked for."""


@dataclass(frozen=True)
class LevelsResult:
    """Of an exposure in cells of the sky."""

    rootname: str
    side: int
    """Of a cell, pixels of the mosaics."""
    steps: list[float]
    """What was taken off its chips first, e-/s in a pixel of each."""
    table: str
    """Name of the arrays among the products, see `pipeline.levels`."""


@dataclass(frozen=True)
class ComparisonResult:
    """Of `COMPARISON`; what older versions did not tell is empty."""

    table: str
    """MDRIZSKY as text."""
    warnings: list[str]
    title: str = ""
    """What the table holds, with its unit."""
    campaign: Mapping[str, JsonValue] = field(default_factory=dict)
    """What was asked for, by the keys of the version that made it; see
    `comparison.compared_settings`."""
    evidence: EvidenceSummary | None = None
    """None where it was not measured."""
    summary: list[str] = field(default_factory=list)
    """Lines for a terminal."""
    card: Card | None = None
    """What the page of a program shows of the mosaic."""
    parts: Omitted[list[PartSteps]] = None
    """What the steps cost that the mosaics were made from, where there are many."""


@dataclass(frozen=True)
class ColourResult:
    """Of a colour picture of a field."""

    facts: ColourFacts
    picture: str
    """Name of the PNG among the products."""
    thumbnail: str
    """Of a small JPEG."""
    page: str | None
    """Of the page that shows the tiles; None where there are none."""


RETRIEVE = StepSpec(tasks.RETRIEVE, RetrieveResult)
INSPECT = StepSpec(tasks.INSPECT, InspectionResult)
ALIGN = StepSpec(tasks.ALIGN, AlignResult)
CATALOGUE = StepSpec(tasks.CATALOGUE, CatalogueResult)
SHARED_GRID = StepSpec(tasks.SHARED_GRID, SharedGridResult)
PLAN = StepSpec(tasks.PLAN, PlanResult)
FIND = StepSpec(tasks.FIND, StarsResult)
POSITIONS = StepSpec(tasks.POSITIONS, PositionsResult)
DIFFERENCES = StepSpec(tasks.DIFFERENCES, DifferencesResult)
DRIZZLE = StepSpec(tasks.DRIZZLE, DrizzleResult)
ONEPASS = StepSpec(tasks.ONEPASS, OnepassResult)
LEVELS = StepSpec(tasks.LEVELS, LevelsResult)
CELL = StepSpec(tasks.CELL, CellResult)
CELLS = StepSpec(tasks.CELLS, CellsResult)
WITNESS = StepSpec(tasks.WITNESS, WitnessResult)
ENGINES = StepSpec(tasks.ENGINES, EnginesResult)
COMPARISON = StepSpec(tasks.COMPARISON, ComparisonResult)
COLOUR = StepSpec(tasks.COLOUR, ColourResult)


def as_run(done: Finished[OnepassResult], method: str) -> Finished[DrizzleResult]:
    """Return one method's part of the engine's step, as a step of its own.

    Of what the step cost, the first method takes all: what is summed over steps stays true.
    """
    runs = done.result.runs
    result = runs[method]
    own = {result.science, result.weight, result.preview, result.error}
    first = method == min(runs)  # of whatever order a manifest has them in
    return replace(
        done.with_result(result),
        step=DRIZZLE.step(method).name,
        products={name: product for name, product in done.products.items() if name in own},
        seconds=done.seconds if first else 0.0,
        fetched=done.fetched if first else {},
        moved=done.moved if first else Traffic(),
    )
