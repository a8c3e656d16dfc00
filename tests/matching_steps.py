"""How many steps a backtracking matcher takes for a regular expression: Python's own counts none.

It walks the tree that Python's ``re`` makes of an expression, in the order in which ``re`` does.
"""

from __future__ import annotations

import re
import re._constants as codes
import re._parser as parser
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_LOOKS = (codes.ASSERT, codes.ASSERT_NOT)
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
_CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}
_Next = Callable[[int], bool]
_Nodes = list[tuple[Any, Any]]
_MOST_STEPS = 10**6
_DEEPEST = 100_000


@contextmanager
def _deep() -> Iterator[None]:
    """Let functions call themselves far deeper than usual: here alone.

    Elsewhere the limit is what ends a recursion before the stack of the process does.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(_DEEPEST)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class TooManyStepsError(Exception):
    """A text takes so long that it is not waited for."""


class Matcher:
    """One expression, matched step by step.

    Parameters
    ----------
    pattern : re.Pattern
    whole : bool
        It has to match all of a text, as ``fullmatch`` asks.
    most : int or None
        What counts such as {1,253} are cut to, so that short texts tell how the work grows.
    """

    def __init__(self, pattern: re.Pattern[str], whole: bool, most: int | None = 3) -> None:
        self._most = codes.MAXREPEAT if most is None else most
        self._flags = pattern.flags
        self.tree: _Nodes = list(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
        self._whole = whole
        self._text = ""
        self.steps = 0

    def spans(self, text: str, scans: bool) -> list[tuple[int, int]]:
        """Return where it matches: at the start alone, or wherever it does, as ``finditer``."""
        with _deep():
            return self._spans(text, scans)

    def _spans(self, text: str, scans: bool) -> list[tuple[int, int]]:
        self._text, self.steps = text, 0
        found, start = [], 0
        while start <= len(text):
            ends: list[int] = []
            if self._follow(self.tree, 0, start, lambda at, kept=ends: self._end(at, kept)):
                found.append((start, ends[-1]))
                start = max(ends[-1], start + 1)
            else:
                start += 1
            if not scans:
                break
        return found

    def _end(self, at: int, kept: list[int]) -> bool:
        kept.append(at)
        return not self._whole or at == len(self._text)

    def _follow(self, nodes: _Nodes, index: int, at: int, then: _Next) -> bool:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise TooManyStepsError
        if index == len(nodes):
            return then(at)
        kind, value = nodes[index]

        def rest(place: int) -> bool:
            return self._follow(nodes, index + 1, place, then)

        if kind is codes.SUBPATTERN:
            return self._follow(list(value[3]), 0, at, rest)
        if kind is codes.BRANCH:
            return any(self._follow(list(one), 0, at, rest) for one in value[1])
        if kind is codes.AT:
            return self._stands(value, at) and rest(at)
        if kind in _LOOKS:
            back, inner = value
            place = at - (inner.getwidth()[0] if back < 0 else 0)
            sees = place >= 0 and self._follow(list(inner), 0, place, lambda _: True)
            return sees is (kind is codes.ASSERT) and rest(at)
        if kind in _REPEATS:
            low, high, inner = self.cut(value)
            return self._repeat(kind, (low, high, list(inner)), at, rest)
        return at < len(self._text) and self.takes(kind, value, self._text[at]) and rest(at + 1)

    def _repeat(self, kind: Any, much: tuple[int, int, _Nodes], at: int, rest: _Next) -> bool:
        low, high, inner = much
        if len(inner) == 1 and inner[0][0] not in (*_REPEATS, *_LOOKS, *_COMPOUND):
            return self._run(kind, much, at, rest)

        def again(place: int) -> bool:
            # What takes nothing is not repeated for ever.
            left = (max(low - 1, 0), high - 1, inner)
            return (place > at or low > 0) and self._repeat(kind, left, place, rest)

        if kind is codes.MIN_REPEAT:
            return (low <= 0 and rest(at)) or (high > 0 and self._follow(inner, 0, at, again))
        return (high > 0 and self._follow(inner, 0, at, again)) or (low <= 0 and rest(at))

    def _run(self, kind: Any, much: tuple[int, int, _Nodes], at: int, rest: _Next) -> bool:
        """Repeat what takes one character: a loop, as `re` has it."""
        low, high, [(inner, value)] = much
        end = at
        while end < len(self._text) and end - at < high:
            self.steps += 1
            if not self.takes(inner, value, self._text[end]):
                break
            end += 1
            if kind is codes.MIN_REPEAT and end - at > low and rest(end - 1):
                return True
        places = range(end, at + low - 1, -1)
        if kind is codes.MIN_REPEAT:
            return end - at >= low and rest(end)
        return any(rest(place) for place in (places[:1] if kind is _REPEATS[2] else places))

    def takes(self, kind: Any, value: Any, character: str) -> bool:
        """Tell whether a node that takes one character takes this one."""
        if kind is codes.ANY:
            return character != "\n" or bool(self._flags & re.DOTALL)
        one = {character}
        if self._flags & re.IGNORECASE:
            one |= {character.lower(), character.upper()}
        if kind is codes.LITERAL:
            return any(ord(form) == value for form in one if len(form) == 1)
        if kind is codes.NOT_LITERAL:
            return not self.takes(codes.LITERAL, value, character)
        negated = value[0][0] is codes.NEGATE
        return negated is not any(_holds(item, form) for item in value for form in one)

    def cut(self, much: tuple[Any, Any, Any]) -> tuple[int, int, Any]:
        """Return a repeat with counts that short texts reach."""
        low, high, inner = much
        high = int(high) if high is codes.MAXREPEAT else min(int(high), int(self._most))
        return min(int(low), int(self._most)), high, inner

    def _stands(self, where: Any, at: int) -> bool:
        text, ascii_only = self._text, self._flags & re.ASCII
        if where in (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING):
            lines = self._flags & re.MULTILINE and where is codes.AT_BEGINNING
            return at == 0 or bool(lines and text[at - 1] == "\n")
        if where is codes.AT_END:
            return at >= len(text) - 1 and text[at:] in ("", "\n")
        if where is codes.AT_END_STRING:
            return at == len(text)
        [before, after] = [
            bool(one and re.fullmatch(r"\w", one, ascii_only))
            for one in (text[:at][-1:], text[at:][:1])
        ]
        return (before != after) is (where is codes.AT_BOUNDARY)


_COMPOUND = (codes.SUBPATTERN, codes.BRANCH, codes.AT)


def _holds(item: tuple[Any, Any], character: str) -> bool:
    kind, value = item
    if kind is codes.LITERAL:
        return len(character) == 1 and ord(character) == value
    if kind is codes.RANGE:
        return len(character) == 1 and value[0] <= ord(character) <= value[1]
    if kind is codes.CATEGORY:
        return bool(re.fullmatch(_CATEGORIES[value], character))
    return False


def grows(tree: _Nodes) -> bool:
    """Tell whether an expression repeats something without end."""
    return any(kind in _REPEATS and value[1] is codes.MAXREPEAT for kind, value in _all_nodes(tree))


def hostile(matcher: Matcher, length: int, times: int = 1) -> Iterator[str]:
    """Yield long texts that begin as the expression asks, go on alike, and end as it does not.

    Parameters
    ----------
    matcher : Matcher
    length : int
        Characters that go on alike, about.
    times : int
        How often as many.
    """
    letters = _letters(matcher, matcher.tree)
    runs = list(_runs(matcher, matcher.tree, "", letters))
    beginnings = list(dict.fromkeys(["", *(before for before, _ in runs)]))
    bodies = [_samples(matcher, body, letters) for _, body in runs]
    repeated = _letters(matcher, [node for _, body in runs for node in body])
    pumps = [*repeated, *beginnings, *bodies]
    for beginning in beginnings:
        for pump in dict.fromkeys(one for one in pumps if one):
            body = pump * (times * (2 + length // len(pump)))
            yield from (beginning + body, f"{beginning}{body}\n\x00")


def _letters(matcher: Matcher, nodes: _Nodes) -> list[str]:
    """Return what these nodes take: a character of each kind that the expression tells apart."""
    kinds = (codes.IN, codes.LITERAL, codes.NOT_LITERAL, codes.ANY)
    takers = [node for node in _all_nodes(nodes) if node[0] in kinds]
    tellers = [node for node in _all_nodes(matcher.tree) if node[0] in kinds]
    found: dict[tuple[bool, ...], str] = {}
    for character in map(chr, [*range(32, 127), 9, 10]):
        if any(matcher.takes(*node, character) for node in takers):
            told_apart = tuple(matcher.takes(*node, character) for node in tellers)
            found.setdefault(told_apart, character)
    return list(found.values())


def _runs(
    matcher: Matcher, nodes: _Nodes, before: str, letters: list[str]
) -> Iterator[tuple[str, _Nodes]]:
    """Yield what repeats without end, and what is matched before it."""
    for kind, value in nodes:
        if kind in _REPEATS and value[1] is codes.MAXREPEAT:
            yield before, list(value[2])
        for inner in _inside(kind, value):
            yield from _runs(matcher, inner, before, letters)
        before += _sample(matcher, kind, value, letters)


def _samples(matcher: Matcher, nodes: _Nodes, letters: list[str]) -> str:
    return "".join(_sample(matcher, *node, letters) for node in nodes)


def _sample(matcher: Matcher, kind: Any, value: Any, letters: list[str]) -> str:
    if kind in (*_LOOKS, codes.AT):
        return ""
    inside = _inside(kind, value)
    if inside:
        times = max(matcher.cut(value)[0], 1) if kind in _REPEATS else 1
        return _samples(matcher, inside[0], letters) * times
    return next((letter for letter in letters if matcher.takes(kind, value, letter)), "")


def _inside(kind: Any, value: Any) -> list[_Nodes]:
    if kind is codes.SUBPATTERN:
        return [list(value[3])]
    if kind is codes.BRANCH:
        return [list(one) for one in value[1]]
    if kind in _REPEATS:
        return [list(value[2])]
    return []


def _all_nodes(nodes: _Nodes) -> Iterator[tuple[Any, Any]]:
    for kind, value in nodes:
        yield kind, value
        for inner in _inside(kind, value):
            yield from _all_nodes(inner)
