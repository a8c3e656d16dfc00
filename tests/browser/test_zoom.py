"""The page with all pixels of a colour picture: opened from a disk, by mouse, key and touch."""

from __future__ import annotations

import json
import math
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("selenium", reason="scripts/test-browser installs what these tests need")

from selenium.webdriver import Keys
from selenium.webdriver.common.by import By

from skymosaic.report.colour import write_colour
from skymosaic.report.colour_facts import Channel, ColourFacts
from skymosaic.report.colour_tone import ColourPlane, Limits
from tests.browser.conftest import HEIGHT, Browser
from tests.conftest import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

COLUMNS, ROWS, STEP = 1900, 1300, 100  # four by three tiles, and more than one level
LAST = math.ceil(math.log2(COLUMNS))
STATE = "return [...document.querySelectorAll('#stage img')].map((i) => [i.src, i.complete, "
STATE += "i.naturalWidth, i.getBoundingClientRect().toJSON()])"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a picture of a lattice of stars: red on the left, blue on the right."""
    folder = tmp_path_factory.mktemp("picture in colour")
    y, x = np.mgrid[:ROWS, :COLUMNS]
    apart = ((x + STEP / 2) % STEP - STEP / 2) ** 2 + ((y + STEP / 2) % STEP - STEP / 2) ** 2
    stars = np.exp(-apart / 8).astype(np.float32)
    weight = np.ones_like(stars)
    channels = []
    for colour, filter_ in (("red", "F160W"), ("blue", "F110W")):
        channels.append(Channel(colour, f"M 16/{filter_}", filter_, "match", 0, 1, "e/s"))
    facts = ColourFacts(
        field="M 16",
        channels=tuple(channels),
        stretch="lupton",
        linear_to=0.05,
        q=8,
        percentiles=(25, 99.7),
        columns=COLUMNS,
        rows=ROWS,
        pixel_scale=0.1,
        north=30.0,
    )
    planes = [ColourPlane(stars * side, weight) for side in (x < COLUMNS / 2, x >= COLUMNS / 2)]
    files = write_colour(folder, facts, planes, [Limits(0, 1)] * 2, tiles=True)
    assert files.page is not None
    return folder / files.page


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.open(page)
    settled(browser)
    return browser


def settled(browser: Browser) -> list[tuple[int, int, int, dict[str, float]]]:
    """Return the tiles that are shown, once all are loaded: level, column, row and place."""
    shown = wait_for(
        lambda: all(complete for _, complete, *_ in browser.ask(STATE)) and browser.ask(STATE),
        "the tiles",
    )
    tiles = []
    for source, _, width, place in shown:
        assert width > 0, f"{source} was not loaded"
        level, name = Path(urlsplit(source).path).parts[-2:]
        column, row = name.removesuffix(".jpg").split("_")
        tiles.append((int(level), int(column), int(row), place))
    return tiles


def scale(browser: Browser) -> float:
    """Return how many pixels of the screen a pixel of the picture has."""
    tiles = settled(browser)
    level, column, _, place = max(tiles, key=lambda tile: tile[0])
    across = min(512 * 2 ** (LAST - level), COLUMNS - column * 512 * 2 ** (LAST - level))
    return place["width"] / across


def press(browser: Browser, name: str) -> None:
    browser.driver.find_element(By.ID, name).click()


def stage(browser: Browser):  # type: ignore[no-untyped-def]
    return browser.driver.find_element(By.ID, "stage")


def require_whole(browser: Browser) -> None:
    """All of it is seen, and it fills the window in one direction."""
    tiles = settled(browser)
    frame = browser.ask("return document.getElementById('stage').getBoundingClientRect().toJSON()")
    left, top = (min(place[side] for *_, place in tiles) for side in ("left", "top"))
    right, bottom = (max(place[side] for *_, place in tiles) for side in ("right", "bottom"))
    assert left >= frame["left"] - 1
    assert right <= frame["right"] + 1
    assert top >= frame["top"] - 1
    assert bottom <= frame["bottom"] + 1
    assert (right - left) / (bottom - top) == pytest.approx(COLUMNS / ROWS, rel=0.02)
    assert right - left > frame["width"] - 3 or bottom - top > frame["height"] - 3


def test_it_opens_whole_from_a_disk_without_errors(opened: Browser, page: Path) -> None:
    require_whole(opened)
    assert opened.ask("return document.documentElement.scrollWidth") <= opened.width
    assert opened.ask("return document.documentElement.scrollHeight") <= HEIGHT
    opened.screenshot("zoom-whole")
    errors = [e for e in opened.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]
    assert errors == []
    sent = [json.loads(one["message"])["message"] for one in opened.driver.get_log("performance")]
    urls = [
        one["params"]["request"]["url"]
        for one in sent
        if one["method"] == "Network.requestWillBeSent"
    ]
    folder = page.parent.as_uri()
    assert [url for url in urls if not url.startswith((folder, "data:"))] == []
    # Only tiles that are seen are fetched.
    fetched = {unquote(urlsplit(url).path) for url in urls if url.endswith(".jpg")}
    assert 0 < len(fetched) < len(list((page.parent / "colour_files").rglob("*.jpg")))


def test_buttons_and_keys_zoom_to_the_pixels(opened: Browser) -> None:
    first = scale(opened)
    press(opened, "in")
    assert scale(opened) == pytest.approx(1.5 * first, rel=0.01)
    stage(opened).send_keys("-")
    assert scale(opened) == pytest.approx(first, rel=0.01)
    stage(opened).send_keys("+" * 16)
    assert scale(opened) == pytest.approx(32, rel=0.01)  # no larger
    tiles = settled(opened)
    assert max(level for level, *_ in tiles) == LAST
    assert len([level for level, *_ in tiles if level == LAST]) <= 4
    for _ in range(18):
        press(opened, "out")
    assert scale(opened) == pytest.approx(first / 2, rel=0.01)  # no smaller
    press(opened, "all")
    assert scale(opened) == pytest.approx(first, rel=0.01)


def test_what_is_under_the_mouse_stays_there(opened: Browser) -> None:
    def pixel_at(x: float, y: float) -> tuple[float, float]:
        each, (level, column, row, place) = scale(opened), settled(opened)[-1]
        size = 512 * 2 ** (LAST - level)
        return column * size + (x - place["left"]) / each, row * size + (y - place["top"]) / each

    frame = opened.ask("return document.getElementById('stage').getBoundingClientRect().toJSON()")
    x, y = frame["left"] + 0.6 * frame["width"], frame["top"] + 0.55 * frame["height"]
    before, each = pixel_at(x, y), scale(opened)
    turn = {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": -600}
    opened.driver.execute_cdp_cmd("Input.dispatchMouseEvent", turn)
    wait_for(lambda: scale(opened) > 3.9 * each, "the wheel")
    assert pixel_at(x, y) == pytest.approx(before, abs=2)
    opened.screenshot("zoom-in")
    # And so it does when it is dragged.
    for kind, at in (("mousePressed", 0), ("mouseMoved", 60), ("mouseReleased", 60)):
        event = {"type": kind, "x": x - at, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
        opened.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    assert pixel_at(x - 60, y) == pytest.approx(before, abs=2)
    stage(opened).send_keys(Keys.ARROW_RIGHT)
    assert pixel_at(x - 140, y) == pytest.approx(before, abs=2)


def touch(browser: Browser, kind: str, points: list[dict[str, float]]) -> None:
    event = {"type": kind, "touchPoints": points}
    browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", event)


def test_two_fingers_zoom(opened: Browser) -> None:
    if opened.width > 500:
        pytest.skip("fingers are for small screens")
    before = scale(opened)
    for kind, apart in (("touchStart", 40), ("touchMove", 80), ("touchMove", 120)):
        points = [{"x": 195 + (side - 0.5) * apart, "y": 400, "id": side} for side in (0, 1)]
        touch(opened, kind, points)
    touch(opened, "touchEnd", [])
    assert scale(opened) == pytest.approx(3 * before, rel=0.1)


def test_colours_north_and_the_bar_are_where_they_belong(opened: Browser) -> None:
    bar = opened.driver.find_element(By.ID, "bar")
    assert float(bar.text.split(" ")[0]) / 0.1 * scale(opened) == pytest.approx(
        bar.rect["width"], abs=2
    )
    assert "rotate(30" in opened.driver.find_element(By.ID, "north").get_attribute("style")
    # The left half is red, and the right one blue: a screenshot tells what is seen.
    press(opened, "all")
    settled(opened)
    with Image.open(opened.screenshot("zoom-colours")) as shot:
        seen = np.asarray(shot.convert("RGB"), dtype=int)
    frame = stage(opened).rect
    top, height, middle = (int(frame[name]) for name in ("y", "height", "width"))
    shown = seen[top + height // 4 : top + 3 * height // 4]  # without the bar and the arrow
    halves = shown[:, : middle // 2 - 5], shown[:, middle // 2 + 5 :]
    assert [half.sum(axis=(0, 1)).argmax() for half in halves] == [0, 2]


def test_how_it_was_made_can_be_read(opened: Browser) -> None:
    details = opened.driver.find_element(By.TAG_NAME, "details")
    opened.driver.find_element(By.TAG_NAME, "summary").click()
    assert "Red: M 16/F160W (filter F160W, sky method match)" in details.text
    assert opened.ask("return document.documentElement.scrollWidth") <= opened.width
    assert stage(opened).rect["height"] > 150
    opened.ask("return new Promise(requestAnimationFrame)")  # the picture follows its frame
    require_whole(opened)
    opened.screenshot("zoom-how")


def test_an_audit_of_accessibility_finds_nothing(opened: Browser) -> None:
    audit = pytest.importorskip("axe_core_python.selenium").Axe()
    opened.driver.find_element(By.TAG_NAME, "summary").click()
    found = audit.run(opened.driver)["violations"]
    wrong = {one["id"]: [node["html"][:120] for node in one["nodes"]] for one in found}
    assert wrong == {}
