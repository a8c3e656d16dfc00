"""A browser, pages to look at, and where the screenshots go."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="scripts/test-browser installs what these tests need")

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from skymosaic.report.card import Card, WorstPair
from skymosaic.report.program_page import GroupRow, program_html

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
WIDTHS = (1280, 390)
HEIGHT = 900
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--hide-scrollbars",
)


class Browser:
    """A browser that is asked as a reader of a page would use it."""

    def __init__(self, driver: webdriver.Chrome, width: int) -> None:
        self.driver = driver
        self.width = width
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 500},
        )

    def open(self, page: Path) -> None:
        """Open a page, forgetting what the browser logged before."""
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.get(page.as_uri())

    def ask(self, script: str, *arguments: object) -> object:
        """Return what a script in the page gives."""
        return self.driver.execute_script(script, *arguments)

    def screenshot(self, name: str, *, whole: bool = False) -> Path:
        """Keep a picture of what is seen, or of the whole page."""
        ARTIFACTS.mkdir(exist_ok=True)
        path = ARTIFACTS / f"{name}-{self.width}.png"
        options: dict[str, object] = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            height = self.ask("return document.documentElement.scrollHeight")
            options["clip"] = {"x": 0, "y": 0, "width": self.width, "height": height, "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield browser
    browser.quit()


@pytest.fixture(params=WIDTHS)
def browser(driver: webdriver.Chrome, request: pytest.FixtureRequest) -> Browser:
    return Browser(driver, request.param)


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Path:
    """The report of a campaign on small frames, or the one that SKYMOSAIC_REPORT names."""
    if named := os.environ.get("SKYMOSAIC_REPORT"):
        return Path(named).resolve()
    return request.getfixturevalue("small") / "comparison" / "report.html"


@pytest.fixture(scope="session")
def program(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a program of 200 groups."""
    small = base64.b64encode((report.parent / "thumbnail.png").read_bytes()).decode()
    groups = []
    for number in range(200):
        failed = number % 20 == 7
        method = ("match", "globalmin+match", "localmin")[number % 3]
        residual = (number * 37 % 200) / 1e4
        card = Card(
            kind="method",
            headline=f"Use {method}",
            sure="Every other method is worse by at least 58 standard errors.",
            exposures=2 + number % 30,
            groups=1,
            worst=WorstPair(method, ("a", "b"), residual, 0.001, "electron / s"),
            warnings=number % 3,
        )
        groups.append(
            GroupRow(
                name=f"TARGET-{number // 2}/F{(110, 160)[number % 2]}W",
                state="failed" if failed else "done",
                files=4,
                error="AlignmentError: gates of the alignment failed" if failed else "",
                link=f"1/T{number}/F160W/comparison/report.html",
                partial=failed,
                thumbnail="" if failed else f"data:image/png;base64,{small}",
                card=None if failed else card,
            )
        )
    path = tmp_path_factory.mktemp("program") / "index.html"
    path.write_text(program_html("program", "2024-02-29 12:00 UTC", groups), encoding="utf-8")
    return path
