"""The variances of exposures, resampled to a mosaic: rules as for `functions`.

Pixel k of the mosaic is ``sum_j a_jk w_j x_j / W_k``, with ``a_jk`` the share that the resampler
gives it of the chips' pixel j. The variance of a sum over many pixels k is the sum of

    E_k^2 = sum_l C_kl = sum_j a_jk w_j^2 v_j g_j / W_k,      g_j = sum_l a_jl / W_l,

the sums of the rows of their covariance C. ``g_j`` is the mean of 1/W under pixel j.
"""

from __future__ import annotations

from typing import Any

from skymosaic.drizzlepac_calls.onepass_functions import (
    each_chip,
    place_chip,
    units_of,
    weights_of,
)

Values = dict[str, Any]

_ROWS = 256  # of a chip at a time
_SAMPLES = 3.0  # at least, along a side of each pixel of the mosaic under one of the chip
# cdrizzlebox.c: the gaussian kernel has the pixfrac as its full width at half maximum.
_FWHM, _SIGMAS = 2.3548, 2.5


def onepass_variances(
    files: list[str],
    first: int,
    grid: Values,
    parameters: Values,
    low: dict[str, str],
    hits: dict[str, str],
    corner: tuple[int, int] = (0, 0),
) -> dict[int, float]:
    """Drizzle the variances of each chip of some exposures, from their ERR.

    The cut-out of chip N is ``N_var.npy``, the mean by weight of ``w_j v_j g_j``, v of the mosaic's
    rate. NaN where a pixel that is used has no error.

    Parameters
    ----------
    files, first, grid, low, hits
        As for `onepass_chips`. ``inverse.npy`` holds 1/W of the mosaic, 0 where W is.
    parameters : dict
        Likewise.
    corner : (int, int)
        Column and row of the grid, from 0, of the first pixel of ``inverse.npy``.

    Returns
    -------
    dict of int to float
        By number the error of a typical pixel of each chip that meets the grid, as `typical_of`.
    """
    import numpy as np
    from drizzlepac import cdriz

    inverse, typical = np.load("inverse.npy", mmap_mode="r"), {}
    for hdus, extver, wcs, number, bad in each_chip(files, first, low, hits):
        out, place = place_chip(wcs, grid, parameters)
        if not (place["columns"] and place["rows"]):
            continue
        ratio, exptime = place["pixel_ratio"], float(hdus[0].header["EXPTIME"])
        weight, scale = weights_of(hdus, extver, bad, exptime, ratio, parameters)
        weight *= np.float32(scale)
        seconds = 1.0 if units_of(hdus, extver) == "cps" else exptime
        mapping = cdriz.DefaultWCSMapping(
            wcs, out, wcs.pixel_shape[0], wcs.pixel_shape[1], parameters["stepsize"]
        )
        shape = (place["rows"], place["columns"])
        x, y = place["x"] - corner[0], place["y"] - corner[1]
        here = np.s_[y : y + shape[0], x : x + shape[1]]
        typical[number] = typical_of(hdus["ERR", extver].data)
        part, errors = np.array(inverse[here]), hdus["ERR", extver].data
        spread = _spread(errors, seconds, weight, part, mapping, ratio, parameters)
        var, wht = np.full(shape, np.nan, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        cdriz.tdriz(
            *(spread, weight, var, wht, np.zeros(shape, dtype=np.int32), 1, 0, 1, 1),
            *(weight.shape[0], ratio, 1.0, 1.0, "center", parameters["pixfrac"]),
            *(parameters["kernel"], "cps", 1.0, 1.0, "INDEF", 0, 0, 1, mapping),
        )
        np.save(f"{number}_var.npy", var)
    return typical


def _spread(
    errors: Any,
    seconds: float,
    weight: Any,
    part: Any,
    mapping: Any,
    ratio: float,
    parameters: Values,
) -> Any:
    """Return what the pixels of a chip are resampled as, for the variances of the mosaic.

    `errors` are its ERR, of so many `seconds`; `part` is 1/W of the mosaic where the chip lies.
    """
    import numpy as np

    spread = np.zeros(weight.shape, dtype=np.float32)
    for top in range(0, weight.shape[0], _ROWS):
        rows = np.s_[top : top + _ROWS]
        error = np.asarray(errors[rows], dtype=np.float64) / seconds
        error[~(np.isfinite(error) & (error > 0))] = np.nan
        mean = mean_under(part, mapping, top, error.shape, ratio, parameters)
        # The resampler multiplies by the squared ratio once, as it does to the pixels.
        found = weight[rows] * error**2 * ratio**2 * mean
        spread[rows] = np.where(weight[rows] > 0, found, 0.0)
    return spread


def typical_of(error: Any) -> float:
    """Return the median of the errors of a chip's pixels that have one; 1 where none has."""
    import numpy as np

    known = error[np.isfinite(error) & (error > 0)]
    return float(np.median(known)) if known.size else 1.0


def mean_under(
    image: Any, mapping: Any, top: int, shape: tuple[int, int], ratio: float, parameters: Values
) -> Any:
    """Return the mean of an image of the mosaic under each pixel of some rows of a chip.

    Parameters
    ----------
    image : array, shape (rows, columns)
        On the grid of the cut-out.
    mapping : callable
        From pixels of the chip to those of the cut-out, x and y from 1.
    top : int
        The first row, from 0.
    shape : (int, int)
        Rows and columns.
    ratio : float
        Output to input scale.
    parameters : dict
        ``kernel`` and ``pixfrac``.
    """
    import numpy as np

    y, x = (axis.astype(np.float64) for axis in np.mgrid[: shape[0], : shape[1]])
    y += top
    half = parameters["pixfrac"] / 2.0

    def to(dx: float, dy: float) -> Any:
        found = mapping((x + 1.0 + dx).ravel(), (y + 1.0 + dy).ravel())
        return [np.reshape(axis, shape) - 1.0 for axis in found]

    middle = to(0.0, 0.0)
    kernel = parameters["kernel"]
    if kernel == "point" or half == 0:
        return _at(image, middle[0], middle[1])
    if kernel == "gaussian":
        return _by_gaussian(image, middle[0], middle[1], ratio, parameters["pixfrac"])
    # Along the chip's axes, or, `turbo`, along the mosaic's.
    along = [[1.0 / ratio, 0.0], [0.0, 1.0 / ratio]]
    if kernel == "square":
        along = [
            [b - a for a, b in zip(to(-half, 0), to(half, 0), strict=True)],
            [b - a for a, b in zip(to(0, -half), to(0, half), strict=True)],
        ]
        half = 0.5
    count = int(np.ceil(_SAMPLES * max(parameters["pixfrac"] / ratio, 1.0)))
    total = np.zeros(shape)
    for u in (np.arange(count) + 0.5) / count * 2 - 1:
        for v in (np.arange(count) + 0.5) / count * 2 - 1:
            total += _at(
                image,
                *(m + half * (u * a + v * b) for m, a, b in zip(middle, *along, strict=True)),
            )
    return total / count**2


def _by_gaussian(image: Any, x: Any, y: Any, ratio: float, pixfrac: float) -> Any:
    """Return the mean by the weights of the gaussian kernel, which it has at pixels' centres."""
    import numpy as np

    power = (_FWHM * ratio / pixfrac) ** 2 / 2.0
    reach = max(_SIGMAS * pixfrac / _FWHM, 1.2) / ratio
    total = np.zeros(x.shape)
    around = range(-int(reach) - 1, int(reach) + 2)
    for dy in around:
        for dx in around:
            column, row = np.rint(x) + dx, np.rint(y) + dy
            off = (column - x, row - y)
            near = np.maximum(*map(abs, off)) <= reach + 0.5  # from a rounded edge to the other
            share = np.where(near, power / np.pi * np.exp(-power * (off[0] ** 2 + off[1] ** 2)), 0)
            total += share * _at(image, column, row)
    return total


def _at(image: Any, x: Any, y: Any) -> Any:
    """Return the pixels that hold some positions, from 0; 0 beyond the edges."""
    import numpy as np

    column, row = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
    inside = (column >= 0) & (row >= 0) & (column < image.shape[1]) & (row < image.shape[0])
    found = image[np.where(inside, row, 0), np.where(inside, column, 0)]
    return np.where(inside, found, 0.0)
