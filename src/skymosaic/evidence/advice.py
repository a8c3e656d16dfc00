"""Which sky method to trust in this field, with the numbers that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

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
    evidence: Mapping[str, Any]
    """The numbers that lead to it, by name; plain values."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
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
    ranking: Sequence[tuple[str, float, float]]
    """Method, its estimated error and the standard error of that, electron/s; best first."""
    findings: Sequence[Finding]
    """What else is to be known, warnings first."""
    apart: float = 0.0
    """Largest difference of the estimated errors of `methods`, electron/s."""
    apart_error: float = 0.0
    """Standard error of `apart`."""
    turns: Sequence[Turn] | None = None
    """What the darkest parts of the field would have to hold for another method to be better; None
    where that is not known."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "verdict": self.verdict,
            "methods": list(self.methods),
            "sentence": self.sentence,
            "sure": self.sure,
            "margin": self.margin,
            "apart": self.apart,
            "apart_error": self.apart_error,
            "ranking": [
                {"method": method, "estimated_error": error, "standard_error": uncertainty}
                for method, error, uncertainty in self.ranking
            ],
            "changes_with": None if self.turns is None else [asdict(turn) for turn in self.turns],
            "findings": [finding.to_dict() for finding in self.findings],
        }
