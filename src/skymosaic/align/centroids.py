"""How well centroids are known, by kind of image and flux, as their own residuals say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BIN = 40  # sources at least
_BINS = 12  # at most
_FLOOR = 0.008  # pixels
_ROOF = 1.0  # pixels
_MEDIAN = 2.0 * np.log(2.0)  # median of the squared length of two normal numbers
_GUESS = 10.0  # sources as which the first guess counts where there are few


@dataclass(frozen=True)
class Centroids:
    """The standard error of a centroid along one axis by flux: a curve through bins."""

    flux: Floats
    """Of the bins, ascending, shape (n,)."""
    error: Floats
    """Mas, shape (n,)."""

    def at(self, flux: Floats) -> Floats:
        """Return the errors at some fluxes, mas; beyond the bins those of the last one."""
        if len(self.flux) == 1:
            return np.full(len(flux), self.error[0])
        clipped = np.clip(flux, self.flux[0], self.flux[-1])
        return np.exp(np.interp(np.log(clipped), np.log(self.flux), np.log(self.error)))


def first_guess(pixel: float) -> Centroids:
    """Return an error for images of a pixel size (arcsec) of which nothing is known yet."""
    return Centroids(np.ones(1), np.array([50.0 * pixel]))


def from_residuals(flux: Floats, squares: Floats, pixel: float) -> Centroids | None:
    """Return errors by flux, from residuals of many sources; None of fewer than a bin's.

    Parameters
    ----------
    flux : array of shape (n,)
        Positive.
    squares : array of shape (n,)
        Squared lengths of the residuals (mas^2), each over what the fit leaves of its variance.
    pixel : float
        Arcsec.

    Notes
    -----
    The median of bins of equal numbers: wrong matches are the smaller part. The curve is a
    constant, the part of the pixels, of the photons and of the background: ``a + b / flux + c /
    flux**2``, none of them negative (King 1983, PASP 95, 163, for the last two).
    """
    from scipy.optimize import nnls

    if len(flux) < _BIN:
        return None
    order = np.argsort(flux, kind="stable")
    parts = np.array_split(order, min(_BINS, len(flux) // _BIN))
    middle = np.array([np.median(flux[part]) for part in parts])
    variance = np.array([np.median(squares[part]) / _MEDIAN for part in parts])
    low, high = (_FLOOR * pixel * 1000.0) ** 2, (_ROOF * pixel * 1000.0) ** 2
    variance = np.clip(variance, low, high)
    x = middle[-1] / middle
    columns = np.stack([np.ones_like(x), x, x**2], axis=1)
    found, _ = nnls(columns / variance[:, None], np.ones(len(x)))
    fitted = np.clip(columns @ found, low, high)
    distinct = np.concatenate([[True], np.diff(middle) > 0])
    return Centroids(middle[distinct], np.sqrt(fitted[distinct]))


def from_few(squares: Floats, pixel: float) -> Centroids | None:
    """Return one error for all fluxes, from residuals of too few sources; None of none.

    Parameters are those of `from_residuals`. The first guess counts as ten more sources.
    """
    if not len(squares):
        return None
    guess = float(first_guess(pixel).error[0]) ** 2
    own = float(np.median(squares)) / _MEDIAN
    variance = (own * len(squares) + guess * _GUESS) / (len(squares) + _GUESS)
    low, high = (_FLOOR * pixel * 1000.0) ** 2, (_ROOF * pixel * 1000.0) ** 2
    return Centroids(np.ones(1), np.array([np.sqrt(np.clip(variance, low, high))]))
