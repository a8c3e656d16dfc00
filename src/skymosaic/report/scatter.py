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
from skymosaic.report.densities import MOST_MARKS, scatter_bins
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
        name, so that a page can hide them, too. Of more than `MOST_MARKS` rows the density of the
        values is drawn.
    """
    many = len(table) > MOST_MARKS
    labels, every, kind = row_labels(table), skies(table), row_kind(table)
    chart = new_chart(f"Sky subtracted from each {kind} by each method", height=470)
    chart.yaxis.axis_label = axis_label(table)
    lowest = min((float(v.min()) for v in every.values() if v.count()), default=0.0)
    highest = max((float(v.max()) for v in every.values() if v.count()), default=1.0)
    items = [
        LegendItem(
            label=ascribed(method),
            renderers=[_draw_density(chart, method, values, (lowest, highest))]
            if many
            else _draw(chart, method, labels, values, lowest),
        )
        for method, values in every.items()
    ]
    legend = Legend(items=items, click_policy="hide", orientation="horizontal", ncols=2)
    legend.border_line_color = None
    legend.label_text_font_size = "13px"
    chart.add_layout(legend, "above")
    drawn = [renderer for item in items for renderer in item.renderers]
    tips = [("method", "@method"), (axis_label(table), "@sky")]
    tips.insert(*((0, (f"{kind}s", "@count")) if many else (0, (kind, "@exposure"))))
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


def _draw_density(
    chart: figure, method: str, values: np.ma.MaskedArray, limits: tuple[float, float]
) -> GlyphRenderer:
    """Draw where the values of one method lie, the denser the darker."""
    bins, colour = scatter_bins(values, limits), METHODS[method].colour
    most = int(bins.count.max(initial=1))
    source = ColumnDataSource(
        {
            "x": [round(float(x), 1) for x in bins.x],
            "y": [float(f"{y:.6g}") for y in bins.y],
            "count": bins.count.tolist(),
            "alpha": [round(0.25 + 0.75 * int(n) / most, 2) for n in bins.count],
            "sky": [f"{y - bins.height / 2:.4g} to {y + bins.height / 2:.4g}" for y in bins.y],
            "method": [method] * len(bins.x),
        }
    )
    return chart.rect(
        "x",
        "y",
        bins.width,
        bins.height,
        source=source,
        name=method,
        line_color=None,
        fill_color=colour,
        fill_alpha="alpha",
    )


def _name_rows(chart: figure, labels: Sequence[str], kind: str) -> None:
    if len(labels) <= MOST_LABELS:
        chart.xaxis.ticker = FixedTicker(ticks=list(range(len(labels))))
        chart.xaxis.major_label_overrides = dict(enumerate(labels))
        chart.xaxis.major_label_orientation = pi / 3
    else:
        chart.xaxis.axis_label = f"index of the {kind}, in the order of the table"


def caption(table: Table) -> str:
    """Return what stands below the plot."""
    first = (
        f"The more {row_kind(table)}s have a value, the darker; point at a place to see how many."
        if len(table) > MOST_MARKS
        else "Point at a mark to see its exposure."
    )
    return (
        f"{first} Click on a method in the legend to hide it. The tools on the right move and zoom."
    )


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
