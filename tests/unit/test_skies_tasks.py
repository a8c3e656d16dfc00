"""Skies by many tasks are those of one, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from skymosaic.config import load_campaign_text
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.onepass.measured import neighbours_of
from skymosaic.drizzle.onepass.skies import AppliedSky, find_skies
from skymosaic.drizzle.onepass.sky import Exposures
from skymosaic.drizzle.request import Request
from skymosaic.drizzle.static_masks import rule_of, sigma_of
from skymosaic.errors import SkyError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.results import ALIGN, AlignResult
from skymosaic.pipeline.skies import (
    find_static,
    masks_of,
    measure_each,
    skies_of,
    solve_skies,
    values_of,
)
from skymosaic.sky.footprints import chip_footprint, footprint_of_corners
from skymosaic.steps.execution import Here
from skymosaic.steps.step import Finished, NotFinishedError, Place
from skymosaic.store import open_store
from tests.frames import Frame
from tests.many_frames import write_many

FRAMES = [
    Frame(0, 0, sky=0.7),
    Frame(40, 5, 8.0, sky=1.1),
    Frame(-30, 45, 20.0, sky=0.9),
    Frame(35, 50, 4.0, sky=1.4),
    Frame(900, 0, sky=1.2),  # overlaps no other
]
METHODS = ("localmin", "match", "globalmin", "globalmin+match")
CAMPAIGN = """
campaign: {name: field}
source: {kind: directory, path: data}
align: none
drizzle: {engine: onepass}
sky:
  methods: [localmin, match, globalmin, globalmin+match]
  variants:
    mean: {method: match, parameters: {skystat: mean, skyclip: 3}}
    mode: {method: globalmin+match, parameters: {skystat: mode}}
    once: {method: localmin, parameters: {static: true, static_sig: 3.0}}
    without: {method: match, parameters: {use_static: false}}
    given: {values: {VALUES}}
"""


class Campaign:
    """Exposures in a store as they come from `align`, and the parameters of their drizzle."""

    def __init__(self, folder: Path, chips: int, **parameters: Any) -> None:
        self.files = folder / "files"
        self.files.mkdir()
        names = write_many(self.files, FRAMES, chips)
        self.exposures = [read_exposure(self.files / name) for name in names]
        values = {one.rootname: 0.1 * (i + 1) for i, one in enumerate(self.exposures)}
        text = CAMPAIGN.replace("{VALUES}", str(values).replace("'", ""))
        self.campaign = load_campaign_text(text, "field.yaml", {})
        self.parameters = pars.resolve(parameters)
        self.place = Place(open_store(f"{folder}/store", {}), "field", folder)
        self.products = {
            name: self.place.store.put(self.files / name, f"field/aligned/{name}") for name in names
        }

    def prepared(self, exposures: Sequence[Exposure]) -> Any:
        aligned = Finished(
            ALIGN.step().name, "", self.products, AlignResult(list(exposures)), 0.0, 0, True
        )
        order = SimpleNamespace(parameters=self.parameters)
        planned = SimpleNamespace(result=SimpleNamespace(order=order))
        return SimpleNamespace(aligned=aligned, planned=planned)

    def at_once(self) -> dict[str, AppliedSky]:
        choices = Request.of(self.campaign).choices
        pixels = Exposures(
            *(self.files, self.exposures, 4096),
            swapped_footprints=self.campaign.sky.footprints == "swapped",
        )
        return find_skies(self.files, self.exposures, choices, self.parameters, pixels)

    def by_tasks(self, exposures: Sequence[Exposure], place: Place | None = None) -> Any:
        prepared, calls = self.prepared(exposures), Here()
        there = place or self.place
        static = calls.result(find_static(calls, self.campaign, there, prepared, Homes()))
        measured = measure_each(calls, self.campaign, there, prepared, static, Homes())
        return static, solve_skies(calls, self.campaign, there, prepared, measured)


@pytest.mark.parametrize(
    ("chips", "static"), [(1, True), (1, "repeated"), (1, False), (2, "repeated")]
)
def test_skies_by_tasks_are_those_of_one(tmp_path: Path, chips: int, static: object) -> None:
    field = Campaign(tmp_path, chips, static=static)
    expected = field.at_once()
    masks, skies = field.by_tasks(field.exposures)
    assert skies.result.names == list(expected)
    rootnames = [one.rootname for one in field.exposures]
    found = skies_of(field.place, skies, rootnames)
    for name, sky in expected.items():
        assert found[name].subtracted == tuple(map(float, sky.subtracted)), name
        assert found[name].recorded == sky.recorded, name
        assert values_of(field.place, skies, name) == sky.values, name
    assert len(set(found["match"].subtracted)) > 2
    # A task takes the rows of its own exposures, in their order.
    part = skies_of(field.place, skies, [rootnames[3], rootnames[1]])["match"]
    rows = [chip for e in (3, 1) for chip in range(e * chips, (e + 1) * chips)]
    assert part.subtracted == tuple(found["match"].subtracted[row] for row in rows)
    # And each exposure the static masks of all.
    pixels = Exposures(field.files, field.exposures, 0)
    whole = pixels.static_masks(rule_of(field.parameters), sigma_of(field.parameters))
    assert masks.result.summaries == whole.summaries()
    for exposure, places in zip(field.exposures, pixels.places(), strict=True):
        own = masks_of(masks, exposure)
        assert own.keys() == (set(range(1, chips + 1)) if static else set())
        for area in places if static else ():
            with field.place.store.open(own[area.extver]) as file:
                np.testing.assert_array_equal(np.load(file), whole.low(area))


def test_skies_of_swapped_footprints_by_tasks_are_those_of_one(tmp_path: Path) -> None:
    field = Campaign(tmp_path, 2, static=False)
    right = field.at_once()
    text = CAMPAIGN.split("  variants")[0] + "  footprints: swapped\n"
    field.campaign = load_campaign_text(text, "f.yaml", {})
    expected = field.at_once()
    _, skies = field.by_tasks(field.exposures)
    for name, sky in expected.items():
        assert values_of(field.place, skies, name) == sky.values, name
    assert expected["match"].values != right["match"].values
    pixels = Exposures(field.files, field.exposures, 0, swapped_footprints=True)
    assert skies.result.footprints == pixels.swapped_by_name()
    assert skies.result.footprints.missed


def test_skies_do_not_depend_on_the_order_of_the_exposures(tmp_path: Path) -> None:
    field = Campaign(tmp_path, 1, static="repeated")
    _, one = field.by_tasks(field.exposures)
    bare = replace(field.place, campaign="again")
    _, other = field.by_tasks(field.exposures[::-1], bare)
    (mine,), (theirs,) = one.products.values(), other.products.values()
    assert mine.sha256 == theirs.sha256


def test_what_is_finished_is_looked_up_and_a_new_exposure_costs_its_neighbours(
    tmp_path: Path,
) -> None:
    field = Campaign(tmp_path, 1, static=False)
    field.campaign = load_campaign_text(CAMPAIGN.split("  variants")[0], "f.yaml", {})
    _, skies = field.by_tasks([*field.exposures[:3], field.exposures[4]])
    store = field.place.store
    before = {
        one: store.read_text(f"field/manifests/measured/{one}.json")
        for one in [e.rootname for e in field.exposures if e is not field.exposures[3]]
    }
    with pytest.raises(NotFinishedError):
        field.by_tasks(field.exposures, field.place.only_finished())
    field.by_tasks(field.exposures)
    _, found = field.by_tasks(field.exposures, field.place.only_finished())
    assert found.reused and found.key != skies.key
    after = {one: store.read_text(f"field/manifests/measured/{one}.json") for one in before}
    alone = field.exposures[4].rootname
    assert after[alone] == before[alone]
    assert all(after[one] != before[one] for one in before if one != alone)


def test_a_mask_of_most_pixels_is_refused(tmp_path: Path) -> None:
    field = Campaign(tmp_path, 1, static=True, static_sig=0.05)
    with pytest.raises(SkyError, match="static mask would leave out"):
        field.by_tasks(field.exposures)


def test_recorded_corners_give_the_footprint_of_the_wcs(tmp_path: Path) -> None:
    field = Campaign(tmp_path, 2)
    pixels = Exposures(field.files, field.exposures, 0)
    for exposure, found in zip(field.exposures, pixels.wcs(), strict=True):
        for chip, wcs in zip(exposure.chips, found, strict=True):
            right = chip_footprint(wcs)
            recorded = footprint_of_corners(np.array(chip.footprint))
            np.testing.assert_array_equal(recorded.points, right.points)
            assert recorded.inside @ right.inside == pytest.approx(1.0, abs=1e-9)


def test_neighbours_are_the_exposures_that_overlaps_link(tmp_path: Path) -> None:
    field = Campaign(tmp_path, 2)
    layout = Exposures(field.files, field.exposures, 0).layout()
    linked = {tuple(layout.exposures[chip] for chip in pair) for pair in layout.pairs}
    number = {one.rootname: i for i, one in enumerate(field.exposures)}
    found = {
        (min(own, number[near.rootname]), max(own, number[near.rootname]))
        for own, neighbours in enumerate(neighbours_of(field.exposures))
        for near in neighbours
    }
    assert found == linked
