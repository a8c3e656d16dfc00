"""The cells that a campaign's mosaics are cut into: which there are, and who touches them.

Sky cells have grids of their own. Square cells are rectangles of the common grid, pixel on pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymosaic.config.grid import CellLayout
from skymosaic.config.skycell_table import tessellation
from skymosaic.drizzle.grid import Grid, Outline
from skymosaic.drizzle.sky_cell import SkyCellPart, cropped, scale_for, sky_cell
from skymosaic.errors import DrizzleError, InputError
from skymosaic.hst.exposure import Exposure
from skymosaic.sky import skycells
from skymosaic.sky.clipping import overlap
from skymosaic.sky.outlines import Outlines
from skymosaic.steps.results import Omitted

Integers = NDArray[np.int64]
REACH = 1.0
"""Pixels that a chip may reach beyond its outline: boxes of kernels stand out of turned pixels."""
REACH_OF = {"gaussian": 9.0}
"""The same of kernels that reach farther."""
NOISE = 1
"""Version of how it is found who shares noise with a cell; part of keys."""
MOST_CELLS = 10_000
"""Square cells of a campaign, at most: each is a step with a manifest of its own."""


@dataclass(frozen=True)
class Cell:
    """A cell, and what lies in it."""

    name: str
    """``skycell-p1889x07y19``, or ``x01y03`` of square cells: column and row, from 1."""
    grid: Grid
    """Of its mosaics."""
    exposures: list[str]
    """Rootnames of those that touch it, in the order of the campaign."""
    part: Omitted[SkyCellPart] = None
    """Which part of which sky cell it is; None: of none."""
    near: Omitted[list[str]] = None
    """Rootnames of others that share noise with its pixels at an edge; for the error plane."""


def cut(
    layout: CellLayout,
    grid: Grid,
    exposures: Sequence[Exposure],
    outlines: Sequence[Sequence[Outline]],
    kernel: str = "square",
    *,
    errors: bool = False,
) -> list[Cell]:
    """Return the cells that exposures touch, in the order of their names.

    Parameters
    ----------
    layout : CellLayout
        What the campaign file asks.
    grid : Grid
        The one that holds all exposures.
    exposures : sequence of Exposure
        Which.
    outlines : sequence of sequence of array of shape (n, 2)
        For each exposure its chips: RA, Dec in degrees.
    kernel : str
        Of the drizzle.
    errors : bool
        Whether they get error planes: then it is told who shares noise with square cells.

    Raises
    ------
    DrizzleError
        They are so small that there would be more than `MOST_CELLS`.
    """
    if layout.layout == "square":
        assert layout.size is not None  # the campaign file was checked
        reach = REACH_OF.get(kernel, REACH)
        found = _squares(layout.size, grid, outlines, reach)
        margin = noise_margin(kernel, grid, exposures) if errors else 0
        wide = _squares(layout.size, grid, outlines, reach + margin) if errors else ()
        around = {cell.name: members for cell, members in wide}
    else:
        found, around = _sky_cells(layout, exposures, outlines), {}
    names = [exposure.rootname for exposure in exposures]
    cells = []
    for cell, members in found:
        beside = sorted({*around.get(cell.name, ())} - {*members})
        near = [names[index] for index in beside] or None
        cells.append(replace(cell, exposures=[names[index] for index in members], near=near))
    return cells


def cells_key(layout: CellLayout, kernel: str, *, errors: bool = False) -> dict[str, Any]:
    """Return what the cells depend on beside the exposures and their grid: a part of a key."""
    chosen = layout.model_dump(mode="json", exclude={"names"}, exclude_none=True)
    noise = {"noise": NOISE} if errors and layout.layout == "square" else {}
    return {**chosen, "reach": REACH_OF.get(kernel, REACH), **noise}


def noise_margin(kernel: str, grid: Grid, exposures: Sequence[Exposure]) -> int:
    """Return how far apart two pixels of a mosaic can be that share noise, pixels.

    A pixel of a chip falls into both: they lie in the square that it becomes, whatever its angle,
    or in the box of its gaussian (``cdrizzlebox.c``: 1.2 pixels of the chip to each side).

    Parameters
    ----------
    kernel : str
        Of the drizzle; a pixfrac below 1 makes it less.
    grid : Grid
        Of the mosaic.
    exposures : sequence of Exposure
        What falls on it.
    """
    scales = [chip.scale for one in exposures for chip in one.chips if chip.scale]
    ratio = max(scales, default=grid.scale) / grid.scale
    across = 2.4 if kernel == "gaussian" else math.sqrt(2.0)
    return 0 if kernel == "point" else math.ceil(across * ratio) + 1


def with_surroundings(cell: Grid, common: Grid, margin: int) -> tuple[Grid, tuple[int, int]]:
    """Return a square cell with some pixels of the common grid around it.

    Parameters
    ----------
    cell, common : Grid
        The cell's, and the one that it is a part of.
    margin : int
        How many pixels, as far as the common grid goes.

    Returns
    -------
    Grid, (int, int)
        The larger grid, and columns and rows of it that lie before the cell.
    """
    before, after = [], []
    for axis in (0, 1):
        corner = round(common.crpix[axis] - cell.crpix[axis])
        before.append(min(margin, corner))
        after.append(min(margin, common.shape[axis] - corner - cell.shape[axis]))
    left, below = before
    shape = (cell.shape[0] + left + after[0], cell.shape[1] + below + after[1])
    crpix = (cell.crpix[0] + left, cell.crpix[1] + below)
    return replace(cell, crpix=crpix, shape=shape), (left, below)


def bound_cells(cells: Sequence[Cell], max_megapixels: float) -> None:
    """Refuse cells that are too large, before anything is allocated.

    Raises
    ------
    DrizzleError
        It names the largest.
    """
    largest = max(cells, key=lambda cell: cell.grid.shape[0] * cell.grid.shape[1], default=None)
    if largest is None:
        return
    columns, rows = largest.grid.shape
    if columns * rows > max_megapixels * 1e6:
        raise DrizzleError(
            f"cell {largest.name} would have {columns} x {rows} = {columns * rows / 1e6:.0f} "
            f"megapixels, more than drizzle.max_output_megapixels = {max_megapixels:g}: set "
            "drizzle.grid.cells.crop to true or scale to coarse, or raise the limit"
        )


def require_one_filter(exposures: Sequence[Exposure]) -> None:
    """Refuse exposures that one name of the Hubble Advanced Products cannot stand for.

    Raises
    ------
    InputError
        They are of several detectors or filters.
    """
    kinds = sorted({f"{e.instrument}/{e.detector} {e.filter}" for e in exposures})
    if len(kinds) > 1:
        raise InputError(
            f"drizzle.grid.cells.names: hap names one detector and one filter, and the exposures "
            f"are of {', '.join(kinds)}: make a mosaic of each (groups: {{}}), or leave names out"
        )


def times_drizzled(cells: Sequence[Cell]) -> float:
    """Return in how many cells an exposure lies in the mean."""
    exposures = {name for cell in cells for name in cell.exposures}
    return sum(len(cell.exposures) for cell in cells) / max(len(exposures), 1)


def largest_cell(
    layout: CellLayout, detectors: Sequence[tuple[str, str]]
) -> tuple[tuple[int, int], float | None]:
    """Return columns and rows that a cell can have at most, and its pixel size.

    Parameters
    ----------
    layout : CellLayout
        What the campaign file asks.
    detectors : sequence of (str, str)
        INSTRUME and DETECTOR of the exposures, as far as they are known.

    Returns
    -------
    (int, int), float or None
        The shape; arcsec, None: that of the common grid.
    """
    if layout.layout == "square":
        assert layout.size is not None  # the campaign file was checked
        return layout.size, None
    whole = skycells.cell(
        "skycell-p0000x01y01", layout.scale or scale_for(detectors), tessellation()
    ).grid
    return whole.shape, whole.scale


def _squares(
    size: tuple[int, int], grid: Grid, outlines: Sequence[Sequence[Outline]], reach: float
) -> list[tuple[Cell, list[int]]]:
    chips = Outlines.of(outlines)
    pixels = grid.pixels.to_pixels(chips.vectors)
    seen = np.isfinite(pixels).all(axis=(1, 2))
    pixels, owners = pixels[seen], chips.exposures[seen]
    shape, side = np.array(grid.shape), np.array(size)
    many = -(-shape // side)
    if many.prod() > MOST_CELLS:
        raise DrizzleError(
            f"drizzle.grid.cells.size: {size[0]} x {size[1]} pixels cut the common grid of "
            f"{grid.shape[0]} x {grid.shape[1]} into {many.prod()} cells, more than {MOST_CELLS}: "
            "each is a step of its own; set a larger size"
        )
    # Of each chip the cells of its bounding box; columns and rows from 0.
    first = np.floor((pixels.min(axis=1) - reach - 0.5) / side).clip(0, many - 1).astype(int)
    last = np.floor((pixels.max(axis=1) + reach - 0.5) / side).clip(0, many - 1).astype(int)
    spans = last - first + 1
    counts = spans.prod(axis=1)
    chip = np.repeat(np.arange(len(pixels)), counts)
    place = np.arange(len(chip)) - np.repeat(np.cumsum(counts) - counts, counts)
    places = first[chip] + np.stack([place // spans[chip, 1], place % spans[chip, 1]], axis=1)
    low = places * side + 0.5
    high = np.minimum(low + side, shape + 0.5)
    hit = overlap(pixels[chip], low - reach, high + reach)
    rows = np.unique(np.column_stack([places[hit], owners[chip[hit]]]), axis=0)
    names, starts = np.unique(rows[:, :2], axis=0, return_index=True)
    members = np.split(rows[:, 2], starts[1:]) if len(names) else []
    digits = max(2, len(str(int(many.max()))))
    return [
        (_square(grid, (int(x), int(y)), size, digits), list(map(int, each)))
        for (x, y), each in zip(names, members, strict=True)
    ]


def _square(grid: Grid, place: tuple[int, int], size: tuple[int, int], digits: int) -> Cell:
    corner = (place[0] * size[0], place[1] * size[1])
    columns, rows = (min(size[axis], grid.shape[axis] - corner[axis]) for axis in (0, 1))
    crpix = (grid.crpix[0] - corner[0], grid.crpix[1] - corner[1])
    name = f"x{place[0] + 1:0{digits}d}y{place[1] + 1:0{digits}d}"
    return Cell(name, replace(grid, crpix=crpix, shape=(columns, rows)), [])


def _sky_cells(
    layout: CellLayout, exposures: Sequence[Exposure], outlines: Sequence[Sequence[Outline]]
) -> list[tuple[Cell, list[int]]]:
    scale = layout.scale or scale_for([(one.instrument, one.detector) for one in exposures])
    found = []
    for touched in skycells.cells_touched(outlines, scale, tessellation()):
        part = sky_cell(touched.cell.name, scale)
        grid = part.whole
        if layout.crop:
            grid, part = cropped(part, [outlines[index] for index in touched.exposures])
        found.append((Cell(part.name, grid, [], part), list(touched.exposures)))
    return found
