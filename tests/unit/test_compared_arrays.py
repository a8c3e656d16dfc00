"""What the parts of the comparison hand on to each other is read as it was written."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skymosaic.drizzle.onepass.stored import Box
from skymosaic.evidence.cells import Cells
from skymosaic.evidence.edges import MosaicEdges, find_all_edges
from skymosaic.evidence.evidence import judge_method
from skymosaic.evidence.levels import RelativeLevels
from skymosaic.evidence.neighbours import Neighbours
from skymosaic.evidence.pairs import all_differences, choose_pairs, differences_of, merged
from skymosaic.evidence.residuals import Seam
from skymosaic.evidence.solution import solve_overlaps
from skymosaic.pipeline.comparing.arrays import (
    AllDifferences,
    BlockDifferences,
    PairTable,
    StoredCells,
    StoredEdges,
    StoredLevels,
    StoredSeams,
    measured_columns,
)
from skymosaic.pipeline.comparing.pairs import pairs_in
from tests.unit.small_field import grid, make, two_by_two

SKIES = {"a": 1.0, "b": 1.2, "c": 1.05, "d": 1.1}
NAMES = list(SKIES)


@pytest.fixture(scope="module")
def cells() -> list[Cells]:
    return list(make(two_by_two(), SKIES).cells)


def again(stored: Any, path: Path) -> Any:
    """Return what is read of something that was written."""
    stored.save(path / "stored.npz")
    with (path / "stored.npz").open("rb") as file:
        return type(stored).load(file)


def test_cells(cells: list[Cells], tmp_path: Path) -> None:
    found = again(StoredCells.of(cells), tmp_path).each()
    assert len(found) == len(cells)
    for one, other in zip(cells, found, strict=True):
        for field in fields(Cells):
            mine, its = getattr(one, field.name), getattr(other, field.name)
            assert type(mine) is type(its)
            assert np.array_equal(mine, its, equal_nan=field.name == "level")


def test_differences_of_blocks_are_those_of_all(cells: list[Cells], tmp_path: Path) -> None:
    whole = all_differences(cells).measured
    near = Neighbours(cells)
    chosen = choose_pairs(near)
    places = near.middles(chosen.pairs)[:, ::-1] * 8
    table = PairTable(chosen.pairs, places, np.array(NAMES), np.array(0), np.array(True))
    middle = int(np.median(places[:, 0]))
    parts = []
    for box in (Box(0, 0, middle, 10_000), Box(middle, 0, 10_000, 10_000)):
        pairs = pairs_in(again(table, tmp_path), box)
        assert 0 < len(pairs) < len(chosen.pairs)
        found = differences_of(cells, pairs)
        rows = np.array([pairs.tolist().index(list(pair)) for pair, _ in found])
        stored = BlockDifferences(**measured_columns(one for _, one in found), rows=rows)
        parts.append(again(stored, tmp_path).numbered(pairs, NAMES))
    numbers, together = zip(*merged(parts), strict=True)
    assert list(together) == whole
    assert again(AllDifferences.of(numbers, together), tmp_path).each(NAMES) == whole
    assert again(AllDifferences.of([], []), tmp_path).each(NAMES) == []
    assert pairs_in(None, Box(0, 0, 9, 9)).shape == (0, 2)


def test_levels(tmp_path: Path) -> None:
    levels = RelativeLevels(("a", "b", "c"), np.array([0.1, -0.1, 0.0]), ((0, 1), (2,)), 1.25)
    for empty in (None, np.array([True, False]), np.zeros(0, dtype=bool)):
        found = again(StoredLevels.of(levels, empty), tmp_path)
        same = found.levels(["a", "b", "c"], 1.25)
        assert (same.names, same.groups, same.misfit) == (levels.names, levels.groups, 1.25)
        assert same.values.tolist() == levels.values.tolist()
        patches = found.patches()
        assert (patches is None) == (empty is None)
        assert empty is None or patches.tolist() == empty.tolist()


def test_edges_and_seams(cells: list[Cells], tmp_path: Path) -> None:
    edges = find_all_edges(cells, grid().shape)
    assert edges.edges
    found = again(StoredEdges.of(edges.edges), tmp_path).edges(dense=edges.dense)
    differences = all_differences(cells).measured
    solution = solve_overlaps(cells, grid().shape, differences, {"match": SKIES})
    mosaic = make(two_by_two(), SKIES).mosaic(dict.fromkeys(SKIES, 0.5))
    judged = [
        judge_method(
            *("match", SKIES, cells, grid(), differences, solution, its, mosaic, None),
        )
        for its in (edges, found)
    ]
    assert judged[0] == judged[1]
    seams = list(judged[0].seams or ())
    assert seams
    without = Seam("match", "a", (), 0.1, 0.2, None, 12, 85.0, -2.0)
    assert again(StoredSeams.of([*seams, without]), tmp_path).each("match") == [*seams, without]
    assert again(StoredSeams.of([]), tmp_path).each("match") == []
    assert again(StoredEdges.of([]), tmp_path).edges(dense=True) == MosaicEdges([], True)
