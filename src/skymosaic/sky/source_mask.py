"""Sources on the common grid: one mask for all exposures, whatever each of them saw."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

Singles = NDArray[np.float32]
Flags = NDArray[np.bool_]

BOX = 64
"""Pixels along the side of the boxes in which the background is measured: what is wider than a box
is background, not a source."""
_SIGMAS = 3.0
_LEAST_PIXELS = 5  # that touch, for a source
_GROWN = 4  # pixels by which a source is grown: its wings
_NODES = 24  # along each axis of a chip: the distortion between them is a smooth polynomial


def source_mask(image: Singles, weight: Singles) -> Flags:
    """Return which pixels of a mosaic belong to sources, by photutils.

    Parameters
    ----------
    image, weight : array of float32, shape (rows, columns)
        The mosaic, and its weights: the noise of a pixel is taken as 1/sqrt of them, times what
        the background's own scatter asks for.
    """
    # photutils takes a second to import, and is not needed where no mask is asked for.
    from photutils.background import Background2D, MedianBackground
    from photutils.segmentation import detect_sources

    empty = ~(weight > 0) | ~np.isfinite(image)
    if empty.all():
        return np.zeros(image.shape, dtype=bool)
    root = np.sqrt(np.where(empty, 0.0, weight))
    clean = np.where(empty, 0.0, image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of boxes without pixels, and of no source found
        box = tuple(min(BOX, size) for size in image.shape)
        found = Background2D(
            clean, box, filter_size=3, mask=empty, exclude_percentile=90.0,
            bkg_estimator=MedianBackground(),
        )  # fmt: skip
        excess = (clean - found.background) * root
        noise = 1.4826 * float(np.median(np.abs(excess[~empty])))
        segments = detect_sources(
            np.where(empty, 0.0, excess), _SIGMAS * max(noise, 1e-30), n_pixels=_LEAST_PIXELS
        )
    if segments is None:
        return np.zeros(image.shape, dtype=bool)
    y, x = np.mgrid[-_GROWN : _GROWN + 1, -_GROWN : _GROWN + 1]
    return np.asarray(binary_dilation(segments.data > 0, np.hypot(x, y) <= _GROWN))


@dataclass(frozen=True)
class SourceMask:
    """Sources on the grid of the mosaic.

    Parameters
    ----------
    mask : array of bool, shape (rows, columns)
        Pixels that belong to sources.
    wcs : WCS
        Of the mosaic.
    """

    mask: Flags
    wcs: WCS

    def usable(self, chip: WCS, shape: tuple[int, int]) -> Flags:
        """Return which pixels of a chip do not lie upon a source, shape (rows, columns)."""
        from scipy.interpolate import RectBivariateSpline  # as for photutils

        ny, nx = shape
        y = np.linspace(0, ny - 1, min(_NODES, ny))
        x = np.linspace(0, nx - 1, min(_NODES, nx))
        nodes = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        at = self.wcs.wcs_world2pix(chip.all_pix2world(nodes, 0), 0).reshape(len(y), len(x), 2)
        columns, rows = (
            np.rint(RectBivariateSpline(y, x, at[:, :, axis])(np.arange(ny), np.arange(nx))).astype(
                np.int32
            )
            for axis in (0, 1)
        )
        inside = (rows >= 0) & (rows < self.mask.shape[0])
        inside &= (columns >= 0) & (columns < self.mask.shape[1])
        usable = np.ones(shape, dtype=bool)
        usable[inside] = ~self.mask[rows[inside], columns[inside]]
        return usable
