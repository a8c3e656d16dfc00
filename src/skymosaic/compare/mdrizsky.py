"""The MDRIZSKY table: one row a chip, one column a sky method."""

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
from skymosaic.sky.values import SkyValue

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
        where = f"{method}: exposure {value.rootname}, chip {value.chip}"
        if (value.rootname, value.chip) in indexed:
            raise SkyError(f"{where} is listed twice; give each chip once")
        if value.mdrizsky is not None and not math.isfinite(value.mdrizsky):
            raise SkyError(
                f"{where} has MDRIZSKY = {value.mdrizsky}, not a finite number; "
                "look at the pixels and the data quality of that exposure"
            )
        if not (math.isfinite(value.brightness_factor) and value.brightness_factor > 0):
            raise SkyError(
                f"{where} has brightness factor {value.brightness_factor}; it must be positive: "
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
    """Return MDRIZSKY of every chip under every method that was run.

    Parameters
    ----------
    runs : mapping of str to sequence of SkyValue
        The sky values of each method that was run.
    unit : str
        Unit of MDRIZSKY, that of the exposures' data.

    Returns
    -------
    astropy.table.Table
        Rows sorted by rootname and chip; columns ``rootname``, ``chip`` and one float64 column a
        method in the order of ALL, masked where undetermined.

    Raises
    ------
    SkyError
        See `by_chip`.
    """
    checked = by_chip(runs)
    chips = list(next(iter(checked.values())))
    table = Table(masked=False)
    table["rootname"] = [rootname for rootname, _ in chips]
    table["chip"] = np.array([chip for _, chip in chips], dtype=np.int64)
    table["rootname"].description = "rootname of the exposure"
    table["chip"].description = "EXTVER of the SCI extension"
    for method, values in checked.items():
        skies = [value.mdrizsky for value in values.values()]
        table[column(method)] = MaskedColumn(
            np.array([0.0 if sky is None else sky for sky in skies], dtype=np.float64),
            mask=[sky is None for sky in skies],
            unit=unit,
            description=f"MDRIZSKY under skymethod {method}: {DESCRIPTIONS[method]}",
        )
        errors = [value.error for value in values.values()]
        if any(error is not None for error in errors):
            table[error_column(method)] = MaskedColumn(
                np.array([0.0 if error is None else error for error in errors], dtype=np.float64),
                mask=[error is None for error in errors],
                unit=unit,
                description=f"standard error of {method} against the mean of its overlap group",
            )
    table.meta["title"] = "MDRIZSKY, the sky that AstroDrizzle subtracted from each chip"
    table.meta["methods"] = {column(method): method for method in checked}
    table.meta["empty"] = "a value that the method could not determine"
    return table


def error_column(method: str) -> str:
    """Return the name of the column that holds a method's standard errors."""
    return f"{column(method)}_error"


def method_columns(table: Table) -> dict[str, str]:
    """Return the methods in a table of `mdrizsky_table` and the columns that hold them."""
    return {method: column(method) for method in ALL if column(method) in table.colnames}


def skies(table: Table) -> dict[str, np.ma.MaskedArray]:
    """Return MDRIZSKY of each method in a table of `mdrizsky_table`, masked where undetermined."""
    return {
        method: np.ma.masked_array(table[name]) for method, name in method_columns(table).items()
    }


def unit_of(table: Table) -> str:
    """Return the unit of MDRIZSKY in a table of `mdrizsky_table`; empty where it has none."""
    return str(table[next(iter(method_columns(table).values()))].unit or "")


def axis_label(table: Table) -> str:
    """Return what stands at an axis of MDRIZSKY."""
    unit = unit_of(table)
    return f"MDRIZSKY [{unit}]" if unit else "MDRIZSKY"


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
    """Return a table of `mdrizsky_table` as fixed-width text with six decimals."""
    methods = method_columns(table)
    rows = [["rootname", "chip", *methods]]
    for row in table:
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
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
