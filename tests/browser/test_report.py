"""The report in a browser: it opens, and everything on it that can be used works."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="scripts/test-browser installs what these tests need")

from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By

from tests.browser.conftest import ARTIFACTS, HEIGHT, Browser
from tests.conftest import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MOST_BYTES = 15e6
BOKEH = re.compile(r"chart-|\.bk-")

# Text in Bokeh's figures lies in shadow trees, which a page's own text does not show.
DEEP_TEXT = """
const texts = [];
function walk(node) {
  for (const child of node.children || []) {
    if (child.matches(".bk-tooltip, .bk-Tooltip")) texts.push(deep(child));
    if (child.shadowRoot) walk(child.shadowRoot);
    walk(child);
  }
}
function deep(node) {
  const own = [...(node.shadowRoot ? node.shadowRoot.childNodes : []), ...node.childNodes];
  return own.map((one) => one.nodeType === 3 ? one.data : one.tagName === "STYLE" ? "" : deep(one))
    .join(" ");
}
walk(document);
return texts.join("\\n");
"""
POINT = """
const view = document.getElementById("chart-scatter").view;
const renderer = view.model.renderers.find((one) => one.name === arguments[0]);
const data = renderer.data_source.data;
const box = view.canvas_view.el.getBoundingClientRect();
const {x_scale, y_scale} = view.frame;
return [box.left + x_scale.compute(data.x[0]), box.top + y_scale.compute(data.y[0]),
        data.exposure[0]];
"""


@pytest.fixture
def opened(browser: Browser, report: Path) -> Browser:
    browser.open(report)
    return browser


def show_scatter(browser: Browser) -> None:
    browser.ask("document.getElementById('mdrizsky').scrollIntoView({behavior: 'instant'})")
    wait_for(
        lambda: browser.ask("return document.getElementById('chart-scatter').dataset.ready"),
        "the scatter plot",
    )
    # Its layout settles a frame or two after it was embedded.
    wait_for(
        lambda: browser.ask(
            "const view = document.getElementById('chart-scatter').view;"
            "return view.frame && view.frame.bbox.width > 100 && !view.is_paused"
        ),
        "its layout",
    )
    browser.ask("document.getElementById('chart-scatter').scrollIntoView({behavior: 'instant'})")


def panes(browser: Browser, what: str) -> list[object]:
    """Return something of every pane that is seen."""
    return browser.ask(
        "return [...document.querySelectorAll('.pane')].filter((pane) => !pane.hidden && "
        f"getComputedStyle(pane).visibility === 'visible').map((pane) => {what})"
    )


def look_at_mosaics(browser: Browser, name: str) -> None:
    browser.ask("document.getElementById('mosaics').scrollIntoView({behavior: 'instant'})")
    browser.screenshot(name)


def press(browser: Browser, part: str) -> None:
    button = browser.driver.find_element(By.CSS_SELECTOR, f".viewer button{part}")
    browser.ask("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", button)
    button.click()


def column(browser: Browser, name: str) -> tuple[str | None, list[str]]:
    """Return how the MDRIZSKY table is sorted by a column, and its values from the top."""
    return browser.ask(
        """
        const heads = [...document.querySelectorAll("#table-mdrizsky thead th")];
        const named = (head) => head.querySelector("button").textContent === arguments[0];
        const place = heads.findIndex(named);
        const rows = [...document.querySelector("#table-mdrizsky tbody").rows];
        const values = rows.map((row) => row.children[place].dataset.v);
        return [heads[place].getAttribute("aria-sort"), values];
        """,
        name,
    )


def head(browser: Browser, name: str):  # type: ignore[no-untyped-def]
    buttons = browser.driver.find_elements(By.CSS_SELECTOR, "#table-mdrizsky thead button")
    return next(button for button in buttons if button.text == name)


def test_it_opens_whole_without_errors_or_requests(opened: Browser, report: Path) -> None:
    show_scatter(opened)
    for chart in opened.driver.find_elements(By.CSS_SELECTOR, ".chart"):
        opened.ask("arguments[0].scrollIntoView({behavior: 'instant'})", chart)
        wait_for(lambda chart=chart: chart.get_attribute("data-ready"), chart.get_attribute("id"))
    errors = [e for e in opened.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]
    assert errors == []
    sent = [json.loads(one["message"])["message"] for one in opened.driver.get_log("performance")]
    urls = [
        one["params"]["request"]["url"]
        for one in sent
        if one["method"] == "Network.requestWillBeSent"
    ]
    assert report.as_uri() in urls
    assert [url for url in urls if not url.startswith(("data:", "blob:", report.as_uri()))] == []
    assert opened.ask("return document.documentElement.scrollWidth") <= opened.width
    assert report.stat().st_size < MOST_BYTES
    opened.ask("scrollTo({top: 0, behavior: 'instant'})")
    opened.screenshot("report-whole", whole=True)


def test_the_first_screen_tells_which_method_and_how_sure(opened: Browser) -> None:
    advice = opened.driver.find_element(By.ID, "advice")
    assert advice.text.startswith(("Use ", "The data do not tell")) or "equally good" in advice.text
    sure = opened.driver.find_element(By.CSS_SELECTOR, ".verdict .sure")
    bars = opened.driver.find_element(By.CSS_SELECTOR, ".verdict .bars")
    for element in (advice, sure, bars):
        assert element.is_displayed()
        assert element.rect["y"] + element.rect["height"] < HEIGHT
    opened.screenshot("first-screen")


def test_the_table_sorts_by_click_and_by_key(opened: Browser) -> None:
    opened.ask("document.getElementById('table-mdrizsky').scrollIntoView({behavior: 'instant'})")
    _, before = column(opened, "localmin")
    opened.ask("arguments[0].click()", head(opened, "localmin"))
    order, values = column(opened, "localmin")
    assert order == "ascending"
    assert values == sorted(before, key=float)
    head(opened, "localmin").send_keys(Keys.ENTER)
    order, values = column(opened, "localmin")
    assert order == "descending"
    assert values == sorted(before, key=float, reverse=True)
    head(opened, "rootname").send_keys(Keys.SPACE)
    assert column(opened, "localmin")[0] is None
    order, names = column(opened, "rootname")
    assert (order, names) == ("ascending", sorted(names))
    opened.screenshot("table")


def test_hover_names_the_exposure(opened: Browser) -> None:
    show_scatter(opened)
    x, y, exposure = opened.ask(POINT, "match")
    ActionChains(opened.driver).move_by_offset(0, 0).perform()
    for kind in ("mouseMoved", "mouseMoved"):
        opened.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y})
    tooltip = wait_for(lambda: opened.ask(DEEP_TEXT), "the tooltip", 20)
    assert exposure in tooltip
    assert "match" in tooltip
    opened.screenshot("hover")


def test_a_click_in_the_legend_hides_a_method_and_the_check_box_shows_it(opened: Browser) -> None:
    show_scatter(opened)
    visible = """
    return document.getElementById("chart-scatter").view.model.renderers
      .filter((one) => one.name === "match").every((one) => one.visible);
    """
    box = opened.driver.find_element(
        By.CSS_SELECTOR, 'input[data-chart="chart-scatter"][data-method="match"]'
    )
    x, y = opened.ask(
        """
        const view = document.getElementById("chart-scatter").view;
        const legend = [...view.renderer_views.values()].find((one) => one.model.type === "Legend");
        const items = [...legend.shadow_el.querySelectorAll(".bk-item")];
        const box = items.find((one) => one.textContent === "match").getBoundingClientRect();
        return [box.left + box.width / 2, box.top + box.height / 2];
        """
    )
    assert opened.ask(visible)
    assert box.is_selected()
    for kind in ("mousePressed", "mouseReleased"):
        opened.driver.execute_cdp_cmd(
            "Input.dispatchMouseEvent",
            {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1},
        )
    wait_for(lambda: not opened.ask(visible), "the method to be hidden", 20)
    assert not box.is_selected()
    opened.screenshot("hidden")
    box.send_keys(Keys.SPACE)  # the same by keyboard
    wait_for(lambda: opened.ask(visible), "the method to be seen again", 20)
    assert box.is_selected()


def test_mosaics_blink_pause_and_step(opened: Browser) -> None:
    assert len(panes(opened, "pane.dataset.method")) == 4
    opened.driver.find_element(By.CSS_SELECTOR, ".stage").send_keys("")
    press(opened, "[data-layout=blink]")
    opened.ask(
        "const pace = document.querySelector('[data-part=pace]'); pace.value = '0.5';"
        "pace.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    seen: list[object] = []

    def all_were_seen() -> bool:
        [shown] = panes(opened, "pane.dataset.method")
        if not seen or seen[-1] != shown:
            seen.append(shown)
        return len(set(seen)) == 4

    wait_for(all_were_seen, "each method to be seen", 60)
    stage = opened.driver.find_element(By.CSS_SELECTOR, ".stage")
    stage.send_keys(" ")
    assert opened.driver.find_element(By.CSS_SELECTOR, "[data-part=play]").text == "Play"
    first = panes(opened, "pane.dataset.method")
    stage.send_keys("n")
    second = panes(opened, "pane.dataset.method")
    stage.send_keys("p")
    assert panes(opened, "pane.dataset.method") == first != second
    look_at_mosaics(opened, "blink")
    press(opened, "[data-layout=side]")
    assert len(panes(opened, "pane.dataset.method")) == 4


def test_the_slider_wipes_between_two_methods(opened: Browser) -> None:
    press(opened, "[data-layout=slide]")
    assert len(panes(opened, "pane.dataset.method")) == 2
    clip = "return getComputedStyle(document.querySelector('.pane.over .window')).clipPath"
    edge = opened.driver.find_element(By.CSS_SELECTOR, "[data-part=edge]")
    assert "50%" in opened.ask(clip)
    edge.send_keys(Keys.RIGHT * 10)
    assert "60%" in opened.ask(clip)
    opened.ask(
        "const choice = document.querySelector('[data-part=over]'); choice.value = '3';"
        "choice.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    over = opened.ask("return document.querySelector('.pane.over').dataset.method")
    assert over == opened.ask(
        "return document.querySelector('[data-part=over]').selectedOptions[0].textContent"
    )
    look_at_mosaics(opened, "slider")


def test_zoom_and_moves_are_the_same_for_all_methods(opened: Browser) -> None:
    stage = opened.driver.find_element(By.CSS_SELECTOR, ".stage")
    stage.send_keys("+++")
    stage.send_keys(Keys.ARROW_RIGHT)
    transforms = panes(opened, "pane.querySelector('img').style.transform")
    assert len(transforms) == 4
    assert len(set(transforms)) == 1
    assert "scale(3.375)" in transforms[0]
    press(opened, "[data-kind=difference]")
    others = panes(opened, "pane.querySelector('img').style.transform")
    assert set(others) == set(transforms)
    assert set(panes(opened, "pane.dataset.kind")) == {"difference"}
    look_at_mosaics(opened, "differences")
    stage.send_keys("0")
    assert "scale(1)" in panes(opened, "pane.querySelector('img').style.transform")[0]


def test_the_keyboard_reaches_everything(opened: Browser) -> None:
    body = opened.driver.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    active = opened.driver.switch_to.active_element
    assert active.text == "Skip to the contents"
    active.send_keys(Keys.ENTER)
    assert opened.driver.switch_to.active_element.get_attribute("id") == "contents"
    unreachable = opened.ask(
        """
        const used = "a[href], button, input, select, summary, .stage";
        return [...document.querySelectorAll(used)]
          .filter((one) => one.tabIndex < 0).map((one) => one.outerHTML.slice(0, 80));
        """
    )
    assert unreachable == []


def test_an_audit_of_accessibility_finds_nothing(opened: Browser) -> None:
    audit = pytest.importorskip("axe_core_python.selenium").Axe()
    opened.driver.set_script_timeout(200)
    show_scatter(opened)
    found = audit.run(opened.driver)["violations"]
    wrong = {
        one["id"]: [node["html"][:120] for node in one["nodes"]]
        for one in found
        # Bokeh's own figures are not the page's to mend; each has a text that stands for it.
        if not all(BOKEH.search(str(node["target"])) for node in one["nodes"])
    }
    assert wrong == {}


def test_it_prints(opened: Browser) -> None:
    pdf = opened.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    content = base64.b64decode(pdf)
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / f"report-{opened.width}.pdf").write_bytes(content)
    assert content.startswith(b"%PDF")
    opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        shown = "return getComputedStyle(document.querySelector(arguments[0])).display"
        assert opened.ask(shown, ".chart") == "none"
        assert opened.ask(shown, "img.static") != "none"
        assert opened.ask(shown, ".viewer .controls") == "none"
        drawn = "return [...document.querySelectorAll('.pane')].map((pane) => pane.clientHeight)"
        assert all(height > 50 for height in opened.ask(drawn))
    finally:
        opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
