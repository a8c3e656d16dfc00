"""The tables of a report: astropy tables whose columns tell their units and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table

from skymosaic.methods import REFERENCES, column
from skymosaic.report import parts
from skymosaic.report.contents import Report
from skymosaic.report.evidence_sheets import pair_sheet, quality_sheet, seam_sheet
from skymosaic.report.mdrizsky import method_columns, quantity_of, skies
from skymosaic.report.parts import Part
from skymosaic.report.sheet import Columns, sheet

_INVARIANTS: Columns = {
    "name": (str, None, "name of the relation"),
    "formula": (str, None, "the relation between the methods"),
    "holds": (bool, None, "whether the deviation is within the tolerance"),
    "value": (float, "electron / (s arcsec2)", "largest deviation"),
    "tolerance": (float, "electron / (s arcsec2)", "largest deviation allowed"),
    "explanation": (str, None, "why it must hold, and for what it was checked"),
}
_GROUPS: Columns = {
    "rootname": (str, None, "rootname of the exposure"),
    "group": (int, None, "number of its overlap group, the largest is 1"),
}


def reference_of(table: Table) -> str:
    """Return the method that an MDRIZSKY table's others are compared with."""
    methods = method_columns(table)
    return next(method for method in REFERENCES if method in methods)


def differences(table: Table) -> Table:
    """Return the sky of each method minus that of the reference, chip by chip.

    Parameters
    ----------
    table : astropy.table.Table
        A table of `mdrizsky.mdrizsky_table`.

    Returns
    -------
    astropy.table.Table
        Columns ``rootname``, ``chip`` and ``METHOD_minus_REFERENCE``, masked where either is
        undetermined; none of them where one method was run.
    """
    methods, reference = method_columns(table), reference_of(table)
    result, quantity = table["rootname", "chip"].copy(), quantity_of(table)
    result.meta = {"title": f"{quantity} of each method minus that of {reference}"}
    every = skies(table)
    for method, name in methods.items():
        if method == reference:
            continue
        result[f"{name}_minus_{column(reference)}"] = MaskedColumn(
            every[method] - every[reference],
            unit=table[name].unit,
            description=f"{quantity} under {method} minus that under {reference}",
        )
    return result


def sheets(report: Report) -> dict[str, Table]:
    """Return every table of a report by name, in the order of `parts`; those there are."""
    evidence = report.evidence
    found: dict[Part, Table | None] = {
        **report.run.tables,
        parts.MDRIZSKY: report.mdrizsky,
        parts.DIFFERENCES: None if report.mdrizsky is None else differences(report.mdrizsky),
        parts.QUALITY: None if evidence is None else quality_sheet(evidence),
        parts.PAIRS: pair_sheet(report.pairs, evidence),
        parts.SEAMS: None if evidence is None else seam_sheet(evidence),
        parts.INVARIANTS: sheet(
            "Relations that must hold between the methods",
            _INVARIANTS,
            [[getattr(one, name) for name in _INVARIANTS] for one in report.invariants],
        ),
        parts.GROUPS: sheet(
            "Overlap groups: exposures linked by overlaps, directly or through others",
            _GROUPS,
            [(name, n) for n, group in enumerate(report.groups, start=1) for name in group],
        ),
    }
    tables = ((part.name, found.get(part)) for part in parts.PARTS)
    return {name: table for name, table in tables if table is not None and len(table)}


def write_sheets(tables: Mapping[str, Table], folder: Path) -> list[Path]:
    """Write tables as ECSV, ``NAME.ecsv``, and return the files."""
    written = []
    for name, table in tables.items():
        path = Path(folder) / f"{name}.ecsv"
        table.write(path, format="ascii.ecsv", overwrite=True)
        written.append(path)
    return written


def plain(value: Any) -> Any:
    """Return a table's value as JSON has it: None where it is masked or not a number."""
    if np.ma.is_masked(value) or value is None:
        return None
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value


def as_plain(table: Table) -> dict[str, Any]:
    """Return a table as plain values: title, columns with units and descriptions, rows."""
    return {
        "title": table.meta.get("title", ""),
        "columns": [
            {
                "name": name,
                "type": {"f": "number", "i": "integer", "b": "boolean"}.get(
                    table[name].dtype.kind, "string"
                ),
                "unit": None if table[name].unit is None else str(table[name].unit),
                "description": table[name].description or "",
            }
            for name in table.colnames
        ],
        # A column at a time: rows of a table are slow.
        "rows": [
            list(row)
            for row in zip(
                *([plain(value) for value in table[name].tolist()] for name in table.colnames),
                strict=True,
            )
        ],
    }
