"""The tutorial's scatter plot, to be asked: what each method subtracted from each exposure."""

from __future__ import annotations

from math import pi

import numpy as np
from astropy.table import Table
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Legend, LegendItem
from bokeh.plotting import figure

from skymosaic.compare.figures import MOST_LABELS, row_labels
from skymosaic.compare.mdrizsky import UNDETERMINED, format_cell, method_columns
from skymosaic.compare.report.embedding import new_chart
from skymosaic.compare.styles import METHODS


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
    methods = method_columns(table)
    labels = row_labels(table)
    index = np.arange(len(table))
    lowest = (
        min(
            (float(np.ma.min(table[name])) for name in methods.values() if table[name].count()),
            default=0.0,
        )
        if _any_masked(table)
        else 0.0
    )
    unit = str(table[next(iter(methods.values()))].unit or "")
    chart = new_chart("Sky subtracted from each exposure by each method", height=470)
    chart.yaxis.axis_label = f"MDRIZSKY [{unit}]" if unit else "MDRIZSKY"
    items, drawn = [], []
    for method, name in methods.items():
        style = METHODS[method]
        values = np.ma.masked_array(table[name])
        missing = np.ma.getmaskarray(values)
        renderers = []
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
            renderers.append(
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
        drawn += renderers
        items.append(LegendItem(label=method, renderers=renderers))
    legend = Legend(items=items, click_policy="hide", orientation="horizontal", ncols=2)
    legend.border_line_color = None
    legend.label_text_font_size = "13px"
    chart.add_layout(legend, "above")
    tips = [("exposure", "@exposure"), ("method", "@method"), (f"MDRIZSKY [{unit}]", "@sky")]
    chart.add_tools(HoverTool(renderers=drawn, tooltips=tips))
    if len(labels) <= MOST_LABELS:
        chart.xaxis.ticker = FixedTicker(ticks=index.tolist())
        chart.xaxis.major_label_overrides = dict(enumerate(labels))
        chart.xaxis.major_label_orientation = pi / 3
    else:
        chart.xaxis.axis_label = "index of the exposure, in the order of the table"
    return chart


def _any_masked(table: Table) -> bool:
    return any(np.ma.is_masked(table[name]) for name in method_columns(table).values())


def alternative(table: Table) -> str:
    """Return what the plot shows, for who does not see it."""
    methods = method_columns(table)
    told = []
    for method, name in methods.items():
        values = np.ma.masked_array(table[name]).compressed()
        told.append(
            f"{method} from {values.min():.4g} to {values.max():.4g}"
            if values.size
            else f"{method} {UNDETERMINED}"
        )
    return (
        f"Scatter plot of MDRIZSKY of {len(table)} chips, one colour and mark a method: "
        f"{'; '.join(told)}. The table holds the values."
    )
