"""What a finished comparison tells, whichever version of the project made it."""

from __future__ import annotations

from pathlib import Path

from skymosaic.gathering import asked_for
from skymosaic.outcomes import outcome_of
from skymosaic.steps import Finished, Place
from skymosaic.store import Product
from skymosaic.store.local import LocalStore


def comparison(**result) -> Finished:
    report = Product("field/comparison/report.html", "0" * 64, 1)
    return Finished(
        step="comparison",
        key="k",
        products={"report.html": report},
        result={"table": "rootname ...", "warnings": [], **result},
        seconds=1.0,
        peak_memory=0,
        reused=True,
    )


def test_a_comparison_tells_its_advice(tmp_path: Path) -> None:
    place = Place(LocalStore(tmp_path), "field", None)
    told = outcome_of(place, comparison(summary=["advice: Use match"]), reused=True)
    assert list(told.summary) == ["advice: Use match"]


def test_a_comparison_of_an_older_version_has_none(tmp_path: Path) -> None:
    place = Place(LocalStore(tmp_path), "field", None)
    told = outcome_of(place, comparison(), reused=True)
    assert list(told.summary) == []
    assert told.table == "rootname ..."


def test_an_older_comparison_of_simulated_data_names_what_there_was_one_of() -> None:
    old = comparison(campaign={"source": {"kind": "simulated", "seed": 1}})
    assert asked_for(old)["source"] == {
        "kind": "simulated",
        "seed": 1,
        "scene": "horsehead",
        "instrument": "wfc3-ir",
        "chip_step": 0.0,
        "sky": None,
        "cosmic_rays": True,
    }
    real = comparison(campaign={"source": {"kind": "directory"}})
    assert asked_for(real)["source"] == {"kind": "directory"}
