"""All that is measured to compare the methods, from the levels of the exposures in cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from skymosaic.evidence import estimate, overlap_graph, rules
from skymosaic.evidence.advice import Advice
from skymosaic.evidence.background import NEGLIGIBLE, PATCH, Darkest, darkest
from skymosaic.evidence.cells import CellGrid, Cells, Floats
from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.evidence.facts import Facts
from skymosaic.evidence.graph import OverlapGraph
from skymosaic.evidence.levels import Levels, solve
from skymosaic.evidence.mosaic import combined, cropped
from skymosaic.evidence.pairs import all_differences
from skymosaic.evidence.quality import ObservedField, Skies, judge, residuals
from skymosaic.evidence.residuals import MethodQuality, PairDifference, Residual, Seam
from skymosaic.evidence.rims import FEW, find_rims, measure_rims
from skymosaic.evidence.seams import find_edges, measure_seams
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
class Evidence:
    """What `gather_evidence` found."""

    unit: str
    """Of all levels; those of mosaics too are in a pixel of `pixel_scale`."""
    pixel_scale: float
    """Arcsec: side of the pixel that levels refer to."""
    cell: float
    """Arcsec: side of the cells of sky that were compared."""
    differences: Sequence[PairDifference]
    residuals: Mapping[str, Sequence[Residual]]
    """By method, in the order of `differences`; none of exposures that it left undetermined."""
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
    cells, shape = measured.cells, measured.grid.shape
    names = [one.rootname for one in cells]
    noise = float(np.nanmedian([one.noise for one in cells]))
    overlaps = all_differences(cells)
    differences = overlaps.measured
    pixels = {one.rootname: int(one.count.sum()) for one in cells}
    graph = overlap_graph.build(names, differences, pixels)
    levels = solve(names, graph.components, differences)
    subtracted = {m: estimate.in_order(names, skies) for m, skies in measured.skies.items()}
    dark = _darkest_of_groups(cells, levels, noise)
    judged = ObservedField(cells, shape, differences, levels, None, noise)
    estimates: dict[str, estimate.Estimate] = {}
    against: dict[str, estimate.MethodComparison] = {}
    empty_share = None
    if dark is not None:
        called = estimate.called_for(levels, dark, _LEAST_LEVEL * NEGLIGIBLE * noise)
        estimates = {m: estimate.estimate(called, values) for m, values in subtracted.items()}
        best = min(estimates, key=lambda method: estimates[method].error)
        for method, values in subtracted.items():
            against[method] = estimate.compare(called, values, subtracted[best])
        whole = darkest(*combined(cells, called.skies, shape), noise)
        if whole is not None:
            empty_share = whole.share
            judged = ObservedField(cells, shape, differences, levels, whole.empty, noise)
    seams, dense = _seams(measured, levels, subtracted)
    quality = {
        m: judge(m, skies, judged, seams.get(m, ()), estimates.get(m), measured.truth)
        for m, skies in measured.skies.items()
    }
    left = {m: residuals(m, differences, skies) for m, skies in measured.skies.items()}
    facts = Facts(
        quality=quality,
        against_best=against,
        residuals=left,
        seams=seams,
        differences=differences,
        misfit=levels.misfit,
        graph=graph,
        empty_share=empty_share,
        noise=noise,
        unseen=measured.unseen,
        chips=measured.chips,
        left_out=overlaps.left_out,
        dense=dense,
    )
    return Evidence(
        unit=UNIT,
        pixel_scale=measured.pixel_scale,
        cell=measured.cell,
        differences=differences,
        residuals=left,
        seams=seams,
        quality=quality,
        graph=graph,
        advice=rules.advise(facts),
    )


def _seams(
    measured: Measurements, levels: Levels, subtracted: Mapping[str, Floats]
) -> tuple[dict[str, list[Seam]], bool]:
    """Return the steps in the mosaics, and whether edges of other exposures lie beside them."""
    if not measured.mosaics:
        return {}, False
    cells, grid = measured.cells, measured.grid
    edges, measure = find_edges(cells, grid.shape), measure_seams
    dense = False
    if len({edge.exposure for edge in edges}) < FEW * len(cells):
        rims = find_rims(cells, grid.shape)
        dense = len(rims) > len(edges)
        if dense:
            edges, measure = rims, measure_rims
    return {
        method: measure(method, image, edges, cells, levels.values - subtracted[method], grid)
        for method, image in measured.mosaics.items()
    }, dense


_LEAST_LEVEL = 0.2  # of what is negligible: faint sources leave no patch truly empty


def _darkest_of_groups(
    cells: Sequence[Cells], levels: Levels, noise: float
) -> list[Darkest] | None:
    """Return the darkest level of each group's mosaic; None where one of them has too few cells."""
    found = []
    for group in levels.groups:
        members, shape = cropped([cells[i] for i in group], PATCH)
        one = darkest(*combined(members, levels.values[list(group)], shape), noise)
        if one is None:
            return None
        found.append(one)
    return found
