"""Published values: what a run is compared with, and that the comparison can fail."""

from __future__ import annotations

import copy
import csv
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from skymosaic.cli.main import main
from skymosaic.errors import CampaignError
from skymosaic.methods import METHODS, column
from skymosaic.results.published import TOLERANCE, compare, published

NAME = "horsehead-12812"


def test_all_of_them_are_restated() -> None:
    runs = published(NAME)
    assert len(runs) == 4
    assert all(len(run[method]) == 18 for run in runs.values() for method in METHODS)


def test_they_are_those_of_the_shared_data(request) -> None:
    shared: Path = request.getfixturevalue("published")
    runs = published(NAME)
    with (shared / "published_mdrizsky.csv").open() as file:
        for row in csv.DictReader(file):
            run = runs[f"{row['source']}, {row['date']}"]
            assert run["globalmin+match"][row["rootname"]] == float(row["globalmin_match"])


@pytest.mark.parametrize("number", range(4))
def test_each_published_run_agrees_with_the_published_ones(number: int) -> None:
    runs = published(NAME)
    source = list(runs)[number]
    nearest, *others = compare(runs[source], runs)
    assert nearest.source == source
    assert all(difference == 0 for difference, _ in nearest.largest.values())
    assert all(other.agrees() for other in others)


@pytest.mark.parametrize("method", METHODS)
def test_an_altered_value_does_not_agree_and_is_named(method: str) -> None:
    runs = published(NAME)
    skies = copy.deepcopy(next(iter(runs.values())))
    skies[method]["ibxl54blq"] += 3 * TOLERANCE
    for comparison in compare(skies, runs):
        assert not comparison.agrees()
    difference, rootname = compare(skies, runs)[0].largest[method]
    assert rootname == "ibxl54blq"
    assert abs(difference) > TOLERANCE


def test_a_missing_exposure_does_not_agree_and_is_named() -> None:
    runs = published(NAME)
    skies = copy.deepcopy(next(iter(runs.values())))
    del skies["match"]["ibxl50clq"]
    comparison = compare(skies, runs)[0]
    difference, rootname = comparison.largest["match"]
    assert math.isnan(difference)
    assert rootname == "ibxl50clq"
    assert not comparison.agrees()


def test_a_method_that_was_not_run_does_not_agree() -> None:
    runs = published(NAME)
    skies = dict(next(iter(runs.values())))
    del skies["localmin"]
    assert not compare(skies, runs)[0].agrees()


@pytest.fixture
def finished(tmp_path):
    """Write a campaign's table with these values into a store, and return the store."""

    def finished(skies: dict[str, dict[str, float]]) -> Path:
        folder = tmp_path / "store" / NAME
        (folder / "comparison").mkdir(parents=True)
        (folder / "campaign.yaml").write_text("")
        with (folder / "comparison" / "mdrizsky.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["rootname", "chip", *map(column, METHODS)])
            for name in skies["match"]:
                writer.writerow([name, 1, *(skies[method][name] for method in METHODS)])
        return tmp_path / "store"

    return finished


def test_verify_passes_on_published_numbers(finished) -> None:
    store = finished(list(published(NAME).values())[2])
    result = CliRunner().invoke(main, ["verify", NAME, "--store", str(store)])
    assert result.exit_code == 0
    assert result.stdout.startswith("agrees   spacetelescope/hst_notebooks")
    assert "+0.000000 electrons/s at most" in result.stdout


def test_verify_fails_on_altered_numbers_and_names_them(finished) -> None:
    skies = copy.deepcopy(list(published(NAME).values())[2])
    skies["globalmin"]["ibxl55f5q"] -= 0.1
    store = finished(skies)
    result = CliRunner().invoke(main, ["verify", NAME, "--store", str(store)])
    assert result.exit_code == 7
    assert "ibxl55f5q differs by -0.100000 in globalmin" in result.stderr
    assert "agrees " not in result.stdout


def test_verify_of_a_run_that_is_not_there(tmp_path) -> None:
    result = CliRunner().invoke(main, ["verify", NAME, "--store", str(tmp_path / "none")])
    assert result.exit_code == 14


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CampaignError, match="known: horsehead-12812"):
        published("nebula")
