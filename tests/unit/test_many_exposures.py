"""Evidence of many exposures: the same numbers as those of few, found by neighbourhood."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
import pytest

from skymosaic.evidence.background import PATCH, darkest
from skymosaic.evidence.cells import Cells
from skymosaic.evidence.covariance import EXACT, mean_variance, quadratic, with_shared
from skymosaic.evidence.graph import MOST_NAMED
from skymosaic.evidence.levels import solve
from skymosaic.evidence.min_cut import minimum_cut
from skymosaic.evidence.mosaic import combined, cropped
from skymosaic.evidence.neighbours import Neighbours
from skymosaic.evidence.overlap_graph import build
from skymosaic.evidence.pairs import all_differences, differences_of, merged
from skymosaic.evidence.residuals import PairDifference

SIDE = 9


def scattered(count: int, field: int, seed: int = 0, side: int = SIDE) -> list[Cells]:
    """Return exposures of noise at random places of a field."""
    random = np.random.default_rng(seed)
    return [
        Cells(
            rootname=f"e{number:04d}",
            corner=(int(row), int(column)),
            level=(1.0 + 0.01 * random.standard_normal((side, side))).astype(np.float32),
            count=np.full((side, side), 64, dtype=np.int32),
            covered=np.ones((side, side), dtype=bool),
            noise=0.05,
            weight=500.0,
        )
        for number, (row, column) in enumerate(random.integers(0, field, size=(count, 2)))
    ]


def share(a: Cells, b: Cells) -> int:
    """Return how many cells two windows have in common."""
    rows, columns = (
        max(0, min(one.stop, other.stop) - max(one.start, other.start))
        for one, other in zip(a.window, b.window, strict=True)
    )
    return rows * columns


def link(a: str, b: str, difference: float = 0.0, error: float = 0.01, pixels: int = 6400):
    return PairDifference(a, b, difference, error, 0.1, 0.05, 0.0, pixels // 64, pixels)


def test_neighbours_are_the_exposures_that_share_a_cell() -> None:
    cells = scattered(80, 60)
    near = Neighbours(cells)
    pairs = [(i, j) for i, j in combinations(range(80), 2) if share(cells[i], cells[j])]
    assert near.pairs().tolist() == [[i, j] for i, j in pairs]
    assert near.count() == len(pairs)
    assert near.shared(3, near.of(3)).tolist() == [share(cells[3], cells[j]) for j in near.of(3)]
    row, column = cells[5].corner
    holding = [
        number
        for number, one in enumerate(cells)
        if row in range(one.corner[0], one.corner[0] + SIDE)
        and column in range(one.corner[1], one.corner[1] + SIDE)
    ]
    assert near.at(row, column).tolist() == holding
    assert near.at(10_000, 3).size == 0


def test_parts_of_the_grid_merge_to_what_the_whole_gives() -> None:
    cells = scattered(40, 30)
    near = Neighbours(cells)
    pairs = near.pairs()
    parts = near.in_blocks(pairs, 10)
    assert len(parts) > 5
    assert sorted(map(tuple, np.concatenate(parts))) == sorted(map(tuple, pairs))
    each = [differences_of(cells, part) for part in parts]
    whole = [one for _, one in differences_of(cells, pairs)]
    assert [one for _, one in merged(reversed(each))] == whole
    assert all_differences(cells).measured == whole


def test_of_very_many_overlaps_a_part_is_measured_and_the_same_in_each_run() -> None:
    two_stacks = scattered(30, 4) + [
        Cells(**{**vars(one), "rootname": f"f{one.rootname}", "corner": (2, one.corner[1] + 60)})
        for one in scattered(30, 4, seed=1)
    ]
    bridge = scattered(1, 1, side=55)[0]
    bridge = Cells(**{**vars(bridge), "rootname": "bridge", "corner": (8, 8)})
    cells = [*two_stacks, bridge]
    every = all_differences(cells)
    some = all_differences(cells, most=10, each=5)
    assert every.left_out == 0
    assert some == all_differences(cells, most=10, each=5)
    assert set(map(repr, some.measured)) < set(map(repr, every.measured))
    assert len(some.measured) <= 5 * len(cells)
    # Those near one another that have no difference count as looked at.
    assert some.left_out >= len(every.measured) - len(some.measured)
    names = [one.rootname for one in cells]
    groups = [
        build(names, found.measured, dict.fromkeys(names, 1)).components for found in (every, some)
    ]
    assert groups[0] == groups[1]
    degree = [sum(one.rootname in (d.a, d.b) for d in some.measured) for one in two_stacks]
    assert min(degree) >= 5


def test_what_overlaps_link_stays_linked_when_a_part_is_measured() -> None:
    """Two stacks, each of which has all of its largest overlaps within itself."""
    left, right = scattered(12, 1), scattered(12, 1, seed=1)
    right = [
        Cells(**{**vars(one), "rootname": f"f{n}", "corner": (5, 6)}) for n, one in enumerate(right)
    ]
    found = all_differences([*left, *right], most=10, each=3)
    across = [one for one in found.measured if one.a.startswith("e") != one.b.startswith("e")]
    assert len(across) == 1


@pytest.mark.parametrize("seed", range(8))
def test_the_weakest_cut_is_that_of_stoer_and_wagner(seed: int) -> None:
    random = np.random.default_rng(seed)
    graph = nx.random_geometric_graph(60, 0.35, seed=seed)
    graph.add_edges_from(nx.path_graph(60).edges)
    for a, b in graph.edges:
        graph.edges[a, b]["pixels"] = int(random.integers(1, 50) ** 2)
    expected, _ = nx.stoer_wagner(graph, weight="pixels")
    weights = {
        node: {other: its["pixels"] for other, its in near.items()}
        for node, near in graph.adjacency()
    }
    value, side = minimum_cut(weights)
    assert 0 < len(side) < 60
    assert value == nx.cut_size(graph, side, weight="pixels") == expected


def test_a_large_group_has_the_same_cuts_and_names_the_smaller_part() -> None:
    names = [f"e{number:04d}" for number in range(MOST_NAMED + 100)]
    ring = [link(a, b) for a, b in zip(names, names[1:] + names[:1], strict=True)]
    inner = [link(a, b) for a, b in zip(names, names[2:] + names[:2], strict=True)]
    tail = ["t0", "t1", "t2"]
    hanging = [
        link(names[7], "t0", pixels=640),
        *(link(a, b) for a, b in combinations(tail, 2)),
        link(names[9], "leaf", pixels=1280),
    ]
    everyone = [*names, *tail, "leaf"]
    found = build(everyone, [*ring, *inner, *hanging], dict.fromkeys(everyone, 9000))
    assert [cut.parts for cut in found.bridges] == [(("t0", "t1", "t2"), ()), (("leaf",), ())]
    [weakest] = found.weakest
    assert weakest == found.bridges[0]
    assert weakest.pixels == 640


def levels_of(names, pairs):
    graph = build(names, pairs, dict.fromkeys(names, 9000))
    return solve(names, graph.components, pairs)


def lattice(rows: int, columns: int, mark: str = "", seed: int = 0):
    """Return names and differences of exposures on a lattice, with random skies."""
    random = np.random.default_rng(seed)
    names = [f"{mark}{row:02d}{column:02d}" for row in range(rows) for column in range(columns)]
    sky = dict(zip(names, random.uniform(0, 1, len(names)), strict=True))
    pairs = []
    for row in range(rows):
        for column in range(columns):
            for other in ((row, column + 1), (row + 1, column)):
                if other[0] < rows and other[1] < columns:
                    a = f"{mark}{row:02d}{column:02d}"
                    b = f"{mark}{other[0]:02d}{other[1]:02d}"
                    error = float(random.uniform(0.005, 0.02))
                    noise = float(random.normal(0.0, error))
                    pairs.append(link(a, b, sky[a] - sky[b] + noise, error))
    return names, pairs


def laplacian_inverse(names, pairs, misfit: float) -> np.ndarray:
    place = {name: number for number, name in enumerate(names)}
    normal = np.zeros((len(names), len(names)))
    for one in pairs:
        i, j = place[one.a], place[one.b]
        normal[[i, j], [i, j]] += one.error**-2
        normal[[i, j], [j, i]] -= one.error**-2
    return np.linalg.pinv(normal, hermitian=True) * max(1.0, misfit) ** 2


def test_levels_of_many_exposures_are_those_of_the_whole_matrix() -> None:
    parts = [lattice(23, 23, "a"), lattice(2, 3, "b", seed=1), lattice(1, 1, "c")]
    names = [name for its, _ in parts for name in its]
    pairs = [pair for _, its in parts for pair in its]
    levels = levels_of(names, pairs)
    place = {name: number for number, name in enumerate(names)}
    full = laplacian_inverse(names, pairs, levels.misfit)
    right = np.zeros(len(names))
    for one in pairs:
        right[place[one.a]] += one.difference / one.error**2
        right[place[one.b]] -= one.difference / one.error**2
    np.testing.assert_allclose(
        levels.values, full @ right / max(1.0, levels.misfit) ** 2, atol=1e-10
    )
    shared = with_shared(levels.covariance, levels.groups, [1e-4, 4e-4, 9e-4])
    for group, variance in zip(levels.groups, (1e-4, 4e-4, 9e-4), strict=True):
        full[np.ix_(group, group)] += variance
    vector = np.random.default_rng(3).normal(size=len(names))
    assert quadratic(shared, vector) == pytest.approx(vector @ full @ vector, rel=1e-9)
    assert mean_variance(shared) == pytest.approx(np.trace(full) / len(names), rel=1e-9)


def test_the_mean_variance_of_very_many_exposures_is_estimated_the_same_in_each_run() -> None:
    parts = [lattice(5, 9, f"{number:02d}", seed=number) for number in range(EXACT // 45 + 1)]
    names = [name for its, _ in parts for name in its]
    pairs = [pair for _, its in parts for pair in its]
    levels = levels_of(names, pairs)
    trace = sum(np.trace(laplacian_inverse(*part, levels.misfit)) for part in parts)
    found = mean_variance(levels.covariance)
    assert found == pytest.approx(trace / len(names), rel=0.02)
    assert found == mean_variance(levels.covariance)


def test_exposures_without_a_link_have_no_variance_of_differences() -> None:
    names = [f"e{number:04d}" for number in range(600)]
    levels = levels_of(names, [])
    assert levels.values.tolist() == [0.0] * 600
    assert mean_variance(levels.covariance) == 0.0


def test_a_group_on_its_part_of_the_grid_has_the_darkest_parts_that_it_has_on_all_of_it() -> None:
    cells = scattered(12, 20, side=24)
    moved = [
        Cells(**{**vars(one), "corner": (one.corner[0] + 33, one.corner[1] + 50)}) for one in cells
    ]
    skies = np.full(len(cells), 0.3)
    on_all = darkest(*combined(moved, skies, (120, 140)), 0.05)
    near, shape = cropped(moved, PATCH)
    assert shape[0] < 60 and shape[1] < 60
    on_part = darkest(*combined(near, skies, shape), 0.05)
    assert (on_part.level, on_part.error) == (on_all.level, on_all.error)
    assert on_part.empty.tolist() == on_all.empty.tolist()
