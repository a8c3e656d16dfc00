"""Results of steps, as objects and as the JSON of manifests: of this version, and of older ones."""

from __future__ import annotations

import copy
import json
import logging
import math
import pickle
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from skymosaic.drizzle.depth import Depth
from skymosaic.drizzle.grid import Grid
from skymosaic.pipeline import align_results, onepass_results, results, wcs_results
from skymosaic.pipeline.comparing import results as comparing_results
from skymosaic.pipeline.results import DRIZZLE, PLAN, PlanResult, RecordedRule
from skymosaic.results.reading import read_finished_steps
from skymosaic.steps.manifests import finished, recorded_result
from skymosaic.steps.results import as_plain, from_plain
from skymosaic.steps.tasks import KINDS, StepSpec
from tests.unit.small_store import SmallStore

# What runs of small campaigns wrote before there were types; long lists are cut.
WRITTEN: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("results.json").read_text()
)
# Names of fields in manifests, where an object has another.
NAMES = {"told": "differences", "changes_with": "turns"}
SPECS = {
    spec.kind.name: spec
    for room in (results, onepass_results, align_results, comparing_results, wcs_results)
    for spec in vars(room).values()
    if isinstance(spec, StepSpec)
}


def read(name: str, without: str = "") -> Any:
    """Return a result that was written, without a field that an older version did not write."""
    kind, plain = WRITTEN[name]["kind"], copy.deepcopy(WRITTEN[name]["result"])
    *path, last = without.split(".")
    holder = plain
    for part in path:
        holder = holder[int(part)] if isinstance(holder, list) else holder[part]
    if without:
        del holder[last]
    return from_plain(plain, SPECS[kind].gives, "here")


def same(read: Any, plain: Any) -> bool:
    """Tell whether an object holds what JSON says, by the same names."""
    if plain is None:
        return read is None or math.isnan(read)
    if isinstance(read, Depth):
        return same(read.points, plain)
    if isinstance(plain, list):
        return len(read) == len(plain) and all(map(same, read, plain))
    if isinstance(plain, dict):
        return all(
            same(
                read[name] if isinstance(read, Mapping) else getattr(read, NAMES.get(name, name)),
                value,
            )
            for name, value in plain.items()
        )
    return type(read) is type(plain) and bool(read == plain)


def test_every_kind_of_steps_says_what_it_gives() -> None:
    assert set(SPECS) == {kind.name for kind in KINDS}
    assert {one["kind"] for one in WRITTEN.values()} == set(SPECS)


def open_fields(given: Any, path: str, seen: set[type]) -> list[str]:
    """Return the fields within a type that may hold anything."""
    if given in (Any, object):
        return [path]
    found = [one for part in get_args(given) for one in open_fields(part, path, seen)]
    if is_dataclass(given) and isinstance(given, type) and given not in seen:
        seen.add(given)
        for name, hint in get_type_hints(given, include_extras=False).items():
            found += open_fields(hint, f"{given.__name__}.{name}", seen)
    return found


def test_results_hold_nothing_that_has_no_type() -> None:
    seen: set[type] = set()
    found = [one for spec in SPECS.values() for one in open_fields(spec.gives, "", seen)]
    # Each code of a finding has numbers of its own, which only people read.
    assert found == ["Finding.evidence"]
    assert len(seen) > 30


@pytest.mark.parametrize("name", WRITTEN)
def test_what_was_written_is_read_and_written_the_same(name: str) -> None:
    plain, spec = WRITTEN[name]["result"], SPECS[WRITTEN[name]["kind"]]
    result = read(name)
    assert same(result, plain)
    # JSON itself: types that are equal in Python, such as 1 and 1.0, make other keys of steps.
    again = json.dumps(as_plain(result, spec.gives), sort_keys=True)
    assert again == json.dumps(plain, sort_keys=True)


@pytest.mark.parametrize("name", WRITTEN)
def test_results_travel_between_processes(name: str) -> None:
    result = read(name)
    spec = SPECS[WRITTEN[name]["kind"]]
    travelled = pickle.loads(pickle.dumps(result))
    assert as_plain(travelled, spec.gives) == as_plain(result, spec.gives)


@pytest.mark.parametrize(
    ("name", "without", "default"),
    [
        ("exposures and drizzled images", "warnings", []),
        ("exposures and drizzled images", "exposures.0.health", ()),
        ("exposures and drizzled images", "exposures.0.chips.0.wcstype", ""),
        ("by TweakReg", "alignment", None),
        ("by TweakReg", "alignment.finding", None),
        ("by TweakReg", "alignment.finding.tweakreg", {}),
        ("from parts", "files", None),
        ("a plan", "depth", None),
        ("a plan", "started", None),
        ("a plan", "static", None),
        ("by AstroDrizzle, an own method", "checks", None),
        ("by AstroDrizzle, an own method", "static", None),
        ("by AstroDrizzle, an own method", "differences", None),
        ("by AstroDrizzle, an own method", "sky.0.error", None),
        ("by AstroDrizzle, an own method", "sky.0.seconds", 1.0),
        ("cosmic rays, swapped footprints", "sample", None),
        ("cosmic rays, swapped footprints", "runs.match.cosmic_rays", None),
        ("cosmic rays, swapped footprints", "runs.match.footprints", None),
        ("both engines", "masks_of", None),
        ("a comparison", "title", ""),
        ("a comparison", "summary", []),
        ("a comparison", "campaign", {}),
        ("a comparison", "evidence", None),
        ("a comparison", "card", None),
    ],
)
def test_what_older_versions_did_not_write_has_a_default(
    name: str, without: str, default: object
) -> None:
    value = read(name, without)
    for part in without.split("."):
        if isinstance(value, list | tuple):
            value = value[int(part)]
        else:
            value = value[part] if isinstance(value, dict) else getattr(value, part)
    assert value == default


@pytest.mark.parametrize(
    "chips",
    [
        {"used": "exposures", "model": None, "per_chip": "auto"},
        {
            **{"used": "step", "model": "step", "per_chip": True, "known": True},
            **{"chance_step": 1e-9, "chance_chips": None, "undetermined": ["j1"]},
            **{"relative": [[0.01, 0.002], [None, None]], "mean": [[2, 0.001, 0.0001]]},
            "steps": {"j2": [[2, 0.001, 0.0002]]},
        },
    ],
)
def test_skies_of_chips_are_read_as_they_were_written(chips: dict[str, Any]) -> None:
    plain = copy.deepcopy(WRITTEN["by AstroDrizzle, an own method"]["result"])
    plain["differences"]["chips"] = chips
    result = from_plain(plain, DRIZZLE.gives, "here")
    assert same(result, plain)
    again = json.loads(json.dumps(as_plain(result, DRIZZLE.gives)))["differences"]["chips"]
    assert chips.items() <= again.items()


def test_fits_of_older_versions_have_no_chance() -> None:
    fit = read("by TweakReg", "alignment.fits.1.chance").alignment.fits[1]
    assert math.isnan(fit.chance) and fit.matches == read("by TweakReg").alignment.fits[1].matches


def test_the_grid_is_told_in_keys_as_it_was() -> None:
    plan = read("a plan")
    assert isinstance(plan, PlanResult) and isinstance(plan.grid, Grid)
    assert plan.grid.to_dict() == WRITTEN["a plan"]["result"]["grid"]


@pytest.fixture
def store(tmp_path: Path) -> SmallStore:
    store = SmallStore(tmp_path)
    store.inspect()
    store.plan()
    store.drizzle("localmin")
    store.drizzle("match")
    return store


def change(store: SmallStore, step: str, **result: object) -> None:
    """Make a manifest one of a version that wrote other results, and no checksum."""
    path = store.folder / "manifests" / f"{step}.json"
    manifest = json.loads(path.read_text())
    del manifest["checksum"]
    manifest["result"] |= result
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"sky": "dark"}, "result.sky"),
        ({"science": None}, "result.science"),
        ({"sky": [{"rootname": "a", "chip": 1, "mdrizsky": "much"}]}, "result.sky.0.mdrizsky"),
    ],
)
def test_a_result_that_does_not_fit_counts_as_not_finished(
    store: SmallStore, caplog: pytest.LogCaptureFixture, changed: dict[str, Any], named: str
) -> None:
    change(store, "runs/match", **changed)
    with caplog.at_level(logging.WARNING):
        assert finished(store.place, DRIZZLE.step("match")) is None
    [record] = caplog.records
    assert "runs/match counts as not finished" in record.getMessage()
    assert f"is damaged ({named}: " in record.getMessage()
    assert "delete it and run again" in record.getMessage()
    found = read_finished_steps(store.place)
    assert list(found.drizzled) == ["localmin"]
    assert ("drizzle match", "not run") in [(one.part, one.state) for one in found.missing]
    store.drizzle("match")
    assert list(read_finished_steps(store.place).drizzled) == ["localmin", "match"]


def test_what_a_newer_version_writes_besides_is_left_alone(store: SmallStore) -> None:
    change(store, "runs/match", seeing=0.1)
    assert finished(store.place, DRIZZLE.step("match")) is not None


@pytest.mark.parametrize("static", [{}, [], {"kept": 3}, {"kept": "thrice"}, "repeated"])
def test_a_rule_that_is_none_is_no_record_of_one(store: SmallStore, static: object) -> None:
    change(store, "plan", static=static)
    assert finished(store.place, PLAN.step()) is None
    assert recorded_result(store.place, "plan", RecordedRule) is None
