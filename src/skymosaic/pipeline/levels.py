"""The tasks that bring each exposure into cells of the sky, for the comparison of the methods.

The comparison itself reads these small arrays, and no task has to open every exposure.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from astropy.nddata.bitmask import bitfield_to_boolean_mask
from astropy.wcs import WCS, FITSFixedWarning

from skymosaic.drizzle.grid import Grid
from skymosaic.evidence.cells import CellGrid, Cells, ChipImage, cell_side, measure_cells
from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.evidence.reduction import block_side
from skymosaic.hst.exposure import Exposure
from skymosaic.methods import OWN
from skymosaic.pipeline.chip_steps import steps_of
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.images import Images
from skymosaic.pipeline.onepass_results import SkiesResult
from skymosaic.pipeline.results import LEVELS, LevelsResult, Planned
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

_VERSION = 1
"""Version of how exposures are brought into cells; part of the key of their steps."""


@dataclass(frozen=True)
class LevelSettings:
    """What all exposures have in common."""

    grid: Grid
    """Of the mosaics."""
    scale: float
    """Side of the pixel that levels refer to, arcsec."""
    ignored: Any
    """Flags of DQ that AstroDrizzle's sky step takes for good: its `sky_bits`."""

    @classmethod
    def of(cls, exposures: Sequence[Exposure], planned: Planned) -> LevelSettings | None:
        """Return those of a campaign; None where nothing tells the size of the pixels."""
        scale = exposures[0].chips[0].scale if exposures else None
        ignored = planned.order.parameters.get("sky_bits", 0)
        return None if scale is None else cls(planned.grid, scale, ignored)

    def side_of(self, chips: Sequence[ChipImage]) -> int:
        """Return the side of a cell, pixels of the mosaic, by the chips of the first exposure."""
        widest = max(max(chip.science.shape) for chip in chips)
        columns, rows = self.grid.shape
        return cell_side(self.grid.scale, self.scale, widest, block_side((rows, columns)))

    def cells(self, side: int) -> CellGrid:
        """Return the grid of cells of this side."""
        return cells_of_grid(self.grid, side)


def cells_of_grid(grid: Grid, side: int) -> CellGrid:
    """Return the grid of cells of a side that a mosaic has."""
    columns, rows = grid.shape
    return CellGrid(grid.wcs(), side, (-(-rows // side), -(-columns // side)))


def make_levels(
    calls: Calls, place: Place, images: Images, planned: Planned, skies: Any, homes: Homes
) -> list[Any]:
    """Make a task of each exposure; none where nothing tells the size of the pixels.

    Parameters
    ----------
    calls, place, images, planned, homes
        As for the other tasks of exposures.
    skies : call
        That gives the skies, and with them, what chips of an exposure differ by.
    """
    exposures = images.exposures
    settings = LevelSettings.of(exposures, planned)
    if settings is None:
        return []
    several = any(len(exposure.chips) > 1 for exposure in exposures)
    found: list[Any] = []
    for exposure in exposures:
        act = partial(measure_levels, place, settings, (exposure, images.products[exposure.name]))
        # All have the cells of the first one.
        first, near = found[0] if found else None, homes.of([exposure.rootname])
        known = skies if several else None
        name = "measure_levels"
        found.append(calls.call(act, first, known, name=name, of=exposure.rootname, near=near))
    return found


def measure_levels(
    place: Place,
    settings: LevelSettings,
    one: tuple[Exposure, Product],
    first: Finished[LevelsResult] | None,
    skies: Finished[SkiesResult] | None,
) -> Finished[LevelsResult]:
    """Bring one exposure into cells; `first`: that of the first exposure, None of this one."""
    exposure, product = one
    steps = steps_of(None if skies is None else chips_of(skies.result), exposure)

    def work(bench: Bench) -> LevelsResult:
        with computing_slot(place):
            chips = read_chips(bench, product, exposure, settings)
            side = settings.side_of(chips) if first is None else first.result.side
            grid = settings.cells(side)
            found = {_LEVEL: cells_of(exposure, without_steps(chips, steps), grid)}
            if len(chips) > 1:
                found |= {
                    _chip(number): cells_of(exposure, [chip], grid)
                    for number, chip in enumerate(chips)
                }
            table = f"{exposure.rootname}_levels.npz"
            _save(bench.out / table, found)
        return LevelsResult(exposure.rootname, side, steps, table)

    return run_step(
        place,
        LEVELS.step(exposure.rootname),
        inputs={exposure.name: product},
        parameters={
            "version": _VERSION,
            "grid": settings.grid.to_dict(),
            "side": None if first is None else first.result.side,
            "scale": settings.scale,
            "sky_bits": settings.ignored,
            "steps": steps,
        },
        versions=versions(),
        work=work,
    )


def chips_of(skies: SkiesResult) -> ChipsSummary | None:
    """Return what chips differ by, as far as differences on the common grid were looked at."""
    found = skies.differences
    return next((found[method].chips for method in OWN if method in found), None)


@dataclass(frozen=True)
class KnownLevels:
    """An exposure in cells, as its task stored it."""

    steps: list[float]
    """What was taken off its chips first, e-/s in a pixel of each."""
    level: Cells | None
    """All chips together; None where there is no valid pixel."""
    chips: list[Cells | None]
    """Each of several chips, as it is."""


def known_levels(bench: Bench, done: Finished[LevelsResult], exposure: Exposure) -> KnownLevels:
    """Return what the task of an exposure stored."""
    with bench.open(done.products[done.result.table]) as file:
        found = _load(file)
    chips = [found.get(_chip(number)) for number in range(len(exposure.chips))]
    return KnownLevels(done.result.steps, found.get(_LEVEL), chips)


def cells_of(exposure: Exposure, chips: Sequence[ChipImage], grid: CellGrid) -> Cells | None:
    """Return chips of an exposure in cells."""
    return measure_cells(exposure.rootname, chips, grid, exposure.exptime)


def without_steps(chips: Sequence[ChipImage], steps: Sequence[float]) -> list[ChipImage]:
    """Return chips without the steps between them: a step between chips is no gradient."""
    return [
        replace(chip, science=chip.science - np.float32(step / chip.factor)) if step else chip
        for chip, step in zip(chips, steps, strict=True)
    ]


def read_chips(
    bench: Bench, product: Product, exposure: Exposure, settings: LevelSettings
) -> list[ChipImage]:
    """Read the chips of an exposure; the pixels that AstroDrizzle's sky step counts as good."""
    chips = []
    with (
        bench.open(product) as file,
        fits.open(file, memmap=False) as hdus,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", FITSFixedWarning)
        for chip in exposure.chips:
            hdu = hdus["SCI", chip.extver]
            science = np.asarray(hdu.data, dtype=np.float32)
            good = bitfield_to_boolean_mask(
                hdus["DQ", chip.extver].data, ignore_flags=settings.ignored, good_mask_value=True
            ).astype(bool)
            factor = exposure.brightness_factor(chip.extver) * settings.scale**2
            chips.append(
                ChipImage(science, good & np.isfinite(science), WCS(hdu.header, hdus), factor)
            )
    return chips


_LEVEL = "level"


def _chip(number: int) -> str:
    return f"chip{number}"


def _save(path: Path, cells: Mapping[str, Cells | None]) -> None:
    """Write what is in cells by its name; what has no valid pixel is left out."""
    arrays = {
        f"{name}.{part.name}": np.asarray(getattr(one, part.name))
        for name, one in cells.items()
        if one is not None
        for part in fields(one)
    }
    np.savez_compressed(path, allow_pickle=False, **arrays)


def _load(file: Any) -> dict[str, Cells]:
    found: dict[str, dict[str, Any]] = {}
    with np.load(file, allow_pickle=False) as arrays:
        for key in arrays.files:
            name, part = key.split(".")
            values = arrays[key]
            found.setdefault(name, {})[part] = values if values.ndim == 2 else values.tolist()
    return {
        name: Cells(**{**parts, "corner": tuple(parts["corner"])}) for name, parts in found.items()
    }
