"""What the differences on the common grid tell beside the skies, in sentences for the report."""

from __future__ import annotations

from collections.abc import Mapping
from math import hypot

from skymosaic.drizzle.summaries import DifferencesSummary
from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.evidence.wording import measured
from skymosaic.host.counting import counted
from skymosaic.methods import OWN
from skymosaic.pipeline.results import DrizzleResult
from skymosaic.steps.finished import Finished


def difference_warnings(runs: Mapping[str, Finished[DrizzleResult]]) -> list[str]:
    """Return when a plane an exposure would matter, and where patches disagree.

    Parameters
    ----------
    runs : mapping of str to Finished
        The drizzle step of each method.
    """
    fit = _differences(runs)
    if fit is None:
        return []
    said = []
    planes = fit.planes
    if planes is not None and planes.significant:
        sizes = {name: hypot(*one.edge_to_edge) for name, one in planes.exposures.items()}
        worst = max(sizes, key=lambda name: sizes[name])
        error = hypot(*planes.exposures[worst].error)
        done = (
            "They were subtracted (sky.planes) from the mosaics of skymosaic's own methods."
            if fit.planes_subtracted
            else "All methods subtract constants; sky.planes: true (drizzle.engine: onepass) "
            "subtracts a plane from each exposure."
        )
        said.append(
            "One sky value for each exposure does not explain the differences on the common grid. "
            f"Planes fit better (probability by chance: {planes.chance:.1e}). The steepest is "
            f"that of {worst}: {measured(sizes[worst], error)} e-/s from edge to edge. {done}"
        )
    if fit.doubtful > _MANY * fit.patches:
        said.append(
            f"{fit.doubtful} of {counted(fit.patches, 'patch', 'patches')} of sky disagree "
            "with the rest by more than noise allows. There match-differences leaves out the "
            "exposure at fault, or gives the patch less weight. Look for ghosts, trails and "
            "persistence."
        )
    return said


def chip_differences(runs: Mapping[str, Finished[DrizzleResult]]) -> ChipsSummary | None:
    """Return what the differences tell of the skies of chips; None where nothing.

    Parameters
    ----------
    runs : mapping of str to Finished
        The drizzle step of each method.
    """
    differences = _differences(runs)
    return None if differences is None else differences.chips


def _differences(runs: Mapping[str, Finished[DrizzleResult]]) -> DifferencesSummary | None:
    return next((runs[m].result.differences for m in OWN if m in runs), None)


_MANY = 0.02  # share of patches, from which on a reader is told
