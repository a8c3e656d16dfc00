"""The mask of sources that all sky methods of a one-pass run share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass import CutOut, Load, bands
from skymosaic.drizzle.onepass_differences import matched_on_grid
from skymosaic.exposure import Exposure
from skymosaic.sky.sources import SourceMask, source_mask


def sources_on_grid(
    grid: Grid,
    cut_outs: Sequence[CutOut],
    load: Load,
    exposures: Sequence[Exposure],
) -> SourceMask:
    """Find the sources on the mosaic of all exposures, matched by their differences.

    Parameters
    ----------
    grid, cut_outs, load, exposures
        As for `onepass_differences.matched_on_grid`.
    """
    matched = matched_on_grid(grid, cut_outs, load, exposures).matched
    skies = [
        offset / exposure.brightness_factor(chip.extver)
        for exposure, offset in zip(exposures, np.nan_to_num(matched.offsets), strict=True)
        for chip in exposure.chips
    ]
    found = list(bands(grid.shape, cut_outs, load, {"matched": skies}))
    image = np.concatenate([band.mosaics["matched"] for band in found])
    weight = np.concatenate([band.weight for band in found])
    return SourceMask(source_mask(image, weight), grid.wcs())
