"""The figures of a report as files, each drawn from what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from skymosaic.methods import column
from skymosaic.report import figures
from skymosaic.report.difference_images import difference
from skymosaic.report.drawn import DrawnPictures
from skymosaic.report.figure_input import FigureInput
from skymosaic.report.matrix import scale_limit
from skymosaic.report.pictures import page_pictures
from skymosaic.report.preview import blink, common_stretch, preview
from skymosaic.report.residual_figures import residual_matrices, residual_vectors


def draw_pictures(shown: FigureInput, folder: Path, exposures: int) -> DrawnPictures:
    """Draw the pictures of the mosaics, all on one scale.

    Parameters
    ----------
    shown : FigureInput
        With mosaics.
    folder : Path
        Where the files go.
    exposures : int
        Of the report (count).
    """
    files, images, unit = [], shown.images, shown.image_unit
    if len(images) > 1:
        files.append(blink(images, folder / "blink.gif", unit))
    limits = common_stretch(images) if images else (0.0, 1.0)
    for method, image in images.items():
        files.append(folder / f"preview_{column(method)}.png")
        preview(image, method, limits, unit).save(files[-1], format="PNG")
    return DrawnPictures(tuple(files), page_pictures(images, unit, exposures))


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
