"""The one list of tasks, against the calls that a campaign's graph makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from skymosaic.archive.base import Parcel
from skymosaic.config import load_campaign_text
from skymosaic.drizzle.cells import Cell
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.parameters import CR_STEPS
from skymosaic.errors import InputError
from skymosaic.pipeline import graph as pipeline
from skymosaic.pipeline.groups import groups_of, tasks_of_groups
from skymosaic.pipeline.results import (
    COMPARISON,
    DRIZZLE,
    ENGINES,
    ONEPASS,
    RETRIEVE,
    RetrieveResult,
)
from skymosaic.pipeline.sources import open_source
from skymosaic.runs.mosaic import MosaicRun, with_fields
from skymosaic.steps.foresight import Foreseen
from skymosaic.steps.place import Place
from skymosaic.steps.tasks import CALLS, Step, Task, count_kinds, tasks_of
from skymosaic.store import LocalStore

TEXT = "campaign: {name: field}\nsource: {kind: directory, path: data}\n"
PARCELS = [Parcel(name, {}, {}) for name in ("a", "b")]
PARTS = {
    *("find_low", "merge_low", "make_single", "measure_one", "find_side", "guess", "find_first"),
    *("equate", "solve", "make_block", "make_headers", "make_variances", "sum_errors", "correlate"),
    *("draw_swapped", "measure_levels", "sum_up", "solve_sources", "match_block"),
    *("fill_background", "subtract_background", "find_middle", "take_middle", "find_threshold"),
    *("find_sources", "observe_field", "find_edges", "measure_pairs", "solve_overlaps", "judge"),
    *("draw", "choose_window", "drizzle_sample"),
}
"""What the one-pass engine makes its mosaics from."""
ALIGNING = {
    *("earlier", "list_tiles", "measure_noise", "find_level", "count_sources", "choose_threshold"),
    *("list_tile_sources", "solve_tiles", "move"),
}
"""What an alignment is made from."""
PLACED = {
    *("read_held", "choose_wcs", "place_exposures", "motions_of", "place_tiles", "with_placed"),
    *("measure_shapes", "compare_exposures", "shift_exposures", "with_within"),
}
"""What gives exposures the WCS that the campaign chooses, and compares them."""
UNLISTED = {"find", "given_sky", "make_cell", "assemble_variant", *PARTS, *ALIGNING, *PLACED}
"""Calls that nobody is told of."""
KINDS = {
    **{"drizzle_pairs": "drizzle", "assemble": "drizzle"},
    "compare_methods": "gather",
    **{
        "list_reference": "reference",
        "list_sources": "catalogue",
        "shared_grid": "grid",
        "index_cells": "cells",
    },
}


GRID = Grid((85.0, -2.0), (5.0, 5.0), 0.1, 0.0, (10, 10))
RESULTS = {
    "align": SimpleNamespace(exposures=[]),
    "plan": SimpleNamespace(
        cells=[Cell("x01y01", GRID, []), Cell("x02y01", GRID, [])],
        grid=GRID,
        order=SimpleNamespace(parameters=dict.fromkeys(CR_STEPS, False)),
    ),
    "merge_low": SimpleNamespace(masks={}),
    "solve": SimpleNamespace(),
}
"""What the calls would give that decide which calls come next."""


class Counted:
    """Calls that are written down, and not made."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def call(
        self, function: Callable[..., Any], *_: Any, name: str = "", of: str = "", near: str = ""
    ) -> str:
        self.names.append(name or function.__name__)
        return self.names[-1]

    def each(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        of: Sequence[str] = (),
        near: Sequence[str] = (),
    ) -> list[str]:
        assert isinstance(function, partial)
        return [self.call(function.func) for _ in items]

    def hosts(self) -> list[str]:
        return []

    def makes(self) -> bool:
        return True

    def result(self, call: str) -> Any:
        if call == "choose_window":
            return SimpleNamespace(exposures=())
        handed_on = {"on_grid": "align"}.get(call, call)
        return SimpleNamespace(result=RESULTS[handed_on], products={})


@pytest.mark.parametrize(
    "align",
    [
        *("align: none", "align: {order: [a]}", "align: {reference: gaia}"),
        *("align: {method: none, wcs: best}", "align: {wcs: best}"),
        *("align: {exposures: {}}", "align: {method: none, exposures: {correct: true}}"),
    ],
)
@pytest.mark.parametrize(
    "given",
    [
        "",
        "sky: {methods: [match, match-differences]}\ndrizzle: {witness: true, sample: 2}",
        "drizzle: {engine: onepass, sample: 2}\nsky: {variants: {a: {method: match}}}",
        "drizzle: {engine: onepass, witness: false}\nsky: {methods: [match-differences]}",
        "drizzle: {engine: onepass, products: [err]}",
        "drizzle: {engine: onepass}\nsky: {mask_sources: true}",
        "drizzle: {engine: onepass, grid: {cells: {layout: square, size: 10}}}",
    ],
)
def test_the_graph_makes_the_tasks_of_the_list(given: str, align: str, tmp_path: Path) -> None:
    campaign = load_campaign_text(f"{TEXT}{given}\n{align}\n", "field.yaml", {})
    place = Place(LocalStore(tmp_path), "field", tmp_path)
    calls, source = Counted(), SimpleNamespace(left_out=[])
    first = pipeline.begin(calls, campaign, place, source, PARCELS)
    prepared = pipeline.prepare(calls, campaign, place, first)
    drizzled = pipeline.drizzle_each(calls, campaign, place, prepared)
    cells = pipeline.make_cells(calls, campaign, place, prepared, drizzled)
    pipeline.compare(calls, campaign, place, source, prepared, drizzled, cells)
    assert len(cells.each) == 2 * ("cells" in given)
    assert set(calls.names) <= set(CALLS)  # the scheduler knows about how long each takes
    called = [KINDS.get(name, name) for name in calls.names if name not in {*UNLISTED, "on_grid"}]
    listed = [task.kind for task in tasks_of(campaign, PARCELS)]
    assert sorted(called) == sorted(listed)


PROGRAM = """
campaign: {name: p}
source: {kind: simulated, filters: {F110W: [54, 51], F125W: [54], F160W: [54, 51, 53]}}
"""


@pytest.mark.parametrize("reference", ["tile", "gaia"])
@pytest.mark.parametrize(
    ("shared", "added"),
    [
        ("grid: shared, align: shared, reference: F160W", {"catalogue": 1, "grid": 1}),
        ("grid: shared", {"grid": 1}),
        ("align: shared", {"catalogue": 1}),
        ("grid: own", {}),
    ],
)
def test_what_groups_share_is_made_once(
    shared: str, added: dict[str, int], reference: str, tmp_path: Path
) -> None:
    text = f"{PROGRAM}groups: {{{shared}}}\nalign: {{reference: {reference}}}\n"
    campaign = load_campaign_text(text, "p.yaml", {})
    place, source = Place(LocalStore(tmp_path), "p", tmp_path), SimpleNamespace(left_out=[])
    groups = groups_of(campaign, open_source(campaign.source, mixed=True).parcels())
    mosaics = with_fields([MosaicRun.of(campaign, place, source, g) for g in groups], groups, place)
    calls = Counted()
    for mosaic in mosaics:
        first, grid = mosaic.begin(calls, lambda place: place)
        prepared = pipeline.prepare(calls, mosaic.campaign, mosaic.place, first, grid)
        drizzled = pipeline.drizzle_each(calls, mosaic.campaign, mosaic.place, prepared)
        pipeline.compare(
            *(calls, mosaic.campaign, mosaic.place, source),
            *(prepared, drizzled, pipeline.CellTasks()),
        )
    assert set(calls.names) <= set(CALLS)
    called = Counter(
        KINDS.get(name, name) for name in calls.names if name not in {*UNLISTED, "on_grid"}
    )
    assert called == count_kinds(tasks_of_groups(campaign, groups))
    alone = {"retrieve": 6, "inspect": 3, "align": 3, "plan": 3, "drizzle": 12, "gather": 3}
    listed = {} if reference == "tile" else {"reference": 1 if "align: shared" in shared else 3}
    assert called == {**alone, **added, **listed}


@pytest.mark.parametrize(
    ("shared", "impossible", "stopped"),
    [
        ("align: shared, reference: F160W", "F110W", set()),
        ("align: shared, reference: F160W", "F160W", {"F110W", "F125W"}),
        ("grid: shared", "F110W", {"F125W", "F160W"}),
    ],
)
def test_a_group_that_cannot_be_stops_those_that_depend_on_it(
    shared: str, impossible: str, stopped: set[str], tmp_path: Path
) -> None:
    text = f"{PROGRAM}groups: {{by: [filter], {shared}}}\n"
    campaign = load_campaign_text(text, "p.yaml", {})
    place, source = Place(LocalStore(tmp_path), "p", tmp_path), SimpleNamespace(left_out=[])
    groups = groups_of(campaign, open_source(campaign.source, mixed=True).parcels())
    each = [
        InputError("no such filter")
        if group.name == impossible
        else MosaicRun.of(campaign, place, source, group)
        for group in groups
    ]
    found = with_fields(each, groups, place)
    named = dict(zip([group.name for group in groups], found, strict=True))
    assert str(named.pop(impossible)) == "no such filter"
    for name, one in named.items():
        if name in stopped:
            assert isinstance(one, InputError)
            assert str(one).startswith(f"{impossible}, which this group depends on, cannot be: ")
        else:
            assert isinstance(one, MosaicRun)
            assert one.field is not None


@pytest.mark.parametrize("backwards", [False, True])
def test_what_groups_share_is_foreseen_as_the_step_of_one_group(
    backwards: bool, tmp_path: Path
) -> None:
    campaign = load_campaign_text(
        f"{PROGRAM}groups: {{grid: shared, align: shared}}\n", "p.yaml", {}
    )
    place, source = Place(LocalStore(tmp_path), "p", tmp_path), SimpleNamespace(left_out=[])
    groups = groups_of(campaign, open_source(campaign.source, mixed=True).parcels())
    mosaics = with_fields([MosaicRun.of(campaign, place, source, g) for g in groups], groups, place)
    book: dict[str, Foreseen] = {}
    for mosaic in reversed(mosaics) if backwards else mosaics:
        mosaic.foresee(book)
    for group in groups:
        retrieved = {f"pristine/{parcel.name}" for parcel in group.parcels}
        assert set(book[group.name].to_make) == retrieved
        assert book[group.name].open["inspect"] == 1


def test_titles_and_steps() -> None:
    assert Task("drizzle", "globalmin+match").title == "drizzle globalmin+match"
    assert DRIZZLE.step("globalmin+match").name == "runs/globalmin_match"
    assert ONEPASS.step("globalmin+match").name == "runs/onepass"
    assert (ENGINES.task().title, ENGINES.step().name) == ("both engines", "engines")
    assert (COMPARISON.task().title, COMPARISON.step().name) == ("gather", "comparison")
    assert RETRIEVE.step("ibxl54") == Step("pristine/ibxl54", RetrieveResult, "pristine")
