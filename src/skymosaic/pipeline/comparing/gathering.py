"""What the parts of the comparison found and drew, read by its last task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.evidence.evidence import Evidence, put_together
from skymosaic.pipeline.comparing.figures import read_figures
from skymosaic.pipeline.comparing.methods import read_judged, read_solution, skies_of_run
from skymosaic.pipeline.comparing.results import (
    EdgesResult,
    FigureResult,
    JudgedResult,
    ObservedResult,
    OverlapsResult,
)
from skymosaic.pipeline.results import DrizzleResult, Planned
from skymosaic.report.drawn import Drawn
from skymosaic.steps.step import Bench, Finished


@dataclass(frozen=True)
class ComparedParts:
    """The steps that the comparison is put together from; see `tasks.make_parts`."""

    observed: Finished[ObservedResult]
    edges: Finished[EdgesResult] | None
    solution: Finished[OverlapsResult] | None
    """None, as the others, where no exposure has a valid pixel."""
    judged: Mapping[str, Finished[JudgedResult] | None] = field(default_factory=dict)
    """By method."""
    figures: Mapping[str, Finished[FigureResult]] = field(default_factory=dict)
    """By their names."""

    def evidence(
        self,
        bench: Bench,
        planned: Planned,
        runs: Mapping[str, Finished[DrizzleResult]],
        chips: ChipsSummary | None,
    ) -> Evidence | None:
        """Return the evidence, and the advice; None where no exposure has a valid pixel.

        Parameters
        ----------
        bench : Bench
            Of the step.
        planned : Planned
            The grid of the mosaics.
        runs : mapping of str to Finished
            By method.
        chips : ChipsSummary or None
            What the differences on the common grid tell of the skies of chips, where they were
            looked at there.
        """
        if self.solution is None or self.edges is None:
            return None
        seen = self.observed.result
        overlaps, solution = read_solution(bench, seen.seen, self.solution)
        return put_together(
            overlaps,
            solution,
            {method: skies_of_run(run.result.sky, seen) for method, run in runs.items()},
            {
                method: read_judged(bench, method, one)
                for method, one in self.judged.items()
                if one is not None
            },
            pixel_scale=seen.scale,
            cell=seen.side * planned.grid.scale,
            unseen=seen.unseen,
            chips=chips or seen.chips,
            dense=self.edges.result.dense,
        )

    def drawn(self, bench: Bench) -> Drawn:
        """Return the figures."""
        return read_figures(bench, self.figures)
