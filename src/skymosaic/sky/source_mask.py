"""Sources on the common grid: one mask for all exposures, whatever each of them saw."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from astropy.stats import SigmaClip
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, spline_filter, zoom

Singles = NDArray[np.float32]
Flags = NDArray[np.bool_]

BOX = 64
"""Pixels along the side of the boxes in which the background is measured: what is wider than a box
is background, not a source."""
_SIGMAS = 3.0
_LEAST_PIXELS = 5  # that touch, for a source
_GROWN = 4  # pixels by which a source is grown: its wings
MARGIN = _GROWN + _LEAST_PIXELS - 1
"""Pixels beyond which no other one has a say in whether one belongs to a source."""
_LEAST_FILLED = 1 - 90.0 / 100.0  # of a box
_SPLINES = 3  # boxes beyond a part of the mosaic that its background depends on, or more
_NODES = 24  # along each axis of a chip: the distortion between them is a smooth polynomial


def source_mask(image: Singles, weight: Singles) -> Flags:
    """Return which pixels of a mosaic belong to sources, by photutils.

    What is done to a whole mosaic here can be done to its parts, with the same result: see
    the functions that it uses.

    Parameters
    ----------
    image, weight : array of float32, shape (rows, columns)
        The mosaic, and its weights: the noise of a pixel is taken as 1/sqrt of them, times what
        the background's own scatter asks for.
    """
    box = box_of(image.shape)
    mesh = filled_mesh(box_levels(image, weight, box))
    if mesh is None:
        return np.zeros(image.shape, dtype=bool)
    excess = excess_over(image, weight, background_in(mesh, box, (0, 0), image.shape))
    sizes = np.abs(excess[~_empty(image, weight)])
    return found_sources(excess, threshold_of(float(np.median(sizes))))


def box_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return rows and columns of the boxes in which the background of a mosaic is measured."""
    return min(BOX, shape[0]), min(BOX, shape[1])


def _empty(image: Singles, weight: Singles) -> Flags:
    return ~(weight > 0) | ~np.isfinite(image)


def box_levels(image: Singles, weight: Singles, box: tuple[int, int]) -> Singles:
    """Return the clipped median of each box of a mosaic, or of a part of it that begins at a box.

    Parameters
    ----------
    image, weight
        As for `source_mask`.
    box : (int, int)
        As from `box_of` for the whole mosaic.

    Returns
    -------
    array of float32, shape (boxes, boxes)
        NaN where a box has few pixels.
    """
    # photutils takes a second to import, and is not needed where no mask is asked for.
    from photutils.background import MedianBackground

    rows, columns = (-(-size // own) for size, own in zip(image.shape, box, strict=True))
    values = np.full((rows * box[0], columns * box[1]), np.nan, dtype=np.float32)
    values[: image.shape[0], : image.shape[1]] = np.where(_empty(image, weight), np.nan, image)
    apart = values.reshape(rows, box[0], columns, box[1]).transpose(0, 2, 1, 3)
    boxes = apart.reshape(rows, columns, box[0] * box[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of boxes without pixels
        clipped = SigmaClip(sigma=3.0, maxiters=10)(boxes, axis=-1, masked=False, copy=False)
        levels = MedianBackground(sigma_clip=None)(clipped, axis=-1)
    few = np.count_nonzero(~np.isnan(clipped), axis=-1) <= _LEAST_FILLED * box[0] * box[1]
    return np.where(few, np.float32(np.nan), levels).astype(np.float32)


def filled_mesh(levels: Singles) -> Singles | None:
    """Return the levels of all boxes of a mosaic, smoothed; those that miss from their neighbours.

    As `photutils.background.Background2D` does it. None where no box has a level.
    """
    from photutils.utils import ShepardIDWInterpolator

    known = ~np.isnan(levels)
    if not known.any():
        return None
    mesh = levels.copy()
    if not known.all():
        near = ShepardIDWInterpolator(np.argwhere(known), levels[known])
        mesh[~known] = near(np.argwhere(~known), n_neighbors=10, power=1.0, eps=0.0)
    around = np.pad(mesh, 1, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3))
    return np.nanmedian(windows.reshape(*mesh.shape, 9), axis=-1).astype(np.float32)


def background_in(
    mesh: Singles, box: tuple[int, int], corner: tuple[int, int], shape: tuple[int, int]
) -> Singles:
    """Return the background of a mosaic, or of a part of it: cubic splines through its boxes.

    Parameters
    ----------
    mesh : array of float32, shape (boxes, boxes)
        As from `filled_mesh`, of the whole mosaic.
    box : (int, int)
        As from `box_of`.
    corner, shape : (int, int)
        First row and column of the part, from 0, and its rows and columns.
    """
    if np.ptp(mesh) == 0:
        return np.full(shape, mesh.min(), dtype=np.float32)
    splines = spline_filter(mesh, order=3, output=np.float64, mode="reflect")
    near, inside = [], []
    for first, size, own, count in zip(corner, shape, box, mesh.shape, strict=True):
        begin = max(first // own - _SPLINES, 0)
        near.append(slice(begin, min(-(-(first + size) // own) + _SPLINES, count)))
        inside.append(slice(first - begin * own, first - begin * own + size))
    found = zoom(
        *(splines[tuple(near)], box),
        order=3,
        mode="reflect",
        grid_mode=True,
        prefilter=False,
        output=np.float32,
    )[tuple(inside)]
    return np.clip(found, mesh.min(), mesh.max())


def excess_over(image: Singles, weight: Singles, background: Singles) -> Singles:
    """Return how far pixels lie above the background, in units of 1/sqrt(weight).

    0 where there is nothing.
    """
    empty = _empty(image, weight)
    clean = np.where(empty, np.float32(0), image)
    root = np.sqrt(np.where(empty, np.float32(0), weight))
    return (clean - background) * root


def sizes_of(image: Singles, weight: Singles, excess: Singles) -> Singles:
    """Return the sizes of the excess of all pixels that there are, in ascending order."""
    return np.sort(np.abs(excess[~_empty(image, weight)]))


def threshold_of(middle: float) -> float:
    """Return the excess from which on pixels are a source's, from the median of all sizes."""
    return _SIGMAS * max(1.4826 * middle, 1e-30)


def found_sources(excess: Singles, threshold: float) -> Flags:
    """Return which pixels belong to sources, and to their wings.

    Of a part of a mosaic what lies farther than `MARGIN` from its edges is as in the whole: a
    source is no more than some pixels that touch, and grows by no more than some.
    """
    from photutils.segmentation import detect_sources

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of no source found
        segments = detect_sources(excess, threshold, n_pixels=_LEAST_PIXELS)
    if segments is None:
        return np.zeros(excess.shape, dtype=bool)
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
    corner : (int, int)
        First row and column of the mosaic, from 0, that the mask has; beyond it no source is known.
    """

    mask: Flags
    wcs: WCS
    corner: tuple[int, int] = (0, 0)

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
        rows, columns = rows - self.corner[0], columns - self.corner[1]
        inside = (rows >= 0) & (rows < self.mask.shape[0])
        inside &= (columns >= 0) & (columns < self.mask.shape[1])
        usable = np.ones(shape, dtype=bool)
        usable[inside] = ~self.mask[rows[inside], columns[inside]]
        return usable
