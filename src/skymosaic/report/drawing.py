"""The figures of a report as files, each drawn from what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from skymosaic.report import figures
from skymosaic.report.chart import Chart
from skymosaic.report.difference_images import difference
from skymosaic.report.figure_input import FigureInput
from skymosaic.report.matrix import scale_limit
from skymosaic.report.residual_figures import residual_matrices, residual_vectors


@dataclass(frozen=True)
class DrawnFigure:
    """A figure that was drawn before the report is written."""

    files: tuple[Path, ...]
    """PNG and PDF; none where there was nothing to draw."""
    chart: Chart | None
    """Of the page."""


def draw_figure(name: str, shown: FigureInput, folder: Path, *, pdf: bool = True) -> list[Path]:
    """Draw one figure, and return its files: a PNG, and a PDF if wanted; none of nothing.

    Parameters
    ----------
    name : str
        One of `FIGURES`.
    shown : FigureInput
        What it shows.
    folder : Path
        Where its files go, ``NAME.png`` and ``NAME.pdf``.
    pdf : bool
        Whether there is to be a PDF.
    """
    figure = FIGURES[name](shown)
    return [] if figure is None else figures.save(figure, folder / f"{name}.png", pdf=pdf)


def _scatter(shown: FigureInput) -> Figure | None:
    return None if shown.mdrizsky is None else figures.scatter(shown.mdrizsky)


def _footprints(shown: FigureInput) -> Figure | None:
    if not shown.polygons:
        return None
    return figures.footprints(shown.polygons, shown.groups, shown.pairs)


def _difference(shown: FigureInput) -> Figure | None:
    return difference(shown.images, shown.image_unit) if len(shown.images) > 1 else None


def _residuals(shown: FigureInput) -> Figure | None:
    evidence = shown.evidence
    if evidence is None or not evidence.differences:
        return None
    return residual_matrices(evidence, scale_limit(evidence))


def _vectors(shown: FigureInput) -> Figure | None:
    if shown.vectors is None or not len(shown.vectors):
        return None
    return residual_vectors(shown.vectors)


FIGURES: Mapping[str, Callable[[FigureInput], Figure | None]] = {
    "scatter": _scatter,
    "footprints": _footprints,
    "difference": _difference,
    "residuals": _residuals,
    "vectors": _vectors,
}
"""In the order in which they are drawn."""
