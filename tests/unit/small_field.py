"""Exposures of a small field in cells, as the comparison sees them, and their true skies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS

from skymosaic.evidence.cells import CellGrid, Cells

SHAPE = (100, 120)
PIXELS = 64  # in a cell
NOISE = 0.05  # e-/s, of a pixel
SIDE = 40  # cells along the side of an exposure
SCALE = 0.128  # arcsec


def grid(shape: tuple[int, int] = SHAPE) -> CellGrid:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [85.0, -2.4]
    wcs.wcs.crpix = [shape[1] * 4, shape[0] * 4]
    wcs.wcs.cdelt = [-SCALE / 3600, SCALE / 3600]
    return CellGrid(wcs, 8, shape)


@dataclass(frozen=True)
class Field:
    """Exposures and their true skies."""

    cells: list[Cells]
    skies: dict[str, float]

    def mosaic(self, subtracted: dict[str, float], shape: tuple[int, int] = SHAPE) -> np.ndarray:
        """Put the exposures together, each less what was subtracted."""
        total = np.zeros(shape)
        weight = np.zeros(shape)
        for one in self.cells:
            total[one.window] += one.weight * (one.level - subtracted[one.rootname])
            weight[one.window] += one.weight
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(weight > 0, total / weight, np.nan)


def make(
    places: dict[str, tuple[int, int]],
    skies: dict[str, float],
    scene: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda row, column: 0.0 * row,
    seed: int = 1,
    weights: dict[str, float] | None = None,
) -> Field:
    """Return exposures of `SIDE` x `SIDE` cells at the given corners (row, column)."""
    random = np.random.default_rng(seed)
    cells = []
    for name, (row, column) in places.items():
        rows, columns = np.mgrid[row : row + SIDE, column : column + SIDE].astype(float)
        noise = 1.2533 * NOISE / np.sqrt(PIXELS) * random.standard_normal((SIDE, SIDE))
        level = scene(rows, columns) + skies[name] + noise
        cells.append(
            Cells(
                rootname=name,
                corner=(row, column),
                level=level.astype(np.float32),
                count=np.full((SIDE, SIDE), PIXELS, dtype=np.int32),
                covered=np.ones((SIDE, SIDE), dtype=bool),
                noise=NOISE,
                weight=(weights or {}).get(name, 700.0),
            )
        )
    return Field(cells, dict(skies))


def two_by_two(overlap: int = 10) -> dict[str, tuple[int, int]]:
    step = SIDE - overlap
    return {"a": (5, 5), "b": (5, 5 + step), "c": (5 + step, 5), "d": (5 + step, 5 + step)}
