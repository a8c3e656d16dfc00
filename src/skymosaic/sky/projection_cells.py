"""The tessellation of the sky by MAST's projection cells, and the sky cells that each has.

The sky is cut into bands of declination. Each band has projection cells: tangent planes of some
degrees, north up, at equal steps of RA from RA 0. Each projection cell has the same square number
of sky cells. The formulas are those of ``drizzlepac/haputils/cell_utils.py`` (3.11.0); the numbers
come from its table, ``drizzlepac/pars/allsky_cells.fits``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from skymosaic.sky.pixel_grid import Floats, PixelGrid

Scale = Literal["fine", "coarse"]
"""The two pixel sizes of sky cells."""
SCALES: tuple[Scale, ...] = get_args(Scale)
_ARCSEC: dict[Scale, float] = {"fine": 0.04, "coarse": 0.12}  # cell_utils.SUPPORTED_SCALES


@dataclass(frozen=True)
class DeclinationBand:
    """The projection cells of one declination."""

    first: int
    """Number of its first projection cell, whose centre is at RA 0."""
    count: int
    """How many projection cells it has."""
    dec: float
    """Declination of their centres, degrees."""
    shape: tuple[int, int]
    """Columns and rows of each, pixels of the table's scale."""


@dataclass(frozen=True)
class Tessellation:
    """What the table says."""

    bands: tuple[DeclinationBand, ...]
    """From south to north, numbered without a gap."""
    scale: float
    """Pixel size of the projection cells, arcsec."""
    overlap: int
    """Half of what neighbouring sky cells share, pixels of `scale`."""
    cells_a_side: int
    """Sky cells along each axis of a projection cell."""

    @property
    def count(self) -> int:
        """Number of projection cells."""
        return self.bands[-1].first + self.bands[-1].count

    @cached_property
    def centres(self) -> Floats:
        """RA, Dec of the centres of the projection cells in degrees, shape (count, 2)."""
        return np.array(
            [[i * 360.0 / band.count, band.dec] for band in self.bands for i in range(band.count)]
        )

    @cached_property
    def shapes(self) -> NDArray[np.int64]:
        """Columns and rows of the projection cells, shape (count, 2)."""
        return np.array([band.shape for band in self.bands for _ in range(band.count)])


@dataclass(frozen=True)
class CellGrids:
    """The grids of all sky cells of one scale.

    Cell 1 begins where its projection cell does. Cell ``i`` begins ``i - 1`` steps further, a step
    being a whole number of the table's pixels; it is two overlaps longer than a step. So fine
    cells of a projection cell share one pixel grid. For the coarse ones drizzlepac multiplies
    CRPIX by the ratio of the scales (0.04 / 0.12): their grids differ from one another by thirds
    of a pixel (the step of 21,442 fine pixels is no multiple of three), and their outer edges lie a
    third of a coarse pixel beside those of the fine cells, because FITS counts from the middle of
    the first pixel. That is kept: the archive's mosaics have it.
    """

    tessellation: Tessellation
    scale: Scale

    @property
    def arcsec(self) -> float:
        """Pixel size, arcsec."""
        return _ARCSEC[self.scale]

    @property
    def ratio(self) -> float:
        """Pixels of this scale in one of the table's, along an axis."""
        return self.tessellation.scale / self.arcsec

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """From one cell to the next, pixels of the table, shape (projection cells, 2)."""
        each = self.tessellation.shapes / self.tessellation.cells_a_side
        return np.floor(each + 0.5).astype(np.int64)

    @cached_property
    def shapes(self) -> NDArray[np.int64]:
        """Columns and rows of the sky cells, shape (projection cells, 2)."""
        whole = (self.steps + 2 * self.tessellation.overlap) * self.ratio
        return whole.astype(np.int64)

    def crpix(self, numbers: NDArray[np.int64], cells: NDArray[np.int64]) -> Floats:
        """Return CRPIX of sky cells, shape (n, 2).

        Parameters
        ----------
        numbers : array, shape (n,)
            Of the projection cells.
        cells : array, shape (n, 2)
            x, y of the sky cells in them, counted from 1.
        """
        middle = self.tessellation.shapes[numbers] / 2.0 + 0.5
        return (middle - (cells - 1) * self.steps[numbers]) * self.ratio

    def grid_of(self, projection_cell: int, x: int, y: int) -> PixelGrid:
        """Return the pixel grid of a sky cell."""
        crpix = self.crpix(np.array([projection_cell]), np.array([[x, y]]))[0]
        ra, dec = self.tessellation.centres[projection_cell]
        columns, rows = self.shapes[projection_cell]
        return PixelGrid(
            crval=(float(ra), float(dec)),
            crpix=(float(crpix[0]), float(crpix[1])),
            scale=self.arcsec,
            rot=0.0,
            shape=(int(columns), int(rows)),
        )
