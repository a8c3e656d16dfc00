"""The tasks of the error planes: the variances of each exposure, and their sums in each block.

An exposure's variances are drizzled under the weights of the whole mosaic, which its blocks have.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from skymosaic.drizzle.expected import work_at_hand
from skymosaic.drizzle.memory import HELD, memory_of, require_memory
from skymosaic.drizzle.missing_pixels import fill_missing, key_of_missing
from skymosaic.drizzle.onepass.blocks import blocks_of
from skymosaic.drizzle.onepass.cells import kept_chip_masks
from skymosaic.drizzle.onepass.drizzling import drizzle_variances
from skymosaic.drizzle.onepass.errors import (
    MosaicPixel,
    choose_places,
    correlation_at,
    error_bands,
    require_errors,
)
from skymosaic.drizzle.onepass.frames import ChipMasks, Frames
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.stored import Box, HeldPieces, StoredChip, read_pieces
from skymosaic.drizzle.onepass.sums import CutOut
from skymosaic.drizzle.onepass.variances import (
    box_around,
    read_variances,
    store_variances,
    write_inverse,
)
from skymosaic.drizzle.request import Request
from skymosaic.host import limits
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.skeletons import restore_skeleton
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.images import Images
from skymosaic.pipeline.onepass_results import (
    ERRORS,
    NOISE,
    VARIANCES,
    BlockResult,
    ErrorsResult,
    NoiseResult,
    SingleResult,
    VariancesResult,
)
from skymosaic.pipeline.results import Planned
from skymosaic.pipeline.singles import OfAllSingles
from skymosaic.pipeline.slots import computing_slot
from skymosaic.pipeline.static import digest_of
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what these steps do; part of their keys."""


@dataclass(frozen=True)
class ErrorTasks:
    """The calls of the error planes."""

    blocks: Sequence[Any]
    noise: Any


def make_errors(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    images: Images,
    planned: Planned,
    singles: Mapping[str, Any],
    blocks: Sequence[Any],
    homes: Homes,
) -> ErrorTasks:
    """Make the tasks of the error planes.

    Parameters
    ----------
    calls, campaign, place, images, planned, singles, homes
        As for `blocks.make_blocks`.
    blocks : sequence of call
        What that makes.
    """
    exposures, grid = images.exposures, planned.grid
    shared = OfAllSingles(campaign, grid, dict(planned.order.parameters))
    layout, near = blocks_of(grid, exposures), dict[str, list[Any]]()
    for block, summed in zip(layout, blocks, strict=True):
        for name in block.exposures:
            near.setdefault(name, []).append(summed)
    variances = {
        one.rootname: calls.call(
            partial(make_variances, place, shared, one, images.products[one.name]),
            *(singles[one.rootname], near.get(one.rootname, [])),
            name="make_variances",
            of=one.rootname,
            near=homes.of([one.rootname]),
        )
        for one in exposures
    }
    counts = final_of(shared.parameters)["units"] == "counts"
    scale = sum(exposure.exptime for exposure in exposures) if counts else 1.0
    sums = [
        calls.call(
            partial(sum_errors, place, block.name, block.box, scale),
            *([tasks[name] for name in block.exposures] for tasks in (singles, variances)),
            name="sum_errors",
            of=block.name,
            near=homes.of(block.exposures),
        )
        for block in layout
    ]
    noise = calls.call(
        partial(correlate, place, shared, exposures),
        *(list(tasks.values()) for tasks in (singles, variances)),
        name="correlate",
    )
    return ErrorTasks(sums, noise)


def make_variances(
    place: Place,
    shared: OfAllSingles,
    exposure: Exposure,
    file: Product,
    single: Finished[SingleResult],
    blocks: Sequence[Finished[BlockResult]],
) -> Finished[VariancesResult]:
    """Drizzle the variances of the chips of one exposure.

    Raises
    ------
    InputError
        It has no errors.
    """
    box = box_around(single.result.chips)
    met = [one for one in blocks if box is not None and one.result.box.meets(box)]
    masks = single.products[single.result.masks]
    name = f"{exposure.rootname}_variances.npy"

    def work(bench: Bench) -> VariancesResult:
        require_errors(bench.fetch(file), exposure)
        with computing_slot(place):
            typical = dict[int, float]()
            if box is not None:
                _write_weights(bench, box, met)
                typical = _drizzled(bench, shared, exposure, masks, (box.x, box.y))
            chips = single.result.chips
            store_variances(bench.out / name, chips, bench.scratch)
            return VariancesResult(name, [typical.get(i, 1.0) for i in range(len(chips))])

    return run_step(
        place,
        VARIANCES.step(exposure.rootname),
        inputs={
            exposure.name: file,
            f"{single.step}/{single.result.masks}": masks,
            **{f"{one.step}/{one.result.weight}": one.products[one.result.weight] for one in met},
        },
        parameters={
            "engine": _ENGINE,
            "single": single.key,
            **key_of_missing([exposure]),
        },
        versions=versions(),
        work=work,
    )


def _write_weights(bench: Bench, box: Box, blocks: Sequence[Finished[BlockResult]]) -> None:
    def weights() -> Any:
        for one in blocks:
            with bench.open(one.products[one.result.weight]) as file:
                yield one.result.box, np.load(file).astype(np.float32)

    write_inverse(bench.scratch / "inverse.npy", box, weights())


def _drizzled(
    bench: Bench,
    shared: OfAllSingles,
    exposure: Exposure,
    masks: Product,
    corner: tuple[int, int],
) -> dict[int, float]:
    parameters, request = shared.parameters, Request.of(shared.campaign)
    there = work_at_hand(bench.scratch, [exposure], shared.grid, request, parameters)
    there = replace(there, processes=1, columns=0, cosmic_rays=False)
    require_memory(memory_of("onepass", there), limits.free_memory())
    fill_missing(bench.scratch, [exposure], parameters)
    kept = kept_chip_masks(bench.scratch, [exposure], {exposure.rootname: bench.fetch(masks)})
    log = bench.scratch / "variances.log"
    frames = Frames(bench.scratch, log, [exposure], final_of(parameters), kept)
    return drizzle_variances(frames, shared.grid, corner=corner)


def sum_errors(
    place: Place,
    name: str,
    box: Box,
    scale: float,
    singles: Sequence[Finished[SingleResult]],
    variances: Sequence[Finished[VariancesResult]],
) -> Finished[ErrorsResult]:
    """Sum the error plane in one block.

    Parameters
    ----------
    place : Place
        The campaign's.
    name, box
        Of the block.
    scale : float
        What the mosaics are multiplied with.
    singles, variances : sequence of Finished
        Of the exposures that may have pixels in it, in the order of the campaign.
    """
    members = [
        (single, variance)
        for single, variance in zip(singles, variances, strict=True)
        if any(chip.meets(box) for chip in single.result.chips)
    ]

    def work(bench: Bench) -> ErrorsResult:
        pieces, cut_outs = HeldPieces(bench.scratch / "pieces", HELD), list[CutOut]()
        for single, variance in members:
            files = (
                single.products[single.result.pixels],
                variance.products[variance.result.file],
            )
            with ExitStack() as stack:
                drizzled, beside = (stack.enter_context(bench.open(one)) for one in files)
                for chip in single.result.chips:
                    cut_out = chip.cut_out(len(cut_outs))
                    cut_outs.append(replace(cut_out, x=cut_out.x - box.x, y=cut_out.y - box.y))
                    for piece in read_variances(drizzled, beside, chip, box):
                        pieces.add(cut_out.number, piece)
        shape, file = (box.rows, box.columns), f"{name}_error.npy"
        with computing_slot(place):
            error = np.lib.format.open_memmap(bench.out / file, mode="w+", dtype=">f4", shape=shape)
            for first, part in error_bands(shape[::-1], cut_outs, pieces, scale=scale):
                error[first : first + len(part)] = part
        return ErrorsResult(box, file)

    return run_step(
        place,
        ERRORS.step(name),
        inputs={
            f"{one.step}/{file}": one.products[file]
            for single, variance in members
            for one, file in ((single, single.result.pixels), (variance, variance.result.file))
        },
        parameters={
            "engine": _ENGINE,
            "box": asdict(box),
            "order": [single.result.rootname for single, _ in members],
            "scale": scale,
        },
        versions=versions(),
        work=work,
    )


def correlate(
    place: Place,
    shared: OfAllSingles,
    exposures: Sequence[Exposure],
    singles: Sequence[Finished[SingleResult]],
    variances: Sequence[Finished[VariancesResult]],
) -> Finished[NoiseResult]:
    """Compute how noise is correlated at some places of the mosaics, from headers alone."""
    owners = [(index, chip) for index, one in enumerate(singles) for chip in one.result.chips]
    cut_outs = [chip.cut_out(number) for number, (_, chip) in enumerate(owners)]

    def work(bench: Bench) -> NoiseResult:
        def weights(cut_out: CutOut, _: str) -> Any:
            index, chip = owners[cut_out.number]
            return _Weights(bench, singles[index], chip)

        places = choose_places(cut_outs, weights, shared.grid.shape)
        near = sorted({owners[number][0] for one in places for number in one.chips})
        numbers = [number for number, (index, _) in enumerate(owners) if index in near]
        renamed = {number: place for place, number in enumerate(numbers)}
        for index in near:
            single = singles[index]
            with bench.open(single.products[single.result.skeleton]) as file:
                restore_skeleton(file.read(), bench.scratch / exposures[index].name)
        frames = Frames(
            *(bench.scratch, bench.scratch / "noise.log", [exposures[index] for index in near]),
            *(final_of(shared.parameters), ChipMasks({}, {})),
        )
        places = [
            MosaicPixel(one.column, one.row, [renamed[number] for number in one.chips])
            for one in places
        ]
        typical = [variances[index].result.typical for index in near]
        with computing_slot(place):
            return NoiseResult(correlation_at(places, frames, shared.grid, typical))

    typical = json.dumps([one.result.typical for one in variances])
    return run_step(
        place,
        NOISE.step(),
        inputs={},
        parameters={
            "engine": _ENGINE,
            "singles": digest_of(singles),
            "typical": hashlib.sha256(typical.encode()).hexdigest(),
        },
        versions=versions(),
        work=work,
    )


class _Weights:
    """The weights of a drizzled chip, read one at a time."""

    def __init__(self, bench: Bench, single: Finished[SingleResult], chip: StoredChip) -> None:
        self._bench, self._single, self._chip = bench, single, chip

    def __getitem__(self, place: tuple[int, int]) -> float:
        row, column = place
        box = Box(self._chip.x + int(column), self._chip.y + int(row), 1, 1)
        with self._bench.open(self._single.products[self._single.result.pixels]) as file:
            found = [piece.weight[0, 0] for piece in read_pieces(file, self._chip, box)]
        return float(found[0]) if found else 0.0
