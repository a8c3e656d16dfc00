"""Numbers before nouns, in sentences."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with what it counts: ``1 pixel``, ``2 pixels``.

    Parameters
    ----------
    number : int
        How many.
    one : str
        What follows a 1: a noun, or words that change with it such as ``pixel is no number``.
    many : str
        What follows any other number; default: `one` with an s.
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"
