"""Which sky method to trust in this field, with the numbers that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, PlainSerializer

from skymosaic.evidence.turning import Turn

Verdict = Literal["method", "no-difference", "undetermined"]


@dataclass(frozen=True)
class Finding:
    """One thing that the numbers say."""

    code: str
    """What kind of thing, such as ``separate-groups`` or ``statistic-disagrees``."""
    severity: Literal["note", "warning"]
    text: str
    """A sentence or two."""
    evidence: Mapping[str, object]
    """The numbers that lead to it, by name; plain values. Each code has names of its own.

    It is a mapping because it is for readers of the JSON alone: nothing here asks for one of its
    values, so that a class for each code would be written and never read.
    """


class Ranked(NamedTuple):
    """One method in the order of the advice."""

    method: str
    estimated_error: float
    """Of its sky values, electron/s rms."""
    standard_error: float
    """Of `estimated_error`, electron/s."""


_Ranked = Annotated[Ranked, PlainSerializer(lambda one: Ranked(*one)._asdict())]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A recommendation and its evidence."""

    verdict: Verdict
    """One method is best, several do not differ, or the data do not tell."""
    methods: tuple[str, ...]
    """The method, or those that do not differ; empty where undetermined."""
    sentence: str
    """The advice in one or two sentences."""
    sure: str
    """How sure it is, in words and numbers."""
    margin: float | None
    """By how much the next method's estimated error is larger, in standard errors."""
    apart: float = 0.0
    """Largest difference of the estimated errors of `methods`, electron/s."""
    apart_error: float = 0.0
    """Standard error of `apart`."""
    ranking: Sequence[_Ranked]
    """All methods, best first."""
    turns: Annotated[Sequence[Turn] | None, Field(alias="changes_with")] = None
    """What the darkest parts of the field would have to hold for another method to be better; None
    where that is not known."""
    findings: Sequence[Finding]
    """What else is to be known, warnings first."""
