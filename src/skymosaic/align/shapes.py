"""What looks like a star in one exposure, with its size and shape."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymosaic.align.finding import matched_filter, noise
from skymosaic.align.positions import MOST_STARS, THRESHOLD, fill

_WIDTH = 2.0  # full width of stars, pixels of the detector, as in `positions`
_RIM = 0.4  # of `THRESHOLD`: a star is what is connected above this
_FEWEST_PIXELS = 4
_BOX = 32  # pixels: the background is smooth over so many


def measure_stars(science: NDArray[np.float32], bad: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Find what looks like stars in one chip, long or round, and measure it.

    Connected pixels whose matched filter (`finding.matched_filter`) rises above the noise;
    photutils' SourceCatalog measures their centroids and second moments on the image less its
    background. Cosmic rays are among them: one exposure alone does not tell them from stars.

    Parameters
    ----------
    science : array of shape (ny, nx)
        The chip.
    bad : array of bool of the same shape
        Pixels that are flagged. What has one of them at its peak is left out.

    Returns
    -------
    array of shape (n, 6)
        x, y from 0 (pixels), height (unit of `science`), and the second moments about the
        centroid, xx, yy, xy (pixels^2); the highest first, at most `MOST_STARS`.
    """
    from photutils.segmentation import SegmentationImage, SourceCatalog  # with scipy: takes long
    from scipy import ndimage

    nothing = np.empty((0, 6))
    bad = bad | ~np.isfinite(science)
    sigma = noise(np.where(bad, np.float32(np.nan), science))
    if not sigma > 0:
        return nothing
    filled = fill(science, bad)
    heights = matched_filter(filled, _WIDTH)
    labels, count = ndimage.label(heights > _RIM * THRESHOLD * sigma, structure=np.ones((3, 3)))
    if not count:
        return nothing
    numbers = np.arange(1, count + 1)
    peaks = np.array(ndimage.maximum_position(heights, labels, numbers))
    highest = heights[peaks[:, 0], peaks[:, 1]]
    pixels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    core = ndimage.binary_dilation(bad, structure=np.ones((3, 3)))[peaks[:, 0], peaks[:, 1]]
    usable = (highest > THRESHOLD * sigma) & (pixels >= _FEWEST_PIXELS) & ~core
    kept = numbers[usable][np.argsort(-highest[usable], kind="stable")][:MOST_STARS]
    if not len(kept):
        return nothing
    labels[~np.isin(labels, kept)] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        catalogue = SourceCatalog(filled - _background(filled, bad), SegmentationImage(labels))
        found = _columns(catalogue)
    found = found[np.isfinite(found).all(axis=1)]
    return found[np.argsort(-found[:, 2], kind="stable")]


def _background(filled: NDArray[np.float32], bad: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return what varies slowly: a star among it would lose its wings."""
    from photutils.background import Background2D

    box = min(_BOX, *filled.shape)
    smooth = Background2D(filled, box, filter_size=3, mask=bad, exclude_percentile=90.0)
    return np.asarray(smooth.background, dtype=np.float32)


def _columns(catalogue: Any) -> NDArray[np.float64]:
    """Return x, y, height and second moments of a SourceCatalog, shape (n, 6)."""
    centroid, covariance = catalogue.centroid, catalogue.covariance.value
    parts = [centroid, np.asarray(catalogue.max_value)[:, None]]
    moments = [covariance[:, 0, 0], covariance[:, 1, 1], covariance[:, 0, 1]]
    return np.column_stack([*parts, *moments]).astype(np.float64)
