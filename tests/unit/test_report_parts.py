"""The tables of a report are declared once: files, JSON, the page and Markdown follow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from skymosaic.pipeline.tables import run_facts
from skymosaic.report import parts
from skymosaic.report.comparison import assemble
from skymosaic.report.contents import Report, RunFacts
from skymosaic.report.documents import as_json, markdown
from skymosaic.report.invariants import check_invariants
from skymosaic.report.page import CONTENTS, make_page
from skymosaic.report.parts import PARTS, Part
from skymosaic.report.sheets import sheets, write_sheets
from skymosaic.results.reading import read_finished_steps
from tests.unit.reports import data, known_run, table
from tests.unit.small_store import SmallStore

OF_THE_REPORT = {
    *(parts.MDRIZSKY, parts.DIFFERENCES, parts.QUALITY, parts.PAIRS),
    *(parts.SEAMS, parts.INVARIANTS, parts.GROUPS),
}
"""What it is made from has no table of a step behind it."""
WITHIN_OTHERS = {parts.DIFFERENCES, parts.GROUPS, parts.VECTORS}
"""What the page shows as columns of another table, as a list, as a figure."""


def plain_table(title: str = "A table"):
    return table(title, method=(None, "sky method", ["match"]))


def report(known: RunFacts) -> Report:
    given = data()
    return assemble(given, known, check_invariants(given.runs, given.groups))


@pytest.fixture(scope="module")
def whole() -> Report:
    """A report with a table of each part."""
    known = known_run()
    missing = {part: plain_table() for part in PARTS if part not in known.tables}
    tables = {part: one for part, one in missing.items() if part not in OF_THE_REPORT}
    return report(replace(known, tables={**known.tables, **tables}))


def test_each_part_is_declared_once() -> None:
    declared = [one for one in vars(parts).values() if isinstance(one, Part)]
    assert len({part.name for part in PARTS}) == len(PARTS)
    assert set(declared) == set(PARTS)
    assert {part.section for part in PARTS} - {""} <= set(CONTENTS)


def test_each_part_is_in_the_documents(whole: Report) -> None:
    names = [part.name for part in PARTS]
    assert list(sheets(whole)) == names
    assert list(json.loads(as_json(whole))["tables"]) == names
    page, text = make_page(whole, {}).text, markdown(whole)
    on_page = [part for part in PARTS if f'id="table-{part.name}"' in page]
    assert set(PARTS) - set(on_page) == WITHIN_OTHERS
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert [part.heading for part in PARTS if part.heading] == [
        one for one in headings if one in {part.heading for part in PARTS}
    ]


@pytest.mark.parametrize(
    "section", ["residuals", "checks", "alignment", "exposures", "provenance", "steps"]
)
def test_a_part_takes_one_entry(
    section: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tides = Part("tides", "Tides of the sky", section, "Tides of", "method")
    monkeypatch.setattr(parts, "PARTS", (*PARTS, tides))
    with_tides = report(replace(known_run(), tables={tides: plain_table("What the tides <do>")}))
    assert "## Tides of the sky\n\nWhat the tides <do>." in markdown(with_tides)
    assert json.loads(as_json(with_tides))["tables"]["tides"]["rows"] == [["match"]]
    page = make_page(with_tides, {}).text
    of_it = page.split(f'<h2 id="{section}">')[1].split("</section>")[0]
    assert "<summary>Tides of 1 method</summary>" in of_it
    assert "What the tides &lt;do&gt; (file tides.ecsv)" in of_it
    written = write_sheets(sheets(with_tides), tmp_path)
    assert tmp_path / "tides.ecsv" in written


def test_a_run_fills_each_part_that_is_its_own(tmp_path: Path) -> None:
    store = SmallStore(tmp_path)
    store.inspect()
    known = run_facts(read_finished_steps(store.place), [], unit="electron / s")
    assert set(known.tables) == set(PARTS) - OF_THE_REPORT
