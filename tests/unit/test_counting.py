"""Numbers before nouns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import skymosaic
from skymosaic.host.counting import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 pixels"), (1, "1 pixel"), (2, "2 pixels"), (-1, "-1 pixels")]
)
def test_one_is_told_as_one(number: int, said: str) -> None:
    assert counted(number, "pixel") == said


def test_what_changes_with_the_number_changes() -> None:
    assert counted(1, "match", "matches") == "1 match"
    assert counted(3, "match", "matches") == "3 matches"


_LENGTH = re.compile(r"\{len\([^{}]*\)\} (?!of\b|more\b|x\b|damaged\b)[a-z]+s\b")
_SEVERAL = ("groups", "kinds", "overlaps", "bytes")  # said where there are two or more


def test_no_length_is_written_before_a_plural() -> None:
    found = [
        f"{path.name}: {hit[0]}"
        for path in Path(skymosaic.__file__).parent.rglob("*.py")
        for hit in _LENGTH.finditer(path.read_text())
        if not hit[0].endswith(_SEVERAL)
    ]
    assert found == []
