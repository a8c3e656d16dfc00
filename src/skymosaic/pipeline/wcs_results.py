"""What the steps give that choose the WCS of exposures, and correct it: as `pipeline.results`."""

from __future__ import annotations

from dataclasses import dataclass, field

from skymosaic.align.motion import Motion
from skymosaic.align.within import Within
from skymosaic.hst.wcs_solutions import Solution
from skymosaic.pipeline.results import RetrieveResult
from skymosaic.steps import tasks
from skymosaic.steps.tasks import StepSpec


@dataclass(frozen=True)
class HeldResult:
    """Of reading which WCS solutions the files of a parcel hold."""

    solutions: dict[str, list[Solution]]
    """By file name."""


@dataclass(frozen=True)
class ChosenWcs:
    """What becomes of the WCS of one exposure."""

    solution: Solution
    """The one that is used."""
    drizzled_with: Solution | None = None
    """The one that its drizzled image was made with; None: its primary one."""

    @property
    def stays(self) -> bool:
        """Whether the file is used as it is, and its drizzled image, too."""
        return self.solution.primary and self.drizzled_with is None


@dataclass(frozen=True)
class ChoiceResult:
    """Of choosing a WCS solution for each exposure."""

    wanted: str
    """What the campaign asked for."""
    chosen: dict[str, ChosenWcs]
    """By file name."""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PlacedResult(RetrieveResult):
    """Of giving the files of a parcel another WCS: what their headers say then."""

    motions: dict[str, Motion] = field(default_factory=dict)
    """By rootname: how exposures move from where their drizzled image has them."""


@dataclass(frozen=True)
class ShapesResult:
    """Of finding the stars in the exposures of a parcel, with their shapes."""

    exposures: list[str]
    """Rootnames of those that were looked at."""


HELD = StepSpec(tasks.HELD, HeldResult)
CHOICE = StepSpec(tasks.CHOICE, ChoiceResult)
WCS = StepSpec(tasks.WCS, PlacedResult)
WCS_TILES = StepSpec(tasks.WCS_TILES, PlacedResult)
SHAPES = StepSpec(tasks.SHAPES, ShapesResult)
WITHIN = StepSpec(tasks.WITHIN, Within)
SHIFTED = StepSpec(tasks.SHIFTED, PlacedResult)

PLACING: tuple[StepSpec[object], ...] = (HELD, CHOICE, WCS, WCS_TILES, SHAPES, WITHIN, SHIFTED)
"""The steps that give exposures another WCS before they are aligned."""
