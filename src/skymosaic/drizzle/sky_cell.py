"""A sky cell of MAST's as the output grid: all of it, or the part that exposures touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skymosaic.config.skycell_table import tessellation
from skymosaic.drizzle.grid import Grid, Outline
from skymosaic.sky import skycells
from skymosaic.sky.pixel_grid import PixelGrid
from skymosaic.sky.projection_cells import Scale
from skymosaic.sky.skycell_names import default_scale

_MARGIN = 1  # pixel around the exposures, for what an outline of straight pieces leaves out


@dataclass(frozen=True)
class SkyCellPart:
    """Which part of which sky cell a mosaic is."""

    name: str
    """Such as ``skycell-p1889x07y19``."""
    scale: Scale
    whole: Grid
    """The cell's own grid."""
    corner: tuple[int, int] = (0, 0)
    """Columns and rows of the cell that lie before the first pixel of the mosaic."""


def sky_cell(name: str, scale: Scale) -> SkyCellPart:
    """Return a sky cell, all of it.

    Raises
    ------
    ValueError
        There is none of this name.
    """
    cell = skycells.cell(name, scale, tessellation())
    return SkyCellPart(cell.name, scale, _as_grid(cell.grid))


def cropped(cell: SkyCellPart, outlines: Sequence[Sequence[Outline]]) -> tuple[Grid, SkyCellPart]:
    """Return the part of a cell that exposures touch, pixel on pixel, and where in it that is.

    Parameters
    ----------
    cell : SkyCellPart
        All of it.
    outlines : sequence of sequence of array of shape (n, 2)
        For each exposure its chips: RA, Dec in degrees.
    """
    part = skycells.crop(cell.whole.pixels, outlines, _MARGIN)
    if part is None:  # of which `off_grid` tells
        return cell.whole, cell
    return _as_grid(part.grid), SkyCellPart(cell.name, cell.scale, cell.whole, part.corner)


def scale_for(detectors: Sequence[tuple[str, str]]) -> Scale:
    """Return the scale at which MAST makes mosaics of detectors; of several, the finest."""
    scales = {default_scale(*detector) for detector in detectors}
    return "coarse" if scales == {"coarse"} else "fine"


def _as_grid(grid: PixelGrid) -> Grid:
    return Grid(grid.crval, grid.crpix, grid.scale, grid.rot, grid.shape, grid.cd)
