"""The edges of the exposures, across which the steps of every mosaic of them are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skymosaic.evidence import estimate
from skymosaic.evidence.cells import CellGrid, Cells, Floats
from skymosaic.evidence.levels import RelativeLevels
from skymosaic.evidence.quality import Skies
from skymosaic.evidence.residuals import Seam
from skymosaic.evidence.rims import FEW, find_rims, measure_rims
from skymosaic.evidence.seams import ExposureEdge, find_edges, measure_seams


@dataclass(frozen=True)
class MosaicEdges:
    """Edges of exposures in a mosaic."""

    edges: Sequence[ExposureEdge]
    dense: bool
    """Whether they are those of `rims`: edges of other exposures lie beside them."""


def find_all_edges(cells: Sequence[Cells], shape: tuple[int, int]) -> MosaicEdges:
    """Return the edges of exposures in cells, on a grid of a shape."""
    edges = find_edges(cells, shape)
    if len({edge.exposure for edge in edges}) < FEW * len(cells):
        rims = find_rims(cells, shape)
        if len(rims) > len(edges):
            return MosaicEdges(rims, True)
    return MosaicEdges(edges, False)


def seams_of(
    method: str,
    image: Floats,
    edges: MosaicEdges,
    cells: Sequence[Cells],
    levels: RelativeLevels,
    skies: Skies,
    grid: CellGrid,
) -> list[Seam]:
    """Return the steps of a method's mosaic across the edges.

    Parameters
    ----------
    method : str
        Its name.
    image : array, shape (rows, columns)
        Its mosaic in cells, e-/s in a pixel of the common size; NaN where there is no data.
    edges : MosaicEdges
        As from `find_all_edges`.
    cells : sequence of Cells
        Of all exposures.
    levels : RelativeLevels
        Of the exposures.
    skies : mapping of str to float or None
        What the method subtracted from each.
    grid : CellGrid
        Of the cells.
    """
    left = levels.values - estimate.in_order(levels.names, skies)
    measure = measure_rims if edges.dense else measure_seams
    return measure(method, image, edges.edges, cells, left, grid)
