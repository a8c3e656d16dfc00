"""The MDRIZSKY table: one row a chip, one column a sky method, as rates that compare."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table

from skymosaic.errors import SkyError
from skymosaic.methods import ALL, column
from skymosaic.sky.values import SkyValue, rate_unit

UNDETERMINED = "undetermined"

DESCRIPTIONS: Mapping[str, str] = {
    "localmin": "sky measured in each exposure alone, the lowest of its chips",
    "match": "sky relative to the exposure with the lowest one, from the overlaps of the exposures",
    "globalmin": "the lowest sky of all exposures, the same for all of them",
    "globalmin+match": "match plus one constant, the lowest sky left once match is subtracted",
    "match-differences": "as match, from differences on the common grid; skymosaic's own method",
    "globalmin+match-differences": (
        "match-differences plus one constant, the lowest sky left once it is subtracted"
    ),
}

Chip = tuple[str, int]


Runs = Mapping[str, Sequence[SkyValue]]


def by_chip(runs: Runs) -> dict[str, dict[Chip, SkyValue]]:
    """Return the checked sky values of each method, in the order of ALL and of the chips.

    Parameters
    ----------
    runs : mapping of str to sequence of SkyValue
        The sky values of each method that was run.

    Returns
    -------
    dict of str to dict of (rootname, chip) to SkyValue

    Raises
    ------
    SkyError
        If a method is unknown or has no values, a chip is listed twice, the methods do not have the
        same chips or factors, or a value is not finite.
    """
    unknown = [method for method in runs if method not in ALL]
    if unknown or not runs:
        raise SkyError(
            f"cannot compare sky methods {unknown or 'of an empty set'}: "
            f"give the runs of one or more of {', '.join(ALL)}"
        )
    checked = {method: _index(method, runs[method]) for method in ALL if method in runs}
    first = next(iter(checked))
    for method, values in checked.items():
        _require_same_chips(first, checked[first], method, values)
    return checked


def _index(method: str, values: Sequence[SkyValue]) -> dict[Chip, SkyValue]:
    """Return the values of one method by chip, sorted."""
    indexed: dict[Chip, SkyValue] = {}
    for value in values:
        subject = f"{method}: exposure {value.rootname}, chip {value.chip}"
        if (value.rootname, value.chip) in indexed:
            raise SkyError(f"{subject} is listed twice; give each chip once")
        if value.mdrizsky is not None and not math.isfinite(value.mdrizsky):
            raise SkyError(
                f"{subject} has MDRIZSKY = {value.mdrizsky}, not a finite number; "
                "look at the pixels and the data quality of that exposure"
            )
        if not (math.isfinite(value.seconds) and value.seconds > 0):
            raise SkyError(f"{subject} has EXPTIME {value.seconds}; it must be positive")
        if not (math.isfinite(value.brightness_factor) and value.brightness_factor > 0):
            raise SkyError(
                f"{subject} has brightness factor {value.brightness_factor}; it must be positive: "
                "check IDCSCALE and EXPTIME in its headers"
            )
        indexed[value.rootname, value.chip] = value
    if not indexed:
        raise SkyError(f"{method}: the run has no sky values; run the method again")
    return dict(sorted(indexed.items()))


def _require_same_chips(
    first: str, expected: Mapping[Chip, SkyValue], method: str, values: Mapping[Chip, SkyValue]
) -> None:
    """Raise SkyError unless both methods have the same chips with the same factors."""
    for rootname, chip in sorted(set(expected) ^ set(values)):
        has, lacks = (first, method) if (rootname, chip) in expected else (method, first)
        raise SkyError(
            f"{lacks}: exposure {rootname}, chip {chip} has no sky value, but {has} has one; "
            "all methods must be run on the same exposures"
        )
    for (rootname, chip), value in values.items():
        other = expected[rootname, chip].brightness_factor
        if not math.isclose(value.brightness_factor, other, rel_tol=1e-9):
            raise SkyError(
                f"{method}: exposure {rootname}, chip {chip} has brightness factor "
                f"{value.brightness_factor!r}, but {other!r} under {first}; "
                "the runs did not start from the same files"
            )


def mdrizsky_table(runs: Runs, unit: str = "electron / s") -> Table:
    """Return the sky of every chip under every method that was run, as rates.

    Parameters
    ----------
    runs : mapping of str to sequence of SkyValue
        The sky values of each method that was run.
    unit : str
        Unit of MDRIZSKY in the headers, that of the exposures' data.

    Returns
    -------
    astropy.table.Table
        Rows sorted by rootname and chip; columns ``rootname``, ``chip`` and one float64 column a
        method in the order of ALL, in electron/s, masked where undetermined. Where the data are in
        counts there are also ``exptime`` and for each method ``METHOD_mdrizsky``, the value in the
        header; where they are rates, the method's own column is that value.

    Raises
    ------
    SkyError
        See `by_chip`.
    """
    checked = by_chip(runs)
    first = next(iter(checked.values()))
    shown = rate_unit(unit)
    counts = shown != unit
    quantity = _QUANTITIES[counts]
    table = Table(masked=False)
    table["rootname"] = [rootname for rootname, _ in first]
    table["chip"] = np.array([chip for _, chip in first], dtype=np.int64)
    table["rootname"].description = "rootname of the exposure"
    table["chip"].description = "EXTVER of the SCI extension"
    if counts:
        table[EXPTIME] = np.array([value.seconds for value in first.values()], dtype=np.float64)
        table[EXPTIME].unit = "s"
        table[EXPTIME].description = "exposure time, by which MDRIZSKY is divided"
    for method, values in checked.items():
        table[column(method)] = _column(
            [value.rate for value in values.values()],
            shown,
            f"{quantity} under skymethod {method}: {DESCRIPTIONS[method]}",
        )
        errors = [
            None if value.error is None else value.error / value.seconds
            for value in values.values()
        ]
        if any(error is not None for error in errors):
            table[error_column(method)] = _column(
                errors, shown, f"standard error of {method} against the mean of its overlap group"
            )
    if counts:
        for method, values in checked.items():
            table[header_column(method)] = _column(
                [value.mdrizsky for value in values.values()],
                unit,
                f"MDRIZSKY under skymethod {method} as it stands in the header",
            )
    table.meta["title"] = f"{quantity}, the sky that each method subtracted from each chip"
    table.meta["methods"] = {column(method): method for method in checked}
    table.meta["empty"] = "a value that the method could not determine"
    return table


EXPTIME = "exptime"
MOST_LINES = 200
"""Rows of a table that is printed as a whole."""
FIRST_LINES = 40
_QUANTITIES = {False: "MDRIZSKY", True: "MDRIZSKY / EXPTIME"}


def _column(values: Sequence[float | None], unit: str, description: str) -> MaskedColumn:
    return MaskedColumn(
        np.array([0.0 if value is None else value for value in values], dtype=np.float64),
        mask=[value is None for value in values],
        unit=unit,
        description=description,
    )


def quantity_of(table: Table) -> str:
    """Return what the methods' columns hold: MDRIZSKY, or for data in counts the rate of it."""
    return _QUANTITIES[EXPTIME in table.colnames]


def header_column(method: str) -> str:
    """Return the name of the column that holds MDRIZSKY as in the header, for data in counts."""
    return f"{column(method)}_mdrizsky"


def header_columns(table: Table) -> list[str]:
    """Return the columns of MDRIZSKY as in the headers; none where the skies are that."""
    names = [header_column(method) for method in method_columns(table)]
    return [name for name in names if name in table.colnames]


def error_column(method: str) -> str:
    """Return the name of the column that holds a method's standard errors."""
    return f"{column(method)}_error"


def method_columns(table: Table) -> dict[str, str]:
    """Return the methods in a table of `mdrizsky_table` and the columns that hold them."""
    return {method: column(method) for method in ALL if column(method) in table.colnames}


def skies(table: Table) -> dict[str, np.ma.MaskedArray]:
    """Return each method's skies in a table of `mdrizsky_table`, masked where undetermined."""
    return {
        method: np.ma.masked_array(table[name]) for method, name in method_columns(table).items()
    }


def unit_of(table: Table) -> str:
    """Return the unit of the skies in a table of `mdrizsky_table`; empty where it has none."""
    return str(table[next(iter(method_columns(table).values()))].unit or "")


def axis_label(table: Table) -> str:
    """Return what stands at an axis of the skies."""
    unit, quantity = unit_of(table), quantity_of(table)
    return f"{quantity} [{unit}]" if unit else quantity


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write ``mdrizsky.ecsv`` and ``mdrizsky.csv``, the same bytes for the same table.

    Parameters
    ----------
    table : astropy.table.Table
        A table of `mdrizsky_table`.
    folder : Path
        An existing folder.

    Returns
    -------
    list of Path
        The files written. In the CSV a float is written in full precision and an undetermined
        value is an empty cell.
    """
    ecsv, plain = Path(folder) / "mdrizsky.ecsv", Path(folder) / "mdrizsky.csv"
    table.write(ecsv, format="ascii.ecsv", overwrite=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.colnames)
    names = table.colnames[2:]
    for row in table:
        cells = ["" if np.ma.is_masked(row[name]) else repr(float(row[name])) for name in names]
        writer.writerow([row["rootname"], int(row["chip"]), *cells])
    plain.write_bytes(text.getvalue().encode())
    return [ecsv, plain]


def format_cell(value: Any, decimals: int = 6) -> str:
    """Return one sky value as text, ``undetermined`` where it is masked."""
    return UNDETERMINED if np.ma.is_masked(value) else f"{float(value):.{decimals}f}"


def format_table(table: Table) -> str:
    """Return a table of `mdrizsky_table` as fixed-width text with six decimals.

    Of more than `MOST_LINES` rows the first ones, and where the others are.
    """
    methods = method_columns(table)
    rows = [["rootname", "chip", *methods]]
    many = len(table) > MOST_LINES
    for row in table[:FIRST_LINES] if many else table:
        cells = [format_cell(row[name]) for name in methods.values()]
        rows.append([str(row["rootname"]), str(int(row["chip"])), *cells])
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [cells[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        )
        for cells in rows
    ]
    more = [f"... and {len(table) - FIRST_LINES} more rows: mdrizsky.csv"] if many else []
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *more])
