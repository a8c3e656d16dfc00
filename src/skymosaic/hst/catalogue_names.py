"""Names of catalogues, as headers take them."""

from __future__ import annotations

_LONGEST = 40


def header_name(text: str) -> str:
    """Return a name of plain characters, 40 at most: a FITS card takes no others."""
    plain = (one if one.isascii() and one.isprintable() else "_" for one in text)
    return "".join(plain)[:_LONGEST]
