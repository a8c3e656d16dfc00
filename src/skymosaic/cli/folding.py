"""Tables of fixed width that are too wide for a terminal: columns below one another."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.table import Table

_LEAST = 40  # columns


def terminal_width() -> int:
    """Return how many columns a line may have: those of COLUMNS or of the terminal, else 80."""
    return max(shutil.get_terminal_size((80, 24)).columns, _LEAST)


def fold(lines: Sequence[str], width: int, keys: int = 1) -> list[str]:
    """Return a table in parts that fit, an empty line between them; as it is where it fits.

    Parameters
    ----------
    lines : sequence of str
        Rows whose columns are blank between each other in all of them; rules of ``-`` do not count.
    width : int
        Columns that a line may have.
    keys : int
        How many columns at the left stand in each part.

    Returns
    -------
    list of str
        A column that is wider than what is left for it stands alone, and is not cut.
    """
    if max(map(len, lines), default=0) <= width:
        return list(lines)
    columns = _columns(lines)
    if len(columns) <= keys + 1:
        return list(lines)
    head = columns[keys - 1][1]
    parts: list[tuple[int, int]] = []
    for start, stop in columns[keys:]:
        if parts and head + stop - parts[-1][0] <= width:
            parts[-1] = (parts[-1][0], stop)
        else:
            parts.append((start, stop))
    folded: list[str] = []
    for start, stop in parts:
        folded += [""] if folded else []
        folded += [(line[:head].ljust(head) + line[start:stop]).rstrip() for line in lines]
    return folded


def fold_text(text: str, width: int, keys: int = 1) -> str:
    """Return a text that holds one table, from its first line to the first empty one, folded.

    A line that begins with an asterisk is a footnote, and no row.
    """
    lines = text.split("\n")
    rows = next(
        (i for i, line in enumerate(lines) if not line.strip() or line.startswith("*")), len(lines)
    )
    return "\n".join([*fold(lines[:rows], width, keys), *lines[rows:]])


def fold_columns(table: Table, width: int) -> list[str]:
    """Return a table whose first column names the rows, in parts that fit."""
    pieces = [
        table[[name]].pformat(max_lines=-1, max_width=-1, show_unit=True) for name in table.colnames
    ]
    first, *others = pieces
    parts: list[list[str]] = []
    for piece in others:
        if parts and len(parts[-1][0]) + 1 + len(piece[0]) <= width:
            parts[-1] = [f"{left} {right}" for left, right in zip(parts[-1], piece, strict=True)]
        else:
            parts.append([f"{left} {right}" for left, right in zip(first, piece, strict=True)])
    if not parts:
        return first
    whole = [[row for row in part if row.strip()] for part in parts]  # none of it may have a unit
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in whole).split("\n")


def _columns(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Return where each column begins, with the blanks before it, and where it ends."""
    longest = max(map(len, lines))
    # A rule fills the blanks between columns, too, unless it is one rule a column.
    rows = [line for line in lines if set(line) - {"-"}]
    blank = [all(line[i : i + 1] in ("", " ") for line in rows) for i in range(longest)]
    columns: list[tuple[int, int]] = []
    start = 0
    for i in range(longest):
        # One blank is part of a name: "match-differences *".
        ends = not blank[i] and all(blank[i + 1 : i + 3])
        if ends:
            columns.append((start, i + 1))
            start = i + 1
    return columns
