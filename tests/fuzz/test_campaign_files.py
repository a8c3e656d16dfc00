"""Campaign files, values of ``--set`` and places, drawn at random.

Whatever is written is taken as it is meant, or refused by an error of ours with a documented exit
code; a number that is taken is the one that stands there.
"""

from __future__ import annotations

import math
import os
import re
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skymosaic.cli.main import main
from skymosaic.config import Campaign, load_campaign, load_campaign_text, resolved_yaml
from skymosaic.errors import CampaignError, InstallationError, SkymosaicError
from skymosaic.pipeline.admission import require_possible
from skymosaic.pipeline.known_groups import require_groups_possible
from skymosaic.pipeline.places import parse_place
from tests.unit.test_nonsense import TABLE, file_with

ROOT = Path(__file__).parents[2]
FILES = [
    *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "configs").glob("*.yaml"))),
    "campaign: {name: demo}\nsource: {kind: directory, path: x, filter: F160W}\nalign: none\n",
    "campaign: {name: p}\nsource: {kind: mast, proposal_id: [12812], start: 2012-10-31}\n"
    "groups: {parameters: {T/F: {sky: {methods: [match]}, align: none}}}\n"
    "compute: {backend: slurm, slurm: {array: 3, walltime: 04:00:00}}\n",
    "campaign: {name: s}\nsource: {kind: s3, uri: 's3://bucket/x', names: [ibxl54*]}\n"
    "drizzle: {engine: onepass, parameters: {final_rot: 257, final_bits: '64,32'}}\n"
    "sky: {variants: {v: {values: {ibxl54eoq: 0.5}}}}\n"
    "compute: {backend: kubernetes, kubernetes: {memory: 4Gi, spot_nodes: {a: b}}}\n",
]
PIECES = [
    *("0", "-1", "012", "1:30", "1e3", "1_000", "0x1F", "0o17", ".5", "5.", "+3", "1e999", "-0"),
    *(".nan", "-.inf", "nan", "9" * 50, "0." + "3" * 400, "1e-400", "٣", "½", "0b11", "1e+", "--1"),
    *("yes", "No", "on", "OFF", "true", "FALSE", "null", "~", "", "''", '""', "2012-10-31", "y"),
    *(
        "[",
        "]",
        "{",
        "}",
        ":",
        ": ",
        "- ",
        ",",
        "#",
        " #",
        "'",
        '"',
        "|",
        ">",
        "&a ",
        "*a",
        "!",
        "%",
    ),
    *("!!int 3", "!!float x", "!!binary aGk=", "!!python/name:os.system", "!<tag:x,2000:y> 1"),
    *("<<: ", "? ", "---", "...", "\n", "\n  ", "\t", "\r", "\0", "\x85", "\ufeff", "\u2028", "é"),
    *("[" * 40, "{a: " * 40, "[[1]]", "{a: 1, a: 2}", "{a: {b: {c: 1}}}", "[1, 2", "- " * 40),
    *(
        "\\",
        "\\x",
        '"\\x4"',
        '"\\UFFFFFFFF"',
        '"\\ud800"',
        "${HOME}",
        "$(id)",
        "../..",
        "/dev/zero",
    ),
    *("s3://b/x", "http://h/x", "file:///x", "~root", "~nobody-such", "a" * 300, "AKIA" + "A" * 16),
    *("final_scale", "sky", "source", "kind", "none", "auto", "match", "4GB", "1kB", "3/8"),
]
piece = st.one_of(st.sampled_from(PIECES), st.text(max_size=6))
value = st.one_of(
    st.sampled_from(PIECES),
    st.lists(piece, min_size=1, max_size=4).map("".join),
    st.integers().map(str),
    st.floats().map(str),
    st.floats().map(repr).map(lambda text: text.replace("e", "E")),
    st.lists(piece, max_size=3).map(lambda parts: "[" + ", ".join(parts) + "]"),
    st.tuples(piece, piece).map(lambda pair: f"{{{pair[0]}: {pair[1]}}}"),
    st.text(max_size=20),
)
KEYS = sorted(TABLE) + [
    f"drizzle.parameters.{name}" for name in ("final_rot", "final_scale", "final_bits", "driz_cr")
] + ["sky.parameters.skyclip", "align.tweakreg.searchrad", "align.imagefind.threshold"]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Draw a campaign file with a few pieces put in, taken out, or in the place of others."""
    text = draw(st.sampled_from(FILES))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.sampled_from([0, 0, 1, 3, 20]))
        text = text[:start] + draw(piece) + text[start + length :]
    return text


FEW = settings(
    max_examples=300,
    deadline=None,  # what hangs is ended by pytest-timeout
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)
MANY = settings(FEW, max_examples=5000)


def taken(load: Any) -> Campaign | None:
    """Return the campaign, and check what must be so of any; None where it is refused."""
    try:
        campaign: Campaign = load()
    except CampaignError as error:
        assert str(error).strip()
        return None
    written = resolved_yaml(campaign)
    assert load_campaign_text(written, "again", {}) == campaign
    # Whoever reads it as YAML 1.1 reads the same.
    assert yaml.load(written, yaml.CSafeLoader)["campaign"]["name"] == campaign.name
    try:
        require_possible(campaign)
        require_groups_possible(campaign)
    except SkymosaicError as error:
        assert not isinstance(error, InstallationError)
    return campaign


def value_at(campaign: Campaign, key: str) -> Any:
    found: Any = campaign
    for part in key.split(" ")[0].split("."):
        found = found.get(part) if hasattr(found, "get") else getattr(found, part, None)
    return found


def meant(text: str) -> float | None:
    """Return the number that people mean by a text; None where it is none."""
    text = text.split(" #")[0].strip().strip("'\"").strip()
    if re.fullmatch(r"[-+]?(0x[0-9a-fA-F]+|0o[0-7]+)", text):
        return float(int(text, 0))
    try:
        return float(text.replace("_", ""))
    except ValueError:
        return None


def see_what_is_taken_is_meant(folder: Path, key: str, text: str) -> None:
    """Put a text after a key of the file, and after ``--set``."""
    path, base = folder / "field.yaml", folder / "base.yaml"
    kind = TABLE[key][0] if key in TABLE else "directory"
    whole = file_with(kind, key, "HERE")
    path.write_bytes(whole.replace("HERE", text).encode("utf-8", "surrogatepass"))
    given = yaml.safe_load(whole)
    *sections, name = key.split(" ")[0].split(".")
    holder = given
    for section in sections:
        holder = holder[section]
    del holder[name]
    base.write_text(yaml.safe_dump(given))
    plain = key.split(" ")[0]
    with chdir(folder):  # what paths on the command line are relative to
        by_file = taken(lambda: load_campaign(path))
        by_set = taken(lambda: load_campaign(base, settings=[f"{plain}={text}"]))
    # In the file a text can end its line, and what follows is another key.
    if not re.search(
        r"[\n\r\x85\u2028\u2029\ufeff]|: |:$|^[-?] |^---|^\.\.\.|^%|\t", text.strip(" ")
    ):
        assert by_file == by_set
    for campaign in (by_file, by_set):
        found = None if campaign is None else value_at(campaign, key)
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            number = meant(text)
            if key in ("source.start", "source.end"):
                continue  # dates
            assert number is not None, (key, text, found)
            assert found == number or math.isclose(found, number, rel_tol=1e-15), (key, text)


@settings(FEW)
@given(key=st.sampled_from(KEYS), text=value)
def test_a_value_is_taken_as_it_is_meant_or_refused(tmp_path: Path, key: str, text: str) -> None:
    see_what_is_taken_is_meant(tmp_path, key, text)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(MANY)
@given(key=st.sampled_from(KEYS), text=value)
def test_many_values(tmp_path: Path, key: str, text: str) -> None:
    see_what_is_taken_is_meant(tmp_path, key, text)


def see_a_file(folder: Path, text: str, more: list[str]) -> None:
    """Check a file, and what else is on the command line, as people do."""
    path = folder / "field.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    arguments = ["check", str(path)]
    for setting in more:
        arguments += ["--set", setting]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (0, 2, 3, 4, 6), result.output
    assert "unexpected error" not in result.output
    assert ("is valid" in result.stderr) == (result.exit_code == 0)
    if result.exit_code == 0:
        loaded = taken(lambda: load_campaign(path, settings=more))
        assert load_campaign_text(result.stdout, "shown", {}) == loaded


name = st.one_of(
    st.sampled_from([key.split(" ")[0] for key in KEYS]),
    st.lists(st.sampled_from(["source", "sky", "", "x", "parameters", "0"]), max_size=4).map(
        ".".join
    ),
    st.text(max_size=8),
)
setting = st.tuples(name, value).map("=".join)


@settings(FEW)
@given(text=mutated(), more=st.lists(setting, max_size=2))
def test_a_file_is_valid_or_refused_by_name(tmp_path: Path, text: str, more: list[str]) -> None:
    see_a_file(tmp_path, text, more)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(MANY)
@given(text=mutated(), more=st.lists(setting, max_size=2))
def test_many_files(tmp_path: Path, text: str, more: list[str]) -> None:
    see_a_file(tmp_path, text, more)


part = st.one_of(
    st.sampled_from(["a", "demo", ".", "..", "", "~", "~root", "a b", "é", "a:b", "\0", "x" * 300]),
    st.text(max_size=5),
)
place = st.tuples(
    st.sampled_from(
        ["", "", "/", "//", "s3://", "S3://", "file:", "file://", "http://", "s3:", "./"]
    ),
    st.lists(part, max_size=4).map("/".join),
    st.sampled_from(["", "/", "//"]),
).map("".join)


def see_a_place(text: str) -> None:
    """Whatever a text names, it is one place, by every way of writing it."""
    try:
        root, name = parse_place(text)
    except CampaignError as error:
        assert "write STORE/CAMPAIGN" in str(error)
        return
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", name)
    assert root.startswith(("/", "s3://"))
    assert parse_place(f"{root}/{name}") == (root, name)
    assert parse_place(f"{text}/") == (root, name)
    if text.startswith("/"):
        assert os.path.realpath(f"{root}/{name}") == os.path.realpath(text)
    if not text.lower().startswith("s3:"):
        assert root.startswith("/")


@settings(FEW)
@given(text=place)
def test_a_place_is_one_or_refused(text: str) -> None:
    see_a_place(text)


@pytest.mark.slow
@settings(MANY)
@given(text=place)
def test_many_places(text: str) -> None:
    see_a_place(text)
