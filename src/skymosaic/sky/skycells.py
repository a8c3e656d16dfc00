"""Sky cells of MAST's multi-visit mosaics: their pixel grids, and which of them exposures touch.

A sky cell is found wherever a chip's polygon shares an area with it, whatever side of a projection
cell it lies on. Where projection cells overlap, an exposure therefore lies in cells of each.
drizzlepac's ``cell_utils.get_sky_cells`` (3.11.0) finds fewer in these places, and has none that is
not found here but along the last few pixels of an edge:

- The edge of a band of declination: it takes a band only if *all* of the exposure's outline lies
  between the band's limits, so cells that an exposure touches across the limit are left out
  (``GridDefs._find_bands``).
- The east of each band's first projection cell: of a footprint in cell 0 of a band the neighbour
  before it is taken to be ``max(-1, 0)``, cell 0 itself, instead of the last of the band
  (``GridDefs.get_projection_cells``); its cells just west of RA 0's projection cell are left out.
- The border of a projection cell: it asks for an overlap with the projection cell itself, beyond
  which its last sky cells reach.
- Corners: its outline is drawn in pixels and smoothed, which takes some pixels off each corner; an
  exposure that reaches into a cell with less is left out. And it takes cells to lie half a pixel
  further along x and y than they do (``ProjectionCell.compute_overlap``).

Its ``get_sky_cells(scale=...)`` scales the pixels of a projection cell but not their number: with
0.12 it finds no cell, or another. Nothing in drizzlepac calls it so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from skymosaic.sky.clipping import clipped_edges, contains, overlap
from skymosaic.sky.outlines import Outlines
from skymosaic.sky.overlaps import unit_vectors
from skymosaic.sky.pixel_grid import Floats, PixelGrid, project
from skymosaic.sky.projection_cells import CellGrids, Scale, Tessellation
from skymosaic.sky.skycell_names import SkyCellName

Integers = NDArray[np.int64]
_AT_ONCE = 10_000  # chips whose candidates are compared together: some hundred MB


@dataclass(frozen=True)
class SkyCell:
    """A sky cell and its pixels."""

    name: str
    """``skycell-p1889x07y19``."""
    scale: Scale
    grid: PixelGrid


@dataclass(frozen=True)
class TouchedCell:
    """A sky cell, and what lies in it."""

    cell: SkyCell
    exposures: tuple[int, ...]
    """Which exposures touch it, by their position, in ascending order."""


@dataclass(frozen=True)
class Crop:
    """A part of a grid, pixel on pixel."""

    corner: tuple[int, int]
    """Columns and rows of the whole grid that lie before the first pixel."""
    grid: PixelGrid
    """The part's own: CRPIX less `corner`, the rest of the WCS that of the whole."""


def cell(name: str, scale: Scale, tessellation: Tessellation) -> SkyCell:
    """Return a sky cell by its name.

    Raises
    ------
    ValueError
        There is none of this name; the message says what a name looks like.
    """
    parsed = SkyCellName.parse(name, tessellation)
    grid = CellGrids(tessellation, scale).grid_of(parsed.projection_cell, parsed.x, parsed.y)
    return SkyCell(str(parsed), scale, grid)


def cells_touched(
    footprints: Sequence[Sequence[Floats]],
    scale: Scale,
    tessellation: Tessellation,
    *,
    reach: float = 0.0,
) -> list[TouchedCell]:
    """Return the sky cells that share an area with exposures, in the order of their names.

    Parameters
    ----------
    footprints : sequence of sequence of array
        For each exposure its chips; each the corners in order, RA and Dec in degrees, shape (n, 2),
        or unit vectors, shape (n, 3). Corners are joined by great circles: the edges of a distorted
        chip bend away from that, so give points along its edges, or a `reach`.
    scale : {"fine", "coarse"}
        Of the cells.
    tessellation : Tessellation
        From the table of projection cells.
    reach : float
        How far beyond its border a cell is touched, arcsec; if negative, how far within.

    Raises
    ------
    ValueError
        A footprint is no polygon.
    """
    outlines = Outlines.of(footprints)
    grids = CellGrids(tessellation, scale)
    parts = [
        _touched(outlines, np.arange(start, min(start + _AT_ONCE, len(outlines.vectors))), grids,
                 reach)
        for start in range(0, len(outlines.vectors), _AT_ONCE)
    ]  # fmt: skip
    return _gathered(np.concatenate([np.empty((0, 4), int), *parts]), grids)


def cells_at(ra: float, dec: float, scale: Scale, tessellation: Tessellation) -> list[SkyCell]:
    """Return the sky cells that hold a position: one, or several where cells overlap.

    Parameters
    ----------
    ra, dec : float
        Degrees.
    """
    east, north = np.array([-1.0, 1.0, 1.0, -1.0]), np.array([-1.0, -1.0, 1.0, 1.0])
    point = unit_vectors(np.array([[ra, dec]]))[0]
    axes = np.cross(point, np.eye(3)[np.argmin(np.abs(point))])
    axes /= np.linalg.norm(axes)
    # A square of two microarcseconds.
    square = point + 5e-12 * (np.outer(east, axes) + np.outer(north, np.cross(point, axes)))
    square /= np.linalg.norm(square, axis=1, keepdims=True)
    return [touched.cell for touched in cells_touched([[square]], scale, tessellation)]


def crop(grid: PixelGrid, footprints: Sequence[Sequence[Floats]], margin: int = 0) -> Crop | None:
    """Return the smallest part of a grid that holds all that lies on it of exposures.

    Parameters
    ----------
    grid : PixelGrid
        Of a sky cell, or any other.
    footprints : sequence of sequence of array
        As in `cells_touched`.
    margin : int
        Pixels more on each side, as far as the grid goes.

    Returns
    -------
    Crop or None
        None: no exposure touches the grid.
    """
    pixels = grid.to_pixels(Outlines.of(footprints).vectors)
    pixels = pixels[np.isfinite(pixels).all(axis=(1, 2))]
    low, high = np.full(2, 0.5), np.array(grid.shape) + 0.5  # outer edges of the pixels
    ends, inside = clipped_edges(pixels, low, high)
    corners = np.array([[x, y] for x in (low[0], high[0]) for y in (low[1], high[1])])
    held = [corner for corner in corners if contains(pixels, corner).any()]
    points = np.concatenate([ends[inside].reshape(-1, 2), np.reshape(held, (-1, 2))])
    if not len(points):
        return None
    first = np.maximum(np.floor(points.min(axis=0) + 0.5) - margin, 1.0).astype(int)
    last = np.minimum(np.ceil(points.max(axis=0) - 0.5) + margin, grid.shape).astype(int)
    left, below = int(first[0]) - 1, int(first[1]) - 1
    part = replace(
        grid,
        crpix=(grid.crpix[0] - left, grid.crpix[1] - below),
        shape=(int(last[0]) - left, int(last[1]) - below),
    )
    return Crop((left, below), part)


def _touched(outlines: Outlines, chips: Integers, grids: CellGrids, reach: float) -> Integers:
    """Return projection cell, row, column and exposure of what chips touch, shape (n, 4)."""
    chip, number = _near(outlines, chips, grids, reach)
    plane = project(outlines.vectors[chip], grids.tessellation.centres[number][:, None])
    seen = np.isfinite(plane).all(axis=(1, 2))
    chip, number = chip[seen], number[seen]
    # Pixels from the point of tangency: RA grows to the left.
    corners = plane[seen] * np.array([-1.0, 1.0]) / grids.arcsec
    grown = reach / grids.arcsec
    pair, cells = _candidates(corners, number, grids, grown)
    crpix = grids.crpix(number[pair], cells)
    low = 0.5 - crpix - grown
    high = grids.shapes[number[pair]] + 0.5 - crpix + grown
    hit = overlap(corners[pair], low, high)
    found = pair[hit]
    return np.column_stack([number[found], cells[hit], outlines.exposures[chip[found]]])


def _near(
    outlines: Outlines, chips: Integers, grids: CellGrids, reach: float
) -> tuple[Integers, Integers]:
    """Return pairs of chips and projection cells whose surrounding circles meet."""
    table = grids.tessellation
    # The last sky cell reaches beyond its projection cell.
    sides = (table.shapes + 4 * table.overlap) * table.scale / 2.0
    largest = np.radians((np.hypot(*sides.T).max() + max(reach, 0.0)) / 3600.0)
    centres, radii = outlines.circles
    angles = np.minimum(radii[chips] + largest, np.pi)
    tree = cKDTree(unit_vectors(table.centres))
    near = tree.query_ball_point(centres[chips], 2.0 * np.sin(angles / 2.0))
    numbers = np.concatenate([np.empty(0, int), *map(np.array, near)]).astype(int)
    return np.repeat(chips, [len(one) for one in near]), numbers


def _candidates(
    corners: Floats, numbers: Integers, grids: CellGrids, grown: float
) -> tuple[Integers, Integers]:
    """Return the cells whose columns and rows are among those of a polygon's bounding box.

    Returns
    -------
    pair : array, shape (n,)
        Which polygon.
    cells : array, shape (n, 2)
        x, y of the sky cell.
    """
    steps = grids.steps[numbers] * grids.ratio
    start = grids.crpix(numbers, np.ones((len(numbers), 2), int)) - 0.5
    side = grids.tessellation.cells_a_side
    least = (corners.min(axis=1) + start - grids.shapes[numbers] - grown) / steps
    most = (corners.max(axis=1) + start + grown) / steps
    first = np.clip(np.floor(least), 0, side).astype(int) + 1
    last = np.clip(np.ceil(most), 0, side).astype(int)
    spans = np.maximum(last - first + 1, 0)
    counts = spans.prod(axis=1)
    pair = np.repeat(np.arange(len(numbers)), counts)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = spans[pair, 1]
    return pair, first[pair] + np.stack([place // rows, place % rows], axis=1)


def _gathered(found: Integers, grids: CellGrids) -> list[TouchedCell]:
    """Return cells with their exposures from rows of projection cell, x, y and exposure."""
    rows = np.unique(found, axis=0)
    names, starts = np.unique(rows[:, :3], axis=0, return_index=True)
    members = np.split(rows[:, 3], starts[1:])
    return [
        TouchedCell(
            SkyCell(
                str(SkyCellName(*map(int, name))),
                grids.scale,
                grids.grid_of(*map(int, name)),
            ),
            tuple(map(int, exposures)),
        )
        for name, exposures in zip(names, members, strict=len(names) > 0)
    ]
