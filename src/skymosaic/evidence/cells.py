"""The level of an exposure in cells of the sky, on one coarse grid for all exposures.

Two exposures are compared cell by cell, because the sky has structure: two medians of different
pixels differ where the sky does. The level of a cell is the median of its pixels, which neither a
cosmic ray nor a faint star moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

FULL = 0.7  # share of its pixels that a cell needs to be compared
CELLS_ACROSS = 128  # cells along the side of an exposure: as many pixels a cell as noise needs
LEAST_SIDE = 4  # pixels of the mosaic along the side of a cell, at least
_NODES = 24  # along each axis: the distortion between them is a smooth polynomial
_QUARTILE = 0.6744898  # of a normal distribution, in standard deviations


@dataclass(frozen=True)
class CellGrid:
    """Cells of the sky: blocks of the mosaic's pixels.

    Parameters
    ----------
    wcs : WCS
        Of the mosaic.
    side : int
        Pixels of the mosaic along the side of a cell.
    shape : (int, int)
        Rows, columns of cells.
    """

    wcs: WCS
    side: int
    shape: tuple[int, int]

    def positions(self, world: Floats) -> Floats:
        """Return the cells, shape (n, 2): column, row; integers are cells' centres."""
        return (self.wcs.wcs_world2pix(world, 0) + 0.5) / self.side - 0.5

    def world(self, column: float, row: float) -> tuple[float, float]:
        """Return RA, Dec in degrees of a place on the grid."""
        pixel = (np.array([[column, row]]) + 0.5) * self.side - 0.5
        ra, dec = self.wcs.wcs_pix2world(pixel, 0)[0]
        return float(ra), float(dec)


@dataclass(frozen=True)
class Cells:
    """The level of one exposure.

    Parameters
    ----------
    rootname : str
        Of the exposure.
    corner : (int, int)
        Row, column on the grid of the first cell.
    level : array of float32, shape (ny, nx)
        Median of the pixels of each cell, e-/s in a pixel of the common size; NaN in cells that
        are not full.
    count : array of int32, shape (ny, nx)
        Valid pixels of each cell.
    covered : array of bool, shape (ny, nx)
        Which cells have pixels of the exposure, valid or not.
    noise : float
        Noise of one pixel, e-/s: from the quartiles within cells.
    weight : float
        Of each pixel in a mosaic: the exposure time, s.
    """

    rootname: str
    corner: tuple[int, int]
    level: Singles
    count: NDArray[np.int32]
    covered: NDArray[np.bool_]
    noise: float
    weight: float

    @property
    def window(self) -> tuple[slice, slice]:
        """Where these cells are on the grid."""
        (row, column), (ny, nx) = self.corner, self.level.shape
        return slice(row, row + ny), slice(column, column + nx)


def cell_side(grid_scale: float, pixel_scale: float, pixels: int, block: int = 1) -> int:
    """Return how many pixels of the mosaic the side of a cell is.

    Parameters
    ----------
    grid_scale, pixel_scale : float
        Pixel sizes of the mosaic and of the exposures, arcsec.
    pixels : int
        Along the side of an exposure.
    block : int
        The result is a multiple of it.
    """
    wanted = pixels * pixel_scale / grid_scale / CELLS_ACROSS
    return max(round(wanted / block), -(-LEAST_SIDE // block), 1) * block


@dataclass(frozen=True)
class ChipImage:
    """Pixels of one chip.

    Parameters
    ----------
    science : array of float32, shape (ny, nx)
        Data units.
    good : array of bool, same shape
        Which pixels are valid.
    wcs : WCS
        With distortion.
    factor : float
        From data units to e-/s in a pixel of the common size.
    """

    science: Singles
    good: NDArray[np.bool_]
    wcs: WCS
    factor: float


def measure_cells(
    rootname: str, chips: Sequence[ChipImage], grid: CellGrid, exptime: float
) -> Cells | None:
    """Return the level of an exposure in cells; None where it has no valid pixel on the grid."""
    places, values, valid, density = [], [], [], []
    for chip in chips:
        rows, columns, area = _cells_of_pixels(chip.wcs, chip.science.shape, grid)
        inside = (rows >= 0) & (rows < grid.shape[0])
        inside &= (columns >= 0) & (columns < grid.shape[1])
        places.append(np.stack([rows[inside], columns[inside]]))
        valid.append(chip.good[inside])
        good = chip.science[inside & chip.good]
        values.append((good * np.float32(chip.factor)).astype(np.float32))
        density.append(area)
    place, value, good = (
        np.concatenate(places, axis=1),
        np.concatenate(values),
        np.concatenate(valid),
    )
    if value.size == 0:
        return None
    corner = place.min(axis=1)
    shape = place.max(axis=1) - corner + 1
    index = (place[0] - corner[0]) * shape[1] + (place[1] - corner[1])
    level, count, spread = _medians(index[good], value, int(shape.prod()))
    full = count >= FULL * float(np.mean(density))
    covered = np.zeros(int(shape.prod()), dtype=bool)
    covered[index] = True
    noise = float(np.median(spread[full])) if full.any() else float("nan")
    level = np.where(full, level, np.nan).astype(np.float32)
    return Cells(
        rootname=rootname,
        corner=(int(corner[0]), int(corner[1])),
        level=level.reshape(shape),
        count=count.reshape(shape).astype(np.int32),
        covered=covered.reshape(shape),
        noise=noise,
        weight=exptime,
    )


def _cells_of_pixels(
    wcs: WCS, shape: tuple[int, ...], grid: CellGrid
) -> tuple[NDArray[np.int32], NDArray[np.int32], float]:
    """Return row and column of the cell that each pixel's centre lies in, and pixels a cell."""
    ny, nx = shape
    y = np.linspace(0, ny - 1, min(_NODES, ny))
    x = np.linspace(0, nx - 1, min(_NODES, nx))
    nodes = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    at = grid.positions(wcs.all_pix2world(nodes, 0)).reshape(len(y), len(x), 2)
    every_y, every_x = np.arange(ny), np.arange(nx)
    columns, rows = (
        np.rint(RectBivariateSpline(y, x, at[:, :, axis])(every_y, every_x)).astype(np.int32)
        for axis in (0, 1)
    )
    along_x = (at[:, -1] - at[:, 0]).mean(axis=0) / (nx - 1)
    along_y = (at[-1] - at[0]).mean(axis=0) / (ny - 1)
    cells_a_pixel = abs(along_x[0] * along_y[1] - along_x[1] * along_y[0])
    return rows, columns, 1.0 / float(cells_a_pixel)


def _medians(
    index: NDArray[np.int32], values: Singles, cells: int
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Return median, number and normal-equivalent spread of the values in each cell.

    One sort of integers whose upper half is the cell and whose lower half sorts as the value does
    is several times faster than an indirect sort.
    """
    bits = values.view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000))
    keys = (index.astype(np.uint64) << np.uint64(32)) | ordered
    keys.sort()
    ordered = (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    bits = np.where(ordered >> 31, ordered & np.uint32(0x7FFFFFFF), ~ordered)
    ranked = bits.astype(np.uint32).view(np.float32)
    count = np.bincount(index, minlength=cells)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])

    last = ranked.size - 1

    def rank(share: float) -> Floats:
        position = np.minimum(
            start + np.round((count - 1) * share).astype(np.int64), ranked.size - 1
        )
        return ranked[np.maximum(position, 0)].astype(np.float64)

    last = ranked.size - 1
    low = np.clip(start + (count - 1) // 2, 0, last)
    high = np.clip(start + count // 2, 0, last)
    median = 0.5 * (ranked[low].astype(np.float64) + ranked[high])
    spread = (rank(0.75) - rank(0.25)) / (2.0 * _QUARTILE)
    return np.where(count > 0, median, np.nan), count, spread
