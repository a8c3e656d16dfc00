"""What trials on real services come to: a second try, a table, a verdict that can be bad."""

from __future__ import annotations

import pytest

from tests.trials import NotTriedError, TrialError, play


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
