"""Places as people write them: every command means the same campaign by the same text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from skymosaic.cli.main import main
from skymosaic.errors import CampaignError
from skymosaic.pipeline.places import parse_place
from skymosaic.results import housekeeping
from skymosaic.steps.place import Place
from skymosaic.store import LocalStore
from tests.unit.test_housekeeping import place, record  # noqa: F401 - the fixture `place`

HERE = "HERE"  # stands for the current folder
ON_STORED = ["status", "logs", "cancel", "report", "clean", "restart"]


@pytest.mark.parametrize(
    ("text", "store", "name"),
    [
        ("/a", "/", "a"),
        ("/a/", "/", "a"),
        ("//a", "/", "a"),
        ("/a/b", "/a", "b"),
        ("a", HERE, "a"),
        ("a/b", f"{HERE}/a", "b"),
        ("a//b//", f"{HERE}/a", "b"),
        ("./a/b", f"{HERE}/a", "b"),
        ("x/../a/b", f"{HERE}/a", "b"),
        ("./a:b/c", f"{HERE}/a:b", "c"),
        ("store/demo/.", f"{HERE}/store", "demo"),
        ("store/demo/..", HERE, "store"),
        ("file:/a/b", "/a", "b"),
        ("file:///a/b", "/a", "b"),
        ("file://localhost/a/b", "/a", "b"),
        ("file:a/b", f"{HERE}/a", "b"),
        ("file:/a%20b/c", "/a b", "c"),
        ("s3://bucket/demo", "s3://bucket", "demo"),
        ("s3://bucket/a/b/demo//", "s3://bucket/a/b", "demo"),
    ],
)
def test_what_a_place_means(tmp_path, monkeypatch, text, store, name) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_place(text) == (store.replace(HERE, str(tmp_path)), name)


def test_the_current_folder_and_the_home_folder(tmp_path, monkeypatch) -> None:
    (tmp_path / "store" / "demo").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "store" / "demo")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_place(".") == (str(tmp_path / "store"), "demo")
    assert parse_place("~/store/demo") == (str(tmp_path / "store"), "demo")


def test_a_campaign_that_is_a_link_has_the_name_of_the_link(tmp_path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "demo").symlink_to(tmp_path / "big")
    assert parse_place(f"{tmp_path}/store/demo") == (str(tmp_path / "store"), "demo")


NO_PLACES = [
    *("", " ", "/", "//", "s3:", "s3:/", "s3://", "s3://bucket", "s3://bucket/", "s3:bucket/a"),
    *("S3://bucket/a", "s3://Bucket/a", "s3://bucket//a", "s3://bucket/../a", "s3://bucket/a b"),
    *("http://host/a", "https://host/a", "gs://bucket/a", "ab:c/d", "http:a", "file:", "file://"),
    *("file://other/a/b", "~nobody-of-this-name/a/b", "a\0b", "a/b\nc", "a/b c", "a/b;c", "a/-b"),
    *("s3://bucket/a?x=1", "s3://user@bucket/a", "s3://bucket/" + "a" * 3 + "/..", "a/" + "é"),
]


@pytest.mark.parametrize("text", NO_PLACES)
def test_what_is_no_place_is_refused_with_what_to_write(text) -> None:
    with pytest.raises(CampaignError, match=r"names no campaign .*write STORE/CAMPAIGN, such as"):
        parse_place(text)


@pytest.mark.parametrize("command", ON_STORED)
def test_every_command_refuses_unknown_schemes(command, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, [command, "http://host/demo"])
    assert result.exit_code == 3
    assert "http: stores are not known" in result.stderr


def test_clean_keeps_what_is_meant_by_another_path(tmp_path, monkeypatch, place) -> None:  # noqa: F811
    """`clean /demo` removed ./demo."""
    monkeypatch.chdir(place.store.uri)
    result = CliRunner().invoke(main, ["clean", "/demo", "--all", "--yes"])
    assert result.exit_code != 0
    assert "/demo holds no campaign" in result.stderr
    assert place.store.list("demo")


def test_a_folder_that_was_renamed_is_not_cleaned_under_another_name(place) -> None:  # noqa: F811
    store = Path(place.store.uri)
    (store / "demo").rename(store / "renamed")
    place.store.write_text("demo/campaign.yaml", (store / "renamed/campaign.yaml").read_text())
    place.store.write_text("demo/litter", "x")
    with pytest.raises(CampaignError, match="is the file of demo, not of renamed"):
        housekeeping.clean(f"{store}/renamed")
    assert place.store.list("demo") == ["demo/campaign.yaml", "demo/litter"]


@pytest.fixture
def file(tmp_path, place) -> Path:  # noqa: F811
    """A campaign file beside the store that it names; a run of it has ended."""
    record(place)
    path = tmp_path / "my-field.yaml"
    path.write_text("campaign: {name: demo}\nsource: {kind: simulated}\nstore: {uri: store}\n")
    return path


@pytest.mark.parametrize("command", [["status"], ["logs"], ["clean", "--dry-run"], ["cancel"]])
def test_a_campaign_is_named_by_its_file_as_well(file, place, command) -> None:  # noqa: F811
    place.store.write_text("demo/litter", "x")
    by_file = CliRunner().invoke(main, [*command, str(file)])
    by_place = CliRunner().invoke(main, [*command, f"{place.store.uri}/demo"])
    assert (by_file.exit_code, by_file.output) == (by_place.exit_code, by_place.output)


def test_the_options_override_the_file(file, tmp_path, place) -> None:  # noqa: F811
    Path(place.store.uri).rename(tmp_path / "moved")
    run = CliRunner()
    assert run.invoke(main, ["status", str(file)]).exit_code != 0
    moved = run.invoke(main, ["status", str(file), "--store", str(tmp_path / "moved"), "--json"])
    assert moved.exit_code == 0
    assert json.loads(moved.stdout)["state"] == "done"


def test_a_campaign_may_have_the_name_of_a_file(tmp_path) -> None:
    named = Place(LocalStore(tmp_path), "demo.yaml", None)
    named.store.write_text(
        "demo.yaml/campaign.yaml", "campaign: {name: demo.yaml}\nsource: {kind: simulated}\n"
    )
    record(named)
    assert CliRunner().invoke(main, ["status", f"{tmp_path}/demo.yaml"]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["status", "absent.yaml"], 3, "cannot read the campaign file"),
        (["restart", "FILE"], 2, "resume with CONFIG, use `skymosaic run CONFIG`"),
        (["status", "store/demo", "--store", "x"], 2, "--store needs a campaign file"),
        (["status", "a" * 5000 + "/b"], 9, "too long"),
    ],
)
def test_what_does_not_go_together(file, monkeypatch, arguments, code, said) -> None:
    monkeypatch.chdir(file.parent)
    result = CliRunner().invoke(main, [str(file) if one == "FILE" else one for one in arguments])
    assert result.exit_code == code
    assert said in " ".join(result.stderr.split())
