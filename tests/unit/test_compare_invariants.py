from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from skymosaic.errors import SkyError
from skymosaic.report.invariants import check_invariants, failures
from skymosaic.sky.values import SkyValue

PUBLISHED = (
    Path(__file__).parents[3] / "shared" / "data" / "horsehead-12812" / "published_mdrizsky.csv"
)
COLUMNS = {
    "localmin": "localmin",
    "match": "match",
    "globalmin": "globalmin",
    "globalmin+match": "globalmin_match",
}
NAMES = {
    "globalmin_is_one_value",
    "globalmin_is_lowest_localmin",
    "match_starts_at_zero",
    "one_constant_above_match",
    "constant_is_lowest_rest",
}
# The published values have six decimals: the relations hold to one or two units of the last one.
PUBLISHED_TOLERANCE = 2e-6


def published():
    if not PUBLISHED.exists():
        pytest.skip(f"needs {PUBLISHED.name} of the shared data")
    with PUBLISHED.open() as lines:
        rows = list(csv.DictReader(lines))
    found = {}
    for row in rows:
        run = found.setdefault(row["source"], {method: [] for method in COLUMNS})
        for method, name in COLUMNS.items():
            run[method].append(SkyValue(row["rootname"], 1, float(row[name]), 1 / 0.12825**2))
    return found


def runs_of(skies, factor=1.0):
    """Return runs from brightnesses by method and rootname, with two chips of unlike factors."""
    return {
        method: [
            SkyValue(name, chip, None if v is None else v / (factor * chip), factor * chip)
            for name, v in values.items()
            for chip in (1, 2)
        ]
        for method, values in skies.items()
    }


TILES = {
    "localmin": {"a": 100.0, "b": 120.0, "c": 105.0},
    "match": {"a": 0.0, "b": 20.0, "c": 5.0},
    "globalmin": {"a": 100.0, "b": 100.0, "c": 100.0},
    "globalmin+match": {"a": 100.0, "b": 120.0, "c": 105.0},
}


def names(invariants):
    return {one.name for one in invariants}


def broken(invariants):
    return {one.name for one in invariants if not one.holds}


def test_all_relations_hold_in_the_published_runs():
    found = published()
    assert len(found) == 4
    for runs in found.values():
        groups = [[value.rootname for value in runs["match"]]]
        invariants = check_invariants(runs, groups, PUBLISHED_TOLERANCE)
        assert names(invariants) == NAMES
        assert failures(invariants) == ""
        assert all(one.value <= one.tolerance for one in invariants)


@pytest.mark.parametrize(
    ("method", "row", "expected"),
    [
        ("globalmin", 3, {"globalmin_is_one_value", "globalmin_is_lowest_localmin"}),
        ("match", 3, {"one_constant_above_match", "constant_is_lowest_rest"}),
        ("globalmin+match", 9, {"one_constant_above_match", "constant_is_lowest_rest"}),
    ],
)
def test_one_altered_published_value_breaks_the_relations_it_is_in(method, row, expected):
    for runs in published().values():
        value = runs[method][row]
        runs[method][row] = replace(value, mdrizsky=value.mdrizsky + 1e-4)
        groups = [[value.rootname for value in runs["match"]]]
        invariants = check_invariants(runs, groups, PUBLISHED_TOLERANCE)
        assert broken(invariants) == expected
        assert all(name in failures(invariants) for name in expected)


def test_localmin_below_globalmin_is_noticed():
    skies = TILES | {"localmin": {"a": 99.0, "b": 120.0, "c": 105.0}}
    invariants = check_invariants(runs_of(skies), [["a", "b", "c"]])
    assert broken(invariants) == {"globalmin_is_lowest_localmin", "constant_is_lowest_rest"}


def test_match_that_does_not_start_at_zero_is_noticed():
    for shift in (0.5, -0.5):
        skies = {"match": {name: v + shift for name, v in TILES["match"].items()}}
        invariants = check_invariants(runs_of(skies), [["a", "b", "c"]])
        assert broken(invariants) == {"match_starts_at_zero"}
        assert invariants[-1].value == pytest.approx(0.5)


def test_chips_are_compared_in_brightness_and_must_share_one():
    runs = runs_of(TILES, factor=3.0)
    groups = [["a", "b", "c"]]
    assert broken(check_invariants(runs, groups)) == set()
    assert names(check_invariants(runs, groups)) == NAMES | {"one_sky_per_exposure"}
    runs["localmin"][3] = replace(runs["localmin"][3], mdrizsky=runs["localmin"][2].mdrizsky)
    assert broken(check_invariants(runs, groups)) == {"one_sky_per_exposure"}


def test_an_undetermined_exposure_gets_the_constant_alone():
    # skypac takes the lowest of localmin - match where match is known, of localmin where it is not.
    skies = {
        "localmin": {"a": 100.0, "b": 120.0, "c": 90.0},
        "match": {"a": 0.0, "b": 20.0, "c": None},
        "globalmin+match": {"a": 90.0, "b": 110.0, "c": 90.0},
    }
    groups = [["a", "b"], ["c"]]
    assert broken(check_invariants(runs_of(skies), groups)) == set()
    unknown = skies | {"globalmin+match": {"a": 90.0, "b": 110.0, "c": None}}
    assert broken(check_invariants(runs_of(unknown), groups)) == set()
    other = skies | {"globalmin+match": {"a": 90.0, "b": 110.0, "c": 95.0}}
    assert "one_constant_above_match" in broken(check_invariants(runs_of(other), groups))


def test_groups_share_one_constant():
    skies = {
        "match": {"a": 0.0, "b": 20.0, "c": 30.0, "d": 35.0},
        "globalmin+match": {"a": 50.0, "b": 70.0, "c": 90.0, "d": 95.0},
    }
    groups = [["a", "b"], ["c", "d"]]
    assert broken(check_invariants(runs_of(skies), groups)) == {"one_constant_above_match"}


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (["localmin"], set()),
        (["globalmin"], {"globalmin_is_one_value"}),
        (["match"], {"match_starts_at_zero"}),
        (["globalmin+match"], set()),
        (["match", "globalmin+match"], {"match_starts_at_zero", "one_constant_above_match"}),
    ],
)
def test_only_relations_of_methods_that_were_run_are_checked(methods, expected):
    runs = runs_of({method: TILES[method] for method in methods})
    found = names(check_invariants(runs, [["a", "b", "c"]]))
    assert found - {"one_sky_per_exposure"} == expected


def test_skies_in_single_precision_pass_and_real_differences_do_not():
    runs = runs_of(TILES)
    rounded = [replace(v, mdrizsky=v.mdrizsky * (1 + 1.2e-7)) for v in runs["localmin"]]
    assert broken(check_invariants(runs | {"localmin": rounded}, [["a", "b", "c"]])) == set()
    wrong = [replace(v, mdrizsky=v.mdrizsky * (1 + 1e-5)) for v in runs["localmin"]]
    assert broken(check_invariants(runs | {"localmin": wrong}, [["a", "b", "c"]])) != set()


def test_no_overlap_at_all_leaves_match_unchecked():
    skies = TILES | {
        "match": dict.fromkeys("abc"),
        "globalmin+match": dict.fromkeys("abc", 100.0),
    }
    invariants = check_invariants(runs_of(skies), [["a"], ["b"], ["c"]])
    assert broken(invariants) == set()
    assert "match_starts_at_zero" not in names(invariants)


@pytest.mark.parametrize("groups", [[["a", "b"]], [["a", "b", "c"], ["c"]], [["a", "b", "c", "d"]]])
def test_groups_must_hold_each_exposure_once(groups):
    with pytest.raises(SkyError, match="overlap group"):
        check_invariants(runs_of(TILES), groups)
