"""The report for programs and for plain text: JSON, Markdown."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from skymosaic.host.counting import counted
from skymosaic.host.shown import shown
from skymosaic.methods import ascribed
from skymosaic.report import parts
from skymosaic.report.contents import Report
from skymosaic.report.long_tables import MOST_ROWS
from skymosaic.report.sheets import as_plain, plain, sheets
from skymosaic.report.verdict import advised_warnings, facts, verdict
from skymosaic.report.view import TableView, sky_view, table_view, text_of

FORMAT = "skymosaic report 1"
"""Changes when a program that reads the document would have to."""


def document(report: Report) -> dict[str, Any]:
    """Return everything in a report as plain values, tables with units and descriptions."""
    run, said = report.run, verdict(report)
    evidence = None if report.evidence is None else report.evidence.summary.to_dict()
    return _finite(
        {
            "format": FORMAT,
            "campaign": run.campaign,
            "created": run.created,
            "complete": not run.missing,
            "missing": [vars(one) for one in run.missing],
            "verdict": {
                "kind": said.kind,
                "headline": said.headline,
                "sentence": said.sentence,
                "sure": said.sure,
            },
            "advice": None if evidence is None else evidence["advice"],
            "evidence": evidence,
            "warnings": [*advised_warnings(report), *report.warnings, *run.warnings],
            "summary": list(report.summary),
            "groups": [list(group) for group in report.groups],
            "engine": run.engine or None,
            "verified": list(run.verified),
            "aligned": run.aligned,
            "output_grid": run.output_grid,
            "transfers": run.transfers,
            "versions": run.versions,
            "mosaics": run.mosaics,
            "parameters": run.parameters,
            "campaign_file": run.campaign_file,
        }
    ) | {"tables": {name: as_plain(table) for name, table in sheets(report).items()}}


def as_json(report: Report) -> str:
    """Return the document of a report as JSON text, a line for each row of a table.

    What is not a number is null.
    """
    whole = document(report)
    tables = whole.pop("tables")
    text = json.dumps(whole, indent=1, allow_nan=False)
    each = [_table_as_json(name, table) for name, table in tables.items()]
    listed = ",\n".join(each)
    return f'{text[:-2]},\n "tables": {{\n{listed}\n }}\n}}\n'


def _table_as_json(name: str, table: dict[str, Any]) -> str:
    """Return the lines of one table; each row is encoded by itself, which is much faster."""
    rows = ",\n".join(f"    {json.dumps(row, allow_nan=False)}" for row in table["rows"])
    head = json.dumps({key: table[key] for key in ("title", "columns")}, allow_nan=False)
    return f'  {json.dumps(name)}: {head[:-1]}, "rows": [\n{rows}\n   ]}}'


def _finite(value: Any) -> Any:
    """Return plain values as JSON has them."""
    if isinstance(value, dict):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, np.generic | float):
        return plain(value)
    return value


def markdown(report: Report) -> str:
    """Return what a reader needs first as Markdown: advice, what is missing, warnings, tables."""
    run, said = report.run, verdict(report)
    provenance = f"{run.created}; engine {run.engine}" if run.engine else run.created
    blocks = [f"# {run.campaign}: {said.headline}", provenance, said.sentence]
    if said.sure:
        blocks.append(f"How sure: {said.sure}")
    if said.file:
        blocks.append(
            f"The mosaic of {ascribed(said.best)}: `{said.file}` in the campaign's folder."
        )
    blocks.append(_listed([f"{_SIGNS[fact.mark]}{fact.text}" for fact in facts(report)]))
    if run.missing:
        missing = [f"**{one.part}**: {one.state}. {one.why}".strip() for one in run.missing]
        blocks += ["## What is missing", _listed(missing)]
    warnings = [*advised_warnings(report), *report.warnings, *run.warnings]
    if warnings:
        blocks += ["## Read first", _listed(warnings)]
    sky = sky_view(report)
    if sky is not None:
        blocks += ["## MDRIZSKY", f"{sky.caption}.", _as_markdown(sky), "## What the numbers say"]
        blocks.append(_listed(list(report.summary)))
    if run.verified:
        blocks += ["## What was verified", _listed(list(run.verified))]
    tables = sheets(report)
    for part in parts.PARTS:
        if part.heading and part.name in tables:
            table = tables[part.name]
            view = table_view(part.name, table[:MOST_ROWS])
            view = replace(view, total=len(table))
            blocks += [f"## {part.heading}", f"{shown(view.caption)}.", _as_markdown(view)]
    if run.versions:
        versions = [f"{name} {text_of(value)}" for name, value in run.versions.items()]
        blocks += ["## Software", _listed(versions)]
    return "\n\n".join(block for block in blocks if block) + "\n"


_SIGNS = {"good": "", "": "", "bad": "**Problem:** "}


def _listed(lines: list[str]) -> str:
    return "\n".join(f"- {shown(line)}" for line in lines)


def _as_markdown(view: TableView) -> str:
    """Return a table, the first rows of a long one, and where the others are."""
    heads = [f"{head.text} [{head.unit}]" if head.unit else head.text for head in view.headings]
    lines = [list(map(shown, heads)), ["---:" if head.number else "---" for head in view.headings]]
    lines += [[cell.text.replace("|", "\\|") for cell in row] for row in view.rows[:MOST_ROWS]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    more = view.total - MOST_ROWS
    return f"{table}\n\n{counted(more, 'more row')}: {view.name}.ecsv." if more > 0 else table
