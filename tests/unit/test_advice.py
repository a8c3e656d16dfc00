"""What the product tells its users to do can be done: keys, values, commands, options, pages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from skymosaic.cli.main import main
from skymosaic.config import load_campaign
from skymosaic.config.drizzlepac_reserved import RESERVED
from skymosaic.errors import CampaignError
from tests.conftest import REPOSITORY
from tests.unit.advice import (
    Sentence,
    commands_in,
    is_key,
    keys_in,
    messages,
    options_in,
    options_of,
    pages,
    shown_in,
    wrong_in,
)

MESSAGES, PAGES = list(messages()), list(pages())
CAMPAIGN = "campaign: {name: a}\n"
FILES = (
    CAMPAIGN + "source: {kind: directory, path: .}",
    CAMPAIGN + "source: {kind: directory, path: .}\ndrizzle: {engine: onepass}",
    CAMPAIGN + "source: {kind: mast, proposal_id: [12812]}",
    CAMPAIGN + "source: {kind: s3, uri: 's3://bucket/prefix'}",
    CAMPAIGN + "source: {kind: simulated}",
    CAMPAIGN + "source: {kind: simulated}\ngroups: {grid: shared}",
    CAMPAIGN + "source: {kind: simulated}\ndrizzle: {grid: {skycell: skycell-p1253x06y09}}",
    CAMPAIGN + "source: {kind: simulated}\ncompute: {backend: slurm}",
    CAMPAIGN + "source: {kind: simulated}\ncompute: {backend: kubernetes}\nstore: {uri: s3://b/p}",
)
"""What a reader of the advice may have; it has to be possible in one of them."""
_ORDINARY = {"input", "output", "build", "group", "clean", "restore", "preserve", "overwrite"} | {
    *(
        "skymethod",
        "interactive",
        "attach",
        "author",
        "catalog",
        "history",
        "headerlet",
        "exclusions",
    ),
}
"""Names of parameters that are words of English, too, or of the AstroDrizzle's method itself."""
_CANNOT_BE_SET = {name for task in RESERVED.values() for name in task} - _ORDINARY


def refusals(key: str, value: str, folder: Path) -> list[str]:
    """Return why each of `FILES` cannot have a value; nothing where one can."""
    reasons = []
    for text in FILES:
        file = folder / "advised.yaml"
        file.write_text(text)
        try:
            load_campaign(file, settings=[f"{key}={value}"])
        except CampaignError as error:
            reasons.append(str(error))
        else:
            return []
    return reasons


def test_each_key_that_is_named_is_one_of_the_campaign_file() -> None:
    keys = [(key, one.location) for one in [*MESSAGES, *PAGES] for key, _ in keys_in(one.text)]
    assert len(keys) > 200
    assert [one for one in keys if not is_key(one[0])] == []


def test_each_value_that_is_advised_is_accepted(tmp_path: Path) -> None:
    advised = {
        (key, value): one.location
        for one in [*MESSAGES, *PAGES]
        for key, value in keys_in(one.text)
        if value is not None and "..." not in value
    }
    assert len(advised) > 20
    assert {
        (key, value, location): why
        for (key, value), location in advised.items()
        if (why := refusals(key, value, tmp_path))
    } == {}


def test_each_command_that_is_named_exists_with_its_options() -> None:
    commands = [
        (command, one.location) for one in [*MESSAGES, *PAGES] for command in commands_in(one)
    ]
    commands += [(command, page.location) for page in PAGES for command in shown_in(page)]
    assert len(commands) > 60
    assert [
        (command, location, why) for command, location in commands if (why := wrong_in(command))
    ] == []


def test_each_option_that_a_message_names_is_one_of_a_command() -> None:
    known = {name for command in main.commands.values() for name in options_of(command)}
    options = [
        (option, one.location)
        for one in MESSAGES
        if ".py:" in one.location
        for option in options_in(one)
    ]
    options = [
        one for one in options if not any(part in one[1] for part in ("/submit", "/fate", "/slurm"))
    ]
    assert len(options) > 4
    assert [one for one in options if one[0] not in known] == []


def test_no_message_names_a_parameter_that_the_campaign_refuses() -> None:
    names = re.compile(rf"(?<![\w.])({'|'.join(sorted(_CANNOT_BE_SET))})(?![\w=])")
    sentences = [
        one for one in MESSAGES if " " in one.text and "drizzlepac_reserved" not in one.location
    ]
    assert [
        (found[0], one.location) for one in sentences for found in names.finditer(one.text)
    ] == []


def test_each_page_script_and_extra_that_is_named_is_there() -> None:
    there = re.compile(r"(?<![\w/.-])((?:docs|scripts|configs|benchmarks)/[\w./-]*\w)")
    paths = [(name, one.location) for one in MESSAGES for name in there.findall(one.text)]
    paths += [(name, page.location) for page in PAGES for name in there.findall(page.text)]
    assert len(paths) > 20
    assert [one for one in paths if not (REPOSITORY / one[0]).exists()] == []
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = [
        (name, one.location)
        for one in [*MESSAGES, *PAGES]
        for names in re.findall(r"skymosaic\[([\w,]+)\]", one.text)
        for name in names.split(",")
    ]
    assert len(extras) > 3
    assert [one for one in extras if one[0] not in project["optional-dependencies"]] == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("set sky.per_chp: true", "sky.per_chp"),
        ("or give source.files (see there)", "source.files"),
        ("raise compute.slurm.ram", "compute.slurm.ram"),
        ("set `align.gates.chance`", "align.gates.chance"),
    ],
)
def test_a_key_that_is_none_would_be_seen(text: str, key: str) -> None:
    assert [one for one, _ in keys_in(text) if not is_key(one)] == [key]


@pytest.mark.parametrize(
    "text",
    [
        "set drizzle.parameters: {skyfile: a.txt}",
        "set align.tweakreg: {search: 3}",
        "write `align: {method: tweakback}`",
        "set `drizzle.engine: twopass`",
        "drizzle.sample: true",
    ],
)
def test_a_value_that_is_refused_would_be_seen(text: str, tmp_path: Path) -> None:
    [(key, value)] = keys_in(text)
    assert value is not None
    assert len(refusals(key, value, tmp_path)) == len(FILES)


@pytest.mark.parametrize(
    "text",
    ["`skymosaic retry a/b`", "`skymosaic run a --wate`", "`skymosaic --loud run`"],
)
def test_a_command_that_is_none_would_be_seen(text: str) -> None:
    [command] = commands_in(Sentence(text, ""))
    assert wrong_in(command)
