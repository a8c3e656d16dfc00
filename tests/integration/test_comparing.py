"""A comparison that many tasks measured and drew is, to the last bit, that of one task."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from skymosaic.drizzle.order import Order
from skymosaic.pipeline.checks import hear_astrodrizzle
from skymosaic.pipeline.comparing.figures import PICTURES
from skymosaic.pipeline.comparing.results import PARTS
from skymosaic.pipeline.comparison import compare_methods
from skymosaic.pipeline.graph import DrizzleTasks, PreparedTasks, drizzle_each
from skymosaic.pipeline.results import (
    ALIGN,
    COMPARISON,
    PLAN,
    WITNESS,
    AlignResult,
    Planned,
)
from skymosaic.report.drawing import FIGURES
from skymosaic.steps.execution import Here
from skymosaic.steps.manifests import forget
from skymosaic.steps.results import as_plain
from skymosaic.steps.step import Finished
from tests.conftest import manifests
from tests.integration.test_blocks import Field

_NOW = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC")


class Making(Here):
    """Calls in this thread that make what has not finished."""

    def makes(self) -> bool:
        return True


class Compared:
    """A field whose mosaics are made, with all parts of the comparison."""

    def __init__(self, folder: Path, chips: int, methods: str) -> None:
        self.field = field = Field(folder, chips, 0.15, methods)
        self.campaign = field.campaign(field.exposures)
        products = {
            one.name: field.place.store.put(field.files / one.name, f"field/aligned/{one.name}")
            for one in field.exposures
        }
        result = AlignResult(list(field.exposures))
        self.aligned = Finished(ALIGN.step().name, "a", products, result, 0.0, 0, True)
        names = [one.rootname for one in field.exposures]
        pairs = [(names[0], names[1], 900.0), (names[0], names[2], 700.0)]
        facts = Planned(field.grid, pairs, [names], order=Order(field.parameters, {}, []))
        self.planned = Finished(PLAN.step().name, "p", {}, facts, 0.0, 0, True)
        self.calls = Making()

    def drizzled(self) -> DrizzleTasks:
        prepared = PreparedTasks([], None, self.aligned, self.planned)
        return drizzle_each(self.calls, self.campaign, self.field.place, prepared)

    def compare(self, drizzled: DrizzleTasks, *, by_parts: bool) -> dict[str, Any]:
        """Return what the comparison gives, and the bytes of its files, without the time."""
        done = compare_methods(
            *(self.field.place, self.campaign, [], [], None, self.aligned, self.planned, None),
            drizzled.runs,
            measured=drizzled.onepass.compared if by_parts else None,
        )
        assert not done.reused
        files = {name: (self.field.folder / "comparison" / name) for name in done.products}
        texts = {name: _NOW.sub(b"then", path.read_bytes()) for name, path in files.items()}
        forget(self.field.place, COMPARISON.step().name)
        return {"result": as_plain(done.result, COMPARISON.gives), "key": done.key, **texts}


@pytest.mark.parametrize(
    ("chips", "methods"),
    [
        (1, "[match, globalmin+match, match-differences]"),
        pytest.param(2, "[localmin, match]", marks=pytest.mark.slow),
        pytest.param(2, "[match, match-differences]", marks=pytest.mark.slow),
    ],
)
def test_many_tasks_find_and_draw_what_one_does(tmp_path: Path, chips: int, methods: str) -> None:
    compared = Compared(tmp_path, chips, methods)
    drizzled = compared.drizzled()
    parts = drizzled.onepass.compared
    assert set(parts["figures"]) == {*FIGURES, PICTURES}
    one, many = (compared.compare(drizzled, by_parts=by_parts) for by_parts in (False, True))
    assert one.keys() == many.keys()
    assert [name for name in one if one[name] != many[name]] == []
    assert {
        "residuals.png",
        "scatter.pdf",
        "blink.gif",
        "preview_match.png",
        "advice.json",
        "seams.ecsv",
    } <= one.keys()
    assert one["result"]["evidence"]["graph"]["edges"]
    for spec in PARTS:
        assert [name for name in manifests(compared.field.folder) if _is(spec, name)]


@pytest.mark.slow
def test_astrodrizzle_makes_its_part_of_each_mosaic_before_the_witness(tmp_path: Path) -> None:
    compared = Compared(tmp_path, 1, "[match]")
    place, drizzled = compared.field.place, compared.drizzled().onepass
    assert drizzled.samples.keys() == {"match", "variant:mode", "variant:given"}
    heard = []
    for samples in ({}, drizzled.samples):
        heard.append(
            hear_astrodrizzle(
                *(place, compared.campaign, compared.aligned, compared.planned),
                *(drizzled.runs, samples),
            )
        )
        forget(place, WITNESS.step().name)
    alone, after = heard
    assert after.result == alone.result
    assert after.key == alone.key
    # Of its own it opens no exposure.
    exposures = {product.sha256 for product in compared.aligned.products.values()}
    assert not exposures.isdisjoint(alone.fetched)
    assert exposures.isdisjoint(after.fetched)
    # What has other skies is made anew.
    name, one = next(iter(drizzled.samples.items()))
    other = replace(one, result=replace(one.result, sky=[sky + 1.0 for sky in one.result.sky]))
    again = hear_astrodrizzle(
        *(place, compared.campaign, compared.aligned, compared.planned, drizzled.runs),
        {**drizzled.samples, name: other},
    )
    assert again.result == alone.result
    assert not exposures.isdisjoint(again.fetched)


def _is(spec: Any, name: str) -> bool:
    start, _, end = spec.kind.step.partition("{of}")
    return name.startswith(start) and (end == "" or name.endswith(end))
