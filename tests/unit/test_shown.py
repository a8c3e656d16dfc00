"""What is not seen of a text reaches no terminal, log or report as it is, wherever it is shown."""

from __future__ import annotations

import io
import logging
import unicodedata
from pathlib import Path

from astropy.table import Table
from click.testing import CliRunner
from rich.console import Console

from skymosaic.cli.display import Display, status_lines
from skymosaic.cli.main import main
from skymosaic.host import logs
from skymosaic.host.shown import shown, shown_lines
from skymosaic.journal import runlog
from skymosaic.journal.runs import RunState, Status, TaskState
from skymosaic.report.contents import Missing, Report, RunFacts
from skymosaic.report.documents import markdown
from skymosaic.report.page import template
from skymosaic.report.parts import EXPOSURES
from skymosaic.report.view import cell
from skymosaic.steps.place import Place
from skymosaic.steps.progress import Event
from skymosaic.store import LocalStore

HOSTILE = "a\x1b[31mred\x07\nERROR: forged\r\u202egnp.exe\u2066\u2028\udc80\x9b"
HARMLESS = r"a\x1b[31mred\x07\nERROR: forged\r\u202egnp.exe\u2066\u2028\udc80\x9b"


def is_safe(text: str) -> bool:
    return not any(
        unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") for one in text if one != "\n"
    )


def test_whatever_is_not_seen_is_escaped_and_nothing_else() -> None:
    for code in (*range(0x20000), *range(0xE0000, 0xE1000)):
        one = chr(code)
        kind = unicodedata.category(one)
        unseen = kind in ("Cc", "Cf", "Cs", "Zl", "Zp")
        if kind == "Cn":  # later versions of Unicode may have one there
            continue
        assert (shown(one) != one) == unseen, hex(code)
    assert shown(HOSTILE) == HARMLESS
    assert shown("µ±é 星 [SCI,1] \\n") == "µ±é 星 [SCI,1] \\n"


def test_no_line_but_the_first_looks_like_a_message() -> None:
    assert shown_lines("one\nERROR: two\x1b") == "one\n  ERROR: two\\x1b"


def test_the_last_line_of_an_error_is_safe(tmp_path: Path) -> None:
    ended = CliRunner().invoke(main, ["check", str(tmp_path / "no\x1b[2J\nOK\u202e.yaml")])
    assert ended.exit_code == 3
    assert r"no\x1b[2J" in ended.output and is_safe(ended.output)
    assert not any(line.startswith("OK") for line in ended.output.split("\n"))


def test_settings_are_shown_and_refused_safely(tmp_path: Path) -> None:
    path = tmp_path / "field.yaml"
    path.write_text(
        'campaign: {name: field, description: "x\\e[31m\\u202Ey"}\n'
        'source: {kind: directory, path: data, filter: "F\\nG"}\n"k\\u2067\\e": 1\n'
    )
    ended = CliRunner().invoke(main, ["check", str(path)])
    assert ended.exit_code == 3
    assert r"k\u2067\x1b: unknown key" in ended.output and is_safe(ended.output)
    path.write_text(path.read_text().rsplit("\n", 2)[0] + "\n")
    ended = CliRunner().invoke(main, ["check", str(path)])
    assert ended.exit_code == 0 and is_safe(ended.output)


def test_lines_of_the_log_are_safe(capsys) -> None:
    before = logging.getLogger().handlers[:]
    try:
        logs.log_to_stderr(0, False, False)
        logging.getLogger("skymosaic.x").warning("left out: %s", HOSTILE)
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            logging.getLogger("skymosaic.x").exception("of %s", HOSTILE)
        said = capsys.readouterr().err
    finally:
        logging.getLogger().handlers[:] = before
    assert f"WARNING: left out: {HARMLESS}\n" in said
    assert is_safe(said) and "ValueError" in said
    assert not any(line.startswith("ERROR: forged") for line in said.split("\n"))


def test_a_log_that_is_read_back_is_safe(tmp_path) -> None:
    hostile = HOSTILE.replace("\udc80", "")  # half of a pair is no JSON: that line stays as it is
    place = Place(LocalStore(tmp_path), "demo", None)
    with runlog.kept(place, 1):
        logging.getLogger("skymosaic.x").warning("%s", hostile)
    [line] = runlog.lines(place, 1, as_json=True)
    assert is_safe(line)
    [readable] = runlog.lines(place, 1)
    assert is_safe(readable) and readable.endswith(f" {shown(hostile)}")


def test_json_lines_of_the_log_are_safe(capsys) -> None:
    before = logging.getLogger().handlers[:]
    try:
        logs.log_to_stderr(0, False, True)
        logging.getLogger("skymosaic.x").warning("%s", HOSTILE.replace("\udc80", ""))
        [line] = capsys.readouterr().err.splitlines()
    finally:
        logging.getLogger().handlers[:] = before
    assert is_safe(line) and '"level": "WARNING"' in line


def test_what_tasks_do_is_safe_and_no_markup() -> None:
    console = Console(record=True, force_terminal=False, width=200, file=io.StringIO())
    with Display(console) as display:
        display.show(Event(f"retrieve [bold]{HOSTILE}", "started"))
        display.show(Event(f"retrieve [bold]{HOSTILE}", "reused", HOSTILE))
    said = console.export_text()
    assert f"retrieve [bold]{HARMLESS}" in said and is_safe(said)


def test_the_status_is_safe() -> None:
    task = TaskState(f"retrieve {HOSTILE}", "failed", 1.0, HOSTILE)
    error = {"class": "InputError", "message": HOSTILE, "passes_by_itself": False}
    status = Status(RunState.FAILED, "now", None, "", 1, [task], error)
    lines = [shown(line) for line in status_lines(status)]
    assert is_safe("\n".join(lines))
    assert not any(line.startswith("ERROR: forged") for line in lines)


def test_reports_are_safe() -> None:
    assert cell(HOSTILE).text == HARMLESS
    exposures = Table({"rootname": [HOSTILE.replace("\udc80", "")]})
    run = RunFacts(
        "field",
        "now",
        tables={EXPOSURES: exposures},
        warnings=[HOSTILE],
        missing=[Missing(f"retrieve {HOSTILE}", "failed", HOSTILE)],
    )
    text = markdown(Report(run))
    assert is_safe(text) and f"- {HARMLESS}" in text
    assert "\nERROR: forged" not in text
    page = template("macros.html.j2").environment.from_string("<p>{{ it }}</p>").render(it=HOSTILE)
    assert page.startswith(r"<p>a\x1b[31mred\x07") and is_safe(page)
