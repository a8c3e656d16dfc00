"""How the sources of each drizzled image lie relative to the reference once it is aligned."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from bokeh.models import Arrow, ColumnDataSource, GlyphRenderer, HoverTool, NormalHead
from bokeh.plotting import figure
from numpy.typing import NDArray

from skymosaic.host.counting import counted
from skymosaic.report.embedding import new_sky_chart
from skymosaic.report.styles import GROUP_COLOURS
from skymosaic.sky.offsets import middle_of, offsets, turned_to_plane

Floats = NDArray[np.float64]
MOST_VECTORS = 3000
_LONGEST = 0.06  # length of the vector at the 95th percentile, as a share of the field


def vector_chart(vectors: Table) -> figure:
    """Return the residuals of the fits as vectors on the sky.

    Parameters
    ----------
    vectors : astropy.table.Table
        Columns ``tile``, ``ra``, ``dec`` (degrees), ``east``, ``north`` (mas).

    Returns
    -------
    bokeh.plotting.figure
        North is up and east is left. An arrow gives the length of the scale.
    """
    chosen = vectors
    if len(vectors) > MOST_VECTORS:
        chosen = vectors[:: -(-len(vectors) // MOST_VECTORS)]
    places = np.stack([chosen["ra"], chosen["dec"]], axis=1).astype(float)
    residuals = np.stack([chosen["east"], chosen["north"]], axis=1).astype(float)
    middle = middle_of([places])
    starts, on_plane = offsets(places, middle), turned_to_plane(residuals, places, middle)
    x, y = starts.T
    field = max(float(np.ptp(x)), float(np.ptp(y)), 1e-6)
    typical = float(np.percentile(np.hypot(*residuals.T), 95)) or 1.0
    scale = _LONGEST * field / typical
    chart = new_sky_chart("Residuals of matched sources after the alignment", middle, height=460)
    names = np.array([str(tile) for tile in chosen["tile"]])
    tiles = {tile: number for number, tile in enumerate(dict.fromkeys(names.tolist()))}
    colours = np.array([tiles[tile] % len(GROUP_COLOURS) for tile in names.tolist()])
    drawn = []
    for number, colour in enumerate(GROUP_COLOURS):
        its = colours == number
        if its.any():
            ends = starts[its] + scale * on_plane[its]
            drawn.append(_draw(chart, names[its], colour, starts[its], ends, residuals[its]))
    tips = [("tile", "@tile"), ("east", "@east mas"), ("north", "@north mas")]
    chart.add_tools(HoverTool(renderers=drawn, tooltips=tips))
    _draw_scale(chart, float(x.max()), float(y.min()) - 0.06 * field, field, scale, typical)
    return chart


def _draw(
    chart: figure,
    tiles: NDArray[np.str_],
    colour: str,
    starts: Floats,
    ends: Floats,
    residuals: Floats,
) -> GlyphRenderer:
    """Draw the vectors of drizzled images in one colour; return what hovers."""
    source = ColumnDataSource(
        {
            "x0": starts[:, 0].tolist(),
            "y0": starts[:, 1].tolist(),
            "x1": ends[:, 0].tolist(),
            "y1": ends[:, 1].tolist(),
            "tile": tiles.tolist(),
            "east": [f"{value:+.1f}" for value in residuals[:, 0]],
            "north": [f"{value:+.1f}" for value in residuals[:, 1]],
        }
    )
    chart.segment("x0", "y0", "x1", "y1", source=source, line_color=colour, line_width=1.3)
    return chart.scatter("x0", "y0", source=source, size=4, fill_color=colour, line_color=None)


def _draw_scale(
    chart: figure, x: float, y: float, field: float, scale: float, typical: float
) -> None:
    unit = _round_length(typical)
    chart.add_layout(
        Arrow(
            end=NormalHead(size=7),
            line_width=2,
            x_start=x,
            x_end=x - scale * unit,
            y_start=y,
            y_end=y,
        )
    )
    chart.text(
        [x],
        [y + 0.005 * field],
        [f"{unit:g} mas"],
        text_font_size="12px",
        text_baseline="bottom",
    )


def _round_length(value: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is at most `value`."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(power * step for step in (5, 2, 1) if power * step <= value * (1 + 1e-9)))


def alternative(vectors: Table) -> str:
    """Return what the figure shows, for who does not see it."""
    sizes = np.hypot(np.array(vectors["east"], float), np.array(vectors["north"], float))
    tiles = len(set(map(str, vectors["tile"])))
    return (
        f"Residual vectors of {counted(len(vectors), 'match', 'matches')} in "
        f"{counted(tiles, 'drizzled image')}: half are shorter than {np.median(sizes):.3g} mas, 95 "
        f"percent shorter than {np.percentile(sizes, 95):.3g} mas. The file vectors.ecsv holds "
        "them."
    )
