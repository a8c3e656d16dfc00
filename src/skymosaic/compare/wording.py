"""Names in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str]) -> str:
    """Return the names as a sentence has them: ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def some(names: Sequence[str], most: int = 6) -> str:
    """Return the names, the first few where there are many."""
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return listed([*names[:most], *more])
