"""The mosaics minus one of them: where the methods disagree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from skymosaic.errors import SkyError
from skymosaic.evidence.reduction import Floats
from skymosaic.methods import REFERENCES
from skymosaic.report.figures import new_figure
from skymosaic.report.preview import in_method_order, require_one_grid

# A panel is never stretched more than this over the one with the largest differences: what is
# rounding only must not look like structure.
MOST_STRETCH = 50.0


def reference_method(images: Mapping[str, Floats]) -> str:
    """Return the method that the others are compared with: ``match`` where it was run."""
    return next(method for method in REFERENCES if method in images)


def scaled_differences(
    images: Mapping[str, Floats],
) -> tuple[dict[str, tuple[float, NDArray[np.float64]]], float]:
    """Return each mosaic minus the one of the reference method, less the median.

    Parameters
    ----------
    images : mapping of str to ndarray of shape (ny, nx)
        The reduced mosaics of two methods or more, NaN where there is no data.

    Returns
    -------
    differences : dict of str to (float, ndarray of shape (ny, nx))
        By method: the median difference, and what is left once it is subtracted.
    limit : float
        End of a scale for all of them: the largest of their 99th percentiles.

    Raises
    ------
    SkyError
        If there are fewer than two mosaics, or they are not on one grid or have no pixel in common.
    """
    rest, reaches = _differences(images)
    return rest, max(reaches.values()) or 1.0


def _differences(
    images: Mapping[str, Floats],
) -> tuple[dict[str, tuple[float, NDArray[np.float64]]], dict[str, float]]:
    """Return the differences of `scaled_differences`, and the 99th percentile of each."""
    require_one_grid(images)
    if len(images) < 2:
        raise SkyError("a difference needs the mosaics of two methods; only one was run")
    reference = reference_method(images)
    rest: dict[str, tuple[float, NDArray[np.float64]]] = {}
    reaches: dict[str, float] = {}
    for method, image in in_method_order(images).items():
        if method == reference:
            continue
        delta = np.asarray(image, dtype=np.float64) - np.asarray(images[reference], np.float64)
        valid = delta[np.isfinite(delta)]
        if not valid.size:
            raise SkyError(f"{method} and {reference} have no valid pixel in common")
        median = float(np.median(valid))
        reaches[method] = float(np.percentile(np.abs(valid - median), 99.0))
        rest[method] = (median, delta - median)
    return rest, reaches


def difference(images: Mapping[str, Floats], unit: str = "electron / s") -> Figure:
    """Draw each mosaic minus the one of the reference method, less the median.

    Parameters
    ----------
    images : mapping of str to ndarray of shape (ny, nx)
        The reduced mosaics of two methods or more, NaN where there is no data.
    unit : str
        Unit of the mosaics.

    Returns
    -------
    matplotlib.figure.Figure
        One panel a method on a diverging scale centred on the median difference; the median is
        written above the panel.

    Raises
    ------
    SkyError
        If there are fewer than two mosaics, or they are not on one grid or have no pixel in common.
    """
    rest, reaches = _differences(images)
    reference = reference_method(images)
    floor = max(reaches.values()) / MOST_STRETCH or 1.0
    figure = new_figure(5.4 * len(rest), 5.6)
    for number, (method, (median, panel)) in enumerate(rest.items(), start=1):
        axes = figure.add_subplot(1, len(rest), number)
        axes.set_facecolor("0.8")
        limit = max(reaches[method], floor)
        shown = axes.imshow(
            panel, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest"
        )
        axes.set_title(f"{method} - {reference}\nmedian {median:.6g} {unit}", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
        bar = figure.colorbar(shown, ax=axes, orientation="horizontal", fraction=0.05, pad=0.02)
        bar.set_label(f"difference less its median [{unit}]", fontsize=8)
        bar.ax.tick_params(labelsize=8)
    return figure
