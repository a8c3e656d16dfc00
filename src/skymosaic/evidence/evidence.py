"""All that is measured to compare the methods, from the levels of the exposures in cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skymosaic.evidence import rules
from skymosaic.evidence.advice import Advice
from skymosaic.evidence.cells import CellGrid, Cells, Floats
from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.evidence.edges import MosaicEdges, find_all_edges, seams_of
from skymosaic.evidence.facts import Facts
from skymosaic.evidence.graph import OverlapGraph
from skymosaic.evidence.pairs import Differences, all_differences
from skymosaic.evidence.quality import ObservedField, Skies, judge, residuals
from skymosaic.evidence.residuals import MethodQuality, PairDifference, Residual, Seam
from skymosaic.evidence.solution import Solution, solve_overlaps
from skymosaic.evidence.summary import EvidenceSummary

UNIT = "electron / s"


@dataclass(frozen=True)
class Measurements:
    """What is given to `gather_evidence`; levels in e-/s in a pixel of `pixel_scale`.

    Parameters
    ----------
    cells : sequence of Cells
        Of each exposure.
    grid : CellGrid
        That they are on.
    skies : mapping of str to mapping of str to float or None
        What each method subtracted from each exposure, None where it was undetermined.
    mosaics : mapping of str to array
        The mosaic of each method in cells, where there is one.
    pixel_scale : float
        Arcsec.
    cell : float
        Side of a cell, arcsec.
    truth : mapping of str to float, or None
        The true skies, where they are known.
    unseen : sequence of str
        Exposures without a valid pixel.
    chips : ChipsSummary or None
        What the differences tell of the skies of chips: a step between chips is taken out of
        `cells`. None where exposures have one chip.
    """

    cells: Sequence[Cells]
    grid: CellGrid
    skies: Mapping[str, Skies]
    pixel_scale: float
    cell: float
    mosaics: Mapping[str, Floats] = field(default_factory=dict)
    truth: Mapping[str, float] | None = None
    unseen: Sequence[str] = ()
    chips: ChipsSummary | None = None


@dataclass(frozen=True)
class OverlapEvidence:
    """What is found of the overlaps of exposures."""

    unit: str
    """Of all levels; those of mosaics too are in a pixel of `pixel_scale`."""
    pixel_scale: float
    """Arcsec: side of the pixel that levels refer to."""
    cell: float
    """Arcsec: side of the cells of sky that were compared."""
    differences: Sequence[PairDifference]
    residuals: Mapping[str, Sequence[Residual]]
    """By method, in the order of `differences`; none of exposures that it left undetermined."""


@dataclass(frozen=True)
class Evidence(OverlapEvidence):
    """What `gather_evidence` found."""

    seams: Mapping[str, Sequence[Seam]]
    """By method."""
    quality: Mapping[str, MethodQuality]
    """By method."""
    graph: OverlapGraph
    advice: Advice

    @property
    def summary(self) -> EvidenceSummary:
        """What ``advice.json`` and the step's result hold."""
        return EvidenceSummary(
            self.unit, self.pixel_scale, self.cell, self.quality, self.graph, self.advice
        )


def gather_evidence(measured: Measurements) -> Evidence:
    """Compare the methods on the pixels of the exposures and of the mosaics."""
    cells, grid = measured.cells, measured.grid
    overlaps = all_differences(cells)
    solution = solve_overlaps(cells, grid.shape, overlaps.measured, measured.skies)
    edges = find_all_edges(cells, grid.shape) if measured.mosaics else MosaicEdges((), False)
    judged = {
        method: judge_method(
            *(method, skies, cells, grid, overlaps.measured, solution, edges),
            *(measured.mosaics.get(method), measured.truth),
        )
        for method, skies in measured.skies.items()
    }
    return put_together(
        *(overlaps, solution, measured.skies, judged),
        pixel_scale=measured.pixel_scale,
        cell=measured.cell,
        unseen=measured.unseen,
        chips=measured.chips,
        dense=edges.dense,
    )


@dataclass(frozen=True)
class Judged:
    """What is found of one method."""

    quality: MethodQuality
    seams: Sequence[Seam] | None
    """None where its mosaic was not looked at."""


def judge_method(
    method: str,
    skies: Skies,
    cells: Sequence[Cells],
    grid: CellGrid,
    differences: Sequence[PairDifference],
    solution: Solution,
    edges: MosaicEdges,
    mosaic: Floats | None,
    truth: Mapping[str, float] | None,
) -> Judged:
    """Judge one method: by what it subtracted, and by its mosaic where there is one.

    Parameters
    ----------
    method : str
        Its name.
    skies : mapping of str to float or None
        What it subtracted.
    cells, grid
        The exposures in cells.
    differences : sequence of PairDifference
        Of the exposures.
    solution : Solution
        What these call for.
    edges : MosaicEdges
        Across which the steps of the mosaic are measured.
    mosaic : array, shape as of `grid`, or None
        The mosaic in cells.
    truth : mapping of str to float, or None
        The true skies, where they are known.
    """
    seams = None
    if mosaic is not None:
        seams = seams_of(method, mosaic, edges, cells, solution.levels, skies, grid)
    field = ObservedField(
        *(cells, grid.shape, differences, solution.levels, solution.empty, solution.noise)
    )
    estimated = solution.estimates.get(method)
    return Judged(judge(method, skies, field, seams or (), estimated, truth), seams)


def put_together(
    overlaps: Differences,
    solution: Solution,
    skies: Mapping[str, Skies],
    judged: Mapping[str, Judged],
    *,
    pixel_scale: float,
    cell: float,
    unseen: Sequence[str] = (),
    chips: ChipsSummary | None = None,
    dense: bool = False,
) -> Evidence:
    """Return the evidence and the advice from what was found of each method: it sees no pixel.

    Parameters
    ----------
    overlaps : Differences
        Of the exposures.
    solution : Solution
        What these call for.
    skies : mapping of str to mapping of str to float or None
        What each method subtracted.
    judged : mapping of str to Judged
        As from `judge_method`.
    pixel_scale, cell, unseen, chips
        See `Measurements`.
    dense : bool
        See `MosaicEdges`.
    """
    quality = {method: one.quality for method, one in judged.items()}
    seams = {method: one.seams for method, one in judged.items() if one.seams is not None}
    left = {m: residuals(m, overlaps.measured, its) for m, its in skies.items()}
    facts = Facts(
        quality=quality,
        against_best=solution.against,
        residuals=left,
        seams=seams,
        differences=overlaps.measured,
        misfit=solution.levels.misfit,
        graph=solution.graph,
        empty_share=solution.empty_share,
        noise=solution.noise,
        unseen=unseen,
        chips=chips,
        left_out=overlaps.left_out,
        dense=dense,
    )
    return Evidence(
        unit=UNIT,
        pixel_scale=pixel_scale,
        cell=cell,
        differences=overlaps.measured,
        residuals=left,
        seams=seams,
        quality=quality,
        graph=solution.graph,
        advice=rules.advise(facts),
    )
