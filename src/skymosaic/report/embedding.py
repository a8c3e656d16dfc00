"""Bokeh figures as part of a page that needs no network, the same bytes for the same figure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache

from bokeh.embed import json_item
from bokeh.model import Model
from bokeh.models import DataRange1d, NumeralTickFormatter
from bokeh.plotting import figure
from bokeh.resources import Resources

_ID = re.compile(r'"p(\d+)"')
_TOOLS = "pan,box_zoom,reset,save"


@cache
def bokeh_script() -> str:
    """Return BokehJS, to stand inside a page's script element."""
    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)


def as_script(value: object) -> str:
    """Return a value as JSON that cannot end the script element in which it stands."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def as_item(model: Model) -> str:
    """Return a figure as the script that embeds it wants it.

    Bokeh numbers its models through the life of a process; here they are counted anew, so that a
    report made twice is the same twice.
    """
    text = as_script(json_item(model))
    numbers: dict[str, int] = {}
    return _ID.sub(lambda found: f'"p{numbers.setdefault(found[1], len(numbers) + 1)}"', text)


def new_chart(title: str, **options: object) -> figure:
    """Return an empty figure in the style of the report, as wide as its place."""
    chart = figure(
        title=title,
        sizing_mode="stretch_width",
        tools=_TOOLS,
        active_drag=None,  # a finger on a figure scrolls the page
        output_backend="canvas",
        toolbar_location="right",
        **{"height": 420, **options},
    )
    chart.toolbar.logo = None
    chart.title.text_font_size = "14px"
    for axis in chart.axis:
        axis.axis_label_text_font_style = "normal"
        axis.major_label_text_font_size = "11px"
    chart.grid.grid_line_color = "#e5e5e5"
    chart.outline_line_color = "#999999"
    return chart


def new_sky_chart(title: str, middle: Sequence[float], height: int) -> figure:
    """Return an empty figure of offsets on the sky in arcmin: north is up, east is left.

    Parameters
    ----------
    title : str
        What it shows.
    middle : (float, float)
        RA, Dec of its middle, degrees.
    height : int
        Pixels.
    """
    chart = new_chart(
        title,
        height=height,
        match_aspect=True,
        max_width=760,
        x_range=DataRange1d(flipped=True, range_padding=0.08),
        y_range=DataRange1d(range_padding=0.08),
    )
    chart.xaxis.axis_label = f"offset east of RA {middle[0] % 360:.5f} deg [arcmin]"
    chart.yaxis.axis_label = f"offset north of Dec {middle[1]:+.5f} deg [arcmin]"
    for axis in chart.axis:
        axis.formatter = NumeralTickFormatter(format="0.[00]")
    return chart
