"""The page of a program of many groups."""

from __future__ import annotations

import json
from dataclasses import asdict

from skymosaic.errors import InputError
from skymosaic.report.card import Card, WorstPair
from skymosaic.report.colour_facts import Channel, ColourFacts
from skymosaic.report.program_page import (
    ColourRow,
    GroupRow,
    program_document,
    program_html,
    program_markdown,
)
from skymosaic.results.program_page import program_text, write_index
from skymosaic.results.program_states import GroupState
from skymosaic.steps.failures import as_record
from skymosaic.steps.step import Bench, Place, run_step
from skymosaic.store import open_store
from tests.unit.reports import Page
from tests.unit.small_store import plain

CARD = Card(
    kind="method",
    headline="Use match",
    sure="by far",
    exposures=18,
    groups=1,
    worst=WorstPair("match", ("a", "b"), 0.0123, 0.001, "electron / s"),
    warnings=1,
    first_warning="two groups",
)


def group(name, **changes):
    values = {
        "state": "done",
        "files": 4,
        "error": "",
        "link": "1/M%2016/F160W/comparison/report.html",
        "partial": False,
        "thumbnail": "data:image/png;base64,AAAA",
        "card": CARD,
    }
    return GroupRow(name=name, **{**values, **changes})


GROUPS = [
    group("M 16/F160W"),
    group("<b>/F110W", state="failed", error="InputError: a | b", link="", thumbnail="", card=None),
    group("old/F105W", card=None, thumbnail=""),
]


def test_every_group_has_a_row_with_state_advice_residual_and_link():
    text = program_html("program", "today", GROUPS)
    page = Page(text)
    assert page.open == []
    assert "1/M%2016/F160W/comparison/report.html" in page.links
    for part in (
        "M 16/F160W",
        "<b>/F110W",
        "InputError: a | b",
        "0.0123",
        "no advice",
    ):
        assert part in page.text
    assert text.count("<tr data-state=") == 3
    assert "1 failed" in page.text
    assert "1 × match" in page.text


def test_two_hundred_groups_stay_small():
    picture = "data:image/png;base64," + "A" * 13000
    groups = [group(f"T{i}/F160W", thumbnail=picture) for i in range(200)]
    assert len(program_html("program", "today", groups)) < 4e6


def test_the_same_for_programs_and_as_text():
    document = program_document("program", "today", GROUPS)
    assert [one["state"] for one in document["groups"]] == ["done", "failed", "done"]
    assert document["groups"][1]["error"] == "InputError: a | b"
    [first, *_] = json.loads(json.dumps(document))["groups"]
    assert first["card"]["worst"]["pair"] == ["a", "b"]
    assert first["card"]["headline"] == "Use match" and first["card"]["advised"] is None
    lines = program_markdown("program", "today", GROUPS).splitlines()
    assert "InputError: a \\| b" in lines[7]
    assert len(lines) == 9


def test_the_page_is_made_from_what_the_groups_left(tmp_path):
    place = Place(open_store(str(tmp_path)), "program", None)
    there = Place(place.store, "program/1/M_16/F160W", None)

    def work(bench: Bench) -> dict[str, object]:
        (bench.out / "report.html").write_text("<html>")
        (bench.out / "thumbnail.png").write_bytes(b"picture")
        return {"table": "", "warnings": [], "card": asdict(CARD)}

    common = {"inputs": {}, "parameters": {}, "versions": {}}
    run_step(there, plain("comparison"), work=work, **common)
    place.store.write_text("program/1/M_16/F110W/comparison/partial-report.html", "<html>")
    error = as_record(InputError("a file is damaged"))
    states = [
        GroupState("M 16/F160W", "done", 4, "", None, "1/M_16/F160W"),
        GroupState("M 16/F110W", "failed", 4, "", error, "1/M_16/F110W"),
        GroupState("old/F105W", "done", 4, "", None),
    ]
    place.store.write_json("program/shares/000001-of-000002/groups.json", [asdict(states[0])])
    place.store.write_json("program/groups.json", [asdict(state) for state in states[1:]])
    address = write_index(place)
    page = Page((tmp_path / "program" / "index.html").read_text())
    assert address == str(tmp_path / "program" / "index.html")
    for link in (
        "1/M_16/F160W/comparison/report.html",
        "1/M_16/F110W/comparison/partial-report.html",
    ):
        assert link in page.links
        assert (tmp_path / "program" / link).exists()
    assert "data:image/png;base64,cGljdHVyZQ==" in page.sources
    document = json.loads(program_text(place, "json"))
    assert document["groups"][1]["card"]["headline"] == "Use match"
    assert document["groups"][0]["partial"]


def test_a_colour_picture_is_shown_with_what_it_shows_in_words():
    channels = [
        Channel(colour, f"M 16/{name}", name, "match", 0.1, 20, "electrons/s")
        for colour, name in (("red", "F160W"), ("blue", "F<110>W"))
    ]
    facts = ColourFacts(
        *("M_16", tuple(channels), "lupton", 0.05, 8.0, (25.0, 99.7)),
        *(800, 600, 0.1, 0.0),
    )
    row = ColourRow(facts, "colour/M_16/colour.png", "colour/M_16/zoom.html", "data:image/jpeg,AA")
    page = Page(program_html("program", "today", GROUPS, [row]))
    assert page.open == []
    assert {"colour/M_16/colour.png", "colour/M_16/zoom.html"} <= set(page.links)
    text = program_html("program", "today", GROUPS, [row])
    assert "F160W in red, F&lt;110&gt;W in blue" in text
    assert "Green: the mean of red and blue." in text
    [shown] = program_document("program", "today", GROUPS, [row])["colours"]
    assert shown["alt"] == facts.alt
    assert json.loads(json.dumps(shown))["how"] == facts.sentences
    assert "(colour/M_16/colour.png" in program_markdown("program", "today", GROUPS, [row])
    without = ColourRow(facts, "colour/M_16/colour.png", None, "")
    assert "zoom.html" not in program_html("program", "today", GROUPS, [without])
    assert program_document("program", "today", GROUPS)["colours"] == []
