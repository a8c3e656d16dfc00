"""The mask of sources that all sky methods of a one-pass run share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.grid_differences import matched_on_grid
from skymosaic.drizzle.onepass.sums import CutOut, Load, bands
from skymosaic.hst.exposure import Exposure
from skymosaic.sky.chip_models import PerChip
from skymosaic.sky.source_mask import SourceMask, source_mask


def sources_on_grid(
    grid: Grid,
    cut_outs: Sequence[CutOut],
    load: Load,
    exposures: Sequence[Exposure],
    per_chip: PerChip = "auto",
) -> SourceMask:
    """Find the sources on the mosaic of all exposures, matched by their differences.

    Parameters
    ----------
    grid, cut_outs, load, exposures, per_chip
        As for `grid_differences.matched_on_grid`.
    """
    matched = matched_on_grid(grid, cut_outs, load, exposures, per_chip=per_chip).matched
    factors = [e.brightness_factor(chip.extver) for e in exposures for chip in e.chips]
    skies = (np.nan_to_num(matched.offsets) / factors).tolist()
    found = list(bands(grid.shape, cut_outs, load, {"matched": skies}))
    image = np.concatenate([band.mosaics["matched"] for band in found])
    weight = np.concatenate([band.weight for band in found])
    return SourceMask(source_mask(image, weight), grid.wcs())
