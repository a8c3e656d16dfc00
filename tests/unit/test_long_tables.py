"""Tables of thousands of rows: what the page holds of them, and what stands beside it."""

from __future__ import annotations

import base64
import json
import re
import zlib

import pytest

from skymosaic.report.comparison import assemble, write_documents
from skymosaic.report.documents import as_json, document, markdown
from skymosaic.report.invariants import check_invariants
from skymosaic.report.long_tables import MOST_ROWS, SHOWN, Rows, shortened, shortened_table, within
from skymosaic.report.mdrizsky import FIRST_LINES, format_table
from skymosaic.report.sheet import sheet
from skymosaic.report.view import table_view
from tests.unit.reports import BARE, Page, data, known_run, runs

COLUMNS = {
    "name": (str, None, "a name"),
    "value": (float, "mas", "a value"),
    "count": (int, None, "a number"),
    "agree": (bool, None, "whether they agree"),
}
COUNT = MOST_ROWS + 100


def long_sheet(count=COUNT):
    rows = [(f"e{i:04d}", None if i % 7 == 0 else i / 3, i, i % 5 > 0) for i in range(count)]
    return sheet("Many", COLUMNS, rows)


def unpacked(packed):
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_a_short_table_is_whole():
    view, rows = shortened_table("many", long_sheet(MOST_ROWS), "{:.4g}".format)
    assert rows is None
    assert len(view.rows) == view.total == MOST_ROWS


def test_the_rows_of_a_long_table_are_the_texts_that_a_short_one_would_show():
    table = long_sheet()
    whole = table_view("many", table, shown="{:.4g}".format)
    view, rows = shortened_table("many", table, "{:.4g}".format)
    assert view.rows == whole.rows[:SHOWN]
    assert (view.total, rows.total) == (COUNT, COUNT)
    found = unpacked(rows.packed)
    assert found["total"] == COUNT
    texts = [
        [column["missing"] if text is None else text for text in column["texts"]]
        for column in found["columns"]
    ]
    assert list(zip(*texts, strict=True)) == [tuple(one.text for one in row) for row in whole.rows]
    assert [column["number"] for column in found["columns"]] == [False, True, True, True]
    assert found["columns"][1]["texts"][7] is None
    assert found["columns"][3]["marks"] == "bgggg" * (COUNT // 5)
    assert shortened(whole) == (view, rows)


def test_the_largest_tables_stand_beside_the_page():
    sizes = {"small": 20, "large": 600, "middle": 300}
    rows = {name: Rows(name, 300, "x" * size) for name, size in sizes.items()}
    assert within(rows, 400) == {"small", "middle"}
    assert within(rows, 10) == set()
    assert rows["small"].script() == f'skymosaicRows("small", "{"x" * 20}");\n'


@pytest.fixture(scope="module")
def many():
    """A report of more exposures than a table shows."""
    names = [f"e{number:04d}" for number in range(COUNT)]
    skies = {"localmin": dict.fromkeys(names, 1.0), "match": dict.fromkeys(names, 0.0)}
    given = data(runs=runs(skies), groups=[names], polygons={}, images={}, pairs={}, evidence=None)
    return assemble(given, BARE, check_invariants(given.runs, given.groups))


def test_the_page_holds_a_part_and_the_rest_as_data(tmp_path, many):
    files = write_documents(tmp_path, many, {})
    assert [path.name for path in files] == ["report.html", "report.json", "report.md"]
    text = files[0].read_text(encoding="utf-8")
    assert f"Rows 1 to {SHOWN} of {COUNT}; all are in mdrizsky.ecsv." in Page(text).text
    assert text.count('<th scope="row" data-v="e0') == SHOWN
    packed = re.search(r'id="rows-mdrizsky">([^<]*)</script>', text)[1]
    assert unpacked(packed)["columns"][0]["texts"][-1] == f"e{COUNT - 1:04d}"
    assert "script-src 'unsafe-inline'\"" in text


def test_what_does_not_fit_is_a_script_that_the_page_may_load(tmp_path, many):
    files = write_documents(tmp_path, many, {}, stem="partial-report", most_bytes=100)
    names = [path.name for path in files]
    assert "partial-report-mdrizsky.js" in names
    text = files[0].read_text(encoding="utf-8")
    assert 'data-beside="partial-report-mdrizsky.js"' in text
    assert "rows-mdrizsky" not in text
    assert "script-src 'unsafe-inline' 'self' file:" in text
    script = files[names.index("partial-report-mdrizsky.js")].read_text()
    packed = re.fullmatch(r'skymosaicRows\("mdrizsky", "([^"]*)"\);\n', script)[1]
    assert unpacked(packed)["total"] == COUNT


def test_documents_for_programs_have_all_rows_and_text_the_first(many):
    found = json.loads(as_json(many))
    assert found == json.loads(json.dumps(document(many)))
    assert len(found["tables"]["mdrizsky"]["rows"]) == COUNT
    text = markdown(many)
    assert "100 more rows: mdrizsky.ecsv." in text
    assert text.count("| e0") == MOST_ROWS
    lines = format_table(many.mdrizsky).splitlines()
    assert len(lines) == FIRST_LINES + 3
    assert lines[-1] == f"... and {COUNT - FIRST_LINES} more rows: mdrizsky.csv"


def test_json_of_a_report_without_tables_and_with_all(tmp_path):
    for run in (BARE, known_run()):
        given = data(runs={}, groups=[], images={}, polygons={}, pairs={}, evidence=None)
        report = assemble(given, run, [])
        assert json.loads(as_json(report)) == json.loads(json.dumps(document(report)))
