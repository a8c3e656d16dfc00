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
from skymosaic.report.embedding import new_chart

if TYPE_CHECKING:
    from skymosaic.evidence.evidence import Evidence

MOST_NAMED = 40
MOST_PAIRS = 4000


def matrix_chart(evidence: Evidence) -> LayoutDOM:
    """Return one matrix a method: what it leaves between the exposures of each pair.

    Parameters
    ----------
    evidence : Evidence
        What was measured in the overlaps.

    Returns
    -------
    bokeh.models.LayoutDOM
        Red where the exposure of the row is higher than that of the column, blue where it is lower.
        The colours end at the largest residual of the best method or three times its typical error,
        whichever is more, times ten: what ends there is off the scale. Of more than 4000 pairs
        those with the largest residuals are drawn.
    """
    names = sorted({name for one in evidence.differences for name in (one.a, one.b)})
    place = {name: number for number, name in enumerate(names)}
    limit = scale_limit(evidence)
    mapper = LinearColorMapper(palette=RdBu11, low=-limit, high=limit)
    # One set of ranges: who zooms into one matrix sees the same pairs in all.
    ranges = {
        "x_range": Range1d(-0.5, len(names) - 0.5),
        "y_range": Range1d(len(names) - 0.5, -0.5),
    }
    panels = []
    for method, residuals in evidence.residuals.items():
        chart = new_chart(method, height=330, name=f"matrix {method}", **ranges)
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


def scale_limit(evidence: Evidence) -> float:
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


def alternative(evidence: Evidence) -> str:
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
