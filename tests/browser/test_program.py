"""The page of a program of 200 groups in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="scripts/test-browser installs what these tests need")

from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from tests.browser.conftest import Browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def opened(browser: Browser, program: Path) -> Browser:
    browser.open(program)
    return browser


def rows(browser: Browser) -> list[str]:
    return browser.ask(
        "return [...document.querySelectorAll('#table-groups tbody tr')]"
        ".filter((row) => !row.hidden).map((row) => row.querySelector('th').dataset.v)"
    )


def test_it_opens_without_errors_and_fits(opened: Browser) -> None:
    assert [e for e in opened.driver.get_log("browser") if e["level"] == "SEVERE"] == []
    assert opened.ask("return document.documentElement.scrollWidth") <= opened.width
    assert len(rows(opened)) == 200
    opened.screenshot("program")


def test_groups_are_filtered_by_words_and_by_state(opened: Browser) -> None:
    words = opened.driver.find_element(By.ID, "filter-groups")
    words.send_keys("target-1/ f160w")
    assert rows(opened) == ["TARGET-1/F160W"]
    assert "1 of 200" in opened.driver.find_element(By.ID, "filter-groups-count").text
    words.clear()
    words.send_keys(" ")
    Select(opened.driver.find_element(By.ID, "state-groups")).select_by_value("failed")
    assert len(rows(opened)) == 10
    opened.screenshot("program-failed")


def test_a_word_at_the_top_filters_too(opened: Browser) -> None:
    chip = opened.driver.find_element(By.CSS_SELECTOR, '.chips a[data-word="localmin"]')
    opened.ask("arguments[0].click()", chip)
    assert 0 < len(rows(opened)) < 100


def test_the_largest_residuals_come_first_after_two_clicks(opened: Browser) -> None:
    head = next(
        button
        for button in opened.driver.find_elements(By.CSS_SELECTOR, "#table-groups thead button")
        if button.text == "largest residual"
    )
    for _ in range(2):
        opened.ask("arguments[0].click()", head)
    values = opened.ask(
        "return [...document.querySelectorAll('td[data-label=\"largest residual\"]')]"
        ".map((cell) => cell.dataset.v ?? null)"
    )
    known = [float(value) for value in values if value is not None]
    assert known == sorted(known, reverse=True)
    assert values[-1] is None  # groups without a residual stand last
