"""The tasks that make one FITS mosaic of each sky from blocks, and the headers that all share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.memory import ROWS
from skymosaic.drizzle.onepass.errors import error_file
from skymosaic.drizzle.onepass.frames import ChipMasks, Frames
from skymosaic.drizzle.onepass.mosaics import (
    OpenFiles,
    add_sky_keyword,
    read_headers,
    suffix_of,
)
from skymosaic.drizzle.onepass.mosaics import make_headers as ask_drizzlepac
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.stored import Box
from skymosaic.drizzle.onepass.sums import Band
from skymosaic.drizzle.parameters import has_cr_steps
from skymosaic.drizzle.product_headers import MosaicOrigin, outline_of
from skymosaic.drizzle.request import Request
from skymosaic.drizzle.summaries import CosmicRaySearch
from skymosaic.hst.skeletons import restore_skeleton
from skymosaic.methods import OWN, word
from skymosaic.pipeline.errors import ErrorTasks
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.mosaic_files import publish
from skymosaic.pipeline.onepass_mosaics import BLOCKS, forget_others
from skymosaic.pipeline.onepass_results import (
    BLOCK,
    EQUATION,
    ERRORS,
    GUESS,
    HEADERS,
    HITS,
    LOW,
    MEASURED,
    MEDIAN,
    NOISE,
    OUTLINES,
    PLAIN,
    SEPARATE,
    SINGLE,
    SOURCES,
    VARIANCES,
    BlockResult,
    ErrorsResult,
    HeadersResult,
    NoiseResult,
    SingleResult,
    SkiesResult,
    StaticResult,
)
from skymosaic.pipeline.results import DRIZZLE, LEVELS, AlignResult, DrizzleResult, Planned
from skymosaic.pipeline.sentences.history import history_of, sky_of
from skymosaic.pipeline.skies import skies_of, values_of
from skymosaic.pipeline.slots import computing_slot
from skymosaic.pipeline.source_masks import PART, steps_of
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of how mosaics are put together; part of the keys of their steps."""


class _HasBox(Protocol):
    """What a step gives of a rectangle of the mosaics."""

    @property
    def box(self) -> Box:
        """The rectangle."""


_Boxed = TypeVar("_Boxed", bound=_HasBox)


@dataclass(frozen=True)
class Parts:
    """What the mosaics are put together from: the calls of their tasks."""

    singles: Mapping[str, Any]
    """By rootname."""
    skies: Any
    blocks: Sequence[Any]
    static: Finished[StaticResult]
    errors: ErrorTasks | None = None
    """None where mosaics have no error planes."""
    search: Any = None
    """How cosmic rays were looked for (`CosmicRaySearch`), where they were."""


def make_mosaics(
    calls: Calls, campaign: Campaign, place: Place, prepared: Any, parts: Parts
) -> dict[str, Any]:
    """Make a task of the headers, and one of each mosaic; by method and variant."""
    names = list(Request.of(campaign).choices)
    errors = parts.errors or ErrorTasks([], None)
    headers = calls.call(
        partial(make_headers, place, names[0]),
        *(prepared.aligned, prepared.planned, list(parts.singles.values())),
        name="make_headers",
    )
    return {
        name: calls.call(
            partial(assemble, place, campaign, name),
            *(prepared.aligned, prepared.planned, headers, parts.skies, parts.static),
            *(parts.search, list(parts.blocks), list(errors.blocks), errors.noise),
            name="assemble" if name in campaign.sky.methods else "assemble_variant",
            of=name,
        )
        for name in names
    }


def root_of(place: Place, name: str) -> str:
    """Return the root name of the products of a method or variant."""
    return f"{place.campaign.replace('/', '_').lower()}_{word(name)}"


def make_headers(
    place: Place,
    first: str,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    singles: Sequence[Finished[SingleResult]],
) -> Finished[HeadersResult]:
    """Let drizzlepac make the headers of the mosaics, from those of all exposures.

    `first`: the mosaic whose names they have; the others put their own in.
    """
    exposures, grid = aligned.result.exposures, planned.result.grid
    final, root = final_of(planned.result.order.parameters), root_of(place, first)
    version = next((one.result.version for one in singles if one.result.version), "")

    def work(bench: Bench) -> HeadersResult:
        for exposure, single in zip(exposures, singles, strict=True):
            with bench.open(single.products[single.result.skeleton]) as file:
                restore_skeleton(file.read(), bench.scratch / exposure.name)
        log = bench.scratch / "headers.log"
        frames = Frames(bench.scratch, log, exposures, final, ChipMasks({}, {}))
        add_sky_keyword(frames)
        with computing_slot(place):
            ask_drizzlepac(frames, grid, root)
        rootnames = [exposure.rootname for exposure in exposures]
        for kind in (
            LOW.kind,
            MEASURED.kind,
            SINGLE.kind,
            VARIANCES.kind,
            LEVELS.kind,
            OUTLINES.kind,
        ):
            forget_others(place, kind, rootnames)
        looked_for = has_cr_steps(planned.result.order.parameters)
        for kind in (PLAIN.kind, SEPARATE.kind, HITS.kind, *(() if looked_for else (MEDIAN.kind,))):
            forget_others(place, kind, rootnames if looked_for else [])
        for path in bench.scratch.glob("headers_*.fits"):
            path.rename(bench.out / path.name)
        return HeadersResult(root, version)

    return run_step(
        place,
        HEADERS.step(),
        inputs={
            f"{one.step}/{one.result.skeleton}": one.products[one.result.skeleton]
            for one in singles
        },
        parameters={"root": root, "version": version, "grid": grid.to_dict(), "drizzle": final},
        versions=versions(),
        work=work,
    )


def assemble(
    place: Place,
    campaign: Campaign,
    name: str,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    headers: Finished[HeadersResult],
    skies: Finished[SkiesResult],
    static: Finished[StaticResult],
    search: CosmicRaySearch | None,
    blocks: Sequence[Finished[BlockResult]],
    errors: Sequence[Finished[ErrorsResult]] = (),
    noise: Finished[NoiseResult] | None = None,
) -> Finished[DrizzleResult]:
    """Put the mosaic of a method or variant together, and its error plane where there is one."""
    images, grid = images_of(aligned), planned.result.grid
    exposures = images.exposures
    method = Request.of(campaign).choices[name].method

    def work(bench: Bench) -> DrizzleResult:
        if campaign.sky.methods[0] == name:  # once
            _forget_other_blocks(place, campaign, [one.step.rpartition("/")[2] for one in blocks])
        sky = skies_of(place, skies, [exposure.rootname for exposure in exposures])[name]
        for product in headers.products.values():
            bench.fetch(product)
        known = read_headers(bench.scratch, headers.result.root)
        files = OpenFiles.begin(
            *(bench.scratch, suffix_of(exposures), grid, root_of(place, name), sky.recorded),
            *(known, headers.result.version, sum(len(one.chips) for one in exposures)),
        )
        with computing_slot(place):
            for band in _bands(bench, name, blocks):
                files.write(name, band)
            keys = [(e.rootname, chip.extver) for e in exposures for chip in e.chips]
            recorded = dict(zip(keys, sky.recorded, strict=True))
            files.finish(known.table.with_sky(recorded))
            mosaic = Drizzled(files.science.path, files.weight.path, [], [], 0)
            if noise is not None:
                mosaic = replace(mosaic, error=_write_errors(bench, mosaic.science, errors, noise))
            sentence = sky_of(method, "onepass", ours=method in OWN)
            origin = MosaicOrigin(
                *(method or "given", place.campaign, bench.key),
                history_of(aligned.result, planned.result, "onepass", sentence),
            )
            published = publish(bench, mosaic, origin, outline_of(mosaic.weight))
        return DrizzleResult(
            sky=values_of(place, skies, name),
            **asdict(published),
            differences=skies.result.differences.get(name),
            footprints=skies.result.footprints,
            cosmic_rays=search,
            static=static.result.summaries,
        )

    return run_step(
        place,
        DRIZZLE.step(name),
        tasks=[DRIZZLE.task(name)] if name in campaign.sky.methods else [],
        inputs=images.products,
        parameters={
            BLOCKS: _ENGINE,
            "mosaic": name,
            "astrodrizzle": dict(planned.result.order.parameters),
            "grid": grid.to_dict(),
            **({} if search is None else {"cosmic_rays": _digest_of(search)}),
            "made from": {one.step: one.key for one in (headers, skies, static, *blocks, *errors)},
            **({} if noise is None else {"noise": noise.key}),
        },
        versions=versions(),
        work=work,
    )


def _forget_other_blocks(place: Place, campaign: Campaign, names: Sequence[str]) -> None:
    """Let steps of blocks that there are no longer count as not finished."""
    masked, errors = campaign.sky.mask_sources, Request.of(campaign).errors
    equations = [*names, *(f"{PART}{name}" for name in names if masked)]
    noise = NOISE.step().name.rpartition("/")[2]
    forget_others(place, BLOCK.kind, names)
    forget_others(place, GUESS.kind, equations)
    forget_others(place, EQUATION.kind, equations)
    forget_others(place, SOURCES.kind, steps_of(names) if masked else [])
    forget_others(place, ERRORS.kind, [*names, noise] if errors else [])


def _digest_of(search: CosmicRaySearch) -> str:
    return hashlib.sha256(json.dumps(asdict(search)).encode()).hexdigest()


def _write_errors(
    bench: Bench,
    science: Path,
    errors: Sequence[Finished[ErrorsResult]],
    noise: Finished[NoiseResult],
) -> Path:
    """Write the error plane of a mosaic beside it; return its file."""
    file = error_file(science, noise.result.noise)
    for first, (part,) in _rows(bench, errors, lambda one: [one.error]):
        file.write(first, part)
    file.finish()
    return file.path


def _bands(bench: Bench, name: str, blocks: Sequence[Finished[BlockResult]]) -> Iterator[Band]:
    """Return the rows of a mosaic in their order."""

    def planes(one: BlockResult) -> list[str]:
        return [one.mosaics[name], one.weight, *([one.context] if one.context else [])]

    for first, (science, weight, *context) in _rows(bench, blocks, planes):
        marks = context[0] if context else None
        if marks is not None and len(marks) == 1:
            marks = marks[0]
        yield Band(first, {name: science}, weight, marks)


def _rows(
    bench: Bench,
    blocks: Sequence[Finished[_Boxed]],
    planes: Callable[[_Boxed], Sequence[str]],
) -> Iterator[tuple[int, list[NDArray[Any]]]]:
    """Return the rows of some planes in their order, from the blocks that lie side by side.

    Parameters
    ----------
    bench : Bench
        Of the step.
    blocks : sequence of Finished
        All that the grid is cut into.
    planes : callable
        Gives the names of a block's products that hold them.
    """
    beside: dict[int, list[Finished[_Boxed]]] = {}
    for one in blocks:
        beside.setdefault(one.result.box.y, []).append(one)
    for y, row in sorted(beside.items()):
        row.sort(key=lambda one: one.result.box.x)
        height = row[0].result.box.rows
        with ExitStack() as stack:
            files = [
                [
                    _Rows(stack.enter_context(bench.open(one.products[name])))
                    for name in planes(one.result)
                ]
                for one in row
            ]
            for first in range(0, height, ROWS):
                last = min(first + ROWS, height)
                yield (
                    y + first,
                    [
                        np.concatenate([one.read(first, last) for one in each], axis=-1)
                        for each in zip(*files, strict=True)
                    ],
                )


class _Rows:
    """A numpy array in a file, of which some rows are read at a time; of a cube, of each plane."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        np.lib.format.read_magic(file)
        self._shape, _, self._type = np.lib.format.read_array_header_1_0(file)
        self._start = file.tell()

    def read(self, first: int, last: int) -> NDArray[Any]:
        *planes, rows, columns = self._shape
        found = []
        for plane in range(planes[0] if planes else 1):
            self._file.seek(self._start + (plane * rows + first) * columns * 4)
            values = np.frombuffer(self._file.read((last - first) * columns * 4), dtype=self._type)
            found.append(values.reshape(last - first, columns))
        return np.stack(found) if planes else found[0]
