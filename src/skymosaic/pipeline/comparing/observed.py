"""The task that puts all exposures in cells of the sky together, and who reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import numpy as np

from skymosaic.evidence.cells import Cells
from skymosaic.evidence.neighbours import Neighbours
from skymosaic.evidence.pairs import ChosenPairs, choose_pairs
from skymosaic.pipeline.comparing.arrays import PairTable, StoredCells
from skymosaic.pipeline.comparing.results import OBSERVED, ObservedResult
from skymosaic.pipeline.levels import LevelSettings, chips_of
from skymosaic.pipeline.measuring import observe, truth_products
from skymosaic.pipeline.onepass_results import SkiesResult
from skymosaic.pipeline.results import AlignResult, LevelsResult, Planned, RetrieveResult
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.held import Held
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

_VERSION = 1
"""Version of what this step does; part of its key."""
_PAIRS = "pairs.npz"
_TOGETHER = 64  # exposures in a file

_tables = Held[PairTable](PairTable.load)


def observe_field(
    place: Place,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    retrieved: Sequence[Finished[RetrieveResult]],
    levels: Sequence[Finished[LevelsResult]],
    skies: Finished[SkiesResult] | None,
) -> Finished[ObservedResult]:
    """Put exposures in cells together; `skies`: None where exposures have one chip."""
    exposures, plan = aligned.result.exposures, planned.result
    by_name = {one.result.rootname: one for one in levels}
    chips = None if skies is None else chips_of(skies.result)
    truth = truth_products(retrieved, exposures)
    files = {} if skies is None else {e.name: aligned.products[e.name] for e in exposures}
    settings = LevelSettings.of(exposures, plan)

    def work(bench: Bench) -> ObservedResult:
        with computing_slot(place):
            found = observe(bench, exposures, aligned, plan, retrieved, chips, by_name)
            if found is None:
                return ObservedResult([], [e.rootname for e in exposures], 0, 0.0, chips)
            _save(bench, found.cells, found.side)
        return ObservedResult(
            [one.rootname for one in found.cells],
            list(found.unseen),
            found.side,
            found.scale,
            found.chips,
            None if found.truth is None else dict(found.truth),
        )

    return run_step(
        place,
        OBSERVED.step(),
        inputs={
            **{f"{one.step}/{one.result.table}": one.products[one.result.table] for one in levels},
            **(truth or {}),
            # Where chips have skies of their own, exposures are opened again.
            **files,
        },
        parameters={
            "version": _VERSION,
            "grid": plan.grid.to_dict(),
            "exposures": [exposure.rootname for exposure in exposures],
            "scale": None if settings is None else settings.scale,
            **({} if chips is None else {"chips": _digest_of(asdict(chips))}),
        },
        versions=versions(),
        work=work,
    )


def _digest_of(plain: object) -> str:
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def _save(bench: Bench, cells: Sequence[Cells], side: int) -> None:
    """Write exposures in cells, some in a file, and which pairs of them are to be measured."""
    for first in range(0, len(cells), _TOGETHER):
        part = cells[first : first + _TOGETHER]
        StoredCells.of(part).save(bench.out / _file(first // _TOGETHER))
    near = Neighbours(cells)
    chosen = choose_pairs(near)
    PairTable(
        chosen.pairs,
        near.middles(chosen.pairs)[:, ::-1] * side,
        np.array([_checksum(one) for one in cells]),
        np.array(chosen.near),
        np.array(chosen.every),
    ).save(bench.out / _PAIRS)


def _file(number: int) -> str:
    return f"cells_{number:04d}.npz"


def _checksum(one: Cells) -> str:
    """Return what the differences of an exposure depend on."""
    digest = hashlib.sha256(json.dumps([one.rootname, one.corner, one.level.shape]).encode())
    for values in (one.level, one.count):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def pair_table(place: Place, observed: Finished[ObservedResult]) -> PairTable:
    """Return the pairs of exposures, from the store or the host's cache."""
    return _tables.get(place.store, observed.products[_PAIRS])


def chosen_pairs(table: PairTable) -> ChosenPairs:
    """Return which pairs of all exposures are measured."""
    return ChosenPairs(table.pairs, int(table.near), bool(table.every))


def cell_products(observed: Finished[ObservedResult]) -> dict[str, Product]:
    """Return the products that hold the exposures, as steps that read them name them."""
    return {
        f"{observed.step}/{name}": product
        for name, product in observed.products.items()
        if name != _PAIRS
    }


def read_cells(bench: Bench, observed: Finished[ObservedResult]) -> list[Cells]:
    """Return all exposures in cells, in their order."""
    found = _read(bench, observed, range(len(observed.result.seen)))
    return [found[number] for number in range(len(found))]


def read_some(
    bench: Bench, observed: Finished[ObservedResult], numbers: Iterable[int]
) -> dict[int, Cells]:
    """Return some exposures in cells, by their numbers."""
    wanted = set(numbers)
    found = _read(bench, observed, sorted(wanted))
    return {number: one for number, one in found.items() if number in wanted}


def _read(
    bench: Bench, observed: Finished[ObservedResult], numbers: Iterable[int]
) -> dict[int, Cells]:
    found: dict[int, Cells] = {}
    for file in sorted({number // _TOGETHER for number in numbers}):
        with bench.open(observed.products[_file(file)]) as stream:
            its = StoredCells.load(stream).each()
        found |= {file * _TOGETHER + place: one for place, one in enumerate(its)}
    return found
