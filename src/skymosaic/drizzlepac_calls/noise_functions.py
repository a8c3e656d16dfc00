"""How the noise of neighbouring pixels of a mosaic is correlated: rules as for `functions`.

The resampler spreads each pixel of a chip over several of the mosaic. Their noise is then partly
the same, and the noise of a sum is not the sum of their variances. What the resampler does is
linear: in a small window of the mosaic it is a matrix, which is read off its answers to single
pixels. All else follows from that matrix without random numbers.

Let ``a_jk`` be the share of the chips' pixel j that falls into the mosaic's pixel k, ``w_j`` its
weight and ``v_j`` its variance. With ``W_k = sum_j a_jk w_j`` the variance of a sum with 0 or 1 as
``m_k`` is ``sum_j w_j^2 v_j (sum_k m_k a_jk / W_k)^2``. The error plane is that of
`variance_functions`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skymosaic.drizzlepac_calls.onepass_functions import output_of, units_of
from skymosaic.drizzlepac_calls.variance_functions import typical_of

Values = dict[str, Any]

RADII = (1.0, 3.0, 10.0, 30.0)
"""Of the apertures whose factors are told, pixels of the mosaic."""
_HALF = 33  # of a window's side, pixels: the largest aperture, and what its pixels share
_STEP = 15  # pixels between the centres of the smaller apertures in a window


def onepass_noise(
    files: list[str],
    grid: Values,
    parameters: Values,
    extvers: list[list[int]],
    places: list[Values],
    typical: list[list[float]] | None = None,
) -> Values:
    """Compute how noise is correlated at some places of a mosaic.

    Parameters
    ----------
    files : list of str
        Names of exposures in the working folder.
    grid : dict
        The output grid, as for `onepass_chips`.
    parameters : dict
        ``kernel``, ``pixfrac``, ``wht_type``.
    extvers : list of list of int
        EXTVER of the chips of each file: they are numbered from 0 in this order.
    places : list of dict
        Of each place ``column`` and ``row`` of the mosaic, from 0, and ``chips``: which reach it.
    typical : list of list of float, optional
        For each chip of each file the error of a typical pixel; default: from its ERR.

    Returns
    -------
    dict
        ``radii``: `RADII`; and means over the places, by the mosaic's area: ``correlation``, the
        error of a pixel as the error plane has it, over the rms of its noise; ``factors``, for
        each radius the rms of sums in apertures, over the root of the sum of the squares of the
        error plane. None where no chip lies at any place.
    """
    import functools

    chips = [(name, one) for name, own in zip(files, extvers, strict=True) for one in own]
    errors = [None] * len(chips) if typical is None else [one for own in typical for one in own]
    chip_at = functools.cache(
        lambda number: _chip(*chips[number], grid, parameters["wht_type"], errors[number])
    )
    spread = {name: parameters[name] for name in ("kernel", "pixfrac")}
    each = [_chips_at(place, chip_at, spread) for place in places]
    covered = [seen for seen in each if seen]
    correlation, factors = _means(covered) if covered else (None, None)
    return {"radii": list(RADII), "correlation": correlation, "factors": factors}


def _chips_at(
    place: Values, chip_at: Callable[[int], Any], spread: Values
) -> list[tuple[Any, float, float]]:
    """Return the chips at a place of the mosaic, as `window_factors` takes them."""
    import numpy as np

    corner = np.array([place["column"] - _HALF, place["row"] - _HALF])
    seen = []
    for number in place["chips"]:
        wcs, out, ratio, weight, variance = chip_at(number)
        near = _near(wcs, out, ratio, corner)
        if near is not None:
            shares = kernel_matrix(*near, ratio, **spread)
            if shares.nnz:
                seen.append((shares, weight, variance * ratio**4))
    return seen


def _means(covered: list[list[tuple[Any, float, float]]]) -> tuple[float, list[float]]:
    """Return the means over places, by the mosaic's area."""
    import numpy as np

    # A place that many exposures cover was drawn as many times as likely.
    likely = np.array([len(seen) for seen in covered])
    means = np.average(list(map(window_factors, covered)), axis=0, weights=1.0 / likely)
    correlation, *factors = means.tolist()
    return correlation, factors


def window_factors(chips: list[tuple[Any, float, float]]) -> list[float]:
    """Return the correlation, and the factor for each of `RADII`, in a window.

    Parameters
    ----------
    chips : list of (sparse matrix, float, float)
        For each chip the shares of its pixels (rows) in the pixels of the window (columns), their
        weight and their variance.
    """
    import numpy as np

    side = 2 * _HALF + 1
    shares = [shares.tocsr() for shares, _, _ in chips]
    total = sum(weight * a.sum(axis=0) for a, (_, weight, _) in zip(shares, chips, strict=True))
    total = np.asarray(total).ravel()
    inverse = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    noise = [weight**2 * variance for _, weight, variance in chips]
    error = sum(n * (a.T @ (a @ inverse)) for a, n in zip(shares, noise, strict=True)) * inverse
    pixel = sum(
        n * np.asarray(a.multiply(a).sum(axis=0)).ravel()
        for a, n in zip(shares, noise, strict=True)
    )
    y, x = np.mgrid[:side, :side] - _HALF
    inner = ((np.maximum(abs(x), abs(y)) < _HALF - 3).ravel()) & (total > 0)
    pixel = pixel * inverse**2
    correlation = float(np.sqrt(error[inner].sum() / pixel[inner].sum()))
    factors = []
    for radius in RADII:
        steps = [0] if radius + _STEP > _HALF else [-_STEP, 0, _STEP]
        masks = [
            ((np.hypot(x - dx, y - dy) <= radius).ravel()) & (total > 0)
            for dx in steps
            for dy in steps
        ]
        sums = np.stack(masks, axis=1).astype(float)
        of_sums = sum(
            n * np.sum(np.asarray(a @ (sums * inverse[:, None])) ** 2, axis=0)
            for a, n in zip(shares, noise, strict=True)
        )
        stated = error @ sums
        factors.append(float(np.sqrt(np.mean((of_sums / stated)[stated > 0]))))
    return [correlation, *factors]


def kernel_matrix(
    affine: Any, shape: tuple[int, int], ratio: float, *, kernel: str, pixfrac: float
) -> Any:
    """Return which share of each pixel of a chip the resampler gives to each pixel of a window.

    Parameters
    ----------
    affine : array, shape (2, 3)
        From a pixel of the chip, x and y from 1, to a pixel of the window, from 1.
    shape : (int, int)
        Rows and columns of the part of the chip.
    ratio : float
        Output to input scale.
    kernel, pixfrac
        AstroDrizzle's.

    Returns
    -------
    sparse matrix, shape (pixels of the chip, pixels of the window)
    """
    import numpy as np
    from drizzlepac import cdriz
    from scipy import sparse

    side = 2 * _HALF + 1
    # No two pixels of one answer reach the same pixel of the window.
    step = int(np.ceil((2.0 * (1.2 * pixfrac / ratio + 1.5) + 1.0) * ratio)) + 1
    backward = np.linalg.inv(affine[:, :2])
    science, found = np.zeros(shape, dtype=np.float32), []

    def forward(x: Any, y: Any) -> Any:
        return affine[:, :2] @ np.stack([np.asarray(x), np.asarray(y)]) + affine[:, 2:]

    for row in range(step):
        for column in range(step):
            comb = np.zeros(shape, dtype=np.float32)
            comb[row::step, column::step] = 1.0
            image, share = (np.zeros((side, side), dtype=np.float32) for _ in range(2))
            cdriz.tdriz(
                *(science, comb, image, share, np.zeros((side, side), dtype=np.int32), 1, 0, 1, 1),
                *(shape[0], ratio, 1.0, 1.0, "center", pixfrac, kernel, "cps", 1.0, 1.0),
                *("INDEF", 0, 0, 1, forward),
            )
            y, x = np.nonzero(share)
            from_x, from_y = backward @ (np.stack([x, y]) + 1.0 - affine[:, 2:]) - 1.0
            j = row + step * np.rint((from_y - row) / step).astype(int)
            i = column + step * np.rint((from_x - column) / step).astype(int)
            found.append((share[y, x].astype(float), j * shape[1] + i, y * side + x))
    values, pixels, places = (np.concatenate(part) for part in zip(*found, strict=True))
    return sparse.csr_matrix((values, (pixels, places)), shape=(shape[0] * shape[1], side**2))


def _chip(
    name: str, extver: int, grid: Values, weights: str, typical: float | None
) -> tuple[Any, Any, float, float, float]:
    """Return a chip's WCS, the mosaic's, output to input scale, and its pixels' weight, variance.

    Both are those of a typical pixel, of a rate.
    """
    from astropy.io import fits
    from stwcs.wcsutil import HSTWCS

    with fits.open(name, memmap=False) as hdus:
        wcs = HSTWCS(hdus, ext=("SCI", extver))
        exptime = float(hdus[0].header["EXPTIME"])
        rate = units_of(hdus, extver) == "cps"
        if typical is None:
            typical = typical_of(hdus["ERR", extver].data)
    out, ratio = output_of(wcs, grid)
    variance = (typical / (1.0 if rate else exptime)) ** 2
    # As `weights_of` has them.
    weight = exptime if weights == "EXP" else (exptime / typical) ** 2
    return wcs, out, ratio, weight, variance


def _near(wcs: Any, out: Any, ratio: float, corner: Any) -> tuple[Any, tuple[int, int]] | None:
    """Return the part of a chip that reaches a window: its affine mapping and its shape.

    In a window the distortion is a thousandth of a pixel off the affine mapping. None: no part.
    """
    import numpy as np

    middle = out.wcs_pix2world([corner + _HALF], 0)
    x, y = wcs.all_world2pix(middle, 1, quiet=True)[0]
    reach = (_HALF * 1.5 + 4.0) * ratio + 3.0
    columns, rows = wcs.pixel_shape
    if not (-reach < x < columns + reach and -reach < y < rows + reach):
        return None
    first = np.array([max(1, int(x - reach)), max(1, int(y - reach))])
    last = np.array([min(columns, int(x + reach)), min(rows, int(y + reach))])
    if (last <= first).any():
        return None
    px, py = (axis.ravel() for axis in np.meshgrid(*np.linspace(first, last, 5).T))
    to = out.wcs_world2pix(wcs.all_pix2world(np.stack([px, py], axis=1), 1), 1) - corner
    here = np.stack([px - first[0] + 1.0, py - first[1] + 1.0, np.ones_like(px)], axis=1)
    affine = np.linalg.lstsq(here, to, rcond=None)[0].T
    shape = last - first + 1
    return affine, (int(shape[1]), int(shape[0]))
