"""How wrong the level of the sky may be before another method is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from skymosaic.evidence.residuals import MethodQuality

Cause = Literal["emission", "defects"]


@dataclass(frozen=True)
class Turn:
    """From where on the advice is another one."""

    cause: Cause
    """What the parts that are taken for empty sky hold: emission, or defects that darken them."""
    level: float
    """How much of it, electron/s in a pixel: with more, `method` is better."""
    method: str


def turns(quality: Mapping[str, MethodQuality], best: Sequence[str]) -> tuple[Turn, ...] | None:
    """Return what it takes for a method that is not among the best ones to be better than them.

    For each cause the smallest level that does; none where no level does. None: not known.

    If the darkest parts hold emission d, the skies that the data call for are lower by d, and the
    mean square error of a method, e^2 with mean error l, becomes e^2 + 2 d l + d^2. So method k
    is better than m once d (l_m - l_k) > (e_k^2 - e_m^2) / 2; for defects d is below zero.

    Parameters
    ----------
    quality : mapping of str to MethodQuality
        Of all methods.
    best : sequence of str
        Those that are advised.
    """
    known = {
        method: (one.estimated_error**2, one.estimated_level)
        for method, one in quality.items()
        if one.estimated_error is not None and one.estimated_level is not None
    }
    if not best or len(known) < len(quality):
        return None
    found = []
    signs: tuple[tuple[Cause, float], ...] = (("emission", 1.0), ("defects", -1.0))
    for cause, sign in signs:
        needed = []
        for method, (square, level) in known.items():
            slopes = [sign * (known[one][1] - level) for one in best]
            if method not in best and min(slopes) > 0:
                gaps = [0.5 * (square - known[one][0]) for one in best]
                worst = max(gap / slope for gap, slope in zip(gaps, slopes, strict=True))
                needed.append(Turn(cause, max(worst, 0.0), method))
        if needed:
            found.append(min(needed, key=lambda turn: turn.level))
    return tuple(found)
