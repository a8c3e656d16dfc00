"""Tables of the report: values that are missing, differences, what a pair has left."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from skymosaic.report.evidence_sheets import pair_sheet
from skymosaic.report.mdrizsky import mdrizsky_table
from skymosaic.report.sheet import sheet
from skymosaic.report.sheets import as_plain, differences, write_sheets
from tests.unit.reports import ERRORS, PAIRS, SKIES, evidence, runs


def test_what_is_missing_is_masked_and_null() -> None:
    columns = {
        "name": (str, None, "a name"),
        "value": (float, "mas", "a value"),
        "count": (int, None, "a number"),
    }
    table = sheet("A table", columns, [("one", 1.5, None), ("two", float("nan"), 3)])
    assert table["value"].unit == "mas"
    assert table["count"].description == "a number"
    assert as_plain(table)["rows"] == [["one", 1.5, None], ["two", None, 3]]
    assert [column["type"] for column in as_plain(table)["columns"]] == [
        *("string", "number", "integer")
    ]


def test_an_empty_table_keeps_its_columns(tmp_path) -> None:
    table = sheet("None", {"name": (str, None, "a name"), "n": (int, None, "a number")}, [])
    [path] = write_sheets({"empty": table}, tmp_path)
    read = Table.read(path)
    assert read.colnames == ["name", "n"]
    assert len(read) == 0


def test_a_sheet_survives_ecsv(tmp_path) -> None:
    columns = {"value": (float, "mas", "a value"), "good": (bool, None, "whether it is good")}
    [path] = write_sheets({"x": sheet("Title", columns, [(1.5, True), (None, False)])}, tmp_path)
    read = Table.read(path)
    assert read.meta["title"] == "Title"
    assert read["value"].description == "a value"
    assert np.ma.getmaskarray(read["value"]).tolist() == [False, True]


def test_differences_are_from_match_and_masked_where_it_is_undetermined() -> None:
    table = differences(mdrizsky_table(runs()))
    assert table.colnames[2:] == [
        *("localmin_minus_match", "globalmin_minus_match", "globalmin_match_minus_match")
    ]
    assert table["localmin_minus_match"][:2].tolist() == [100.0, 100.0]
    assert np.ma.is_masked(table["localmin_minus_match"][2])


def test_differences_of_a_run_without_match_are_from_the_next_best() -> None:
    table = differences(mdrizsky_table(runs({m: SKIES[m] for m in ("localmin", "globalmin")})))
    assert table.colnames[2:] == ["localmin_minus_globalmin"]


def test_a_pair_tells_what_each_method_leaves_in_the_order_it_was_measured_in() -> None:
    table = pair_sheet({**PAIRS, ("a", "c"): 1.0}, evidence())
    first, unmeasured = table
    assert (first["first"], first["second"], first["area"]) == ("b", "a", 32400.0)
    assert first["difference"] == 20.0
    assert first["globalmin_match"] == pytest.approx(ERRORS["globalmin+match"] / 2)
    assert unmeasured["second"] == "c"
    assert np.ma.is_masked(unmeasured["match"])


def test_pairs_of_a_run_without_evidence_have_their_areas() -> None:
    assert pair_sheet(PAIRS, None).colnames == ["first", "second", "area"]
