"""The tasks that tell what exposures differ by on the common grid, for this project's own methods.

Of each block a first look at all differences, one guess of all skies from these, and of each block
the equations about that guess, which `skies.solve` adds up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from skymosaic.drizzle.memory import HELD
from skymosaic.drizzle.onepass.blocks import Block, NearBlocks, blocks_of
from skymosaic.drizzle.onepass.equations import (
    EQUATIONS,
    FIRST,
    GUESSES,
    Equations,
    FirstSkies,
    Guesses,
    equations_of,
    first_skies,
    guesses_of,
)
from skymosaic.drizzle.onepass.measured import chip_name
from skymosaic.drizzle.onepass.patch_stacks import LARGEST, Area, LoadPiece, Piece, patch_side
from skymosaic.drizzle.onepass.source_mask import PlacedMask
from skymosaic.drizzle.onepass.stored import Box, HeldPieces, LazyPlane, StoredChip, read_pieces
from skymosaic.drizzle.onepass.sums import CutOut
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.block_pixels import mask_products, read_masks
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.onepass_results import (
    EQUATION,
    FIRST_SKIES,
    GUESS,
    EquationsResult,
    FirstSkiesResult,
    GuessesResult,
    SingleResult,
    SourcesResult,
)
from skymosaic.pipeline.results import Planned
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.held import Held
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what these steps do; part of their keys."""


_guesses = Held[FirstSkies](FirstSkies.load)


def make_equations(
    calls: Calls,
    place: Place,
    exposures: Sequence[Exposure],
    planned: Planned,
    singles: Mapping[str, Any],
    homes: Homes,
    masks: Mapping[str, Any] | None = None,
    part: str = "",
) -> list[Any]:
    """Make the tasks of the equations; return the calls that give those of each block.

    Parameters
    ----------
    calls, place, exposures, planned, singles, homes
        As for the other parts of the graph.
    masks : mapping of str to call, or None
        Of each block by name its sources, which do not count; None: all pixels do.
    part : str
        What the names of the steps begin with, where equations are made twice.
    """
    side = calls.call(find_side, list(singles.values()))
    shape, blocks = planned.grid.shape, blocks_of(planned.grid, exposures, reach=LARGEST)
    every = NearBlocks(blocks)
    jobs = [
        (
            *(block, [singles[name] for name in sorted(block.exposures)]),
            [] if masks is None else [masks[one.name] for one in every.of(_reach(block))],
            homes.of(block.exposures),
        )
        for block in blocks
        if len(block.exposures) > 1
    ]
    guesses = [
        calls.call(
            partial(guess, place, part, shape, block),
            *(side, own, beside),
            name="guess",
            of=f"{part}{block.name}",
            near=near,
        )
        for block, own, beside, near in jobs
    ]
    names = [chip_name(e.rootname, chip.extver) for e in _sorted(exposures) for chip in e.chips]
    first = calls.call(partial(find_first, place, part, names), guesses, name="find_first")
    return [
        calls.call(
            partial(equate, place, part, shape, block),
            *(side, own, beside, first),
            name="equate",
            of=f"{part}{block.name}",
            near=near,
        )
        for block, own, beside, near in jobs
    ]


def opened(bench: Bench, equations: Sequence[Finished[EquationsResult]]) -> Iterator[Equations]:
    """Return the equations of each block."""
    for one in equations:
        with bench.open(one.products[EQUATIONS]) as file:
            yield Equations.load(file)


def _reach(block: Block) -> Box:
    """Return where patches that begin in a block may have pixels."""
    own = block.box
    return Box(own.x, own.y, own.columns + LARGEST, own.rows + LARGEST)


def find_side(singles: Sequence[Finished[SingleResult]]) -> int:
    """Return the side of a patch: the same of all blocks."""
    return patch_side([chip.cut_out(0) for one in singles for chip in one.result.chips])


def guess(
    place: Place,
    part: str,
    shape: tuple[int, int],
    block: Block,
    side: int,
    singles: Sequence[Finished[SingleResult]],
    masks: Sequence[Finished[SourcesResult]],
) -> Finished[GuessesResult]:
    """Take a first look at the differences of the exposures in a block."""
    members = _Members.of(block, shape, singles, masks)

    def work(bench: Bench) -> GuessesResult:
        pieces = members.fetch(bench)
        with computing_slot(place):
            found = guesses_of(
                *(shape, members.area, side, members.chips, pieces), members.mask(bench)
            )
        found.save(bench.out / GUESSES)
        return GuessesResult(GUESSES)

    return run_step(
        place,
        GUESS.step(f"{part}{block.name}"),
        inputs=members.products,
        parameters={"engine": _ENGINE, "side": side, **members.key},
        versions=versions(),
        work=work,
    )


def find_first(
    place: Place, part: str, names: Sequence[str], guesses: Sequence[Finished[GuessesResult]]
) -> Finished[FirstSkiesResult]:
    """Guess all skies from what all blocks tell at first sight."""

    def work(bench: Bench) -> FirstSkiesResult:
        every = []
        for one in guesses:
            with bench.open(one.products[one.result.table]) as file:
                every.append(Guesses.load(file))
        first_skies(every, names).save(bench.out / FIRST)
        return FirstSkiesResult(FIRST)

    return run_step(
        place,
        FIRST_SKIES.step("_sources" if part else ""),
        inputs={f"{one.step}/{GUESSES}": one.products[one.result.table] for one in guesses},
        parameters={"engine": _ENGINE, "names": list(names)},
        versions=versions(),
        work=work,
    )


def equate(
    place: Place,
    part: str,
    shape: tuple[int, int],
    block: Block,
    side: int,
    singles: Sequence[Finished[SingleResult]],
    masks: Sequence[Finished[SourcesResult]],
    first: Finished[FirstSkiesResult],
) -> Finished[EquationsResult]:
    """Find the equations of the patches of a block."""
    members = _Members.of(block, shape, singles, masks)
    guessed = _guesses.get(place.store, first.products[first.result.table])
    digest = hashlib.sha256()
    for values in guessed.of(list(members.chips)):
        digest.update(np.ascontiguousarray(values).data)

    def work(bench: Bench) -> EquationsResult:
        pieces = members.fetch(bench)
        with computing_slot(place):
            found = equations_of(
                *(shape, members.area, side, members.chips, pieces, guessed), members.mask(bench)
            )
        found.save(bench.out / EQUATIONS)
        return EquationsResult(EQUATIONS)

    return run_step(
        place,
        EQUATION.step(f"{part}{block.name}"),
        inputs=members.products,
        parameters={
            "engine": _ENGINE,
            "side": side,
            # Of all guesses those of its own chips alone.
            "first": digest.hexdigest(),
            **members.key,
        },
        versions=versions(),
        work=work,
    )


@dataclass(frozen=True)
class _Members:
    """The chips that have pixels in a block, or in the patches that begin in it."""

    area: Area
    box: Box
    """The block, and beyond it what its patches may reach."""
    shape: tuple[int, int]
    singles: Sequence[tuple[Finished[SingleResult], Sequence[StoredChip]]]
    masks: Sequence[Finished[SourcesResult]]

    @classmethod
    def of(
        cls,
        block: Block,
        shape: tuple[int, int],
        singles: Sequence[Finished[SingleResult]],
        masks: Sequence[Finished[SourcesResult]],
    ) -> _Members:
        own = block.box
        columns = min(own.columns + LARGEST, shape[0] - own.x)
        box = Box(own.x, own.y, columns, min(own.rows + LARGEST, shape[1] - own.y))
        met = [(one, [chip for chip in one.result.chips if chip.meets(box)]) for one in singles]
        area = Area(own.x, own.y, own.columns, own.rows)
        return cls(area, box, shape, [(one, chips) for one, chips in met if chips], masks)

    @property
    def products(self) -> dict[str, Any]:
        return {
            f"{one.step}/{one.result.pixels}": one.products[one.result.pixels]
            for one, _ in self.singles
        } | mask_products(self.masks)

    @property
    def chips(self) -> dict[str, CutOut]:
        every = [(one.result.rootname, chip) for one, chips in self.singles for chip in chips]
        return {
            chip_name(rootname, chip.extver): chip.cut_out(number)
            for number, (rootname, chip) in enumerate(every)
        }

    @property
    def key(self) -> dict[str, Any]:
        chips = {name: [c.x, c.y, c.columns, c.rows, c.factor] for name, c in self.chips.items()}
        return {"area": asdict(self.area), "grid": list(self.shape), "chips": chips}

    def mask(self, bench: Bench) -> PlacedMask | None:
        """Return the sources in the block, and in what its patches may reach."""
        if not self.masks:
            return None
        return PlacedMask(self.box, read_masks(bench, self.masks, self.box))

    def fetch(self, bench: Bench) -> LoadPiece:
        """Fetch what lies in the block; return what gives it chip by chip."""
        pieces, number = HeldPieces(bench.scratch / "pieces", HELD), 0
        for one, chips in self.singles:
            with bench.open(one.products[one.result.pixels]) as file:
                for chip in chips:
                    for piece in read_pieces(file, chip, self.box):
                        pieces.add(number, piece)
                    number += 1

        def load(cut_out: CutOut) -> Piece:
            science, weight = (LazyPlane(pieces, cut_out, kind) for kind in (0, 1))
            return Piece(self.box.x, self.box.y, science, weight)  # type: ignore[arg-type]

        return load


def _sorted(exposures: Sequence[Exposure]) -> list[Exposure]:
    return sorted(exposures, key=lambda one: one.rootname)
