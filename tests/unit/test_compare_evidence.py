"""All that is measured of a field, from cells to files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from skymosaic.evidence.evidence import Evidence, Measurements, gather_evidence
from skymosaic.methods import METHODS
from skymosaic.report.evidence_files import summary_lines, write_evidence
from tests.unit.small_field import SCALE, grid, make, two_by_two

TRUE = {"a": 1.0, "b": 1.2, "c": 1.05, "d": 1.1}


def nebula(row, column):
    return 0.8 * np.exp(-((row - 25) ** 2 + (column - 25) ** 2) / 150.0)


@pytest.fixture(scope="module")
def measured() -> Measurements:
    field = make(two_by_two(), TRUE, nebula)
    local = {"a": 1.35, "b": 1.23, "c": 1.08, "d": 1.1}
    match = {name: sky - 1.0 for name, sky in TRUE.items()}
    constant = min(local[name] - match[name] for name in TRUE)
    skies = {
        "localmin": local,
        "match": match,
        "globalmin": dict.fromkeys(TRUE, min(local.values())),
        "globalmin+match": {name: sky + constant for name, sky in match.items()},
    }
    return Measurements(
        cells=field.cells,
        grid=grid(),
        skies=skies,
        pixel_scale=SCALE,
        cell=8 * SCALE,
        mosaics={method: field.mosaic(its) for method, its in skies.items()},
        truth=TRUE,
    )


@pytest.fixture(scope="module")
def evidence(measured: Measurements) -> Evidence:
    return gather_evidence(measured)


def test_the_advice_is_the_method_that_is_closest_to_the_truth(evidence: Evidence) -> None:
    truth = {method: one.truth.rms for method, one in evidence.quality.items()}
    assert min(truth, key=truth.__getitem__) == "globalmin+match"
    assert evidence.advice.methods == ("globalmin+match",)
    for method, one in evidence.quality.items():
        assert one.estimated_error == pytest.approx(truth[method], abs=0.01)


def test_each_method_is_judged_by_what_it_leaves(evidence: Evidence) -> None:
    local, match = evidence.quality["localmin"], evidence.quality["match"]
    # a is 0.35 too low, b and c 0.03: between a and the others some 0.3 is left.
    assert local.largest.residual == pytest.approx(-0.35, abs=0.01)
    assert {local.largest.a, local.largest.b} == {"a", "d"}
    assert local.worst_exposure == "a"
    assert local.imposed == pytest.approx(0.35, abs=0.02)
    assert local.largest_seam.exposure in "abcd"
    assert abs(local.largest_seam.step) > 0.1
    assert match.residual_rms < 0.002
    assert match.imposed < 0.002
    assert match.background == pytest.approx(1.0, abs=0.005)
    assert local.background == pytest.approx(-0.35, abs=0.15)
    assert local.negative_share > 0.2
    assert match.negative_share == 0.0
    assert local.flatness > 5 * match.flatness
    assert match.truth.level == pytest.approx(-1.0)
    assert match.truth.spread == pytest.approx(0.0, abs=1e-9)


def test_without_mosaics_overlaps_or_truth_the_rest_is_measured(measured: Measurements) -> None:
    one = measured.cells[0]
    alone = replace(
        measured,
        cells=[one],
        skies={m: {"a": its["a"]} for m, its in measured.skies.items()},
        mosaics={},
        truth=None,
    )
    found = gather_evidence(alone)
    assert found.differences == []
    assert found.quality["match"].residual_rms is None
    assert found.quality["match"].imposed is None
    assert found.quality["match"].truth is None
    assert found.graph.components == (("a",),)
    assert found.advice.sentence
    assert summary_lines(found)[0].startswith("advice: ")


def test_an_undetermined_sky_has_no_residuals(measured: Measurements) -> None:
    skies = {**measured.skies, "match": {**measured.skies["match"], "a": None}}
    found = gather_evidence(replace(measured, skies=skies))
    assert not [r for r in found.residuals["match"] if "a" in (r.a, r.b)]
    assert [r for r in found.residuals["localmin"] if "a" in (r.a, r.b)]
    assert found.quality["match"].undetermined == ("a",)


def test_tables_tell_units_and_columns(evidence: Evidence, tmp_path: Path) -> None:
    written = write_evidence(evidence, tmp_path)
    assert [p.name for p in written] == [
        "residuals.ecsv",
        "seams.ecsv",
        "overlaps.ecsv",
        "advice.json",
    ]
    residuals, seams, overlaps = (Table.read(path) for path in written[:3])
    for table in (residuals, seams, overlaps):
        assert all(table[name].description for name in table.colnames)
    assert str(residuals["residual"].unit) == "electron / s"
    assert str(seams["step"].unit) == "electron / s"
    assert str(seams["ra"].unit) == "deg"
    assert len(overlaps) == 6
    assert len(residuals) == 6 * len(METHODS)
    stored = json.loads(written[3].read_text())
    assert stored["advice"]["methods"] == ["globalmin+match"]
    assert stored["quality"]["localmin"]["worst_exposure"] == "a"


def test_tables_without_rows_can_be_read(measured: Measurements, tmp_path: Path) -> None:
    alone = replace(measured, cells=measured.cells[:1], mosaics={})
    for path in write_evidence(gather_evidence(replace(alone, truth=None)), tmp_path)[:3]:
        assert len(Table.read(path)) == 0


def test_the_summary_begins_with_the_advice(evidence: Evidence) -> None:
    lines = summary_lines(evidence)
    assert lines[0].startswith("advice: Use globalmin+match")
    assert lines[1].startswith("how sure: ")
    assert any(line.startswith("localmin ") for line in lines)


def test_the_table_marks_a_method_of_this_project(measured: Measurements) -> None:
    skies = {"match": measured.skies["match"], "match-differences": measured.skies["match"]}
    mosaics = {"match": measured.mosaics["match"]}
    lines = summary_lines(gather_evidence(replace(measured, skies=skies, mosaics=mosaics)))
    (row,) = (i for i, line in enumerate(lines) if line.startswith("match-differences * "))
    assert lines[row + 1].startswith("* skymosaic's own method")
