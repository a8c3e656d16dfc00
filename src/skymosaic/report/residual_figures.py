"""Residuals as figures for print: of pairs of exposures, and of the sources of an alignment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure
from numpy.typing import NDArray

from skymosaic.evidence.residuals import Residual
from skymosaic.report.densities import MOST_MARKS, bins_of_pairs, lots
from skymosaic.report.figures import MOST_LABELS, new_figure, set_sky_axes
from skymosaic.report.styles import GROUP_COLOURS
from skymosaic.sky.offsets import middle_of, offsets, turned_to_plane

if TYPE_CHECKING:
    from skymosaic.evidence.evidence import OverlapEvidence


MOST_VECTORS = 20_000


def residual_matrices(evidence: OverlapEvidence, limit: float) -> Figure:
    """Draw what each method leaves between the exposures of each pair, on one scale.

    Parameters
    ----------
    evidence : OverlapEvidence
        With measured overlaps.
    limit : float
        End of the scale, in the unit of the levels.

    Returns
    -------
    matplotlib.figure.Figure
        One matrix a method: red where the exposure of the row is higher than that of the column. Of
        more than `MOST_MARKS` exposures a cell is the largest residual between two lots of them.
    """
    names = sorted({name for one in evidence.differences for name in (one.a, one.b)})
    place = {name: number for number, name in enumerate(names)}
    methods = list(evidence.residuals)
    rows = -(-len(methods) // 2)
    figure = new_figure(11.0, 5.0 * rows)
    shown = None
    for number, method in enumerate(methods, start=1):
        if len(names) > MOST_MARKS:
            matrix = _matrix_of_lots(evidence.residuals[method], names)
        else:
            matrix = np.full((len(names), len(names)), np.nan)
            for one in evidence.residuals[method]:
                matrix[place[one.a], place[one.b]] = one.residual
                matrix[place[one.b], place[one.a]] = -one.residual
        axes = figure.add_subplot(rows, min(2, len(methods)), number)
        axes.set_facecolor("0.92")
        shown = axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        axes.set_title(method, fontsize=11)
        if len(names) <= MOST_LABELS:
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
            axes.set_yticks(range(len(names)), names, fontsize=6)
    if shown is not None:
        bar = figure.colorbar(shown, ax=figure.axes, fraction=0.03, extend="both")
        bar.set_label(f"level of row minus level of column [{evidence.unit}]")
    return figure


def _matrix_of_lots(residuals: Sequence[Residual], names: Sequence[str]) -> NDArray[np.float64]:
    _, size = lots(len(names))
    matrix = np.full((size, size), np.nan)
    for one in bins_of_pairs(residuals, names):
        matrix[one.column, one.row] = -one.largest.residual
        matrix[one.row, one.column] = one.largest.residual
    return matrix


def residual_vectors(vectors: Table) -> Figure:
    """Draw where the matched sources lie relative to the reference once they are aligned.

    Parameters
    ----------
    vectors : astropy.table.Table
        Columns ``tile``, ``ra``, ``dec`` (degrees), ``east``, ``north`` (mas).

    Returns
    -------
    matplotlib.figure.Figure
        North is up and east is left; a key gives the length. Of more than `MOST_VECTORS` each
        second, third, ... is drawn.
    """
    vectors = vectors[:: -(-len(vectors) // MOST_VECTORS)]
    figure = new_figure(9.0, 7.5)
    axes = figure.add_subplot()
    places = np.stack([vectors["ra"], vectors["dec"]], axis=1).astype(float)
    residuals = np.stack([vectors["east"], vectors["north"]], axis=1).astype(float)
    middle = middle_of([places])
    (x, y), (east, north) = offsets(places, middle).T, turned_to_plane(residuals, places, middle).T
    tiles = list(dict.fromkeys(map(str, vectors["tile"])))
    colours = {tile: GROUP_COLOURS[n % len(GROUP_COLOURS)] for n, tile in enumerate(tiles)}
    typical = float(np.percentile(np.hypot(east, north), 95)) or 1.0
    # East is left, so that a vector to the east has a negative x.
    quiver = axes.quiver(
        x, y, -east, north, angles="uv", scale_units="width", scale=16 * typical,
        width=0.002, color=[colours[str(tile)] for tile in vectors["tile"]],
    )  # fmt: skip
    axes.quiverkey(quiver, 0.85, 1.03, typical, f"{typical:.3g} mas", labelpos="E")
    set_sky_axes(axes, middle)
    axes.set_title("Residuals of matched sources after the alignment", loc="left")
    return figure
