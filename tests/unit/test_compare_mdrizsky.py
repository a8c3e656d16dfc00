from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from skymosaic.errors import SkyError
from skymosaic.report.mdrizsky import axis_label, format_table, mdrizsky_table, write_table
from skymosaic.sky.values import SkyValue


def sky(rootname, value, chip=1, factor=60.0):
    return SkyValue(rootname, chip, value, factor)


def runs():
    return {
        "globalmin+match": [sky("b", 0.1 + 0.2), sky("a", 0.5), sky("c", 0.3)],
        "localmin": [sky("a", 1 / 3), sky("b", 0.7), sky("c", 0.9)],
        "match": [sky("c", None), sky("b", 0.0), sky("a", 0.2)],
    }


def test_rows_are_sorted_and_columns_are_the_methods_that_were_run():
    table = mdrizsky_table(runs())
    assert table.colnames == ["rootname", "chip", "localmin", "match", "globalmin_match"]
    assert list(table["rootname"]) == ["a", "b", "c"]
    assert table["localmin"][0] == 1 / 3
    assert table["match"].mask.tolist() == [False, False, True]
    assert not table["localmin"].mask.any()
    assert {str(table[c].unit) for c in table.colnames[2:]} == {"electron / s"}
    assert all(table[c].dtype == np.float64 for c in table.colnames[2:])
    assert all(table[c].description for c in table.colnames)
    assert table.meta["methods"]["globalmin_match"] == "globalmin+match"


def test_chips_of_an_exposure_are_rows_of_their_own_in_number_order():
    values = [sky("a", 2.0, chip=10), sky("a", 1.0, chip=2)]
    table = mdrizsky_table({"localmin": values})
    assert table["chip"].tolist() == [2, 10]
    assert table["localmin"].tolist() == [1.0, 2.0]


def in_counts():
    """Return skies of 0.1 electron/s in exposures of different times, in electrons."""
    exposures = {"a": (360.0, 36.0), "b": (500.0, 50.0)}
    values = [
        replace(sky(name, counts, factor=400.0 / time, chip=chip), seconds=time, error=counts / 9)
        for name, (time, counts) in exposures.items()
        for chip in (1, 2)
    ]
    undetermined = [replace(value, mdrizsky=None, error=None) for value in values]
    return {"localmin": values, "match": undetermined}


def test_counts_are_shown_as_rates_and_kept_as_in_the_headers(tmp_path):
    table = mdrizsky_table(in_counts(), unit="electron")
    assert table.colnames == [
        *("rootname", "chip", "exptime", "localmin", "localmin_error", "match"),
        *("localmin_mdrizsky", "match_mdrizsky"),
    ]
    assert table["localmin"].tolist() == pytest.approx([0.1] * 4)
    assert table["localmin_error"].tolist() == pytest.approx([0.1 / 9] * 4)
    assert table["localmin_mdrizsky"].tolist() == [36.0, 36.0, 50.0, 50.0]
    assert table["exptime"].tolist() == [360.0, 360.0, 500.0, 500.0]
    assert table["match"].mask.all() and table["match_mdrizsky"].mask.all()
    assert {n: str(table[n].unit) for n in ("localmin", "localmin_error", "localmin_mdrizsky")} == {
        "localmin": "electron / s",
        "localmin_error": "electron / s",
        "localmin_mdrizsky": "electron",
    }
    read = Table.read(write_table(table, tmp_path)[0])
    assert read["localmin_mdrizsky"].tolist() == [36.0, 36.0, 50.0, 50.0]
    assert str(read["localmin"].unit) == "electron / s"
    assert axis_label(table) == "MDRIZSKY / EXPTIME [electron / s]"
    assert axis_label(mdrizsky_table(runs())) == "MDRIZSKY [electron / s]"
    assert "36" not in format_table(table)


def test_an_exposure_without_time_is_refused():
    with pytest.raises(SkyError, match="a, chip 1 has EXPTIME 0"):
        mdrizsky_table({"match": [replace(sky("a", 1.0), seconds=0.0)]}, unit="electron")


def test_files_keep_every_digit_and_are_the_same_for_any_order(tmp_path):
    files = write_table(mdrizsky_table(runs()), tmp_path)
    assert [f.name for f in files] == ["mdrizsky.ecsv", "mdrizsky.csv"]
    first = [f.read_bytes() for f in files]
    reordered = {method: values[::-1] for method, values in reversed(runs().items())}
    assert [f.read_bytes() for f in write_table(mdrizsky_table(reordered), tmp_path)] == first
    lines = first[1].decode().split("\n")
    assert lines[0] == "rootname,chip,localmin,match,globalmin_match"
    assert lines[1] == "a,1,0.3333333333333333,0.2,0.5"
    assert lines[2] == "b,1,0.7,0.0,0.30000000000000004"
    assert lines[3] == "c,1,0.9,,0.3"
    read = Table.read(files[0])
    assert read["localmin"][0] == 1 / 3
    assert read["match"].mask.tolist() == [False, False, True]
    assert str(read["match"].unit) == "electron / s"


def test_the_terminal_table_has_fixed_width_and_names_undetermined_values():
    lines = format_table(mdrizsky_table(runs())).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "globalmin+match" in lines[0]
    assert lines[2].split() == ["a", "1", "0.333333", "0.200000", "0.500000"]
    assert lines[4].split() == ["c", "1", "0.900000", "undetermined", "0.300000"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_refused_by_method_and_exposure(value):
    broken = runs() | {"match": [sky("a", value), sky("b", 0.0), sky("c", None)]}
    with pytest.raises(SkyError, match=r"match: exposure a, chip 1"):
        mdrizsky_table(broken)


@pytest.mark.parametrize(
    ("method", "values", "message"),
    [
        ("match", [("a", 1), ("b", 1)], "match: exposure c, chip 1 has no sky value"),
        ("match", [("a", 1), ("b", 1), ("c", 1), ("d", 1)], "exposure d, chip 1"),
        ("match", [("a", 1), ("b", 1), ("c", 2)], "match: exposure c, chip 1"),
        ("match", [("a", 1), ("a", 1), ("b", 1), ("c", 1)], "a, chip 1 is listed twice"),
        ("match", [], "match: the run has no sky values"),
        ("matched", [("a", 1)], "matched"),
    ],
)
def test_methods_that_do_not_fit_together_are_refused(method, values, message):
    chips = [sky(name, 0.0, chip=chip) for name, chip in values]
    with pytest.raises(SkyError, match=message):
        mdrizsky_table(runs() | {method: chips})


def test_runs_from_different_files_are_refused():
    other = runs()
    other["match"][1] = replace(other["match"][1], brightness_factor=61.0)
    with pytest.raises(SkyError, match=r"match: exposure b.*brightness factor"):
        mdrizsky_table(other)
    with pytest.raises(SkyError, match="brightness factor 0"):
        mdrizsky_table({"localmin": [sky("a", 1.0, factor=0.0)]})
    with pytest.raises(SkyError, match="empty set"):
        mdrizsky_table({})
