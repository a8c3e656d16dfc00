"""Tables that are wider than a terminal."""

from __future__ import annotations

import pytest
from astropy.table import Table

from skymosaic.cli.folding import fold, fold_columns, fold_text, terminal_width

TEXT = """\
rootname   chip  localmin     match  globalmin  globalmin+match
---------------------------------------------------------------
ibxl50clq     1  1.340831  0.353790   1.309210         1.303011
ibxl50cqq     2  1.341041             1.309210         1.315428"""
TABLE = TEXT.splitlines()


@pytest.mark.parametrize("width", [63, 80, 1000])
def test_a_table_that_fits_stays_as_it_is(width) -> None:
    assert fold(TABLE, width, 2) == TABLE


def test_a_wide_table_is_folded_with_its_keys_in_each_part() -> None:
    assert fold(TABLE, 40, 2) == [
        "rootname   chip  localmin     match",
        "-----------------------------------",
        "ibxl50clq     1  1.340831  0.353790",
        "ibxl50cqq     2  1.341041",
        "",
        "rootname   chip  globalmin",
        "--------------------------",
        "ibxl50clq     1   1.309210",
        "ibxl50cqq     2   1.309210",
        "",
        "rootname   chip  globalmin+match",
        "--------------------------------",
        "ibxl50clq     1         1.303011",
        "ibxl50cqq     2         1.315428",
    ]


@pytest.mark.parametrize("width", range(1, 70))
@pytest.mark.parametrize("keys", [1, 2])
def test_no_value_is_lost_or_cut_at_any_width(width, keys) -> None:
    folded = fold(TABLE, width, keys)
    values = [line.split()[keys:] for line in folded if line and set(line) != {"-"}]
    found = sorted(value for row in values for value in row)
    assert found == sorted(
        value for line in TABLE if set(line) != {"-"} for value in line.split()[keys:]
    )
    assert all(len(line) <= max(width, 32) for line in folded)


def test_text_beside_a_table_is_not_folded() -> None:
    text = "\n".join([*TABLE, "* a footnote that is longer than the width", "", "a sentence " * 9])
    folded = fold_text(text, 40, 2).split("\n")
    assert folded[-3:] == text.split("\n")[-3:]
    assert fold_text("one line", 5) == "one line"
    assert fold_text("", 5) == ""


def test_the_width_is_that_of_the_terminal(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "123")
    assert terminal_width() == 123
    monkeypatch.setenv("COLUMNS", "1")
    assert terminal_width() == 40


def test_a_table_of_astropy_is_folded_between_its_columns() -> None:
    table = Table({"rootname": ["ibxl54bgq", "ibxl54blq"]})
    for i in range(12):
        table[f"column_{i}"] = [1.5 * i, -2.5 * i]
        table[f"column_{i}"].unit = "arcsec"
    lines = fold_columns(table, 80)
    assert all(len(line) <= 80 for line in lines)
    shown = " ".join(lines).split()
    assert all(f"column_{i}" in shown for i in range(12))
    assert sum(line.startswith("ibxl54bgq") for line in lines) == 1 + lines.count("")
    assert "" in fold_columns(table, 80)
    without = Table({"rootname": ["ibxl54bgq"], "wcsname": ["IDC_w3m18525i"]})
    assert "" not in fold_columns(without, 80)
    one = Table({"rootname": ["ibxl54bgq"]})
    assert fold_columns(one, 80)[-1] == "ibxl54bgq"


def test_a_blank_in_a_name_does_not_divide_it() -> None:
    rows = ["e-/s                 off by   seams", "match                1.0796  0.0060",
            "match-differences *  1.0800  0.0058"]  # fmt: skip
    assert fold(rows, 30)[-1] == "match-differences *  0.0058"
