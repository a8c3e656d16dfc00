"""The tasks that sum the mosaics of all skies, a task a rectangle of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skymosaic.drizzle.memory import HELD, planes_of
from skymosaic.drizzle.onepass.blocks import Block, blocks_of
from skymosaic.drizzle.onepass.mosaics import fill_of
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.stored import Box, HeldPieces, StoredChip
from skymosaic.drizzle.onepass.sums import Band, Tilt, sum_pieces
from skymosaic.hst.exposure import Exposure
from skymosaic.methods import word
from skymosaic.pipeline.block_pixels import fetch_chips
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.onepass_results import BLOCK, BlockResult, SingleResult, SkiesResult
from skymosaic.pipeline.results import Planned
from skymosaic.pipeline.skies import skies_of
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what is made of a block; part of its step's key."""


@dataclass(frozen=True)
class OfAllBlocks:
    """What all blocks have in common."""

    scale: float
    """What the mosaics are multiplied with."""
    fill: float | None
    planes: int
    """Of the context image (count); 0: there is none."""


@dataclass(frozen=True)
class BlockJob:
    """What the task of one block needs beside what was drizzled: nothing of all exposures."""

    block: Block
    firsts: list[int]
    """The number of the first chip of each of its exposures, in the campaign."""


def make_blocks(
    calls: Calls,
    place: Place,
    exposures: Sequence[Exposure],
    planned: Planned,
    singles: Mapping[str, Any],
    skies: Any,
    homes: Homes,
) -> list[Any]:
    """Make a task of each block of the grid."""
    final = final_of(planned.order.parameters)
    firsts, count = {}, 0
    for exposure in exposures:
        firsts[exposure.rootname] = count
        count += len(exposure.chips)
    counts = final["units"] == "counts"
    shared = OfAllBlocks(
        sum(exposure.exptime for exposure in exposures) if counts else 1.0,
        fill_of(final),
        planes_of(count) if final["context"] else 0,
    )
    found = []
    for block in blocks_of(planned.grid, exposures):
        job = BlockJob(block, [firsts[name] for name in block.exposures])
        own = [singles[name] for name in block.exposures]
        act = partial(make_block, place, shared, job)
        near = homes.of(block.exposures)
        found.append(calls.call(act, own, skies, name="make_block", of=block.name, near=near))
    return found


@dataclass(frozen=True)
class _Member:
    """An exposure that has pixels in a block."""

    single: Finished[SingleResult]
    first: int
    """Number of its first chip."""

    def chips(self) -> list[tuple[int, StoredChip]]:
        return [(self.first + i, chip) for i, chip in enumerate(self.single.result.chips)]


def make_block(
    place: Place,
    shared: OfAllBlocks,
    job: BlockJob,
    singles: Sequence[Finished[SingleResult]],
    skies: Finished[SkiesResult],
) -> Finished[BlockResult]:
    """Sum the mosaics of all skies in one block."""
    box = job.block.box
    members = [
        _Member(single, first)
        for single, first in zip(singles, job.firsts, strict=True)
        if any(chip.meets(box) for chip in single.result.chips)
    ]
    kept = skies_of(place, skies, [one.single.result.rootname for one in members])
    numbers = [number for one in members for number, _ in one.chips()]
    values = {name: dict(zip(numbers, sky.subtracted, strict=True)) for name, sky in kept.items()}
    tilted = {name: sky.tilts for name, sky in kept.items() if sky.tilts}
    # All mosaics that have planes have the same.
    planes = dict(zip(numbers, next(iter(tilted.values()), ()), strict=bool(tilted)))

    def work(bench: Bench) -> BlockResult:
        pieces = HeldPieces(bench.scratch / "pieces", HELD)
        chips = [(one.single, one.chips()) for one in members]
        cut_outs = fetch_chips(bench, chips, box, pieces)
        with computing_slot(place):
            found = sum_pieces(
                *((box.columns, box.rows), cut_outs, pieces, values, shared.planes),
                scale=shared.scale,
                fill=shared.fill,
                tilts={number: _tilt_in(box, plane) for number, plane in planes.items()},
                tilted=list(tilted),
            )
            return _write(bench.out, job.block, list(values), found, shared.planes)

    return run_step(
        place,
        BLOCK.step(job.block.name),
        inputs={
            f"{one.single.step}/{one.single.result.pixels}": one.single.products[
                one.single.result.pixels
            ]
            for one in members
        },
        parameters={
            "engine": _ENGINE,
            "box": asdict(box),
            "order": [one.single.result.rootname for one in members],
            "factors": [chip.factor for one in members for _, chip in one.chips()],
            "skies": {name: list(sky.subtracted) for name, sky in kept.items()},
            **({"tilts": tilted} if tilted else {}),
            "scale": shared.scale,
            "fill": shared.fill,
            **({"context": [shared.planes, *numbers]} if shared.planes else {}),
        },
        versions=versions(),
        work=work,
    )


def _tilt_in(box: Box, plane: tuple[float, float, float, float]) -> Tilt:
    """Return a plane on the grid as it is in a rectangle of it."""
    x, y, slope_x, slope_y = plane
    return Tilt(x - box.x, y - box.y, slope_x, slope_y)


def _write(
    folder: Path, block: Block, names: Sequence[str], bands: Any, planes: int
) -> BlockResult:
    """Write the sums of a block, some rows at a time."""
    shape = (block.box.rows, block.box.columns)
    files = {name: f"{block.name}_{word(name)}.npy" for name in names}
    weight, context = f"{block.name}_weight.npy", f"{block.name}_context.npy"
    arrays = {name: _new(folder / file, ">f4", shape) for name, file in files.items()}
    weights = _new(folder / weight, ">f4", shape)
    marks = _new(folder / context, ">i4", (planes, *shape)) if planes else None
    band: Band
    for band in bands:
        here = slice(band.first, band.first + len(band.weight))
        for name, array in arrays.items():
            array[here] = band.mosaics[name]
        weights[here] = band.weight
        if marks is not None:
            marks[:, here] = band.context
    return BlockResult(block.box, files, weight, context if planes else None)


def _new(path: Path, kind: str, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    return np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
