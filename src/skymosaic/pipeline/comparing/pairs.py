"""The tasks that measure what exposures differ by in their overlaps, one a block of the mosaics."""

from __future__ import annotations

import hashlib

import numpy as np

from skymosaic.drizzle.onepass.stored import Box
from skymosaic.evidence.pairs import differences_of
from skymosaic.pipeline.comparing.arrays import (
    BlockDifferences,
    Integers,
    PairTable,
    measured_columns,
)
from skymosaic.pipeline.comparing.observed import pair_table, read_some
from skymosaic.pipeline.comparing.results import PAIRS, ObservedResult, PairsResult
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

_VERSION = 1
"""Version of how a pair is measured; part of the keys of these steps."""
_TABLE = "pairs.npz"


def measure_pairs(
    place: Place, name: str, box: Box, observed: Finished[ObservedResult]
) -> Finished[PairsResult]:
    """Measure the pairs whose middle lies in a block.

    Parameters
    ----------
    place : Place
        The campaign's.
    name, box
        Of the block.
    observed : Finished
        All exposures in cells.
    """
    table = pair_table(place, observed) if observed.result.seen else None
    pairs = pairs_in(table, box)
    members = np.unique(pairs)

    def work(bench: Bench) -> PairsResult:
        cells = read_some(bench, observed, members.tolist())
        with computing_slot(place):
            own = [cells[number] for number in members.tolist()]
            found = differences_of(own, np.searchsorted(members, pairs))
        row = {pair: number for number, pair in enumerate(map(tuple, pairs.tolist()))}
        rows = [row[int(members[i]), int(members[j])] for (i, j), _ in found]
        BlockDifferences(
            **measured_columns(one for _, one in found), rows=np.array(rows, dtype=np.int64)
        ).save(bench.out / _TABLE)
        return PairsResult(_TABLE, len(found))

    return run_step(
        place,
        PAIRS.step(name),
        inputs={},
        # Of all exposures those of the block alone: another one changes nothing here.
        parameters={"version": _VERSION, "pairs": _digest_of(table, pairs)},
        versions=versions(),
        work=work,
    )


def pairs_in(table: PairTable | None, box: Box) -> Integers:
    """Return the pairs whose middle lies in a rectangle of the mosaics, shape (n, 2)."""
    if table is None:
        return np.zeros((0, 2), dtype=np.int64)
    x, y = table.places.T
    return table.pairs[(x >= box.x) & (x < box.right) & (y >= box.y) & (y < box.bottom)]


def _digest_of(table: PairTable | None, pairs: Integers) -> str:
    digest = hashlib.sha256()
    if table is not None:
        for one in table.digests[pairs].ravel().tolist():
            digest.update(one.encode())
    return digest.hexdigest()
