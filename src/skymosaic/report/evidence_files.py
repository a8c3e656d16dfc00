"""What was measured, as files and as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from astropy.table import Table

from skymosaic.evidence.evidence import Evidence
from skymosaic.methods import FOOTNOTE, OWN, ascribed

_METHOD = {"method": "sky method"}
_PAIR = {"a": "rootname of one exposure", "b": "rootname of the other"}
_RESIDUALS = {
    **_METHOD,
    **_PAIR,
    "residual": "level of a minus level of b in their overlap, the method's skies subtracted",
    "error": "standard error of residual",
    "of_noise": "residual as a fraction of the noise of one pixel",
    "significance": "size of residual in standard errors",
}
_SEAMS = {
    **_METHOD,
    "exposure": "rootname of the exposure whose edge it is",
    "others": "rootnames of the exposures on both sides of it",
    "step": "mosaic inside the edge minus mosaic outside, in a pixel of the exposures",
    "error": "standard error of step",
    "significance": "size of step in standard errors",
    "expected": "step that the residuals of the exposures call for, weighted by exposure time",
    "cells": "pairs of cells of sky across the edge",
    "ra": "right ascension of the middle of the edge",
    "dec": "declination of the middle of the edge",
}
_OVERLAPS = {
    **_PAIR,
    "difference": "level of a minus level of b in their overlap, nothing subtracted",
    "error": "standard error of difference",
    "mad": "scatter of the difference between cells of sky, 1.4826 times the median deviation",
    "noise": "noise of one pixel in the overlap",
    "unevenness": "rms by which the difference varies across the overlap beyond its noise",
    "cells": "cells of sky compared",
    "pixels": "valid pixels in these cells, the mean of both exposures",
}
_LEVELS = ("residual", "error", "step", "expected", "difference", "mad", "noise", "unevenness")


def write_evidence(evidence: Evidence, folder: Path) -> list[Path]:
    """Write ``residuals.ecsv``, ``seams.ecsv``, ``overlaps.ecsv`` and ``advice.json``.

    Returns
    -------
    list of Path
        The files written.
    """
    residuals = [one for its in evidence.residuals.values() for one in its]
    seams = [one for its in evidence.seams.values() for one in its]
    tables = {
        "residuals": _table(residuals, _RESIDUALS, evidence),
        "seams": _table(seams, _SEAMS, evidence),
        "overlaps": _table(evidence.differences, _OVERLAPS, evidence),
    }
    written = []
    for name, table in tables.items():
        written.append(folder / f"{name}.ecsv")
        table.write(written[-1], format="ascii.ecsv", overwrite=True)
    written.append(folder / "advice.json")
    written[-1].write_text(
        json.dumps(evidence.summary.to_dict(), indent=1) + "\n", encoding="utf-8"
    )
    return written


def _table(rows: Sequence[object], columns: Mapping[str, str], evidence: Evidence) -> Table:
    """Return a table of attributes, a column at a time: there may be a million rows."""
    table = Table(masked=False)
    for name, description in columns.items():
        column = [_plain(getattr(row, name)) for row in rows]
        table[name] = column if column else [""][:0]
        table[name].description = description
        if name in _LEVELS:
            table[name].unit = evidence.unit
        elif name in ("ra", "dec"):
            table[name].unit = "deg"
    table.meta["pixel_scale"] = f"levels are in a pixel of {evidence.pixel_scale:g} arcsec"
    table.meta["cell"] = f"cells of sky are {evidence.cell:.4g} arcsec wide"
    return table


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(value)
    return float("nan") if value is None else value


def summary_lines(evidence: Evidence) -> list[str]:
    """Return the advice as text: first what to use and how sure that is, then the numbers."""
    advice = evidence.advice
    lines = [f"advice: {advice.sentence}"]
    if advice.sure:
        lines.append(f"how sure: {advice.sure}")
    lines += ["", *_quality_lines(evidence), ""]
    lines += [
        f"{finding.severity}: {finding.text}"
        for finding in advice.findings
        if finding.code not in _IN_THE_TABLE
    ]
    return lines


_IN_THE_TABLE = ("over-subtraction", "pedestal", "steps")
_COLUMNS = (
    "est. error",
    "pairs rms",
    "worst pair",
    "seams rms",
    "worst step",
    "darkest",
    "imposed",
)


def _quality_lines(evidence: Evidence) -> list[str]:
    """Return a row a method, in e-/s."""
    rows = [["e-/s", *_COLUMNS]]
    for method, one in evidence.quality.items():
        rows.append(
            [
                ascribed(method),
                _number(one.estimated_error),
                _number(one.residual_rms),
                _number(None if one.largest is None else one.largest.residual),
                _number(one.seam_rms),
                _number(None if one.largest_seam is None else one.largest_seam.step),
                _number(one.background),
                _number(one.imposed),
            ]
        )
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    footnote = [FOOTNOTE] if any(method in OWN for method in evidence.quality) else []
    return [*(_row(cells, widths) for cells in rows), *footnote]


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.rjust(width) if i else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *rest])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
