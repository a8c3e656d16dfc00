"""The page: whole by itself, what comes first, what is told of what is missing."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from astropy.table import Table

from skymosaic.report.card import AdvisedMosaic
from skymosaic.report.comparison import assemble, draw_figures, write_documents
from skymosaic.report.contents import Report, RunFacts
from skymosaic.report.invariants import check_invariants
from skymosaic.report.parts import WITNESS
from skymosaic.report.verdict import card, facts
from tests.unit.reports import (
    BARE,
    BROKEN,
    GROUPS,
    SKIES,
    Page,
    checks,
    data,
    evidence,
    known_run,
    runs,
)


def report(known, **changes):
    given = data(**changes)
    invariants = check_invariants(given.runs, given.groups) if given.runs else []
    return assemble(given, known, invariants)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The documents of a comparison with everything in it, as texts by form."""
    folder = tmp_path_factory.mktemp("report")
    whole = report(known_run())
    figures = {name: files[0] for name, files in draw_figures(folder, whole, pdf=False).items()}
    files = write_documents(folder, whole, figures)
    return {path.suffix[1:]: path.read_text(encoding="utf-8") for path in files}


@pytest.fixture(scope="module")
def page(written):
    return Page(written["html"])


def texts(tmp_path, report_):
    files = write_documents(tmp_path, report_, {})
    return {path.suffix[1:]: path.read_text(encoding="utf-8") for path in files}


def test_the_page_is_whole_by_itself_and_describes_its_pictures(page):
    assert page.open == []
    assert all(re.match(r"data:image/png;base64,", source) for source in page.sources)
    assert len(page.sources) == 1 + 4 + 3 + 2 + 4  # best, mosaics, differences, scales, figures
    assert all(len(alt) > 30 for alt in page.alts)
    assert all(link.startswith(("#", "data:,")) for link in page.links)


def test_links_lead_to_what_is_there(page):
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids


def test_what_comes_from_outside_stays_text(written, page):
    assert "alert(1)" in page.text
    assert "<script>alert" not in written["html"]
    assert "horse & <head>: comparison of sky methods" in page.text
    assert "what <this> field calls for" in page.text
    for data_ in re.findall(r'type="application/json"[^>]*>(.*?)</script>', written["html"]):
        assert "<" not in data_
        json.loads(data_)


def test_the_page_forbids_requests(written):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', written["html"])[1]
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_the_advice_comes_first_then_the_warnings_then_the_rest(page):
    places = [
        page.text.index(part)
        for part in (
            "Use globalmin+match",
            "58 standard errors",
            "2 separate overlap groups",
            "c hangs in the air",
            "arbitrary zero point",
            "the guide star was lost",
            "What the numbers say",
        )
    ]
    assert places == sorted(places)
    assert "runs/globalmin_match/x_drz_sci.fits" in page.text


def test_the_page_tells_all_that_was_given(page):
    for part in (
        *("702.9", "tile2", "7.25", "matches", "40, 50", "12.5", "3.11.0", "final_bits"),
        *("12 of 12 sky values verified", "2 of 2 drizzled images aligned", "match leaves 0.85"),
        *("(globalmin+match) - match = min(localmin - match)", "localmin − match"),
    ):
        assert part in page.text, part
    assert page.text.count("undetermined") >= 1


def test_a_check_that_failed_is_seen_from_the_first_screen(tmp_path):
    text = texts(tmp_path, report(known_run(checks=checks(agree=False))))["html"]
    assert re.search(r'<li class="bad"><a href="#checks">11 of 12 sky values verified', text)
    assert re.search(r'<td class="bad" data-v="3">3 of 4</td>', text)


def test_a_run_without_advice_says_so(tmp_path):
    found = texts(tmp_path, report(known_run(), evidence=None))
    assert "No advice for this run" in found["html"]
    assert "No advice for this run" in found["md"]
    assert json.loads(found["json"])["advice"] is None


@pytest.mark.parametrize(
    ("verdict", "methods", "headline"),
    [
        ("no-difference", ("match", "globalmin+match"), "match and globalmin+match are equally"),
        ("undetermined", (), "The data do not tell which method to use"),
    ],
)
def test_advice_that_names_no_single_method(tmp_path, verdict, methods, headline):
    from tests.unit.reports import evidence

    found = texts(tmp_path, report(known_run(), evidence=evidence(verdict, methods)))
    assert headline in found["html"]
    assert headline in found["md"]


def test_an_advised_method_of_this_project_is_marked_and_explained(tmp_path):
    from tests.unit.reports import evidence

    both = ("globalmin+match-differences", "globalmin+match")
    found = texts(tmp_path, report(known_run(), evidence=evidence("no-difference", both)))
    for form in ("html", "md"):
        assert "globalmin+match-differences * and globalmin+match are equally" in found[form]
    text = Page(found["html"]).text
    assert "AstroDrizzle has four ways" in text
    assert "globalmin+match-differences * makes the exposures agree, from differences" in text
    assert "* skymosaic's own method, not one of AstroDrizzle's." in text
    alone = texts(tmp_path, report(known_run(), evidence=evidence("method", both[:1])))
    assert "Use globalmin+match-differences *" in alone["html"]
    assert "AstroDrizzle has four ways" not in alone["html"]


def test_a_run_that_broke_off_says_what_is_missing(tmp_path):
    some = {m: row for m, row in SKIES.items() if m != "match"}
    broken = report(
        known_run(missing=[BROKEN]), runs=runs(some), images={}, evidence=None, groups=GROUPS
    )
    found = texts(tmp_path, broken)
    text = Page(found["html"]).text
    assert "This run is incomplete" in text
    assert "Finished: localmin, globalmin and globalmin+match." in text
    assert "drizzle match: failed. SkyError: the records disagree" in text
    assert "incomplete: 1 step failed" in text
    document = json.loads(found["json"])
    assert not document["complete"]
    assert document["missing"][0]["why"] == BROKEN.why
    assert "**drizzle match**: failed." in found["md"]


def test_a_run_that_failed_before_any_method(tmp_path):
    known = known_run(checks=None, missing=[BROKEN])
    found = texts(tmp_path, report(known, runs={}, images={}, evidence=None))
    assert "No sky method has finished." in found["html"]
    assert "There are no sky values" in found["html"]
    assert "mdrizsky" not in json.loads(found["json"])["tables"]


def test_every_table_has_units_and_descriptions_as_json(written):
    document = json.loads(written["json"])
    assert document["complete"]
    assert document["verdict"]["headline"] == "Use globalmin+match"
    for name, table in document["tables"].items():
        assert all(column["description"] for column in table["columns"]), name
        assert all(len(row) == len(table["columns"]) for row in table["rows"]), name
    sky = document["tables"]["mdrizsky"]
    assert sky["columns"][2] == {
        "name": "localmin",
        "type": "number",
        "unit": "electron / s",
        "description": sky["columns"][2]["description"],
    }
    assert sky["rows"][2] == ["c", 1, 90.0, None, 90.0, 90.0]


def test_markdown_has_the_advice_and_the_table(written):
    lines = written["md"].splitlines()
    assert lines[0] == "# horse & <head>: Use globalmin+match"
    row = next(line for line in lines if line.startswith("| c "))
    assert "undetermined" in row
    assert "**Problem:** 2 separate overlap groups" in written["md"]


def test_a_mosaic_without_seams_says_why(tmp_path):
    bare = replace(evidence(), seams={})
    text = Page(texts(tmp_path, report(known_run(), evidence=bare))["html"]).text
    assert "no edge runs for 12 cells (12 arcsec) where there are other exposures" in text


def test_of_many_groups_and_exposures_the_page_names_some(tmp_path):
    names = [f"e{number:03d}" for number in range(90)]
    groups = [names[:65], *([name] for name in names[65:])]
    skies = {"localmin": dict.fromkeys(names, 1.0)}
    many = report(
        BARE, runs=runs(skies), groups=groups, polygons={}, images={}, pairs={}, evidence=None
    )
    text = Page(texts(tmp_path, many)["html"]).text
    assert "65 exposures: e000, e001" in text
    assert "e059 and 5 more" in text
    assert "And 6 smaller groups; groups.ecsv has all." in text


def test_many_exposures_stay_readable(tmp_path):
    names = [f"e{i:03d}" for i in range(60)]
    skies = {"localmin": dict.fromkeys(names, 1.0), "match": dict.fromkeys(names, 0.0)}
    many = report(
        BARE, runs=runs(skies), groups=[names], polygons={}, images={}, pairs={}, evidence=None
    )
    text = texts(tmp_path, many)["html"]
    assert 'data-table="table-mdrizsky"' in text  # a filter, as for every long table
    assert text.count('<th scope="row" data-v="e0') == 60 * 1


def test_what_is_told_in_short_names_the_mosaic_that_is_advised_and_no_other():
    advised = AdvisedMosaic("globalmin+match", "runs/globalmin_match/x_drz_sci.fits")
    assert card(report(known_run())).advised == advised
    undecided = report(known_run(), evidence=evidence("undetermined", ()))
    assert card(undecided).advised is None
    assert card(report(known_run(mosaics={}))).advised is None
    assert card(report(known_run(), evidence=None)).advised is None


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        ([90, 9], "2 mosaics verified in part"),
        ([90, 0], "1 mosaic verified in part"),
        ([0, 0], "mosaics not verified"),
    ],
)
def test_mosaics_of_which_no_pixel_was_compared_are_not_verified(pixels, said):
    witness = Table({"method": ["localmin", "match"], "pixels": pixels})
    its = RunFacts("a", "2026-01-01", engine="onepass", tables={WITNESS: witness})
    [fact] = [one for one in facts(Report(its)) if "verified" in one.text]
    assert fact.text == said
