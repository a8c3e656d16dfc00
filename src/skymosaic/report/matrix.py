"""The residuals of all pairs as matrices, one a method, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from bokeh.layouts import gridplot
from bokeh.models import (
    BasicTicker,
    ColorBar,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LayoutDOM,
    LinearColorMapper,
    Range1d,
)
from bokeh.palettes import RdBu11
from bokeh.plotting import figure

from skymosaic.evidence.residuals import Residual
from skymosaic.host.counting import counted
from skymosaic.report.densities import MOST_MARKS, bins_of_pairs, lots
from skymosaic.report.embedding import new_chart

if TYPE_CHECKING:
    from skymosaic.evidence.evidence import OverlapEvidence

MOST_NAMED = 40
MOST_PAIRS = 4000


def matrix_chart(evidence: OverlapEvidence) -> LayoutDOM:
    """Return one matrix a method: what it leaves between the exposures of each pair.

    Parameters
    ----------
    evidence : OverlapEvidence
        What was measured in the overlaps.

    Returns
    -------
    bokeh.models.LayoutDOM
        Red where the exposure of the row is higher than that of the column, blue where it is lower.
        The colours end at the largest residual of the best method or three times its typical error,
        whichever is more, times ten: what ends there is off the scale. Of more than 4000 pairs
        those with the largest residuals are drawn. Of more than `MOST_MARKS` exposures a cell is
        the largest residual between two lots of them.
    """
    names = _names(evidence)
    place = {name: number for number, name in enumerate(names)}
    size = lots(len(names))[1] if len(names) > MOST_MARKS else len(names)
    limit = scale_limit(evidence)
    mapper = LinearColorMapper(palette=RdBu11, low=-limit, high=limit)
    # One set of ranges: who zooms into one matrix sees the same pairs in all.
    ranges = {
        "x_range": Range1d(-0.5, size - 0.5),
        "y_range": Range1d(size - 0.5, -0.5),
    }
    panels = []
    for method, residuals in evidence.residuals.items():
        chart = new_chart(method, height=330, name=f"matrix {method}", **ranges)
        if size < len(names):
            _draw_bins(chart, residuals, names, mapper, evidence.unit)
        else:
            _draw(chart, residuals, place, mapper, evidence.unit)
        if len(names) <= MOST_NAMED:
            for axis in chart.axis:
                axis.ticker = FixedTicker(ticks=list(range(len(names))))
                axis.major_label_overrides = dict(enumerate(names))
                axis.major_label_text_font_size = "8px"
            chart.xaxis.major_label_orientation = np.pi / 2
        bar = ColorBar(color_mapper=mapper, ticker=BasicTicker(desired_num_ticks=5), width=10)
        chart.add_layout(bar, "right")
        panels.append(chart)
    grid = gridplot(panels, ncols=2, sizing_mode="stretch_width", toolbar_location="right")
    return grid


def scale_limit(evidence: OverlapEvidence) -> float:
    """Return the residual at which the colours end, in the unit of the levels."""
    largest = [
        max((abs(one.residual) for one in residuals), default=0.0)
        for residuals in evidence.residuals.values()
    ]
    errors = [one.error for one in evidence.differences if np.isfinite(one.error)]
    typical = float(np.median(errors)) if errors else 0.0
    best = min((value for value in largest if value > 0), default=0.0)
    limit = min(10.0 * max(best, 3.0 * typical), max(largest, default=0.0))
    return limit or 1.0


def _draw(
    chart: figure,
    residuals: Sequence[Residual],
    place: dict[str, int],
    mapper: LinearColorMapper,
    unit: str,
) -> None:
    worst = sorted(residuals, key=lambda one: (-abs(one.residual), one.a, one.b))[:MOST_PAIRS]
    both = [(one, one.a, one.b, one.residual) for one in worst]
    both += [(one, one.b, one.a, -one.residual) for one in worst]
    source = ColumnDataSource(
        {
            "row": [place[a] for _, a, _, _ in both],
            "column": [place[b] for _, _, b, _ in both],
            "residual": [value for *_, value in both],
            "pair": [f"{a} minus {b}" for _, a, b, _ in both],
            "told": [f"{value:+.5g} ± {one.error:.2g} {unit}" for one, _, _, value in both],
            "errors": [f"{one.significance:.1f}" for one, _, _, _ in both],
        }
    )
    drawn = chart.rect(
        "column",
        "row",
        1,
        1,
        source=source,
        line_color="#ffffff",
        line_width=0.5,
        fill_color={"field": "residual", "transform": mapper},
    )
    tips = [("pair", "@pair"), ("left", "@told"), ("standard errors", "@errors")]
    chart.add_tools(HoverTool(renderers=[drawn], tooltips=tips))
    chart.background_fill_color = "#eeeeee"
    chart.grid.grid_line_color = None


def _draw_bins(
    chart: figure,
    residuals: Sequence[Residual],
    names: Sequence[str],
    mapper: LinearColorMapper,
    unit: str,
) -> None:
    """Draw the largest residual between any two lots of exposures."""
    bins = bins_of_pairs(residuals, names)
    both = [(one, one.row, one.column, 1.0) for one in bins]
    both += [(one, one.column, one.row, -1.0) for one in bins if one.row != one.column]
    source = ColumnDataSource(
        {
            "row": [row for _, row, _, _ in both],
            "column": [column for *_, column, _ in both],
            "residual": [float(f"{sign * one.largest.residual:.4g}") for one, *_, sign in both],
            "pair": [
                " minus ".join((one.largest.a, one.largest.b)[:: int(sign)])
                for one, *_, sign in both
            ],
            "error": [float(f"{one.largest.error:.2g}") for one, *_ in both],
            "pairs": [one.pairs for one, *_ in both],
        }
    )
    drawn = chart.rect(
        "column",
        "row",
        1,
        1,
        source=source,
        line_color=None,
        fill_color={"field": "residual", "transform": mapper},
    )
    left = f"@residual{{+0.[00000]}} ± @error {unit}"
    tips = [("largest", "@pair"), ("left", left), ("pairs here", "@pairs")]
    chart.add_tools(HoverTool(renderers=[drawn], tooltips=tips))
    chart.background_fill_color = "#eeeeee"
    chart.grid.grid_line_color = None
    chart.xaxis.axis_label = f"lots of {lots(len(names))[0]} exposures, by name"


def caption(evidence: OverlapEvidence) -> str:
    """Return what stands below the matrices."""
    limit, size = scale_limit(evidence), len(_names(evidence))
    first = (
        f"Each cell is the largest residual between two lots of {lots(size)[0]} exposures"
        if size > MOST_MARKS
        else "Each cell is the level of the row's exposure minus that of the column's exposure"
    )
    return (
        f"{first}, after the sky was subtracted. The colours of all methods have the same scale, "
        f"which ends at ±{limit:.3g} {evidence.unit}. White is good; a row of one colour is an "
        "exposure that the method got wrong."
    )


def _names(evidence: OverlapEvidence) -> list[str]:
    return sorted({name for one in evidence.differences for name in (one.a, one.b)})


def alternative(evidence: OverlapEvidence) -> str:
    """Return what the matrices show, for who does not see them."""
    phrases = []
    for method, residuals in evidence.residuals.items():
        worst = max(residuals, key=lambda one: abs(one.residual), default=None)
        if worst is not None:
            phrases.append(
                f"{method} leaves at most {abs(worst.residual):.4g} {evidence.unit} "
                f"({worst.a}, {worst.b})"
            )
    return (
        f"Matrices of the residuals of {counted(len(evidence.differences), 'pair')} of exposures, "
        f"one a method, on one scale: {'; '.join(phrases)}. The table of pairs holds the values."
    )
