from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from skymosaic.compare.gather import ComparisonInput, write_comparison
from skymosaic.compare.report import RunRecord
from skymosaic.errors import SkyError, StoreError
from skymosaic.sky.values import SkyValue

SKIES = {
    "localmin": {"a": 100.0, "b": 120.0, "c": 90.0},
    "match": {"a": 0.0, "b": 20.0, "c": None},
    "globalmin": {"a": 90.0, "b": 90.0, "c": 90.0},
    "globalmin+match": {"a": 90.0, "b": 110.0, "c": 90.0},
}
GROUPS = [["a", "b"], ["c"]]
SQUARE = np.array([[0.0, 0.0], [0.1, 0.0], [0.1, 0.1], [0.0, 0.1]])
POLYGONS = {"a": [SQUARE], "b": [SQUARE + 0.05], "c": [SQUARE + 2.0]}
ALL_FILES = {
    "mdrizsky.ecsv",
    "mdrizsky.csv",
    "scatter.png",
    "footprints.png",
    "blink.gif",
    "difference.png",
    "preview_localmin.png",
    "preview_match.png",
    "preview_globalmin.png",
    "preview_globalmin_match.png",
    "report.html",
}
RECORD = RunRecord(
    campaign="horse & <head>",
    created="2024-02-29 12:00 UTC",
    exposures=[{"rootname": "a", "exptime [s]": 702.9}],
    alignment=[{"image": "tile1", "rms [pixel]": float("nan"), "aligned": False}],
    gates=[{"gate": "matches", "at least": 10, "found": 34}],
    output_grid={"shape": (40, 50)},
    steps=[{"step": "drizzle match", "seconds": 12.5}],
    versions={"drizzlepac": "3.11.0"},
    campaign_file="name: horsehead\n# </pre><script>alert(1)</script>\n",
    warnings=["the guide star was lost"],
)


def made(skies=SKIES):
    return {m: [SkyValue(n, 1, v, 1.0) for n, v in row.items()] for m, row in skies.items()}


def mosaics():
    base = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    return {method: base + i for i, method in enumerate(SKIES)}


class Page(HTMLParser):
    """Collects what a reader of the page meets."""

    VOID = ("meta", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.alts, self.tags, self.text = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        values = dict(attrs)
        if tag == "img":
            self.alts.append(values.get("alt", ""))
        self.sources += [values[name] for name in ("src", "href") if name in values]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def page(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_everything_is_written_and_nothing_else_is_left(tmp_path):
    folder = tmp_path / "deep" / "comparison"
    made_ = write_comparison(folder, ComparisonInput(made(), GROUPS, POLYGONS, mosaics()), RECORD)
    assert {path.name for path in made_.files} == ALL_FILES
    assert {path.name for path in folder.iterdir()} == ALL_FILES
    assert all(path.parent == folder and path.stat().st_size for path in made_.files)
    assert [path.name for path in folder.parent.iterdir()] == ["comparison"]
    assert all(one.holds for one in made_.invariants)
    assert len(made_.table) == 3
    assert len(made_.warnings) == 2


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_comparison(
            tmp_path / name, ComparisonInput(made(), GROUPS, POLYGONS, mosaics()), RECORD
        )
    for name in ALL_FILES:
        first, second = (tmp_path / n / name for n in ("one", "two"))
        assert first.read_bytes() == second.read_bytes(), name


def test_a_broken_invariant_writes_nothing(tmp_path):
    runs = made()
    runs["globalmin"][1] = replace(runs["globalmin"][1], mdrizsky=91.0)
    with pytest.raises(SkyError, match=r"globalmin = constant.*is off by 1 "):
        write_comparison(
            tmp_path / "new" / "x", ComparisonInput(runs, GROUPS, POLYGONS, mosaics()), RECORD
        )
    assert list(tmp_path.iterdir()) == []


def test_mosaics_that_do_not_fit_leave_the_last_comparison_as_it_was(tmp_path):
    folder = tmp_path / "comparison"
    write_comparison(folder, ComparisonInput(made(), GROUPS, POLYGONS, mosaics()), RECORD)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    wrong = mosaics() | {"globalmin": np.ones((3, 3), np.float32)}
    with pytest.raises(SkyError, match="not on one grid"):
        write_comparison(
            folder, ComparisonInput(made(), GROUPS, POLYGONS, wrong), replace(RECORD, campaign="x")
        )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_a_mosaic_without_sky_values_is_refused(tmp_path):
    runs = made({"localmin": SKIES["localmin"]})
    with pytest.raises(SkyError, match="there is a mosaic but no sky values"):
        write_comparison(tmp_path / "x", ComparisonInput(runs, GROUPS, POLYGONS, mosaics()), RECORD)


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write the comparison"):
        write_comparison(
            tmp_path / "file" / "x", ComparisonInput(made(), GROUPS, POLYGONS, {}), RECORD
        )


def test_the_page_is_whole_by_itself_and_describes_its_pictures(tmp_path):
    write_comparison(tmp_path / "x", ComparisonInput(made(), GROUPS, POLYGONS, mosaics()), RECORD)
    found = page(tmp_path / "x")
    assert found.open == []
    assert len(found.sources) == 8
    assert all(re.match(r"data:image/(png|gif);base64,", source) for source in found.sources)
    assert all(len(alt) > 30 for alt in found.alts)
    assert "script" not in found.tags
    assert "link" not in found.tags
    assert "caption" in found.tags
    assert "details" in found.tags


def test_the_page_tells_what_was_given_and_warns_first(tmp_path):
    write_comparison(tmp_path / "x", ComparisonInput(made(), GROUPS, POLYGONS, mosaics()), RECORD)
    text = page(tmp_path / "x").text
    assert "horse & <head>: comparison of sky methods" in text
    for part in ("2024-02-29", "702.9", "tile1", "matches", "40, 50", "12.5", "3.11.0", "alert(1)"):
        assert part in text
    assert text.index("the guide star was lost") < text.index("What the numbers say")
    assert text.index("arbitrary zero point") < text.index("What the numbers say")
    assert text.count("undetermined") >= 2  # the sky of c, and the rms that is not a number
    assert "(globalmin+match) - match = min(localmin - match)" in text


def test_the_page_says_what_is_absent(tmp_path):
    record = RunRecord(campaign="bare", created="today")
    runs = made({"localmin": SKIES["localmin"]})
    made_ = write_comparison(tmp_path / "x", ComparisonInput(runs, GROUPS, {}, {}), record)
    assert {p.name for p in made_.files} == {
        "mdrizsky.ecsv",
        "mdrizsky.csv",
        "scatter.png",
        "report.html",
    }
    text = page(tmp_path / "x").text
    for sentence in (
        "The exposures were not aligned",
        "There are no previews",
        "There is no blink animation",
        "There is no figure of the footprints",
        "No relation could be checked",
        "The output grid was not recorded",
        "Time and memory were not recorded",
        "The campaign file was not recorded",
    ):
        assert sentence in text
    assert "Read first" not in text
