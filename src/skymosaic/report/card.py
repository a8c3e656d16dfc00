"""What a list of many reports shows of one: plain values, which the comparison records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AdvisedMosaic:
    """The mosaic that the advice names."""

    method: str
    file: str
    """Below the campaign's folder."""


@dataclass(frozen=True)
class WorstPair:
    """The largest residual between two exposures that the advised method leaves."""

    method: str
    pair: tuple[str, str]
    """Rootnames."""
    residual: float
    """Its size, in `unit`."""
    error: float
    """Standard error of it."""
    unit: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """One report in a few values."""

    kind: str
    """What kind of advice it gives, as `Verdict.kind` has it."""
    advised: AdvisedMosaic | None = None
    """None where none is advised, or an older version wrote the card."""
    headline: str
    """The advice in a few words."""
    sure: str
    """How sure it is."""
    exposures: int
    groups: int
    """Overlap groups."""
    worst: WorstPair | None = None
    """None where nothing was measured."""
    warnings: int
    """How many there are."""
    first_warning: str = ""
