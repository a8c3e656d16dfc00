"""The overlap graph, drawn on the sky with the footprints of the exposures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from bokeh.models import ColorBar, ColumnDataSource, HoverTool, LinearColorMapper
from bokeh.palettes import Viridis256
from bokeh.plotting import figure
from numpy.typing import NDArray

from skymosaic.report.densities import MOST_MARKS, depth_map
from skymosaic.report.embedding import new_sky_chart
from skymosaic.report.figure_input import FigureInput
from skymosaic.report.styles import GROUP_COLOURS, GROUP_DASHES, GROUP_LINES
from skymosaic.sky.offsets import middle_of, offsets

MOST_LINKS = 3000
_LEGEND_GROUPS = 8


def sky_chart(shown: FigureInput, worst: Mapping[tuple[str, str], str]) -> figure:
    """Return the footprints and the links between exposures that overlap.

    Parameters
    ----------
    shown : FigureInput
        With footprints.
    worst : mapping of (str, str) to str
        What to tell of a pair besides the area that both see.

    Returns
    -------
    bokeh.plotting.figure
        North is up and east is left; offsets from the middle in arcmin. A link is the wider the
        more area two exposures share; of more than 3000 links those with the largest areas are
        drawn. Of more than `MOST_MARKS` exposures it is shown how many cover each part of the sky.
    """
    middle = middle_of([chip for chips in shown.polygons.values() for chip in chips])
    sky = {
        name: [offsets(chip, middle) for chip in chips] for name, chips in shown.polygons.items()
    }
    if len(sky) > MOST_MARKS:
        chart = new_sky_chart("Exposures that cover each part of the sky", middle, height=520)
        _draw_depth(chart, sky)
        return chart
    chart = new_sky_chart(
        "Footprints, coloured by overlap group, and the links between them", middle, height=520
    )
    _draw_footprints(chart, sky, shown.groups)
    centres = {name: np.concatenate(chips).mean(axis=0) for name, chips in sky.items()}
    links = _draw_links(chart, shown.pairs, centres, worst)
    dots = _draw_centres(chart, centres)
    pair = [("pair", "@pair"), ("shared area", "@area arcsec²")]
    if worst:
        pair.append(("residuals", "@told"))
    chart.add_tools(
        HoverTool(renderers=[dots], tooltips=[("exposure", "@exposure")]),
        HoverTool(renderers=[links], tooltips=pair),
    )
    chart.legend.click_policy = "hide"
    chart.legend.background_fill_alpha = 0.85
    chart.legend.label_text_font_size = "12px"
    return chart


def caption(shown: FigureInput) -> str:
    """Return what stands below the figure."""
    if len(shown.polygons) > MOST_MARKS:
        return "Point at a place to see which exposures cover it."
    return (
        "Exposures of one colour overlap one another, directly or through others. The more area "
        "two exposures share, the wider is their link."
    )


def _draw_depth(chart: figure, sky: Mapping[str, Sequence[NDArray[np.float64]]]) -> None:
    """Draw how many exposures cover each part of the sky."""
    found = depth_map(sky)
    rows, columns = np.nonzero(found.depth)
    depth = found.depth[rows, columns]
    side = float(found.x[1] - found.x[0])
    named = [found.names[int(row), int(column)] for row, column in zip(rows, columns, strict=True)]
    source = ColumnDataSource(
        {
            "x": [round(float(x) + side / 2, 4) for x in found.x[columns]],
            "y": [round(float(y) + side / 2, 4) for y in found.y[rows]],
            "depth": depth.tolist(),
            "exposures": [
                ", ".join(names) + (f" and {n - len(names)} more" if n > len(names) else "")
                for names, n in zip(named, depth, strict=True)
            ],
        }
    )
    mapper = LinearColorMapper(palette=Viridis256, low=0, high=int(depth.max(initial=1)))
    drawn = chart.rect(
        "x",
        "y",
        side,
        side,
        source=source,
        line_color=None,
        fill_color={"field": "depth", "transform": mapper},
    )
    chart.add_layout(ColorBar(color_mapper=mapper, title="exposures", width=10), "right")
    tips = [("exposures", "@depth"), ("", "@exposures")]
    chart.add_tools(HoverTool(renderers=[drawn], tooltips=tips))


def _draw_footprints(
    chart: figure,
    sky: Mapping[str, Sequence[NDArray[np.float64]]],
    groups: Sequence[Sequence[str]],
) -> None:
    styles = [(c, GROUP_DASHES[line]) for line, c in product(GROUP_LINES, GROUP_COLOURS)]
    # Before the grid is planned the groups are not known.
    for number, group in enumerate(groups or [list(sky)]):
        colour, dash = styles[number % len(styles)]
        members = [(name, chip) for name in group for chip in sky.get(name, ())]
        source = ColumnDataSource(
            {
                "xs": [chip[:, 0].tolist() for _, chip in members],
                "ys": [chip[:, 1].tolist() for _, chip in members],
                "exposure": [name for name, _ in members],
            }
        )
        label = f"group {number + 1}" if groups else "exposures"
        chart.patches(
            "xs",
            "ys",
            source=source,
            fill_color=colour,
            fill_alpha=0.07,
            line_color=colour,
            line_dash=dash,
            line_width=1.4,
            **({"legend_label": label} if number < _LEGEND_GROUPS else {}),
        )


def _draw_centres(chart: figure, centres: Mapping[str, NDArray[np.float64]]) -> object:
    source = ColumnDataSource(
        {
            "x": [float(centre[0]) for centre in centres.values()],
            "y": [float(centre[1]) for centre in centres.values()],
            "exposure": list(centres),
        }
    )
    return chart.scatter(
        "x", "y", source=source, size=7, fill_color="#000000", line_color="#ffffff"
    )


def _draw_links(
    chart: figure,
    pairs: Mapping[tuple[str, str], float],
    centres: Mapping[str, NDArray[np.float64]],
    worst: Mapping[tuple[str, str], str],
) -> object:
    largest = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:MOST_LINKS]
    known = [(a, b, area) for (a, b), area in largest if a in centres and b in centres]
    most = max((area for _, _, area in known), default=1.0)
    source = ColumnDataSource(
        {
            "x0": [float(centres[a][0]) for a, _, _ in known],
            "y0": [float(centres[a][1]) for a, _, _ in known],
            "x1": [float(centres[b][0]) for _, b, _ in known],
            "y1": [float(centres[b][1]) for _, b, _ in known],
            "pair": [f"{a}, {b}" for a, b, _ in known],
            "area": [f"{area:.4g}" for _, _, area in known],
            "width": [1.0 + 4.0 * area / most for _, _, area in known],
            "told": [worst.get((a, b), worst.get((b, a), "not measured")) for a, b, _ in known],
        }
    )
    return chart.segment(
        "x0",
        "y0",
        "x1",
        "y1",
        source=source,
        line_width="width",
        line_color="#444444",
        line_alpha=0.45,
        hover_line_color="#D55E00",
        hover_line_alpha=1.0,
    )
