"""The four sky methods of AstroDrizzle, under its own names."""

from __future__ import annotations

METHODS: tuple[str, ...] = ("localmin", "match", "globalmin", "globalmin+match")


def column(method: str) -> str:
    """Return the name of a method as a table column: ``globalmin+match`` is ``globalmin_match``."""
    return method.replace("+", "_")


REFERENCES: tuple[str, ...] = ("match", "globalmin+match", "globalmin", "localmin")
"""What the others are compared with: the first of these that was run."""
