"""The tutorial's scatter plot, to be asked: what each method subtracted from each exposure."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import numpy as np
from astropy.table import Table
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    GlyphRenderer,
    HoverTool,
    Legend,
    LegendItem,
)
from bokeh.plotting import figure

from skymosaic.methods import ascribed
from skymosaic.report.embedding import new_chart
from skymosaic.report.figures import MOST_LABELS, row_kind, row_labels
from skymosaic.report.mdrizsky import (
    UNDETERMINED,
    axis_label,
    format_cell,
    quantity_of,
    skies,
    unit_of,
)
from skymosaic.report.styles import METHODS


def scatter_chart(table: Table) -> figure:
    """Return the scatter plot of an MDRIZSKY table.

    Parameters
    ----------
    table : astropy.table.Table
        A table of `mdrizsky.mdrizsky_table`.

    Returns
    -------
    bokeh.plotting.figure
        Hover names the exposure; a click on a method in the legend hides it. A value that is
        undetermined is a cross at the level of the lowest one. The renderers of a method have its
        name, so that a page can hide them, too.
    """
    labels, every, kind = row_labels(table), skies(table), row_kind(table)
    chart = new_chart(f"Sky subtracted from each {kind} by each method", height=470)
    chart.yaxis.axis_label = axis_label(table)
    lowest = min((float(v.min()) for v in every.values() if v.count()), default=0.0)
    items = [
        LegendItem(label=ascribed(method), renderers=_draw(chart, method, labels, values, lowest))
        for method, values in every.items()
    ]
    legend = Legend(items=items, click_policy="hide", orientation="horizontal", ncols=2)
    legend.border_line_color = None
    legend.label_text_font_size = "13px"
    chart.add_layout(legend, "above")
    drawn = [renderer for item in items for renderer in item.renderers]
    tips = [(kind, "@exposure"), ("method", "@method"), (axis_label(table), "@sky")]
    chart.add_tools(HoverTool(renderers=drawn, tooltips=tips))
    _name_rows(chart, labels, kind)
    return chart


def _draw(
    chart: figure,
    method: str,
    labels: Sequence[str],
    values: np.ma.MaskedArray,
    lowest: float,
) -> list[GlyphRenderer]:
    """Draw one method: its values, and a cross where it has none."""
    style, missing = METHODS[method], np.ma.getmaskarray(values)
    index = np.arange(len(values))
    drawn = []
    for chosen, marker, size in ((~missing, style.bokeh, 11), (missing, "x", 13)):
        if not chosen.any():
            continue
        source = ColumnDataSource(
            {
                "x": index[chosen].tolist(),
                "y": [float(v) for v in values.filled(lowest)[chosen]],
                "exposure": [label for label, c in zip(labels, chosen, strict=True) if c],
                "sky": [format_cell(v) for v in values[chosen]],
                "method": [method] * int(chosen.sum()),
            }
        )
        drawn.append(
            chart.scatter(
                "x",
                "y",
                source=source,
                marker=marker,
                size=size,
                name=method,
                line_color=style.colour,
                line_width=2,
                fill_color=style.colour if style.filled else None,
            )
        )
    return drawn


def _name_rows(chart: figure, labels: Sequence[str], kind: str) -> None:
    if len(labels) <= MOST_LABELS:
        chart.xaxis.ticker = FixedTicker(ticks=list(range(len(labels))))
        chart.xaxis.major_label_overrides = dict(enumerate(labels))
        chart.xaxis.major_label_orientation = pi / 3
    else:
        chart.xaxis.axis_label = f"index of the {kind}, in the order of the table"


def alternative(table: Table) -> str:
    """Return what the plot shows, for who does not see it."""
    ranges = [
        f"{method} from {values.min():.4g} to {values.max():.4g}"
        if values.count()
        else f"{method} {UNDETERMINED}"
        for method, values in skies(table).items()
    ]
    unit = f" in {unit_of(table)}" if unit_of(table) else ""
    return (
        f"Scatter plot of {quantity_of(table)}{unit} of {len(table)} {row_kind(table)}s, one "
        f"colour and mark a method: {'; '.join(ranges)}. The table holds the values."
    )
