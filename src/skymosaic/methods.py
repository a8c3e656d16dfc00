"""The sky methods: AstroDrizzle's four under its own names, and two of this project."""

from __future__ import annotations

METHODS: tuple[str, ...] = ("localmin", "match", "globalmin", "globalmin+match")

OWN: tuple[str, ...] = ("match-differences", "globalmin+match-differences")
"""Not AstroDrizzle's: from differences of the exposures on the common grid."""

ALL: tuple[str, ...] = (*METHODS, *OWN)


def column(method: str) -> str:
    """Return the name of a method as a table column: ``globalmin+match`` is ``globalmin_match``."""
    return method.replace("+", "_").replace("-", "_")


def word(name: str) -> str:
    """Return what the files of a method's or a variant's mosaic are called by."""
    if name.startswith("variant:"):
        return name.replace("variant:", "variant_").replace("+", "_").lower()
    return column(name)


def ascribed(method: str) -> str:
    """Return the name of a method for people, with a mark where it is not AstroDrizzle's."""
    return f"{method} *" if method in OWN else method


FOOTNOTE = "* skymosaic's own method, not one of AstroDrizzle's"


REFERENCES: tuple[str, ...] = ("match", "globalmin+match", "globalmin", "localmin", *OWN)
"""What the others are compared with: the first of these that was run."""
