"""The command line: what each command prints, and with which code it ends."""

from __future__ import annotations

import json
import logging
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from skymosaic import __version__
from skymosaic.cli import running as commands
from skymosaic.cli.main import main
from skymosaic.config import load_campaign
from skymosaic.errors import error_classes
from skymosaic.pipeline import comparison, installation
from skymosaic.pipeline.places import open_place
from skymosaic.results import outcomes
from skymosaic.runs import running
from skymosaic.steps.step import Bench, run_step
from tests.conftest import REPOSITORY
from tests.unit.small_store import plain

COMMANDS = [
    *("run", "restart", "status", "clean", "query", "verify", "verify-store"),
    *("check", "schema", "inspect", "simulate", "report", "doctor", "skycells"),
    *("submit", "prepare", "ping", "logs", "cancel"),
]
MINIMAL = "campaign: {name: demo}\nsource: {kind: simulated}\n"


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """Run the command line in tmp_path, and give back what it changes of the process."""
    monkeypatch.chdir(tmp_path)
    root, package = logging.getLogger(), logging.getLogger("skymosaic")
    before = signal.getsignal(signal.SIGTERM), root.handlers[:], root.level, package.level

    def invoke(*arguments: str):
        return CliRunner().invoke(main, arguments)

    yield invoke
    signal.signal(signal.SIGTERM, before[0])
    root.handlers[:] = before[1]
    root.setLevel(before[2])
    package.setLevel(before[3])


@pytest.fixture
def config(tmp_path) -> str:
    path = tmp_path / "demo.yaml"
    path.write_text(MINIMAL)
    return str(path)


def test_every_command_is_known() -> None:
    assert sorted(main.commands) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(invoke, command, option) -> None:
    result = invoke(command, option)
    assert result.exit_code == 0
    assert f"Usage: main {command}" in result.stdout
    # More than the options: a sentence that says what it does.
    sentence = main.commands[command].help.split(".")[0]
    assert " ".join(sentence.split()) in " ".join(result.stdout.split())


def test_help_names_the_commands_and_the_exit_codes(invoke) -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert all(f"\n  {command} " in result.stdout for command in COMMANDS)
    assert "exit code" in result.stdout
    # What each command does fits into its line.
    assert "..." not in result.stdout.split("Commands:")[1]


def test_the_guide_lists_every_command_once() -> None:
    table = (REPOSITORY / "docs" / "guide.md").read_text().split("## The campaign file")[0]
    assert sorted(re.findall(r"^\| `skymosaic ([a-z-]+)", table, re.M)) == sorted(main.commands)


def test_version(invoke) -> None:
    assert __version__ in invoke("--version").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run"],
        ["check", "a.yaml", "--no-such-option"],
        ["run", "a.yaml", "--workers", "0"],
        ["simulate", "out", "--dithers", "0"],
        ["simulate", "out", "--size", "huge"],
        ["skycells"],
        ["skycells", "--ra", "10"],
        ["skycells", "--ra", "361", "--dec", "0"],
        ["skycells", "--ra", "1", "--dec", "0", "--cell", "skycell-p0000x01y01"],
        ["skycells", "--cell", "skycell-p2644x01y01"],
    ],
)
def test_wrong_usage_ends_with_2(invoke, arguments) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Usage" in result.stderr
    assert result.stdout == ""


def test_check_prints_the_resolved_campaign_which_loads_again(invoke, config, tmp_path) -> None:
    result = invoke("check", config)
    assert result.exit_code == 0
    printed = yaml.safe_load(result.stdout)
    assert printed["source"].pop("detector")["flat"] == 0.0
    assert printed["source"] == {
        "kind": "simulated",
        "instrument": "wfc3-ir",
        "chip_step": 0.0,
        "sky": None,
        "cosmic_rays": True,
        "seed": 12812,
        "size": "full",
        "tiles": [],
        "filters": {},
        "dithers": 2,
        "displace": {},
        "scene": "horsehead",
        "motion": 0.0,
        "epochs": {},
    }
    assert printed["store"]["uri"] == str(tmp_path / "store")
    again = tmp_path / "elsewhere" / "again.yaml"
    again.parent.mkdir()
    again.write_text(result.stdout)
    assert load_campaign(again) == load_campaign(config)


def test_the_option_stands_above_the_file(invoke, config, tmp_path) -> None:
    Path(config).write_text(MINIMAL + "store: {uri: in-file}\n")
    printed = yaml.safe_load(invoke("check", config, "--store", "by-option").stdout)
    assert printed["store"]["uri"] == str(tmp_path / "by-option")


def test_schema_is_json(invoke) -> None:
    result = invoke("schema")
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    assert schema["title"] == "skymosaic campaign"
    assert {"campaign", "source", "sky", "drizzle"} <= set(schema["properties"])


@pytest.mark.parametrize("command", ["run", "check", "inspect", "report"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "demo.yaml"),
        ("campaign: [", "demo.yaml"),
        (MINIMAL + "skyy: {}\n", "skyy"),
        ("campaign: {name: demo}\n", "source"),
    ],
)
def test_a_wrong_file_ends_with_3_and_one_message(
    invoke, config, command, text, message, tmp_path
) -> None:
    if text is None:
        Path(config).unlink()
    else:
        Path(config).write_text(text)
    result = invoke(command, config)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("CampaignError: ")
    assert result.stderr.count("CampaignError") == 1
    assert "Traceback" not in result.stderr
    assert message in result.stderr
    assert not (tmp_path / "store").exists()


def test_simulate_refuses_an_unknown_tile(invoke, tmp_path) -> None:
    result = invoke("simulate", "out", "--tile", "99")
    assert result.exit_code == 3
    assert "'99'" in result.stderr
    assert not (tmp_path / "out").exists()


def test_report_of_an_empty_store_ends_with_9_and_the_remedy(invoke, config, tmp_path) -> None:
    result = invoke("report", config, "--store", "nothing")
    assert result.exit_code == 9
    assert result.stdout == ""
    assert str(tmp_path / "nothing" / "demo") in result.stderr
    assert "skymosaic run" in result.stderr
    assert not (tmp_path / "nothing").exists()


def test_report_prints_the_table_and_where_the_report_is(invoke, config, tmp_path) -> None:
    def work(bench: Bench) -> dict[str, object]:
        (bench.out / "report.html").write_text("<html>")
        return {
            "table": "exposure  match\nibxl54aaq 0.414133",
            "warnings": ["two groups"],
            "campaign": comparison.result_settings(load_campaign(config)),
        }

    run_step(
        open_place(load_campaign(config)),
        plain("comparison"),
        inputs={},
        parameters={},
        versions={},
        work=work,
    )
    result = invoke("report", config)
    assert result.exit_code == 0
    assert "ibxl54aaq 0.414133" in result.stdout
    assert f"{tmp_path}/store/demo/comparison/report.html" in result.stdout
    assert result.stderr == "warning: two groups\n"
    changed = Path(config)
    changed.write_text(changed.read_text() + "sky: {methods: [match]}\n")
    assert "made from another campaign file" in invoke("report", config).stderr


@pytest.mark.parametrize("cls", error_classes())
def test_every_error_is_one_message_and_its_code(invoke, config, monkeypatch, cls) -> None:
    def fail(_: object) -> None:
        raise cls("a_flt.fits is wrong; do this")

    monkeypatch.setattr(outcomes, "find_outcome", fail)
    result = invoke("report", config)
    assert result.exit_code == cls.exit_code
    assert result.stderr == f"{cls.__name__}: a_flt.fits is wrong; do this\n"


def test_an_interruption_ends_with_130(invoke, config, monkeypatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "run", interrupt)
    result = invoke("run", config)
    assert result.exit_code == 130
    assert "run the same command again" in result.stderr


def test_an_unforeseen_error_is_one_line_too(invoke, config, monkeypatch) -> None:
    def fail(_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(outcomes, "find_outcome", fail)
    result = invoke("report", config)
    assert result.exit_code == 1
    assert "KeyError" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in invoke("-v", "report", config).stderr


def outcome(*, reused: bool) -> outcomes.Outcome:
    return outcomes.Outcome("the table", ["beware"], "/r/report.html", "/r", reused)


@pytest.mark.parametrize("reused", [True, False])
def test_run_prints_the_table_and_the_places(invoke, config, monkeypatch, reused) -> None:
    given = []

    def run(wanted, tell, expect, **_):
        given.append(wanted)
        expect(1)
        return outcome(reused=reused)

    monkeypatch.setattr(running, "run", run)
    result = invoke("run", config, "--workers", "3", "--store", "s", "--scratch", "t")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        commands.TABLE_TITLE,
        "the table",
        "products: /r",
        "report:   /r/report.html",
    ]
    assert "warning: beware" in result.stderr
    assert ("nothing was run again" in result.stderr) is reused
    [campaign_given] = given
    assert campaign_given.compute.workers == 3
    assert campaign_given.store.uri == str(Path.cwd() / "s")
    assert campaign_given.compute.scratch == Path.cwd() / "t"


def test_the_last_lines_of_a_run_name_the_advised_mosaic(invoke, config, monkeypatch) -> None:
    advised = replace(outcome(reused=True), advised="match", mosaic="/r/runs/match/f_sci.fits")
    monkeypatch.setattr(running, "run", lambda *_, **__: advised)
    result = invoke("run", config)
    assert result.stdout.splitlines()[-3:] == [
        "products: /r",
        "mosaic:   /r/runs/match/f_sci.fits (match, as advised)",
        "report:   /r/report.html",
    ]
    assert "all steps were reused: nothing was run again" in result.stderr


def test_tables_fit_the_terminal(invoke, config, monkeypatch) -> None:
    methods = [f"a-method-of-a-long-name-{i}" for i in range(6)]
    head = "  ".join(["rootname", "chip", *methods])
    row = "  ".join(["ibxl54bg", "   1", *(f"{i}.25".rjust(25) for i in range(6))])
    ranks = [
        "advice: " + "x" * 90,
        "",
        "e-/s      " + "  off by" * 12,
        "match     " + "    0.10" * 12,
    ]
    wide = replace(outcome(reused=False), table=f"{head}\n{row}", summary=[*ranks, "", "note: y"])
    monkeypatch.setattr(running, "run", lambda *_, **__: wide)
    shown = invoke("run", config).stdout.splitlines()
    assert all(len(line) <= 80 for line in shown if not line.startswith("advice"))
    assert sum(line.startswith("ibxl54bg     1") for line in shown) == 3
    assert sum(line.startswith("match ") for line in shown) == 2
    assert shown[-3] == "note: y"


def test_doctor_tells_versions_and_what_it_found(invoke, monkeypatch) -> None:
    monkeypatch.setattr(installation, "self_test", lambda: 0.2503)
    result = invoke("doctor")
    assert result.exit_code == 0
    assert "drizzlepac" in result.stdout
    assert "0.2503" in result.stdout


def test_logs_as_json_lines(invoke, config, monkeypatch) -> None:
    def find_outcome(_: object) -> outcomes.Outcome:
        try:
            raise ValueError("inner")
        except ValueError:
            logging.getLogger("skymosaic.test").exception("it %s", "happened")
        return outcome(reused=True)

    monkeypatch.setattr(outcomes, "find_outcome", find_outcome)
    result = invoke("--log-json", "report", config)
    first, *_ = result.stderr.splitlines()
    entry = json.loads(first)
    assert (entry["level"], entry["logger"], entry["message"]) == (
        "ERROR",
        "skymosaic.test",
        "it happened",
    )
    assert "ValueError: inner" in entry["exception"]


@pytest.mark.parametrize(
    ("options", "levels"),
    [
        (["-q"], ["error"]),
        ([], ["warning", "error"]),
        (["-v"], ["info", "warning", "error"]),
        (["-vv"], ["debug", "info", "warning", "error"]),
    ],
)
def test_how_much_is_told(invoke, config, monkeypatch, options, levels) -> None:
    def find_outcome(_: object) -> outcomes.Outcome:
        for level in ("debug", "info", "warning", "error"):
            getattr(logging.getLogger("skymosaic.test"), level)("level %s", level)
        return outcome(reused=True)

    monkeypatch.setattr(outcomes, "find_outcome", find_outcome)
    lines = invoke(*options, "report", config).stderr.splitlines()
    assert [line.split()[-1] for line in lines if "level" in line] == levels
