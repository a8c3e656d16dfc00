"""Names and numbers in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

_MOST = 9  # decimals: single precision knows no more of an electron/s


def listed(names: Sequence[str]) -> str:
    """Return the names as a sentence has them: ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def some(names: Sequence[str], most: int = 6) -> str:
    """Return the names, the first few where there are many."""
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return listed([*names[:most], *more])


def amount(value: float, decimals: int = 4, sign: str = "") -> str:
    """Return a number with so many decimals, or with more where it has no two digits otherwise.

    What is not 0 is not shown as 0.0000.
    """
    return f"{value:{sign}.{_decimals(value, decimals)}f}"


def measured(value: float, error: float, decimals: int = 4, sign: str = "") -> str:
    """Return ``value +- error`` with as many decimals as show two digits of the error, or more."""
    shown = _decimals(error, decimals)
    return f"{value:{sign}.{shown}f} +- {error:.{shown}f}"


def _decimals(value: float, least: int) -> int:
    if not math.isfinite(value) or value == 0.0:
        return least
    # Two digits: 0.00012 has them at the fifth decimal.
    return min(max(least, 1 - math.floor(math.log10(abs(value)))), _MOST)
