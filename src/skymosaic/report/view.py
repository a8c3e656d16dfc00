"""What a page shows of a report: words, numbers as text, and how they are marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table

from skymosaic.host.shown import shown
from skymosaic.methods import ALL, ascribed, column
from skymosaic.report.contents import Report
from skymosaic.report.mdrizsky import EXPTIME, UNDETERMINED, header_columns, method_columns
from skymosaic.report.parts import CHECKS
from skymosaic.report.sheets import differences, plain, reference_of

_LABELS = {
    "estimated_error_error": "its standard error",
    "residual_rms": "pairs: rms left",
    "residual_rms_error": "pairs: rms of noise",
    "seam_rms": "seams: rms step",
    "background": "darkest sky",
    "negative_share": "share below zero",
    "rms_ra": "rms RA",
    "rms_dec": "rms Dec",
    "up": "to the store",
    "down": "from the store",
}
_METHOD_OF = {column(method): ascribed(method) for method in ALL}


@dataclass(frozen=True)
class TableCell:
    """One cell of a table."""

    text: str
    value: float | str | None
    """What it is sorted by; None stands last."""
    mark: str = ""
    """number, missing, good or bad."""


@dataclass(frozen=True)
class Heading:
    """The head of a column."""

    text: str
    unit: str
    description: str
    number: bool


@dataclass(frozen=True)
class TableView:
    """A table as the page shows it."""

    name: str
    caption: str
    headings: Sequence[Heading]
    rows: Sequence[Sequence[TableCell]]
    total: int
    """Rows of the table, of which `rows` may be the first."""


def table_view(
    name: str, table: Table, missing: str = "–", shown: Callable[[float], str] | None = None
) -> TableView:
    """Return a table of `sheets` as the page shows it.

    Parameters
    ----------
    name : str
        Its name in `sheets.sheets`, that of its file.
    table : astropy.table.Table
        The table.
    missing : str
        What stands where there is no value.
    shown : callable, optional
        How a number that is not an integer is written; default: six digits.
    """
    form = shown or (lambda value: f"{value:.6g}")
    headings = [
        Heading(
            label(column_name),
            str(table[column_name].unit or ""),
            table[column_name].description or "",
            table[column_name].dtype.kind in "fi",
        )
        for column_name in table.colnames
    ]
    rows = [[cell(plain(value), missing, form) for value in row] for row in table]
    return TableView(name, str(table.meta.get("title", name)), headings, rows, len(rows))


def label(name: str) -> str:
    """Return the name of a column for people: methods under their own names."""
    if name in _METHOD_OF:
        return _METHOD_OF[name]
    first, joined, second = name.partition("_minus_")
    if joined and first in _METHOD_OF and second in _METHOD_OF:
        return f"{_METHOD_OF[first]} − {_METHOD_OF[second]}"
    return _LABELS.get(name, name.replace("_", " "))


def cell(
    value: Any, missing: str = "–", form: Callable[[float], str] = "{:.6g}".format
) -> TableCell:
    """Return a value as a table shows and sorts it."""
    if value is None:
        return TableCell(missing, None, "missing")
    if isinstance(value, bool | np.bool_):
        return TableCell("yes" if value else "NO", int(value), "good" if value else "bad")
    if isinstance(value, int | np.integer):
        return TableCell(str(int(value)), int(value), "number")
    if isinstance(value, float | np.floating):
        return TableCell(form(float(value)), float(value), "number")
    return TableCell(shown(str(value)), str(value))


def text_of(value: object) -> str:
    """Return a value outside of tables as the page shows it."""
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}" if math.isfinite(value) else UNDETERMINED
    if isinstance(value, list | tuple):
        return ", ".join(text_of(item) for item in value)
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def typeset(text: str) -> str:
    """Return a sentence with the signs that a page has and a terminal may not."""
    return text.replace(" +- ", " ± ").replace("e-/s", "e⁻/s")


def sky_view(report: Report) -> TableView | None:
    """Return the skies with the differences from the reference and the result of the check."""
    table = report.mdrizsky
    if table is None:
        return None
    # Values in counts stand in the table's file, and among the checks: side by side with rates
    # they would be compared.
    in_headers = header_columns(table)
    shown = table[[name for name in table.colnames if name not in (EXPTIME, *in_headers)]]
    view = table_view("mdrizsky", shown, UNDETERMINED, "{:.6f}".format)
    headings, rows = list(view.headings), [list(row) for row in view.rows]
    if len(method_columns(table)) > 1:
        apart = table_view("differences", differences(table), "–", "{:+.6f}".format)
        headings += apart.headings[2:]
        rows = [row + list(more[2:]) for row, more in zip(rows, apart.rows, strict=True)]
    if len(report.groups) > 1:
        of = {name: n for n, group in enumerate(report.groups, start=1) for name in group}
        headings.append(Heading("group", "", "overlap group of the exposure", True))
        for row in rows:
            row.append(cell(of.get(str(row[0].value))))
    agreement = _checked(report)
    if agreement:
        why = "records of the sky (exposure's header, HDRTAB, log) that agree, over the methods"
        headings.append(Heading("records agree", "", why, False))
        for row in rows:
            row.append(agreement.get((str(row[0].value), int(row[1].value or 0)), cell(None)))
    caption = f"{view.caption}; differences are from {reference_of(table)}"
    if in_headers:
        unit = table[in_headers[0]].unit
        caption += f"; MDRIZSKY as in the headers, in {unit}, is in mdrizsky.ecsv"
    return TableView("mdrizsky", caption, headings, rows, len(rows))


def _checked(report: Report) -> Mapping[tuple[str, int], TableCell]:
    table = report.run.table(CHECKS)
    if table is None or "agree" not in table.colnames:
        return {}
    found: dict[tuple[str, int], list[bool]] = {}
    for row in table:
        found.setdefault((str(row["rootname"]), int(row["chip"])), []).append(bool(row["agree"]))
    return {
        chip: TableCell(
            f"{sum(agree)} of {len(agree)}", sum(agree), "good" if all(agree) else "bad"
        )
        for chip, agree in found.items()
    }
