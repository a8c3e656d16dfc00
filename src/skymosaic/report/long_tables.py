"""Tables of thousands of rows: the page holds a part of them, and the others as compact data.

The rows are columns of texts, as the page shows them, in JSON, deflated, in base64. What all tables
together may take within the page is bounded: the data of the largest are scripts beside it, which
are loaded when a reader asks for rows. (A page that is opened from a disk may load scripts, but no
other files.)
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from astropy.table import Table

from skymosaic.report.sheets import plain
from skymosaic.report.view import Heading, TableCell, TableView, cell, table_view

MOST_ROWS = 200
"""Of a table that stands in the page as a whole."""
SHOWN = 50
"""Rows of a longer one that the page shows before anybody asks for others."""
MOST_BYTES = 1_200_000
"""Of the rows of all longer tables within the page."""
_MARKS = {"good": "g", "bad": "b"}


@dataclass(frozen=True)
class Rows:
    """The rows of a long table as data for the page."""

    name: str
    """Of the table."""
    total: int
    """How many there are."""
    packed: str
    """In base64."""

    def script(self) -> str:
        """Return the script that gives the rows to the page that it stands beside."""
        return f'skymosaicRows("{self.name}", "{self.packed}");\n'


def shortened(view: TableView) -> tuple[TableView, Rows | None]:
    """Return what the page shows of a table, and its rows as data where that is a part of them."""
    if len(view.rows) <= MOST_ROWS:
        return view, None
    columns = zip(*view.rows, strict=True)
    rows = Rows(view.name, len(view.rows), _packed(view.headings, len(view.rows), columns))
    return replace(view, rows=view.rows[:SHOWN], total=len(view.rows)), rows


def shortened_table(
    name: str, table: Table, form: Callable[[float], str]
) -> tuple[TableView, Rows | None]:
    """Return the same of a table of `sheets`, of which a column at a time is made into text.

    Parameters
    ----------
    name, table, form
        As `view.table_view` takes them.
    """
    if len(table) <= MOST_ROWS:
        return table_view(name, table, shown=form), None
    view = table_view(name, table[:SHOWN], shown=form)
    columns = (
        [cell(plain(value), form=form) for value in table[column].tolist()]
        for column in table.colnames
    )
    rows = Rows(name, len(table), _packed(view.headings, len(table), columns))
    return replace(view, total=len(table)), rows


def within(rows: Mapping[str, Rows], most: int) -> set[str]:
    """Return the tables whose rows stand within the page: the smallest, up to `most` bytes."""
    chosen: set[str] = set()
    total = 0
    for name, one in sorted(rows.items(), key=lambda item: (len(item[1].packed), item[0])):
        total += len(one.packed)
        if total <= most:
            chosen.add(name)
    return chosen


def _packed(headings: Sequence[Heading], total: int, columns: Iterable[Sequence[TableCell]]) -> str:
    document = {
        "total": total,
        "columns": [
            {
                "number": heading.number or any(one.mark in _MARKS for one in column),
                "texts": [None if one.value is None else one.text for one in column],
                "missing": next((one.text for one in column if one.value is None), ""),
                "marks": "".join(_MARKS.get(one.mark, " ") for one in column).rstrip(),
            }
            for heading, column in zip(headings, columns, strict=True)
        ],
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")
