"""The campaign file and ``--set`` read every spelling of a value alike, and as people mean it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from skymosaic.cli.main import main
from skymosaic.config import Campaign, load_campaign, resolved_yaml
from skymosaic.errors import CampaignError

REFUSED = "refused"
_BASE: dict[str, Any] = {
    "campaign": {"name": "demo"},
    "source": {"kind": "mast", "proposal_id": ["12812"]},
}
SPELLINGS = [
    # numbers of drizzlepac
    *(("drizzle.parameters.final_rot", *pair) for pair in (
        ("1e2", 100.0), ("1e+2", 100.0), ("1.5e-1", 0.15), (".5", 0.5), ("5.", 5.0), ("+3", 3.0),
        ("-0.0", 0.0), ("0x10", 16.0), ("0o17", 15.0), ("012.5", 12.5), ("'90'", 90.0),
        ("1_0", 10.0), ("null", None), ("~", None), ("", None), ("Null", None),
        ("1:30", REFUSED), ("1:30.5", REFUSED), ("012", REFUSED), ("-012", REFUSED),
        ("0b11", REFUSED), (".nan", REFUSED), (".inf", REFUSED), ("-.INF", REFUSED),
        ("nan", REFUSED), ("inf", REFUSED), ("1e999", REFUSED), ("yes", REFUSED), ("[1]", REFUSED),
        ("!!float 3", REFUSED), ("!!int '3'", REFUSED), ("&a 3", 3.0), ("*a", REFUSED),
        ("2012-10-31", REFUSED), ("9" * 5000, REFUSED), ("0x" + "f" * 400, REFUSED),
        ("1 # a comment", 1.0), ("{a: 1}", REFUSED), ("'", REFUSED), ("1, 2", REFUSED),
    )),
    # whole numbers of our own
    *(("source.max_files", *pair) for pair in (
        ("1e3", 1000), ("1_000", 1000), ("1000.0", 1000), ("'1000'", 1000), ("0x3e8", 1000),
        ("1.5", REFUSED), ("0100", REFUSED), ("true", REFUSED), ("on", REFUSED), ("1:40", REFUSED),
        ("-1", REFUSED), ("", REFUSED), ("null", REFUSED), ("9" * 40, REFUSED), ("1e30", REFUSED),
        ("1e400", REFUSED), (".NaN", REFUSED),
    )),
    # switches of our own, and of drizzlepac
    *((key, *pair) for key in ("compute.dashboard", "drizzle.parameters.driz_cr") for pair in (
        ("yes", True), ("No", False), ("ON", True), ("off", False), ("true", True),
        ("FALSE", False), ("'yes'", True), ("maybe", REFUSED), ("null", REFUSED), ("2", REFUSED),
    )),
    # text
    *(("campaign.description", *pair) for pair in (
        ("yes", "yes"), ("off", "off"), ("012", "012"), ("1e3", "1e3"), ("1_000", "1_000"),
        ("1:30", "1:30"), ("2012-10-31", "2012-10-31"), (".nan", ".nan"), ("0o17", "0o17"),
        ("'null'", "null"), ("null", None), ("true", REFUSED), ("=", "="), ("'a # b'", "a # b"),
        ("!!binary aGk=", REFUSED), ("[a]", REFUSED), ("9" * 40, "9" * 40), ("050.10", "050.10"),
        ('"\\x41"', "A"), ('"\\UFFFFFFFF"', REFUSED), ("\x07", REFUSED),
        ("\U0001f600", "\U0001f600"),
    )),
    *(("align.order", *pair) for pair in (
        ("[050]", ("050",)), ("[050, 1e3, 1:30, 5.10]", ("050", "1e3", "1:30", "5.10")),
        ("[no, 'null']", ("no", "null")), ("[2012-10-31]", ("2012-10-31",)),
        ("[a, a]", REFUSED), ("[true]", REFUSED), ("[null]", REFUSED), ("050", REFUSED),
        ("[[050]]", REFUSED), ("[" * 3000, REFUSED), ("[" * 50 + "]" * 50, REFUSED),
        ("[&a 1, *a]", REFUSED), ("!!set {a, b}", REFUSED), ("[a", REFUSED),
    )),
    # a mapping: names of keys are text, and each stands there once
    *(("sky.parameters", *pair) for pair in (
        ("{skywidth: 1e-1}", {"skywidth": 0.1}), ("{skyclip: 5, skyclip: 6}", REFUSED),
        ("{<<: {skyclip: 5}}", REFUSED), ("{static: no}", {"static": False}),
        ("{? [a] : 1}", REFUSED), ("{skyclip: 05}", REFUSED), ("null", {}),
    )),
    ("campaign.description", '"\\ud800"', REFUSED),
    ("align.order", '["\\udfff"]', REFUSED), ("sky.parameters", '{"\\ud800": 1}', REFUSED),
    ("source.start", "2012-03-14", 56000.0), ("source.start", "56000.25", 56000.25),
    ("source.start", "2012-03-14T12:00:00Z", 56000.5), ("source.start", "5.6e4", 56000.0),
    ("source.start", "2012-02-30", REFUSED), ("source.start", "12:00", REFUSED),
    ("compute.slurm.walltime", "04:00:00", "04:00:00"),
    ("compute.slurm.walltime", "4:00:00", "4:00:00"),
    ("compute.kubernetes.spot_nodes", "{a: 010, b: 1e3}", {"a": "010", "b": "1e3"}),
    ("source.coordinates", "012", "012"), ("compute.kubernetes.cpu", "0.50", "0.50"),
    ("store.kms_key", "null", None), ("compute.share", "1:3", REFUSED),
    ("drizzle.sample", "null", None), ("drizzle.sample", "3", 3),
]  # fmt: skip


def in_the_file(folder: Path, key: str, value: str) -> Any:
    base = yaml.safe_load(yaml.safe_dump(_BASE))
    *sections, name = key.split(".")
    holder = base
    for section in sections:
        holder = holder.setdefault(section, {})
    holder[name] = "HERE"
    path = folder / "file.yaml"
    path.write_text(yaml.safe_dump(base).replace("HERE", value), encoding="utf-8")
    return outcome(lambda: load_campaign(path), key)


def on_the_command_line(folder: Path, key: str, value: str) -> Any:
    path = folder / "base.yaml"
    path.write_text(yaml.safe_dump(_BASE))
    return outcome(lambda: load_campaign(path, settings=[f"{key}={value}"]), key)


def outcome(load: Any, key: str) -> Any:
    try:
        campaign = load()
    except CampaignError as error:
        assert key.split(".")[0] in str(error) or "YAML" in str(error)
        return REFUSED
    found: Any = campaign
    for part in key.split("."):
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    return found


@pytest.mark.parametrize(("key", "value", "meant"), SPELLINGS)
def test_file_and_set_agree(tmp_path, key: str, value: str, meant: Any) -> None:
    assert in_the_file(tmp_path, key, value) == meant
    assert on_the_command_line(tmp_path, key, value) == meant


def minimal(folder: Path, text: str = "") -> Path:
    path = folder / "base.yaml"
    path.write_text(yaml.safe_dump(_BASE) + text)
    return path


def test_null_on_the_command_line_overrides_the_file(tmp_path) -> None:
    path = minimal(tmp_path, "drizzle: {sample: 4, parameters: {final_rot: 3}}\n")
    settings = ["drizzle.sample=null", "drizzle.parameters.final_rot="]
    campaign = load_campaign(path, settings=settings)
    assert campaign.drizzle.sample is None
    assert campaign.drizzle.parameters == {"final_rot": None}


def test_of_a_setting_that_is_repeated_the_last_counts_and_options_override_it(tmp_path) -> None:
    settings = ["compute.workers=2", "compute.workers=3", "store.uri=a"]
    campaign = load_campaign(
        minimal(tmp_path), {"store.uri": "/b", "compute.share": None}, settings
    )
    assert (campaign.compute.workers, campaign.store.uri) == (3, "/b")


def test_what_is_wrong_with_a_setting_names_it_and_repeats_no_secret(tmp_path) -> None:
    settings = ["drizzle.parameters.final_rot=012", "store.token={x: hunter2", "campaign.name=*x"]
    with pytest.raises(CampaignError) as error:
        load_campaign(minimal(tmp_path), settings=settings)
    lines = str(error.value).splitlines()
    assert all(line.startswith("command line: ") for line in lines)
    assert any("final_rot: 012 can be read as a decimal or an octal number" in one for one in lines)
    assert any(
        "campaign.name: the value, line 1: is not valid YAML: aliases" in one for one in lines
    )
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("command", ["check", "run", "inspect", "query", "prepare", "submit"])
def test_every_command_on_a_file_takes_settings(tmp_path, command) -> None:
    arguments = [command, str(minimal(tmp_path)), "--set", "drizzle.parameters.final_rot=1:30"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 3
    assert (
        "drizzle.parameters.final_rot: must be a finite number or null, not '1:30'" in result.stderr
    )


TEXTS = ["yes", "012", "1e3", "1:30", "0o17", "0x1F", ".5", "~", "null", "1_000", "2012-10-31", "="]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_written_is_read_alike_by_both_versions_of_yaml(tmp_path, text) -> None:
    campaign = load_campaign(minimal(tmp_path), {"campaign.description": text})
    written = resolved_yaml(campaign)
    assert yaml.safe_load(written)["campaign"]["description"] == text
    (tmp_path / "again.yaml").write_text(written)
    again = load_campaign(tmp_path / "again.yaml")
    assert isinstance(again, Campaign)
    assert again == campaign


@pytest.mark.parametrize("key", ["store.uri", "compute.scratch", "campaign.name"])
def test_names_that_are_no_utf_8_are_refused(tmp_path, key) -> None:
    with pytest.raises(CampaignError, match=f"command line: {key}: .* is not UTF-8"):
        load_campaign(minimal(tmp_path), {key: "a\udcff"})
