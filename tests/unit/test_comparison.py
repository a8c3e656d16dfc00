"""What a finished comparison tells, whichever version of the project made it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from skymosaic.align.alignment import Alignment
from skymosaic.config import Campaign
from skymosaic.hst.exposure import Chip, Exposure
from skymosaic.pipeline.comparison import compared_settings, result_settings, solution_warnings
from skymosaic.pipeline.finished import FinishedSteps
from skymosaic.pipeline.results import AlignResult, ComparisonResult, InspectionResult
from skymosaic.results.outcomes import outcome_of
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place
from skymosaic.store import Product
from skymosaic.store.local import LocalStore


def comparison(**result) -> Finished[ComparisonResult]:
    report = Product("field/comparison/report.html", "0" * 64, 1)
    return Finished(
        step="comparison",
        key="k",
        products={"report.html": report},
        result=ComparisonResult("rootname ...", [], **result),
        seconds=1.0,
        peak_memory=0,
        reused=True,
    )


def test_a_comparison_tells_its_advice(tmp_path: Path) -> None:
    place = Place(LocalStore(tmp_path), "field", None)
    outcome = outcome_of(place, comparison(summary=["advice: Use match"]), reused=True)
    assert list(outcome.summary) == ["advice: Use match"]


def test_a_comparison_of_an_older_version_has_none(tmp_path: Path) -> None:
    place = Place(LocalStore(tmp_path), "field", None)
    outcome = outcome_of(place, comparison(), reused=True)
    assert list(outcome.summary) == []
    assert outcome.table == "rootname ..."


def campaign(source: dict[str, Any]) -> Campaign:
    return Campaign.model_validate({"campaign": {"name": "field"}, "source": source})


@pytest.mark.parametrize(
    ("source", "unknown"),
    [
        ({"kind": "simulated", "seed": 1}, ("scene", "instrument", "chip_step", "cosmic_rays")),
        ({"kind": "directory", "path": "data"}, ("allow_untried", "allow_non_imaging")),
        ({"kind": "mast", "instrument": ["WFC3/IR"]}, ("allow_untried",)),
    ],
)
def test_what_an_older_version_did_not_know_has_its_default(
    source: dict[str, Any], unknown: Sequence[str]
) -> None:
    now = result_settings(campaign(source))
    old = copy.deepcopy(now)
    for section, names in (("source", unknown), ("sky", ("per_chip", "footprints"))):
        for name in names:
            del old[section][name]
    del old["align"]["gates"]["max_chance"]
    assert compared_settings(comparison(campaign=old).result) == now
    old["align"]["gates"]["min_matches"] += 1
    assert compared_settings(comparison(campaign=old).result) != now


def test_what_no_version_knows_stays_what_it_is() -> None:
    assert compared_settings(comparison(campaign={"source": {"kind": "tape"}}).result) == {
        "source": {"kind": "tape"}
    }


@pytest.mark.parametrize(
    ("align", "kinds", "warned"),
    [
        # As they are, unaligned.
        ("none", ("IDC_a", "IDC_a-FIT"), 1),
        ("none", ("IDC_a", "IDC_a"), 0),
        # TweakReg brings drizzled images together, but not the exposures of one.
        ("tweakreg", ("IDC_a", "IDC_a-FIT"), 1),
        ("tweakreg", ("IDC_a-FIT", "IDC_a-FIT"), 0),
        ("apart", ("IDC_a", "IDC_a-FIT"), 0),
        ("dropped", ("IDC_a", "IDC_a-FIT"), 0),
    ],
)
def test_kinds_of_wcs_are_told_as_they_are_in_the_mosaic(
    tmp_path: Path, align: str, kinds: tuple[str, str], warned: int
) -> None:
    pristine, aligned = [], []
    for root, name in zip(("v1aaaa1", "v1aaaa2"), kinds, strict=True):
        chip = Chip(1, ((0.0, 0.0), (0.1, 0.0), (0.1, 0.1)), name, 0.0, 0.1, False)
        one = Exposure(root, "_flt", "", "WFC3", "IR", "F160W", 1.0, 0.0, 0.0, (chip,))
        pristine.append(one)
        moved = replace(one, chips=(replace(chip, wcsname="TWEAK"),))
        aligned.append(one if align == "none" else moved)
    tiles = {"t1": ["v1aaaa1", "v1aaaa2"]}
    if align == "apart":
        tiles = {"t1": ["v1aaaa1"], "t2": ["v1aaaa2"]}
    dropped = ["t1"] if align == "dropped" else []
    alignment = Alignment([*tiles], [], [], dropped, [], tiles, {})
    done = Finished("inspection", "k", {}, InspectionResult(pristine, []), 0, 0, False)
    result = AlignResult(aligned, None if align == "none" else alignment)
    found = FinishedSteps(
        Place(LocalStore(tmp_path), "field", None),
        Campaign.model_validate(
            {
                "campaign": {"name": "field"},
                "source": {"kind": "directory", "path": "data"},
                "align": {"method": "none" if align == "none" else "tweakreg"},
            }
        ),
        inspected=done,
        aligned=Finished("aligned", "k", {}, result, 0, 0, False),
    )
    assert len(solution_warnings(found)) == warned
