"""What the comparison measures on pixels: exposures and mosaics of the store, in cells of sky."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from skymosaic.evidence.cells import CellGrid, Cells, ChipImage
from skymosaic.evidence.cells import Floats as Doubles
from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.evidence.evidence import Measurements
from skymosaic.evidence.mosaic import in_cells
from skymosaic.evidence.reduction import Floats, block_side
from skymosaic.host import limits
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.chip_steps import steps_in_cells, steps_of
from skymosaic.pipeline.levels import (
    KnownLevels,
    LevelSettings,
    cells_of,
    cells_of_grid,
    known_levels,
    read_chips,
    without_steps,
)
from skymosaic.pipeline.results import AlignResult, LevelsResult, Planned, RetrieveResult
from skymosaic.sky.values import SkyValue, mean_of_chips
from skymosaic.steps.bench import Bench
from skymosaic.steps.finished import Finished
from skymosaic.store import Product

_AT_ONCE = 4  # exposures read at once: gather runs alone, and each takes some 100 MB


@dataclass(frozen=True)
class Observed:
    """The exposures in cells of the sky, and what is known of them beside any mosaic."""

    cells: Sequence[Cells]
    """Of those that have a valid pixel."""
    side: int
    """Of a cell, pixels of the mosaics."""
    scale: float
    """Side of the pixel that levels refer to, arcsec."""
    chips: ChipsSummary | None
    """What is known of the skies of chips."""
    truth: Mapping[str, float] | None
    """The true skies, if the data are simulated."""
    unseen: Sequence[str]
    """Exposures without a valid pixel."""


def observe(
    bench: Bench,
    exposures: Sequence[Exposure],
    aligned: Finished[AlignResult],
    planned: Planned,
    retrieved: Sequence[Finished[RetrieveResult]],
    chips: ChipsSummary | None = None,
    levels: Mapping[str, Finished[LevelsResult]] = MappingProxyType({}),
) -> Observed | None:
    """Return the exposures in cells; None where none has a valid pixel.

    Parameters
    ----------
    bench : Bench
        Of the step.
    exposures : sequence of Exposure
        What was drizzled.
    aligned : Finished
        The step that holds their files.
    planned : Planned
        The output grid and AstroDrizzle's parameters.
    retrieved : sequence of Finished
        Where the truth lies, if the data are simulated.
    chips : mapping or None
        What the differences on the common grid tell of the skies of chips; None where they were
        not looked at there.
    levels : mapping of str to Finished
        By rootname what tasks brought into cells already; the others are opened here.
    """
    settings = LevelSettings.of(exposures, planned)
    if settings is None:  # brightness_factor refuses it, too
        return None

    def pixels(exposure: Exposure) -> list[ChipImage]:
        return read_chips(bench, aligned.products[exposure.name], exposure, settings)

    def known(exposure: Exposure) -> KnownLevels | None:
        one = levels.get(exposure.rootname)
        return None if one is None else known_levels(bench, one, exposure)

    first = levels.get(exposures[0].rootname)
    side = settings.side_of(pixels(exposures[0])) if first is None else first.result.side
    found, chips = _in_cells(exposures, pixels, known, settings.cells(side), chips)
    if not found:
        return None
    seen = {one.rootname for one in found}
    return Observed(
        found,
        side,
        settings.scale,
        chips,
        _truth(bench, retrieved, exposures, settings.scale),
        [one.rootname for one in exposures if one.rootname not in seen],
    )


def measurements(
    observed: Observed,
    exposures: Sequence[Exposure],
    planned: Planned,
    skies: Mapping[str, Sequence[SkyValue]],
    previews: Mapping[str, Floats],
) -> Measurements:
    """Return the exposures and the mosaics in cells.

    Parameters
    ----------
    observed : Observed
        The exposures in cells.
    exposures : sequence of Exposure
        What was drizzled.
    planned : Planned
        The output grid and AstroDrizzle's parameters.
    skies : mapping of str to sequence of SkyValue
        What each method subtracted.
    previews : mapping of str to array
        Each method's mosaic, as its run reduced it.
    """
    return Measurements(
        cells=observed.cells,
        grid=cells_of_grid(planned.grid, observed.side),
        skies={m: by_exposure(values, observed.scale) for m, values in skies.items()},
        pixel_scale=observed.scale,
        cell=observed.side * planned.grid.scale,
        mosaics={
            method: mosaic_in_cells(image, observed, exposures, planned)
            for method, image in previews.items()
        },
        truth=observed.truth,
        chips=observed.chips,
        unseen=observed.unseen,
    )


class _HasCells(Protocol):
    """What tells how exposures are in cells."""

    @property
    def side(self) -> int:
        """Of a cell, pixels of the mosaics."""

    @property
    def scale(self) -> float:
        """Side of the pixel that levels refer to, arcsec."""


def mosaic_in_cells(
    preview: Floats, observed: _HasCells, exposures: Sequence[Exposure], planned: Planned
) -> Doubles:
    """Return a mosaic in the cells of the exposures, e-/s in a pixel of their size.

    Parameters
    ----------
    preview : array
        The mosaic, as its run reduced it.
    observed
        How the exposures are in cells.
    exposures, planned
        As for `measurements`.
    """
    grid, side = planned.grid, observed.side
    # A drizzled pixel holds the brightness times its own area.
    area = (observed.scale / grid.scale) ** 2
    # AstroDrizzle's counts are rates times the exposure time of all exposures together.
    counts = planned.order.parameters.get("final_units", "cps") == "counts"
    seconds = sum(exposure.exptime for exposure in exposures) if counts else 1.0
    blocks = side // block_side(grid.shape[::-1])
    return in_cells(preview, blocks, cells_of_grid(grid, side).shape) * (area / seconds)


def _in_cells(
    exposures: Sequence[Exposure],
    pixels: Callable[[Exposure], list[ChipImage]],
    known: Callable[[Exposure], KnownLevels | None],
    grid: CellGrid,
    chips: ChipsSummary | None,
) -> tuple[list[Cells], ChipsSummary | None]:
    """Return the exposures in cells, their chips made level; and what is known of their steps."""

    def chip_by_chip(exposure: Exposure) -> list[Cells | None]:
        if (levels := known(exposure)) is not None:
            return levels.chips
        return [cells_of(exposure, [part], grid) for part in pixels(exposure)]

    def in_one(exposure: Exposure) -> Cells | None:
        # A step between chips is no gradient: it is told by itself.
        steps, levels = steps_of(chips, exposure), known(exposure)
        if levels is not None and levels.steps == steps:
            return levels.level
        return cells_of(exposure, without_steps(pixels(exposure), steps), grid)

    with ThreadPoolExecutor(min(_AT_ONCE, limits.cores())) as pool:
        if chips is None and any(len(exposure.chips) > 1 for exposure in exposures):
            each = [one for its in pool.map(chip_by_chip, exposures) for one in its]
            if any(one is not None for one in each):
                chips = steps_in_cells(exposures, each, grid.shape)
        return [one for one in pool.map(in_one, exposures) if one is not None], chips


def by_exposure(values: Sequence[SkyValue], scale: float) -> dict[str, float | None]:
    """Return one sky an exposure, e-/s in a pixel of the common size: the mean of its chips'."""
    each: dict[str, list[float | None]] = {}
    for value in values:
        each.setdefault(value.rootname, []).append(value.brightness)
    means = {rootname: mean_of_chips(skies) for rootname, skies in each.items()}
    return {name: None if mean is None else mean * scale**2 for name, mean in means.items()}


def truth_products(
    retrieved: Sequence[Finished[RetrieveResult]], exposures: Sequence[Exposure]
) -> dict[str, Product] | None:
    """Return the files that hold the true skies of exposures; None for real data."""
    products = {name: p for step in retrieved for name, p in step.products.items()}
    names = [f"{exposure.rootname}_truth.json" for exposure in exposures]
    return {name: products[name] for name in names} if all(n in products for n in names) else None


def _truth(
    bench: Bench,
    retrieved: Sequence[Finished[RetrieveResult]],
    exposures: Sequence[Exposure],
    scale: float,
) -> dict[str, float] | None:
    """Return the true skies that the simulator wrote beside its exposures; None for real data.

    It writes rates, also for cameras whose files are in electrons.
    """
    products = truth_products(retrieved, exposures)
    if products is None:
        return None

    def read(product: Product) -> float:
        with bench.open(product) as file:
            return float(json.load(file)["sky"])  # e-/s, whatever the unit of the pixels

    with ThreadPoolExecutor(min(_AT_ONCE, limits.cores())) as pool:
        skies = list(pool.map(read, products.values()))
    true = {}
    for exposure, sky in zip(exposures, skies, strict=True):
        own = exposure.chips[0].idcscale
        true[exposure.rootname] = sky if own is None else sky * (scale / own) ** 2
    return true
