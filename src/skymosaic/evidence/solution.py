"""What the overlaps of all exposures call for, whatever mosaics are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skymosaic.evidence import estimate, overlap_graph
from skymosaic.evidence.background import NEGLIGIBLE, PATCH, Darkest, darkest
from skymosaic.evidence.cells import Cells
from skymosaic.evidence.graph import OverlapGraph
from skymosaic.evidence.levels import Levels, RelativeLevels, solve
from skymosaic.evidence.mosaic import combined, cropped
from skymosaic.evidence.quality import Skies
from skymosaic.evidence.residuals import PairDifference

_LEAST_LEVEL = 0.2  # of what is negligible: faint sources leave no patch truly empty


@dataclass(frozen=True)
class Solution:
    """What `solve_overlaps` found."""

    noise: float
    """Of one pixel, e-/s."""
    graph: OverlapGraph
    levels: RelativeLevels
    """That the differences call for, in the order of the exposures."""
    empty: NDArray[np.bool_] | None = None
    """The patches of empty sky of the whole mosaic, as from `background.darkest`; None: unknown."""
    empty_share: float | None = None
    """Share of all patches that are."""
    estimates: Mapping[str, estimate.Estimate] = field(default_factory=dict)
    """By method, of the error of its skies; none where no sky is known to be empty."""
    against: Mapping[str, estimate.MethodComparison] = field(default_factory=dict)
    """By method, its error against the smallest one; likewise."""


def solve_overlaps(
    cells: Sequence[Cells],
    shape: tuple[int, int],
    differences: Sequence[PairDifference],
    skies: Mapping[str, Skies],
) -> Solution:
    """Return what the overlaps call for, and how far the skies of each method are from it.

    Parameters
    ----------
    cells : sequence of Cells
        Of each exposure.
    shape : (int, int)
        Of the grid of cells.
    differences : sequence of PairDifference
        Of the exposures.
    skies : mapping of str to mapping of str to float or None
        What each method subtracted.
    """
    names = [one.rootname for one in cells]
    noise = float(np.nanmedian([one.noise for one in cells]))
    pixels = {one.rootname: int(one.count.sum()) for one in cells}
    graph = overlap_graph.build(names, differences, pixels)
    levels = solve(names, graph.components, differences)
    dark = _darkest_of_groups(cells, levels, noise)
    if dark is None:
        return Solution(noise, graph, levels)
    called = estimate.called_for(levels, dark, _LEAST_LEVEL * NEGLIGIBLE * noise)
    subtracted = {method: estimate.in_order(names, its) for method, its in skies.items()}
    estimates = {m: estimate.estimate(called, values) for m, values in subtracted.items()}
    best = min(estimates, key=lambda method: estimates[method].error)
    whole = darkest(*combined(cells, called.skies, shape), noise)
    return Solution(
        noise,
        graph,
        levels,
        None if whole is None else whole.empty,
        None if whole is None else whole.share,
        estimates,
        {m: estimate.compare(called, its, subtracted[best]) for m, its in subtracted.items()},
    )


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
