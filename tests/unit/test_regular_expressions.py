"""No regular expression of the package takes long on a long text, whoever wrote that."""

from __future__ import annotations

import ast
import importlib
import math
import pkgutil
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import skymosaic
from tests.matching_steps import Matcher, TooManyStepsError, grows, hostile

_SCANNING = {"search", "sub", "subn", "split", "findall", "finditer"}
_USES = _SCANNING | {"match", "fullmatch"}
_SHORT = 48  # characters; twice as many may take less than three times the steps
_Use = tuple[re.Pattern[str], str]


def _expressions() -> dict[_Use, str]:
    """Return the expressions of the package by how they are used, and a module of each."""
    found: dict[_Use, str] = {}
    for one in pkgutil.walk_packages(skymosaic.__path__, "skymosaic."):
        if one.name.endswith("__main__"):
            continue
        module = importlib.import_module(one.name)
        for use in _of_module(ast.parse(Path(str(module.__file__)).read_text()), vars(module)):
            found.setdefault(use, one.name)
    return found


def _of_module(tree: ast.Module, names: dict[str, object]) -> Iterator[_Use]:
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        how = call.func.attr
        if isinstance(call.func.value, ast.Name) and call.func.value.id == "re":
            if how in _USES | {"compile"}:
                flags = [*call.args[1:], *(word.value for word in call.keywords)]
                kept = [ast.unparse(flag) for flag in flags if "re." in ast.unparse(flag)]
                its = ast.unparse(call.args[0]), kept[0] if kept else "0"
                made = re.compile(*(eval(code, dict(names)) for code in its))
                # Who compiles one to give it away has it match what it is given.
                yield made, "match" if how == "compile" else how
        elif how in _USES and isinstance(call.func.value, ast.Name):
            known = names.get(call.func.value.id)
            if isinstance(known, re.Pattern):
                yield known, how


def _growth(pattern: re.Pattern[str], how: str) -> tuple[float, str]:
    """Return by how much the steps grow with twice the text, at worst, and the text."""
    matcher = Matcher(pattern, whole=how == "fullmatch")
    if not grows(matcher.tree):
        return 1.0, ""
    worst = (1.0, "")
    pairs = zip(hostile(matcher, _SHORT), hostile(matcher, _SHORT, times=2), strict=True)
    for short, long in pairs:
        steps = []
        for text in (short, long):
            try:
                matcher.spans(text, scans=how in _SCANNING)
            except TooManyStepsError:
                return math.inf, text
            steps.append(matcher.steps / len(text))
        worst = max(worst, (2 * steps[1] / steps[0], short))
    return worst


@pytest.mark.parametrize(("use", "module"), _expressions().items(), ids=lambda one: str(one)[:70])
def test_twice_the_text_takes_less_than_three_times_the_steps(use: _Use, module: str) -> None:
    growth, text = _growth(*use)
    assert growth < 3, (module, use, text)


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        (r"[a-z][a-z0-9+.-]*://[^/\s@]*:[^/\s@]+@", "search"),  # a run from each of its letters
        (r"://[^/\s@]*:[^/\s@]+@", "match"),  # each colon may be the one
        (r"\s*~?\s*([0-9]+)", "fullmatch"),  # two runs side by side
        (r"\$[A-Z][A-Z0-9]*([A-Z/]+)?", "fullmatch"),
        (r"Image '([^'\[]+)\[?.*SKY = None", "search"),
        (r"(a+)+b", "match"),
        (r"\S+/script: line", "search"),
    ],
)
def test_expressions_that_take_long_are_found(pattern: str, how: str) -> None:
    assert _growth(re.compile(pattern), how)[0] > 3


@pytest.mark.parametrize(("pattern", "how"), _expressions(), ids=lambda one: str(one)[:70])
def test_the_steps_are_counted_of_what_re_does(pattern: re.Pattern[str], how: str) -> None:
    matcher = Matcher(pattern, how == "fullmatch", most=None)
    texts = list(hostile(matcher, 12))
    for text in random.Random(0).sample(texts, min(len(texts), 60)):
        if how in _SCANNING:
            expected = [found.span() for found in pattern.finditer(text)]
        else:
            whole = pattern.fullmatch(text) if how == "fullmatch" else pattern.match(text)
            expected = [whole.span()] if whole else []
        assert matcher.spans(text, how in _SCANNING) == expected, (pattern, text)
