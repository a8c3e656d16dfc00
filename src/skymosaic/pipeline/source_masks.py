"""The tasks that find the sources of the mosaic, block by block: `sky.mask_sources`.

They are looked for on the mosaic of all exposures, matched by their differences. What is global of
that are small things: the skies, the background's level in each of its boxes, the median of the
noise. All else a block finds from itself and from the edges of its neighbours, and all is as in a
mosaic that is looked at as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from skymosaic.drizzle.memory import HELD
from skymosaic.drizzle.onepass.blocks import Block, NearBlocks, blocks_of
from skymosaic.drizzle.onepass.equations import merge
from skymosaic.drizzle.onepass.grid_differences import VERSION, matched_by_equations
from skymosaic.drizzle.onepass.measured import chip_name
from skymosaic.drizzle.onepass.source_mask import put_together
from skymosaic.drizzle.onepass.stored import Box, HeldPieces
from skymosaic.drizzle.onepass.sums import CutOut, sum_pieces
from skymosaic.pipeline.block_pixels import MASK, fetch_chips, file_of, read_array
from skymosaic.pipeline.equations import make_equations, opened
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.onepass_results import SOURCES, EquationsResult, SingleResult, SourcesResult
from skymosaic.pipeline.results import AlignResult, Planned
from skymosaic.pipeline.slots import computing_slot
from skymosaic.sky.chip_models import PerChip
from skymosaic.sky.middle import Middle, counts_of, find_middle, median_of, values_near
from skymosaic.sky.source_mask import (
    MARGIN,
    background_in,
    box_levels,
    box_of,
    excess_over,
    filled_mesh,
    found_sources,
    threshold_of,
)
from skymosaic.steps.held import Held
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls

Found = Finished[SourcesResult]
PART = "sources/"
"""What the names of the steps begin with that make the equations of this mosaic."""
_CONSTANT = -1
"""Number of the chip that gives the constant about which a mosaic is summed."""
_ENGINE = 1
"""Version of what these steps do; part of their keys."""


def find_sources(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    prepared: Any,
    singles: Mapping[str, Any],
    homes: Homes,
) -> dict[str, Any]:
    """Make the tasks that find sources; return the calls that give those of each block, by name.

    Parameters
    ----------
    calls, campaign, place, prepared, singles, homes
        As for the other parts of the graph.
    """
    planned: Planned = calls.result(prepared.planned).result
    exposures = images_of(calls.result(prepared.aligned)).exposures
    layout = blocks_of(planned.grid, exposures)
    beside = NearBlocks(layout)
    on_grid = (exposures, planned, singles, homes)
    equations = make_equations(calls, place, *on_grid, part=PART)
    skies = calls.call(
        partial(solve_sources, place, campaign.sky.per_chip),
        *(prepared.aligned, equations),
        name="solve_sources",
    )
    of_all = _OfAll(place, (planned.grid.shape[1], planned.grid.shape[0]))

    def each(name: str, function: Callable[..., Any], *given: Callable[[Block], Any]) -> list[Any]:
        return [
            calls.call(
                partial(function, of_all, block),
                *(one(block) for one in given),
                name=name,
                of=block.name,
                near=homes.of(block.exposures),
            )
            for block in layout
        ]

    def by_name(found: Sequence[Any]) -> dict[str, Any]:
        return {block.name: one for block, one in zip(layout, found, strict=True)}

    def own(block: Block) -> list[Any]:
        return [singles[name] for name in block.exposures]

    def around(block: Block) -> list[Any]:
        wide = block.box.wider(MARGIN, planned.grid.shape)
        return [excess[one.name] for one in beside.of(wide)]

    matched = by_name(each("match_block", match_block, own, lambda _: skies))
    background = calls.call(
        partial(fill_background, of_all), list(matched.values()), name="fill_background"
    )
    excess = by_name(
        each(
            *("subtract_background", subtract_background),
            *(lambda block: matched[block.name], lambda _: background),
        )
    )
    middle = calls.call(partial(look_for_middle, of_all), list(excess.values()), name="find_middle")
    near = each("take_middle", take_middle, lambda block: excess[block.name], lambda _: middle)
    threshold = calls.call(partial(find_threshold, of_all), middle, near, name="find_threshold")
    return by_name(each("find_sources", detect, around, lambda _: threshold))


@dataclass(frozen=True)
class _OfAll:
    """What all of these tasks have in common."""

    place: Place
    shape: tuple[int, int]
    """Rows and columns of the mosaic."""

    def step(
        self,
        name: str,
        inputs: Mapping[str, Product],
        work: Callable[[Bench], SourcesResult],
        **parameters: Any,
    ) -> Found:
        """Run one of these steps."""
        return run_step(
            self.place,
            SOURCES.step(name),
            inputs=inputs,
            parameters={"engine": _ENGINE, "shape": list(self.shape), **parameters},
            versions=versions(),
            work=work,
        )


def _read_skies(file: BinaryIO) -> tuple[dict[str, float], float]:
    with np.load(file, allow_pickle=False) as table:
        names, skies = table["names"].tolist(), table["skies"].tolist()
        return dict(zip(names, skies, strict=True)), float(table["constant"])


_skies = Held[tuple[dict[str, float], float]](_read_skies)


def steps_of(names: Sequence[str]) -> list[str]:
    """Return what the steps are about that look for sources, for blocks of some names."""
    kinds = ("matched", "excess", "middle", MASK)
    alone = ("skies", "background", "middle", "threshold")
    return [*alone, *(f"{kind}/{name}" for kind in kinds for name in names)]


def solve_sources(
    place: Place,
    per_chip: PerChip,
    aligned: Finished[AlignResult],
    equations: Sequence[Finished[EquationsResult]],
) -> Found:
    """Find the skies of the mosaic that sources are looked for on."""
    exposures = aligned.result.exposures
    ordered = sorted(exposures, key=lambda one: one.rootname)
    first = chip_name(exposures[0].rootname, exposures[0].chips[0].extver)

    def work(bench: Bench) -> SourcesResult:
        merged = merge(opened(bench, equations))
        matched = matched_by_equations(merged, ordered, per_chip=per_chip).matched
        factors = [e.brightness_factor(chip.extver) for e in ordered for chip in e.chips]
        names = [chip_name(e.rootname, chip.extver) for e in ordered for chip in e.chips]
        skies = np.nan_to_num(matched.offsets) / factors
        ratios = dict(zip(merged.names.tolist(), merged.factors.tolist(), strict=True))
        # What a whole mosaic is summed about, to the last bit.
        constant = skies[names.index(first)] * ratios.get(first, 1.0)
        np.savez(
            bench.out / "skies.npz",
            names=np.array(names, dtype=np.str_),
            skies=skies,
            constant=constant,
        )
        return SourcesResult({"skies": "skies.npz"})

    factors = [[e.rootname, e.brightness_factor(c.extver)] for e in ordered for c in e.chips]
    return run_step(
        place,
        SOURCES.step("skies"),
        inputs={one.step: product for one in equations for product in one.products.values()},
        parameters={
            "engine": _ENGINE,
            "differences": VERSION,
            "per_chip": per_chip,
            "first": first,
            "factors": factors,
        },
        versions=versions(),
        work=work,
    )


def match_block(
    of_all: _OfAll,
    block: Block,
    singles: Sequence[Finished[SingleResult]],
    skies: Found,
) -> Found:
    """Sum the mosaic in one block, and measure the background's level in each of its boxes."""
    box, name = block.box, block.name
    met = [one for one in singles if any(chip.meets(box) for chip in one.result.chips)]
    members, number = [], 0
    for one in met:
        members.append((one, list(enumerate(one.result.chips, number))))
        number += len(one.result.chips)
    known, constant = _skies.get(of_all.place.store, file_of(skies, "skies"))
    values = {_CONSTANT: constant} | {
        number: known[chip_name(one.result.rootname, chip.extver)]
        for one, chips in members
        for number, chip in chips
    }

    def work(bench: Bench) -> SourcesResult:
        pieces = HeldPieces(bench.scratch / "pieces", HELD)
        about = CutOut(_CONSTANT, 0, 0, 0, 0, 1.0)  # has no pixels
        cut_outs = [about, *fetch_chips(bench, members, box, pieces)]
        with computing_slot(of_all.place):
            bands = list(
                sum_pieces((box.columns, box.rows), cut_outs, pieces, {"matched": values}, 0)
            )
            image = np.concatenate([band.mosaics["matched"] for band in bands])
            weight = np.concatenate([band.weight for band in bands])
            levels = box_levels(image, weight, box_of(of_all.shape))
        return _saved(bench, box, name, image=image, weight=weight, levels=levels)

    return of_all.step(
        *(f"matched/{name}", {one.step: one.products[one.result.pixels] for one in met}, work),
        box=asdict(box),
        order=[one.result.rootname for one in met],
        factors=[chip.factor for _, chips in members for _, chip in chips],
        skies=list(values.values()),
    )


def _saved(bench: Bench, box: Box | None, name: str, **arrays: Any) -> SourcesResult:
    """Write arrays as the products of a step."""
    files = {kind: f"{name}_{kind}.npy" for kind in arrays}
    for kind, array in arrays.items():
        np.save(bench.out / files[kind], array)
    return SourcesResult(files, box)


def fill_background(of_all: _OfAll, matched: Sequence[Found]) -> Found:
    """Put the levels of all boxes together, and smooth them."""
    box = box_of(of_all.shape)

    def work(bench: Bench) -> SourcesResult:
        rows, columns = (-(-size // own) for size, own in zip(of_all.shape, box, strict=True))
        levels = np.full((rows, columns), np.nan, dtype=np.float32)
        for one in matched:
            own = read_array(bench, file_of(one, "levels"))
            assert one.result.box is not None  # of a block
            y, x = one.result.box.y // box[0], one.result.box.x // box[1]
            levels[y : y + own.shape[0], x : x + own.shape[1]] = own
        mesh = filled_mesh(levels)
        empty = np.zeros((0, 0), dtype=np.float32)
        return _saved(bench, None, "background", mesh=empty if mesh is None else mesh)

    return of_all.step("background", {one.step: file_of(one, "levels") for one in matched}, work)


def subtract_background(of_all: _OfAll, block: Block, matched: Found, background: Found) -> Found:
    """Find how far the pixels of a block lie above the background; NaN where there are none."""
    box = block.box

    def work(bench: Bench) -> SourcesResult:
        image, weight = (read_array(bench, file_of(matched, kind)) for kind in ("image", "weight"))
        mesh = read_array(bench, file_of(background, "mesh"))
        excess = np.full(image.shape, np.nan, dtype=np.float32)
        if mesh.size:
            with computing_slot(of_all.place):
                below = background_in(mesh, box_of(of_all.shape), (box.y, box.x), image.shape)
                there = (weight > 0) & np.isfinite(image)
                excess[there] = excess_over(image, weight, below)[there]
        bins, counts = counts_of(_sizes(excess))
        return _saved(bench, box, block.name, excess=excess, bins=bins, counts=counts)

    inputs = {f"{matched.step}/{kind}": file_of(matched, kind) for kind in ("image", "weight")}
    inputs[background.step] = file_of(background, "mesh")
    return of_all.step(f"excess/{block.name}", inputs, work, box=asdict(box))


def _sizes(excess: Any) -> Any:
    return np.abs(excess[~np.isnan(excess)])


def look_for_middle(of_all: _OfAll, excess: Sequence[Found]) -> Found:
    """Find where the middle values of the excess of all pixels lie."""

    def work(bench: Bench) -> SourcesResult:
        parts = [
            (read_array(bench, file_of(one, "bins")), read_array(bench, file_of(one, "counts")))
            for one in excess
        ]
        middle = find_middle(parts)
        values = [] if middle is None else list(asdict(middle).values())
        return _saved(bench, None, "all", middle=np.array(values, dtype=np.int64))

    inputs = {
        f"{one.step}/{kind}": file_of(one, kind) for one in excess for kind in ("bins", "counts")
    }
    return of_all.step("middle", inputs, work)


def _middle(bench: Bench, found: Found) -> Middle | None:
    values = read_array(bench, file_of(found, "middle")).tolist()
    return Middle(*values) if values else None


def take_middle(of_all: _OfAll, block: Block, excess: Found, middle: Found) -> Found:
    """Take of a block what lies near the middle of all."""

    def work(bench: Bench) -> SourcesResult:
        sizes, bins = _sizes(read_array(bench, file_of(excess, "excess"))), _middle(bench, middle)
        near = sizes[:0] if bins is None else values_near(sizes, bins)
        return _saved(bench, block.box, block.name, near=near)

    inputs = {excess.step: file_of(excess, "excess"), middle.step: file_of(middle, "middle")}
    return of_all.step(f"middle/{block.name}", inputs, work)


def find_threshold(of_all: _OfAll, middle: Found, near: Sequence[Found]) -> Found:
    """Find the excess from which on pixels are a source's; NaN where there are no pixels."""

    def work(bench: Bench) -> SourcesResult:
        bins, threshold = _middle(bench, middle), np.nan
        if bins is not None:
            parts = [read_array(bench, file_of(one, "near")) for one in near]
            threshold = threshold_of(median_of(bins, parts))
        return _saved(bench, None, "all", threshold=np.float64(threshold))

    inputs = {one.step: file_of(one, "near") for one in near}
    return of_all.step("threshold", {**inputs, middle.step: file_of(middle, "middle")}, work)


def detect(of_all: _OfAll, block: Block, around: Sequence[Found], threshold: Found) -> Found:
    """Find the pixels of sources in a block, from those of it and around it."""
    box = block.box
    wide = box.wider(MARGIN, (of_all.shape[1], of_all.shape[0]))

    def work(bench: Bench) -> SourcesResult:
        least = float(read_array(bench, file_of(threshold, "threshold")))
        parts = (
            (one.result.box, read_array(bench, file_of(one, "excess")))
            for one in around
            if one.result.box is not None
        )
        excess = np.asarray(put_together(wide, parts, np.array(np.nan, dtype=np.float32)))
        mask = np.zeros((box.rows, box.columns), dtype=bool)
        if not np.isnan(least):
            with computing_slot(of_all.place):
                mask = found_sources(np.nan_to_num(excess), least)[box.within(wide)]
        return _saved(bench, box, block.name, mask=mask)

    inputs = {one.step: file_of(one, "excess") for one in around}
    inputs[threshold.step] = file_of(threshold, "threshold")
    return of_all.step(f"{MASK}/{block.name}", inputs, work, box=asdict(box))
