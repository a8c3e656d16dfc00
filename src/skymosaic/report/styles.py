"""Colours and marks of the figures, to be told apart with any colour vision and without colour.

The colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Style:
    """How a method is drawn: colour and mark both tell it."""

    colour: str
    matplotlib: str
    """Mark, as matplotlib names it."""
    bokeh: str
    """Mark, as Bokeh names it."""
    filled: bool


METHODS: Mapping[str, Style] = {
    "localmin": Style("#D55E00", "s", "square", False),
    "match": Style("#0072B2", "o", "circle", True),
    "globalmin": Style("#E69F00", "^", "triangle", True),
    "globalmin+match": Style("#009E73", "D", "diamond", False),
    "match-differences": Style("#56B4E9", "v", "inverted_triangle", True),
    "globalmin+match-differences": Style("#CC79A7", "*", "star", True),
}

GROUP_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
GROUP_LINES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")
GROUP_DASHES: Mapping[str, str] = {"-": "solid", "--": "dashed", "-.": "dashdot", ":": "dotted"}

# A perceptually ordered scale for magnitudes; its ends differ in lightness as well.
