"""Whether the chips of exposures have skies of their own, from the exposures in cells of sky.

The comparison of every campaign has these; the pixels of the common grid are at hand only where
the differences were looked at there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skymosaic.drizzle.onepass.chips import chips_summary, match_beside_planes
from skymosaic.drizzle.onepass.grid_differences import boxes_of, measure_patches
from skymosaic.drizzle.onepass.sums import CutOut, Singles
from skymosaic.evidence.cells import Cells
from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.hst.exposure import Exposure


def steps_in_cells(
    exposures: Sequence[Exposure], cells: Sequence[Cells | None], shape: tuple[int, int]
) -> ChipsSummary:
    """Return what the differences of cells tell of the skies of chips.

    Parameters
    ----------
    exposures : sequence of Exposure
        All.
    cells : sequence of Cells or None
        Of each of their chips, e-/s; None of one without a valid pixel.
    shape : (int, int)
        Rows and columns of the grid of cells.
    """
    cut_outs = [
        CutOut(number, 0, 0, 0, 0, 1.0)
        if one is None
        else CutOut(
            number, one.corner[1], one.corner[0], one.level.shape[1], one.level.shape[0], 1.0
        )
        for number, one in enumerate(cells)
    ]

    def load(cut_out: CutOut) -> tuple[Singles, Singles]:
        one = cells[cut_out.number]
        assert one is not None  # no rows of it are asked for
        weight = np.where(np.isfinite(one.level), one.count, 0).astype(np.float32)
        return one.level, weight * np.float32(one.weight)

    owners = [index for index, exposure in enumerate(exposures) for _ in exposure.chips]
    patches, known = measure_patches(shape[::-1], cut_outs, load, range(len(owners)))
    middles, sides = boxes_of(cut_outs, owners, len(exposures))
    fit = match_beside_planes(exposures, owners, patches, known, False, middles, sides)
    assert fit.chips is not None
    return chips_summary(fit.chips, exposures, [1.0] * len(exposures))


def steps_of(chips: ChipsSummary | None, exposure: Exposure) -> list[float]:
    """Return the sky of each chip less the mean of the exposure's, e-/s in a pixel of its own.

    Parameters
    ----------
    chips : ChipsSummary or None
        As from `steps_in_cells`; None: the chips have one sky.
    exposure : Exposure
        Whose.
    """
    nothing = [0.0] * len(exposure.chips)
    if chips is None or chips.model in (None, "exposures"):
        return nothing
    rows = {extver: step for extver, step, _ in chips.steps.get(exposure.rootname, [])}
    steps = np.array([rows.get(chip.extver, 0.0) for chip in exposure.chips])
    return [float(step) for step in steps - steps.mean()]
