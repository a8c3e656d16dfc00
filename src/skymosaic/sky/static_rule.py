"""Which rule the static mask of a campaign begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rule = Literal["once", "repeated"]
"""Masked is a pixel that is low in one exposure (AstroDrizzle's rule), or in several."""
MANY = 50
"""Exposures from which on AstroDrizzle's rule is not the default.

With 1% of random low pixels in each exposure it leaves out 39% of a detector at 50.
"""


@dataclass(frozen=True)
class FirstRule:
    """With what a campaign began."""

    kept: Rule
    first: int | None = None
    """Exposures of its first run; None where that is not known."""


def first_rule(exposures: int) -> Rule:
    """Return the rule of a campaign whose first run has so many exposures."""
    return "repeated" if exposures >= MANY else "once"
