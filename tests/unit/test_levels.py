"""Exposures that tasks brought into cells of the sky are what the comparison finds by itself."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline.homes import find_homes
from skymosaic.pipeline.images import select
from skymosaic.pipeline.levels import make_levels
from skymosaic.pipeline.measuring import Observed, observe
from skymosaic.pipeline.results import ALIGN, AlignResult
from skymosaic.steps.execution import Here
from skymosaic.steps.step import Bench, Finished, Place
from skymosaic.store import open_store
from tests.frames import CENTRE, Frame
from tests.many_frames import write_many

FRAMES = [Frame(0, 0, sky=0.7), Frame(40, 5, 8.0, sky=1.1), Frame(-30, 45, 20.0, sky=0.9)]
GRID = Grid(CENTRE, (150.5, 150.5), 0.13, 0.0, (300, 300))


def same(a: Any, b: Any) -> bool:
    """Tell whether cells are the same to the last bit."""
    return all(
        np.array_equal(getattr(a, one.name), getattr(b, one.name), equal_nan=one.name == "level")
        for one in fields(a)
    )


@pytest.mark.parametrize("chips", [1, 2])
def test_cells_by_tasks_are_those_of_the_comparison(tmp_path: Path, chips: int) -> None:
    (tmp_path / "files").mkdir()
    names = write_many(tmp_path / "files", FRAMES, chips)
    exposures = [read_exposure(tmp_path / "files" / name) for name in names]
    place = Place(open_store(f"{tmp_path}/store", {}), "field", tmp_path)
    products = {
        name: place.store.put(tmp_path / "files" / name, f"field/aligned/{name}") for name in names
    }
    aligned = Finished(ALIGN.step().name, "", products, AlignResult(exposures), 0.0, 0, True)
    parameters = pars.resolve({})
    planned: Any = SimpleNamespace(
        result=SimpleNamespace(grid=GRID, order=SimpleNamespace(parameters=parameters))
    )
    homes = find_homes(["a", "b"], [one.rootname for one in exposures])
    images = select(exposures, products)
    levels = make_levels(Here(), place, images, planned.result, None, homes)
    assert [one.step for one in levels] == [f"levels/{one.rootname}" for one in exposures]

    def measured(known: list[Any]) -> tuple[Observed, dict[str, int]]:
        (root := tmp_path / f"bench-{len(known)}").mkdir()
        bench = Bench(place, root)
        by_name = {one.result.rootname: one for one in known}
        found = observe(bench, exposures, aligned, planned.result, [], None, by_name)
        assert found is not None
        return found, bench.fetched

    (here, fetched), (by_tasks, less) = measured([]), measured(levels)
    files = {product.sha256 for product in products.values()}
    assert files <= fetched.keys()
    assert here.side == by_tasks.side
    assert here.chips == by_tasks.chips
    assert all(same(a, b) for a, b in zip(here.cells, by_tasks.cells, strict=True))
    # Chips whose skies differ are opened again, as what they differ by is found out here.
    steps = chips == 2 and here.chips is not None and here.chips.model == "chips"
    assert steps or files.isdisjoint(less)
