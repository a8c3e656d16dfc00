"""What positions rest on, and how each visit fits its reference, as tables of the report."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table

from skymosaic.align.alignment import Alignment
from skymosaic.align.gates import TileFit
from skymosaic.config import load_campaign_text
from skymosaic.hst.extent import Extent
from skymosaic.pipeline.align_results import ReferenceResult
from skymosaic.pipeline.finished import FinishedSteps
from skymosaic.pipeline.results import AlignResult, InspectionResult, RetrieveResult
from skymosaic.pipeline.sentences.astrometry import used_sheet, visits_sheet
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place
from skymosaic.store import LocalStore
from tests.unit.small_store import exposure

GAIA = ReferenceResult("GAIA DR3", "gaia", "a copy", 100, 90, [2016.0, 2016.0])
STARTED = {"aaaa01xq": 57388.0, "aaaa02xq": 53736.0}  # MJD: 2016.0 and 2006.0


def finished(result: Any) -> Finished[Any]:
    return Finished("step", "key", {}, result, 0.0, 0, False)


def steps(tmp_path: Path, align: str = "{}", **aligned: Any) -> FinishedSteps:
    exposures = []
    for number, (name, started) in enumerate(STARTED.items()):
        one = exposure(name, number)
        chips = tuple(replace(chip, wcsname="IDC_x-GSC240") for chip in one.chips)
        extent = Extent((), (), started)
        exposures.append(replace(one, chips=chips, extent=extent))
    campaign = load_campaign_text(
        f"campaign: {{name: f}}\nsource: {{kind: directory, path: d}}\nalign: {align}\n", "f", {}
    )
    nan = math.nan
    fits = [
        TileFit("aaaa01010", 0, 50, nan, nan, nan, nan, 0, nan, nan, nan),
        TileFit("aaaa02010", 1, 40, 1.0, 2.0, 0.0, 1.0, 30, 4.0, 5.0, 0.1),
    ]
    members = {"aaaa01010": ["aaaa01xq"], "aaaa02010": ["aaaa02xq"]}
    alignment = Alignment(list(members), fits, [], [], [], members, {})
    result = AlignResult(exposures, **{"alignment": alignment, **aligned})
    return FinishedSteps(
        Place(LocalStore(tmp_path), "f", None),
        campaign,
        [finished(RetrieveResult(exposures))],
        finished(InspectionResult(exposures, [])),
        finished(result),
    )


def test_what_was_used_is_told_of_each_image(tmp_path: Path) -> None:
    table = used_sheet(steps(tmp_path))
    first, second = table
    assert (first["reference"], first["status"]) == ("its own WCS", "reference")
    assert first["matches"] is first["rms_ra"]  # masked
    assert second["reference"] == "aaaa01010, and those aligned after it"
    assert (second["wcsname"], second["sources"], second["matches"]) == ("IDC_x-GSC240", 40, 30)
    assert second["epoch"] == pytest.approx(2006.0, abs=0.01)
    assert table["rms_ra"].unit == "mas"


def test_a_catalogue_is_named_with_its_epoch(tmp_path: Path) -> None:
    fits = steps(tmp_path).aligned.result.alignment.fits
    found = steps(tmp_path, reference=GAIA)
    alignment = replace(
        found.aligned.result.alignment, fits=[replace(fits[0], place=1, matches=20), fits[1]]
    )
    found = steps(tmp_path, reference=GAIA, alignment=alignment)
    assert list(used_sheet(found)["reference"]) == ["GAIA DR3"] * 2
    assert list(used_sheet(found)["reference_epoch"]) == [2016.0] * 2
    found = steps(tmp_path, "{tweakreg: {refcat: /data/my.cat}}")
    assert used_sheet(found)["reference"][1] == "my.cat"
    found = steps(tmp_path, catalogue="p/G/F160W/catalogue/reference.cat")
    assert used_sheet(found)["reference"][1] == "sources of G/F160W"


def test_without_an_alignment_each_exposure_has_a_row(tmp_path: Path) -> None:
    table = used_sheet(steps(tmp_path, "none", alignment=None))
    assert list(table["image"]) == list(STARTED)
    assert set(table["status"]) == {"not aligned"}
    assert visits_sheet(steps(tmp_path, "none", alignment=None), None) is None


def test_residuals_are_told_by_visit_and_epoch(tmp_path: Path) -> None:
    vectors = Table(
        rows=[
            *[("aaaa01010", 1.0, 1.0, 3.0, 0.0), ("aaaa01010", 1.0, 1.0, -3.0, 1.0)],
            *[("aaaa02010", 1.0, 1.0, 10.0, -4.0), ("aaaa02010", 1.0, 1.0, 12.0, -4.0)],
        ],
        names=("tile", "ra", "dec", "east", "north"),
    )
    near, far = visits_sheet(steps(tmp_path, reference=GAIA), vectors)
    assert (near["visit"], near["matches"], near["images"]) == ("aaaa01", 2, 1)
    assert (near["east"], near["rms_east"]) == (0.0, 3.0)
    # Stars whose motion is wrong lie apart by more, the further the epochs are apart.
    assert far["years"] == pytest.approx(-10.0, abs=0.01)
    assert (far["east"], far["north"], far["rms_north"]) == (11.0, -4.0, 4.0)
    assert far["rms_east"] == pytest.approx(math.sqrt(122))
    assert visits_sheet(steps(tmp_path), vectors)["years"].mask.all()
