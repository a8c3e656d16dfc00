"""What trials on real services come to: a second try, a table, a verdict that can be bad."""

from __future__ import annotations

import pytest

from tests import local_tables
from tests.trials import NotTriedError, TrialError, play, words_and_size


def outcomes(name: str, number: int) -> str:
    if name == "never":
        raise TrialError("another table")
    if name == "late" and number == 1:
        raise TimeoutError("too busy")
    if name == "elsewhere":
        raise NotTriedError("no mounts here")
    return f"good at {number}"


def test_what_fails_once_is_tried_again_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert play(["good", "late", "elsewhere"], [], outcomes) == 0
    printed = capsys.readouterr().out
    assert "FAILED: TimeoutError: too busy" in printed and "good at 2" in printed
    assert "NOT TRIED: no mounts here" in printed
    assert printed.endswith("3 trials, 0 failed, only at the second try: late\n")


def test_what_fails_twice_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert play(["good", "never"], [], outcomes) == 1
    printed = capsys.readouterr().out
    assert printed.count("FAILED: another table") == 2
    assert "2 trials, 1 failed" in printed


def test_words_choose(capsys: pytest.CaptureFixture[str]) -> None:
    assert play(["good", "never"], ["goo", "oth"], outcomes) == 0
    assert "1 trials, 0 failed" in capsys.readouterr().out
    assert play(["good"], ["nosuch"], outcomes) == 1


def test_frames_are_small_unless_full_ones_are_asked_for() -> None:
    assert words_and_size(["the demo"]) == (["the demo"], "small")
    assert words_and_size(["--full", "the demo"]) == (["the demo"], "full")
    assert local_tables.demo()[1]["source"]["size"] == "small"


def test_a_table_that_another_script_made_is_found(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(local_tables.FOLDER, str(tmp_path / "tables"))
    made: list[str] = []

    def make(text: str) -> bytes:
        made.append(text)
        return b"the table"

    monkeypatch.setattr(local_tables, "_made", make)
    sections = {"source": {"kind": "simulated"}, "sky": {"methods": ["match"]}}
    elsewhere = {"campaign": {"name": "b"}, "compute": {"backend": "mpi"}, "store": {"uri": "x"}}
    for given in (sections, {**sections, **elsewhere}, dict(reversed(sections.items()))):
        local_tables._made_once.cache_clear()  # as in a process of its own
        assert local_tables.local_table(given) == b"the table"
    assert len(made) == 1 and "mpi" not in made[0]
    assert local_tables.local_table({**sections, "sky": {"methods": ["localmin"]}})
    assert len(made) == 2
