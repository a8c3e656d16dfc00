"""The figures of the page, each made from what it needs of a shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bokeh.model import Model

from skymosaic.host.counting import counted
from skymosaic.report import matrix, scatter, skymap, vectors
from skymosaic.report.chart import Chart
from skymosaic.report.densities import MOST_MARKS
from skymosaic.report.embedding import as_item
from skymosaic.report.figure_input import FigureInput
from skymosaic.report.pictures import as_uri, with_few_colours

if TYPE_CHECKING:
    from skymosaic.evidence.evidence import OverlapEvidence

_Described = tuple[Model, str, str]  # with what it shows, for who does not see it, and its caption


def chart_of(name: str, shown: FigureInput, picture: Path) -> Chart | None:
    """Return a figure for the page; None where it has none of this name, or nothing to show.

    Parameters
    ----------
    name : str
        Such as ``scatter``.
    shown : FigureInput
        What it shows.
    picture : Path
        The same figure as PNG.
    """
    describe = _CHARTS.get(name)
    found = None if describe is None else describe(shown)
    if found is None:
        return None
    model, alternative, caption = found
    return Chart(name, as_item(model), as_uri(with_few_colours(picture)), alternative, caption)


def _scatter(shown: FigureInput) -> _Described | None:
    table = shown.mdrizsky
    if table is None:
        return None
    return scatter.scatter_chart(table), scatter.alternative(table), scatter.caption(table)


def _residuals(shown: FigureInput) -> _Described | None:
    evidence = shown.evidence
    if evidence is None or not evidence.differences:
        return None
    return matrix.matrix_chart(evidence), matrix.alternative(evidence), matrix.caption(evidence)


def _footprints(shown: FigureInput) -> _Described | None:
    if not shown.polygons:
        return None
    few = len(shown.polygons) <= MOST_MARKS
    return (
        skymap.sky_chart(shown, _residuals_of_pairs(shown.evidence) if few else {}),
        f"Footprints of {counted(len(shown.polygons), 'exposure')} on the sky with "
        f"{counted(len(shown.pairs), 'link')} between those that overlap; the groups are "
        "listed below.",
        skymap.caption(shown),
    )


def _vectors(shown: FigureInput) -> _Described | None:
    residuals = shown.vectors
    if residuals is None or not len(residuals):
        return None
    return (
        vectors.vector_chart(residuals),
        vectors.alternative(residuals),
        "Each arrow shows how far a matched source still lies from the reference after its "
        "drizzled image was aligned. A pattern in the arrows of a tile is a distortion that "
        "the fit cannot remove.",
    )


_CHARTS: Mapping[str, Callable[[FigureInput], _Described | None]] = {
    "scatter": _scatter,
    "residuals": _residuals,
    "footprints": _footprints,
    "vectors": _vectors,
}


def _residuals_of_pairs(evidence: OverlapEvidence | None) -> dict[tuple[str, str], str]:
    if evidence is None:
        return {}
    texts: dict[tuple[str, str], list[str]] = {}
    for method, residuals in evidence.residuals.items():
        for one in residuals:
            texts.setdefault((one.a, one.b), []).append(f"{method} {one.residual:+.3g}")
    return {pair: f"{', '.join(parts)} {evidence.unit}" for pair, parts in texts.items()}
