"""Figures of the sky values and of the footprints, drawn without pyplot (workers are threads)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from skymosaic.host.counting import counted
from skymosaic.methods import ascribed
from skymosaic.report.densities import MOST_MARKS, depth_map
from skymosaic.report.mdrizsky import axis_label, skies
from skymosaic.report.styles import GROUP_COLOURS, GROUP_LINES, METHODS
from skymosaic.sky.offsets import middle_of, offsets

MOST_LABELS = 40
_NO_PAIRS: Mapping[tuple[str, str], float] = {}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of the given inches with its own Agg canvas."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path, dpi: int = 120) -> Path:
    """Write a figure as PNG, the same bytes for the same figure."""
    # matplotlib would write its version into the file.
    figure.savefig(path, dpi=dpi, format="png", bbox_inches="tight", metadata={"Software": None})
    return path


def save(figure: Figure, path: Path, *, pdf: bool = True) -> list[Path]:
    """Write a figure as PNG and as PDF, the same bytes for the same figure; return the files."""
    if not pdf:
        return [save_png(figure, path)]
    file = path.with_suffix(".pdf")
    written = save_png(figure, path)
    # The layout is that of the PNG: finding it takes as long as drawing.
    figure.set_layout_engine("none")
    # matplotlib would write its version and the time into the file.
    unsaid = {"Creator": None, "Producer": None, "CreationDate": None}
    figure.savefig(file, format="pdf", bbox_inches="tight", metadata=unsaid, dpi=200)
    return [written, file]


def row_labels(table: Table) -> list[str]:
    """Return the names of the rows: rootnames, with the chip where an exposure has several."""
    several = has_several_chips(table)
    return [f"{row['rootname']}[{row['chip']}]" if several else row["rootname"] for row in table]


def has_several_chips(table: Table) -> bool:
    """Tell whether an exposure of the table has more than one row."""
    return len(set(table["rootname"])) < len(table)


def row_kind(table: Table) -> str:
    """Return what a row of the table is: an exposure, or a chip of one."""
    return "chip" if has_several_chips(table) else "exposure"


def scatter(table: Table) -> Figure:
    """Draw the sky of every chip under every method.

    Parameters
    ----------
    table : astropy.table.Table
        A table of `mdrizsky.mdrizsky_table`.

    Returns
    -------
    matplotlib.figure.Figure
        Undetermined values are crosses on the bottom axis, with the names of their exposures. Of
        more than `MOST_MARKS` rows the density of the values is drawn, a panel for each method.
    """
    if len(table) > MOST_MARKS:
        return _densities(table)
    figure = new_figure(min(max(8.0, 0.32 * len(table)), 16.0), 5.6)
    axes = figure.add_subplot()
    index = np.arange(len(table))
    labels = row_labels(table)
    for method, values in skies(table).items():
        style = METHODS[method]
        filled = style.colour if style.filled else "none"
        axes.scatter(
            index, values, s=46, facecolors=filled, edgecolors=style.colour,
            marker=style.matplotlib, linewidths=1.6, label=ascribed(method),
        )  # fmt: skip
    _mark_undetermined(axes, table, labels)
    axes.set_ylabel(axis_label(table))
    axes.set_title(f"Sky subtracted from each {row_kind(table)} by each method")
    axes.grid(axis="y", color="0.88", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.02, y=0.1)
    if len(table) <= MOST_LABELS:
        axes.set_xticks(index, labels, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    else:
        axes.set_xlabel(f"index of the {row_kind(table)}, in the order of the table")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def _densities(table: Table) -> Figure:
    every = skies(table)
    rows = -(-len(every) // 2)
    figure = new_figure(11.0, 3.2 * rows)
    shared = None
    for number, (method, values) in enumerate(every.items(), start=1):
        axes = figure.add_subplot(rows, min(2, len(every)), number, sharex=shared)
        shared = shared or axes
        known = np.flatnonzero(~np.ma.getmaskarray(values))
        drawn = axes.hexbin(
            known, values.compressed(), gridsize=(60, 24), mincnt=1, cmap="viridis", linewidths=0.1
        )
        figure.colorbar(drawn, ax=axes, label=f"{row_kind(table)}s")
        missing = len(values) - len(known)
        lacking = f", {counted(missing, 'value')} undetermined" if missing else ""
        axes.set_title(f"{ascribed(method)}{lacking}", fontsize=10)
        axes.set_ylabel(axis_label(table), fontsize=8)
        axes.set_xlabel(f"index of the {row_kind(table)}, in the order of the table", fontsize=8)
    figure.suptitle(f"Sky subtracted from {len(table)} {row_kind(table)}s by each method")
    return figure


def _mark_undetermined(axes: Axes, table: Table, labels: Sequence[str]) -> None:
    """Put a cross on the bottom axis for every masked value, and name its exposure."""
    named: set[int] = set()
    for height, (method, values) in enumerate(skies(table).items()):
        missing = np.flatnonzero(np.ma.getmaskarray(values))
        if not missing.size:
            continue
        axes.scatter(
            missing, np.full(missing.size, 0.015 + 0.03 * height), marker="x", s=60, linewidths=2,
            color=METHODS[method].colour, transform=axes.get_xaxis_transform(), clip_on=False,
            zorder=5, label=f"{method}: undetermined",
        )  # fmt: skip
        named.update(int(i) for i in missing)
    for i in sorted(named):
        axes.annotate(
            f"{labels[i]}: undetermined", (i, 0.15), xycoords=axes.get_xaxis_transform(),
            rotation=90, ha="center", va="bottom", fontsize=7, color="0.25",
        )  # fmt: skip


def footprints(
    polygons: Mapping[str, Sequence[NDArray[np.float64]]],
    groups: Sequence[Sequence[str]],
    pairs: Mapping[tuple[str, str], float] = _NO_PAIRS,
) -> Figure:
    """Draw the footprints on the sky, coloured by overlap group.

    Parameters
    ----------
    polygons : mapping of str to sequence of ndarray of shape (n, 2)
        Corners of each chip of an exposure: right ascension and declination in degrees.
    groups : sequence of sequences of str
        Rootnames of the exposures that overlap one another, directly or through others.
    pairs : mapping of (str, str) to float
        Area that two exposures share, arcsec^2; drawn as links, the wider the larger.

    Returns
    -------
    matplotlib.figure.Figure
        Offsets from the middle; north is up, east is left. Of more than `MOST_MARKS` exposures it
        is drawn how many cover each part of the sky.
    """
    corners = [chip for chips in polygons.values() for chip in chips]
    middle = middle_of(corners) if corners else (0.0, 0.0)
    sky = {name: [offsets(chip, middle) for chip in chips] for name, chips in polygons.items()}
    if len(sky) > MOST_MARKS:
        return _depth(sky, middle)
    figure = new_figure(9.0, 7.5)
    axes = figure.add_subplot()
    # Before the grid is planned the groups are not known.
    handles = _draw_groups(axes, sky, groups or [list(sky)], named=bool(groups))
    _draw_links(axes, sky, pairs)
    _label_footprints(axes, sky)
    set_sky_axes(axes, middle)
    axes.set_title("Footprints and overlap groups")
    axes.legend(handles=handles[:12], loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def _depth(sky: Mapping[str, Sequence[NDArray[np.float64]]], middle: tuple[float, float]) -> Figure:
    figure = new_figure(9.0, 7.5)
    axes = figure.add_subplot()
    found = depth_map(sky, 200)
    depth = np.ma.masked_equal(found.depth, 0)
    drawn = axes.pcolormesh(found.x, found.y, depth, cmap="viridis", rasterized=True)
    figure.colorbar(drawn, ax=axes, label="exposures")
    set_sky_axes(axes, middle)
    every = counted(len(sky), "exposure")
    axes.set_title(f"How many of {every} cover each part of the sky")
    return figure


def _draw_groups(
    axes: Axes,
    sky: Mapping[str, Sequence[NDArray[np.float64]]],
    groups: Sequence[Sequence[str]],
    *,
    named: bool,
) -> list[Line2D]:
    """Draw the footprints, a colour and line a group; return what the legend shows."""
    styles = [(colour, line) for line, colour in product(GROUP_LINES, GROUP_COLOURS)]
    handles = []
    for number, group in enumerate(groups):
        colour, line = styles[number % len(styles)]
        for rootname in group:
            for corners in sky.get(rootname, ()):
                axes.fill(*corners.T, facecolor=colour, alpha=0.07, edgecolor="none")
                axes.fill(*corners.T, facecolor="none", edgecolor=colour, linestyle=line, lw=1.2)
        count = counted(len(group), "exposure")
        label = f"group {number + 1} ({count})" if named else count
        handles.append(Line2D([], [], color=colour, linestyle=line, label=label))
    return handles


def set_sky_axes(axes: Axes, middle: tuple[float, float]) -> None:
    """Let axes show offsets in arcmin from a middle (RA, Dec, degrees): east is left."""
    axes.set_aspect(1.0, adjustable="box")
    axes.invert_xaxis()
    axes.set_xlabel(f"offset east of RA {middle[0]:.5f} deg [arcmin]")
    axes.set_ylabel(f"offset north of Dec {middle[1]:+.5f} deg [arcmin]")


def _draw_links(
    axes: Axes,
    polygons: Mapping[str, Sequence[NDArray[np.float64]]],
    pairs: Mapping[tuple[str, str], float],
) -> None:
    most = max(pairs.values(), default=1.0)
    centres = {
        name: np.concatenate(list(chips)).mean(axis=0) for name, chips in polygons.items() if chips
    }
    for (a, b), area in pairs.items():
        if a in centres and b in centres:
            ends = np.stack([centres[a], centres[b]])
            axes.plot(*ends.T, color="0.3", alpha=0.3, linewidth=0.5 + 3.0 * area / most)


def _label_footprints(axes: Axes, polygons: Mapping[str, Sequence[NDArray[np.float64]]]) -> None:
    """Write the rootnames into the footprints, those of dithered exposures one below another."""
    places: list[tuple[NDArray[np.float64], float, list[str]]] = []
    for rootname, chips in polygons.items():
        if not chips:
            continue
        corners = np.concatenate(list(chips))
        centre, size = corners.mean(axis=0), float(np.ptp(corners[:, 1]))
        for other, reach, names in places:
            if np.hypot(*(centre - other)) < 0.25 * reach:
                names.append(rootname)
                break
        else:
            places.append((centre, size, [rootname]))
    if len(places) > MOST_LABELS:
        return
    for (x, y), _, names in places:
        listed = [*names[:3], f"and {len(names) - 3} more"] if len(names) > 4 else names
        axes.text(x, y, "\n".join(listed), ha="center", va="center", fontsize=6.5)
