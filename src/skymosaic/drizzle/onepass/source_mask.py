"""The mask of sources that all sky methods of a one-pass run share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.grid_differences import matched_on_grid
from skymosaic.drizzle.onepass.stored import Box
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


@dataclass(frozen=True)
class PlacedMask:
    """Which pixels do not count in a rectangle of the grid, looked up by their place on the grid.

    Parameters
    ----------
    box : Box
        The rectangle.
    mask : array of bool, shape (rows, columns)
        Its pixels.
    """

    box: Box
    mask: NDArray[np.bool_]

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[np.bool_]:
        rows, columns = (
            slice(one.start - first, one.stop - first, one.step)
            for one, first in zip(place, (self.box.y, self.box.x), strict=True)
        )
        return self.mask[rows, columns]


def put_together(
    box: Box, parts: Iterable[tuple[Box, NDArray[np.generic]]], nothing: NDArray[np.generic]
) -> NDArray[np.generic]:
    """Return what some rectangles of the grid hold of another one.

    Parameters
    ----------
    box : Box
        The other one.
    parts : iterable of (Box, array of shape (rows, columns))
        Those that may meet it, and their pixels.
    nothing : array of one value
        What stands where none of them has pixels; its type is that of the result.
    """
    whole = np.full((box.rows, box.columns), nothing, dtype=nothing.dtype)
    for own, pixels in parts:
        shared = own.shared(box)
        if shared is not None:
            whole[shared.within(box)] = pixels[shared.within(own)]
    return whole
