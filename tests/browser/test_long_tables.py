"""A report of thousands of exposures in a browser: its tables turn pages, sort and search."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("selenium", reason="scripts/test-browser installs what these tests need")

from selenium.webdriver.common.by import By

from skymosaic.report.comparison import assemble, draw_figures, write_documents
from skymosaic.report.invariants import check_invariants
from tests.browser.conftest import Browser
from tests.conftest import wait_for
from tests.unit.reports import BARE, SQUARE, data, runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]

COUNT = 2000
NAMES = [f"e{number:04d}q" for number in range(COUNT)]
MATCH = np.random.default_rng(2).uniform(0.0, 1.0, COUNT).round(4)
TABLE = "#table-mdrizsky"


@pytest.fixture(scope="module", params=["within", "beside"])
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 2,000 exposures, their rows within it or beside it."""
    match = dict(zip(NAMES, MATCH.tolist(), strict=True))
    skies = {
        "localmin": {name: sky + 1.0 for name, sky in match.items()},
        "match": {**match, NAMES[3]: None},
    }
    polygons = {
        name: [np.add(SQUARE, [0.02 * (number % 50), 0.02 * (number // 50)])]
        for number, name in enumerate(NAMES)
    }
    given = data(runs=runs(skies), groups=[NAMES], polygons=polygons, images={}, evidence=None)
    report = assemble(given, BARE, check_invariants(given.runs, given.groups))
    folder = tmp_path_factory.mktemp(request.param)
    figures = {name: files[0] for name, files in draw_figures(folder, report, pdf=False).items()}
    most = 10 if request.param == "beside" else 10**9
    page, *_ = write_documents(folder, report, figures, most_bytes=most)
    return page


@pytest.fixture
def opened(browser: Browser, large: Path) -> Browser:
    browser.open(large)
    return browser


def names_shown(browser: Browser) -> list[str]:
    return browser.ask(
        f"return [...document.querySelectorAll('{TABLE} tbody th')].map((one) => one.textContent)"
    )


def state(browser: Browser) -> str:
    return browser.driver.find_element(
        By.CSS_SELECTOR, "[data-pages=table-mdrizsky] [role=status]"
    ).text


def press(browser: Browser, page: str) -> None:
    button = browser.driver.find_element(
        By.CSS_SELECTOR, f"[data-pages=table-mdrizsky] [data-page={page}]"
    )
    browser.ask("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", button)
    button.click()


def sort_by(browser: Browser, name: str) -> None:
    heads = browser.driver.find_elements(By.CSS_SELECTOR, f"{TABLE} thead button")
    browser.ask("arguments[0].click()", next(one for one in heads if one.text == name))


def search(browser: Browser, words: str) -> None:
    browser.ask(
        "const input = document.getElementById('filter-mdrizsky'); input.value = arguments[0];"
        "input.dispatchEvent(new Event('input', {bubbles: true}))",
        words,
    )


def wait_until(browser: Browser, start: str) -> None:
    wait_for(lambda: state(browser).startswith(start), f"{start!r}, not {state(browser)!r}", 30)


def test_pages_are_turned(opened: Browser) -> None:
    assert names_shown(opened) == NAMES[:50]
    press(opened, "next")
    wait_until(opened, "Rows 101 to 200 of 2000; all are in mdrizsky.ecsv.")
    assert names_shown(opened) == NAMES[100:200]
    press(opened, "last")
    wait_until(opened, "Rows 1901 to 2000 of 2000")
    assert names_shown(opened) == NAMES[1900:]
    press(opened, "next")
    press(opened, "back")
    wait_until(opened, "Rows 1801 to 1900 of 2000")
    opened.screenshot("long-table")


def test_all_rows_are_sorted_and_searched(opened: Browser) -> None:
    known = [place for place in range(COUNT) if place != 3]
    sort_by(opened, "match")
    wait_until(opened, "Rows 1 to 100 of 2000")
    ascending = sorted(known, key=lambda place: (MATCH[place], place))
    assert names_shown(opened) == [NAMES[place] for place in ascending[:100]]
    press(opened, "last")
    wait_until(opened, "Rows 1901")
    assert names_shown(opened)[-1] == NAMES[3]  # what is undetermined stands last
    assert "undetermined" in opened.driver.find_element(By.CSS_SELECTOR, f"{TABLE} .missing").text
    search(opened, "e199 q")
    wait_until(opened, "Rows 1 to 10 of 10 that fit, of 2000")
    found = sorted((place for place in range(1990, 2000)), key=lambda place: MATCH[place])
    assert names_shown(opened) == [NAMES[place] for place in found]
    search(opened, "nowhere")
    wait_until(opened, "No rows of 0 that fit, of 2000")
    search(opened, "")
    wait_until(opened, "Rows 1 to 100 of 2000")


def test_it_is_small_and_asks_for_nothing_but_its_rows(opened: Browser, large: Path) -> None:
    beside = [path.name for path in large.parent.glob("report-*.js")]
    assert ("report-mdrizsky.js" in beside) == (large.parent.name.startswith("beside"))
    assert large.stat().st_size < 4e6
    press(opened, "next")
    wait_until(opened, "Rows 101")
    for chart in opened.driver.find_elements(By.CSS_SELECTOR, ".chart"):
        opened.ask("arguments[0].scrollIntoView({behavior: 'instant'})", chart)
        wait_for(lambda chart=chart: chart.get_attribute("data-ready"), chart.get_attribute("id"))
    logged = opened.driver.get_log("browser")
    assert [one for one in logged if one["level"] in ("SEVERE", "WARNING")] == []
    sent = [json.loads(one["message"])["message"] for one in opened.driver.get_log("performance")]
    urls = {
        one["params"]["request"]["url"]
        for one in sent
        if one["method"] == "Network.requestWillBeSent"
    }
    own = {large.as_uri(), *((large.parent / "report-mdrizsky.js").as_uri() for _ in beside)}
    assert {url for url in urls if not url.startswith(("data:", "blob:"))} == own
    assert opened.ask("return document.documentElement.scrollWidth") <= opened.width
    opened.screenshot("many-exposures", whole=True)


def test_rows_that_are_not_there_are_told(browser: Browser, large: Path, tmp_path: Path) -> None:
    if not list(large.parent.glob("report-*.js")):
        pytest.skip("all rows are within the page")
    alone = tmp_path / "report.html"
    alone.write_bytes(large.read_bytes())
    browser.open(alone)
    press(browser, "next")
    wait_until(
        browser, "The other rows cannot be shown: report-mdrizsky.js is not beside this page"
    )
    assert state(browser).endswith("All are in mdrizsky.ecsv.")
    assert names_shown(browser) == NAMES[:50]


def test_an_audit_of_accessibility_finds_nothing(opened: Browser) -> None:
    audit = pytest.importorskip("axe_core_python.selenium").Axe()
    opened.driver.set_script_timeout(200)
    press(opened, "next")
    wait_until(opened, "Rows 101")
    found = audit.run(opened.driver)["violations"]
    wrong = {
        one["id"]: [node["html"][:120] for node in one["nodes"]]
        for one in found
        if not all(
            "chart-" in str(node["target"]) or ".bk-" in str(node["target"])
            for node in one["nodes"]
        )
    }
    assert wrong == {}
