"""The report: one HTML page that carries its figures with it and needs no network."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import numpy as np
from astropy.table import Table

from skymosaic.compare.invariants import Invariant
from skymosaic.compare.mdrizsky import UNDETERMINED, method_columns

Row = Mapping[str, object]

_MEDIA_TYPES = {".png": "image/png", ".gif": "image/gif"}


@dataclass(frozen=True)
class RunRecord:
    """What the run itself knows, beside sky values and mosaics.

    A row is a mapping of column to value.

    Parameters
    ----------
    campaign : str
        Name of the campaign.
    created : str
        When the report was made, as it is to be printed.
    exposures : sequence of rows
        One a exposure: rootname, detector, filter, exposure time and what else is known.
    alignment : sequence of rows or None
        One a drizzled image: shifts, matches, residuals; None where nothing was aligned.
    gates : sequence of rows
        One a gate that the alignment passed: what it measures, its limit, what was found.
    output_grid : mapping of str to object
        The grid of the mosaics: shape, scale, centre, orientation, ...
    steps : sequence of rows
        One a step: time, peak memory, bytes to and from the store.
    transfers : mapping of str to object
        What all steps moved to and from the store, and what they had to.
    versions : mapping of str to str
        Version of each software.
    dashboard : str
        Address of the Dask dashboard at which the run could be watched.
    campaign_file : str
        The resolved campaign file as text.
    warnings : sequence of str
        What other stages want the reader to know first.
    """

    campaign: str
    created: str
    exposures: Sequence[Row] = ()
    alignment: Sequence[Row] | None = None
    gates: Sequence[Row] = ()
    output_grid: Mapping[str, object] = field(default_factory=dict)
    steps: Sequence[Row] = ()
    transfers: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    dashboard: str = ""
    campaign_file: str = ""
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """Everything on the page.

    Parameters
    ----------
    record : RunRecord
        What the run itself knows.
    summary : sequence of str
        What the sky values say, a sentence or two each.
    warnings : sequence of str
        What must be read first; those of the record come after them.
    mdrizsky : astropy.table.Table
        A table of `mdrizsky.mdrizsky_table`.
    groups : sequence of sequences of str
        Rootnames of the exposures that overlap one another.
    invariants : sequence of Invariant
        The relations between the methods that were checked.
    previews : mapping of str to Path
        The preview of each method, PNG.
    figures : mapping of str to Path
        The other pictures, PNG or GIF: ``scatter``, ``footprints``, ``blink``, ``difference``.
        The page says which are absent.
    reference : str
        The method that the difference panels subtract, empty where there are none.
    """

    record: RunRecord
    summary: Sequence[str]
    warnings: Sequence[str]
    mdrizsky: Table
    groups: Sequence[Sequence[str]]
    invariants: Sequence[Invariant]
    previews: Mapping[str, Path] = field(default_factory=dict)
    figures: Mapping[str, Path] = field(default_factory=dict)
    reference: str = ""


def write_report(path: Path, report: Report) -> Path:
    """Write the page.

    Parameters
    ----------
    path : Path
        The file to write.
    report : Report
        Everything on the page.

    Returns
    -------
    Path
        The file written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("skymosaic.compare", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    environment.filters["data_uri"] = data_uri
    environment.filters["columns"] = columns
    environment.tests["number"] = is_number
    page = environment.get_template("report.html.j2").render(
        report=report,
        record=report.record,
        warnings=[*report.warnings, *report.record.warnings],
        sky_columns=[
            (method, str(report.mdrizsky[name].unit or ""), report.mdrizsky[name].description)
            for method, name in method_columns(report.mdrizsky).items()
        ],
        sky_rows=sky_rows(report.mdrizsky),
    )
    path = Path(path)
    path.write_text(page, encoding="utf-8")
    return path


def sky_rows(table: Table) -> list[dict[str, object]]:
    """Return the rows of an MDRIZSKY table for the page."""
    names = method_columns(table).values()
    return [
        {
            "rootname": str(row["rootname"]),
            "chip": int(row["chip"]),
            "skies": [None if np.ma.is_masked(row[name]) else float(row[name]) for name in names],
        }
        for row in table
    ]


def columns(rows: Sequence[Row]) -> list[str]:
    """Return the names of the columns of all rows, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def is_number(value: object) -> bool:
    """Return whether a value is set in the page as a number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def cell(value: object) -> str:
    """Return a value as the page shows it."""
    if value is None:
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}" if math.isfinite(value) else UNDETERMINED
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    return str(value)


def data_uri(path: Path) -> str:
    """Return a picture as a ``data:`` URI, so that the page is one file."""
    encoded = base64.b64encode(Path(path).read_bytes()).decode("ascii")
    return f"data:{_MEDIA_TYPES[Path(path).suffix.lower()]};base64,{encoded}"
