"""The finished steps of a campaign: what the comparison and the report are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from skymosaic.config import Campaign
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.part_steps import PartSteps
from skymosaic.pipeline.results import (
    AlignResult,
    CellResult,
    CellsResult,
    ComparisonResult,
    DifferencesResult,
    DrizzleResult,
    EnginesResult,
    InspectionResult,
    Planned,
    PositionsResult,
    RetrieveResult,
    WitnessResult,
)
from skymosaic.report.contents import Missing
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place
from skymosaic.store import Product


@dataclass(frozen=True)
class FinishedSteps:
    """The steps of a campaign, each None or absent where it has not finished."""

    place: Place
    campaign: Campaign
    retrieved: Sequence[Finished[RetrieveResult]] = ()
    inspected: Finished[InspectionResult] | None = None
    aligned: Finished[AlignResult] | None = None
    """With `align: none`, what was inspected."""
    planned: Finished[Planned] | None = None
    differences: Finished[DifferencesResult] | None = None
    """The skies of this project's own methods, where the reference engine is given them."""
    drizzled: Mapping[str, Finished[DrizzleResult]] = field(default_factory=dict)
    """By method, in the order of the campaign."""
    witness: Finished[WitnessResult] | None = None
    """What one engine says of the mosaics of the other."""
    engines: Finished[EnginesResult] | None = None
    """Both engines on a sample."""
    positions: Finished[PositionsResult] | None = None
    """With `align: none`: how the positions of stars agree; older versions did not ask."""
    cells: Finished[CellsResult] | None = None
    """The list of cells, where they are made."""
    each_cell: Sequence[Finished[CellResult]] = ()
    """Those that have finished; also those that have no mosaics, because masks left nothing."""
    comparison: Finished[ComparisonResult] | None = None
    """The comparison; it may be of a former run."""
    parts: Sequence[PartSteps] = ()
    """What the steps cost that the mosaics were made from, where there are many."""
    missing: Sequence[Missing] = ()
    """What has not finished, or is out of date, and why."""

    @property
    def exposures(self) -> list[Exposure]:
        """The exposures, aligned where that has been done."""
        step = self.aligned or self.inspected
        if step is None:
            return []
        return step.result.exposures

    @property
    def checks(self) -> list[Finished[object]]:
        """The steps in which the engines check each other."""
        return [step for step in (self.witness, self.engines) if step is not None]

    @property
    def steps(self) -> list[Finished[object]]:
        """All finished steps that the comparison is made from, in their order.

        Each with the products that it made: those that it only passes on are another's.
        """
        first: list[Finished[object] | None] = [*self.retrieved, self.inspected, self.aligned]
        then = [self.planned, self.differences, self.positions]
        last = [*self.drizzled.values(), *self.each_cell, self.cells, *self.checks]
        return [self._own(step) for step in [*first, *then, *last] if step is not None]

    @property
    def compared(self) -> dict[str, Product]:
        """What the comparison reads: the products of the methods, the aligned exposures."""
        runs = self.drizzled.values()
        products = {f"{run.step}/{name}": p for run in runs for name, p in run.products.items()}
        if self.aligned is None:
            return products
        step, files = self.aligned.step, self.aligned.products
        return products | {f"{step}/{e.name}": files[e.name] for e in self.exposures}

    @property
    def keys(self) -> list[str]:
        """Keys of the other steps that the comparison depends on."""
        steps = (self.planned, self.aligned, self.positions, *self.checks, self.cells)
        return [step.key for step in steps if step is not None]

    def _own(self, step: Finished[object]) -> Finished[object]:
        folder = self.place.key(step.step.split("/")[0], "")
        others = (step.result.files or {}) if isinstance(step.result, AlignResult) else {}
        products = {
            name: one
            for name, one in step.products.items()
            if one.key.startswith(folder) and name not in others
        }
        return replace(step, products=products)
