"""The mosaics of one cell: what touches it is drizzled on its grid, with skies found before.

Skies and masks are those of the run that compared all exposures on their common grid. So cells fit
each other, and square ones are the one mosaic cut in pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.kept_masks import read_masks
from skymosaic.drizzle.missing_pixels import fill_missing
from skymosaic.drizzle.onepass.drizzling import drizzling
from skymosaic.drizzle.onepass.errors import Surroundings, add_errors
from skymosaic.drizzle.onepass.frames import ChipMasks, Frames
from skymosaic.drizzle.onepass.mosaics import (
    add_sky_keyword,
    make_headers,
    read_headers,
    write_mosaics,
)
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.skies import AppliedSky
from skymosaic.drizzle.onepass.sums import Elsewhere, Tilt
from skymosaic.hst.exposure import Exposure


@dataclass(frozen=True)
class CellWork:
    """What the mosaics of a cell are made from, beside files.

    Parameters
    ----------
    grid : Grid
        Of the cell.
    exposures : sequence of Exposure
        Those that touch it.
    near : sequence of Exposure
        Those that share noise with it, of which no pixel falls into it.
    around : (Grid, (int, int)) or None
        The grid with the pixels beside it that share noise with its own, and columns and rows of
        that which lie before the cell's; None: there are none.
    skies : mapping of str to AppliedSky
        Of their chips, by the mosaics' names, with planes on the grid of the cell.
    outputs : mapping of str to str
        Root name of the products, by the mosaics' names.
    parameters : mapping
        AstroDrizzle's, as from `parameters.resolve`.
    errors : bool
        Whether each mosaic gets an error plane.
    processes : int
        How many chips to drizzle at once.
    """

    grid: Grid
    exposures: Sequence[Exposure]
    skies: Mapping[str, AppliedSky]
    outputs: Mapping[str, str]
    parameters: Mapping[str, Any]
    errors: bool = False
    processes: int = 1
    near: Sequence[Exposure] = ()
    around: tuple[Grid, tuple[int, int]] | None = None


def drizzle_cell(
    folder: Path, log: Path, work: CellWork, masks: Mapping[str, Path]
) -> dict[str, Drizzled]:
    """Drizzle what touches a cell, and make its mosaics of all skies.

    Parameters
    ----------
    folder : Path
        Holds private copies of the exposures, and gets the products.
    log : Path
        File for what drizzlepac prints.
    work : CellWork
        What to make.
    masks : mapping of str to Path
        By rootname: which pixels of an exposure the run left out, as `kept_masks` writes it.

    Raises
    ------
    DrizzleError
        drizzlepac failed.
    InputError
        Pixels that are no numbers would be used.
    """
    grid, every = work.grid, [*work.exposures, *work.near]
    wide, corner = work.around or (grid, (0, 0))
    fill_missing(folder, every, work.parameters)
    final = final_of(work.parameters) | {"error": work.errors}
    frames = Frames(folder, log, work.exposures, final, kept_chip_masks(folder, every, masks))
    add_sky_keyword(frames)
    with drizzling(replace(frames, exposures=every), wide, work.processes) as wait:
        # The headers are made while the last chips are drizzled.
        root = next(iter(work.outputs.values()))
        make_headers(frames, grid, root)
        around = wait()
    own = sum(len(exposure.chips) for exposure in work.exposures)
    chips = around.within(corner, grid.shape, own)
    mosaics = write_mosaics(
        frames, grid, chips, work.skies, work.outputs, read_headers(folder, root)
    )
    if work.errors:
        surroundings = Surroundings(wide, around)
        mosaics = add_errors(frames, grid, chips, mosaics, work.processes, surroundings)
    chips.remove()
    return mosaics


def kept_chip_masks(
    folder: Path, exposures: Sequence[Exposure], masks: Mapping[str, Path]
) -> ChipMasks:
    """Write the masks of chips, which `kept_masks` has by rootname, as the resampler reads them."""
    low: dict[str, str] = {}
    for exposure in exposures:
        for key, mask in read_masks(masks[exposure.rootname], [exposure]).items():
            if mask.any():
                low[key] = f"mask_{len(low)}.npy"
                np.save(folder / low[key], mask)
    return ChipMasks(low, {})


def tilts_on(tilts: Sequence[Tilt], common: Grid, cell: Grid) -> tuple[Tilt, ...]:
    """Return planes that were found on one grid as they are on another.

    Parameters
    ----------
    tilts : sequence of Tilt
        On the common grid.
    common, cell : Grid
        Both grids.
    """
    if (common.crval, common.scale, common.rot) == (cell.crval, cell.scale, cell.rot):
        left, below = (common.crpix[axis] - cell.crpix[axis] for axis in (0, 1))
        return tuple(replace(tilt, x=tilt.x - left, y=tilt.y - below) for tilt in tilts)
    from_one = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    matrix = np.linalg.inv(from_one) @ cell.pixels.transformation(common.pixels) @ from_one
    other = Elsewhere(matrix, (cell.scale / common.scale) ** 2)
    return tuple(replace(tilt, other=other) for tilt in tilts)
