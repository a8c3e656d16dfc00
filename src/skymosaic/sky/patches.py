"""What some exposures tell of each other's sky in one patch of the common grid.

In every pixel p of the output grid let exposure i give ``s_i(p)``, with the inverse variance
``u_i(p)``. The model is ``s_i(p) = scene(p) + d_i + noise``: the scene is free in every pixel, and
each exposure has one sky ``d_i``. With the scene eliminated (its best value is the weighted mean)
the normal equations of the skies are

    A_ii = sum_p u_i (1 - u_i / U),   A_ij = -sum_p u_i u_j / U,   b_i = sum_p u_i (s_i - mean),

with ``U`` the sum of all ``u_k(p)``. They are also the normal equations of all differences of pairs
``s_i - s_j`` with weights ``u_i u_j / U``, so nothing is counted twice where three exposures or
more cover the same pixels; and their solution reaches the Cramer-Rao limit of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from skymosaic.sky.small_matrices import between_rows, products, times

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Flags = NDArray[np.bool_]

_NORMAL_MEDIAN2 = 0.4549364  # median of the square of a standard normal variable
_LEAST_SAMPLES = 200  # pixels of a patch from which its own noise is estimated
_STRIDE = 8  # of so many rows one serves to estimate the noise
_STEEP = 0.1  # of the noise: below, the steepness of the scene is not told from noise
_LAG = 2  # pixels: drizzling correlates the noise of neighbours


@dataclass(frozen=True)
class Rejection:
    """Which pixels do not count. Nothing here looks at the sign of a difference.

    Parameters
    ----------
    clip : float
        Residuals beyond so many standard deviations are rejected, with their neighbours.
    mismatch : float
        Pixels of the output grid by which two exposures may see the scene displaced, from
        pointing and from sampling: times the gradient of the scene it adds to the noise.
    """

    clip: float = 4.0
    mismatch: float = 0.25


@dataclass(frozen=True)
class Patch:
    """The normal equations of one patch; their unknowns are corrections to given offsets.

    Parameters
    ----------
    members : array of int, shape (k,)
        The exposures, in ascending order.
    normal : array, shape (k, k)
        1/(e-/s)^2, as if the noise of neighbouring pixels were independent.
    right : array, shape (k,)
        1/(e-/s).
    x, y : float
        The middle of the patch on the output grid, pixels from 0.
    used, rejected : int
        Pixels that two exposures or more cover: those that count, and those that do not.
    """

    members: NDArray[np.intp]
    normal: Floats
    right: Floats
    x: float
    y: float
    used: int
    rejected: int

    def joined(self, owners: NDArray[np.intp], known: Floats) -> Patch:
        """Return the equations where some of the unknowns are one, and correct other offsets.

        Parameters
        ----------
        owners : array of int
            For each of the unknowns, which of fewer it is.
        known : array
            For each of the former unknowns: by how much what is corrected now exceeds what was.
        """
        right = self.right - times(self.normal[None], known[self.members][None])[0]
        return replace(self, **_joined(owners[self.members], self.normal, right))


def _joined(owners: NDArray[np.intp], normal: Floats, right: Floats) -> dict[str, Any]:
    """Return equations in which unknowns of one owner are one, as a patch names them."""
    members, index = np.unique(owners, return_inverse=True)
    joined, sums = np.zeros((len(members), len(members))), np.zeros(len(members))
    np.add.at(joined, (index[:, None], index[None, :]), normal)
    np.add.at(sums, index, right)
    return {"members": members, "normal": joined, "right": sums}


def noise_of(data: Singles, weight: Singles) -> float | None:
    """Return the variance of a pixel of unit weight, from differences of pixels of one exposure.

    The median of the squares is not moved by stars, and hardly by the scene's gradient.

    Parameters
    ----------
    data, weight : array of float32, shape (rows, columns)
        One exposure.

    Returns
    -------
    float or None
        None where too few pixels serve.
    """
    step, w0, w1 = (
        data[::_STRIDE, _LAG:] - data[::_STRIDE, :-_LAG],
        weight[::_STRIDE, _LAG:],
        weight[::_STRIDE, :-_LAG],
    )
    both = (w0 > 0) & (w1 > 0)
    if np.count_nonzero(both) < _LEAST_SAMPLES // _STRIDE:
        return None
    step, w0, w1 = step[both], w0[both], w1[both]
    square = step * step * (w0 * w1 / (w0 + w1))
    half = square.size // 2
    variance = float(np.partition(square, half)[half]) / _NORMAL_MEDIAN2
    return variance if variance > 0 else None


def measure_patch(
    data: Singles,
    weight: Singles,
    owners: NDArray[np.intp],
    offsets: Floats,
    noise: Floats,
    place: tuple[float, float],
    rejection: Rejection,
) -> Patch | None:
    """Return the normal equations of a patch; None where no pixel is shared.

    Parameters
    ----------
    data, weight : array of float32, shape (chips, rows, columns)
        Chips that meet the patch; weight 0 where there is nothing, and data finite. They are
        changed.
    owners : array of int, shape (chips,)
        The exposure of each chip.
    offsets : array, shape (chips,)
        The sky of each chip as far as it is known, in the units of `data`: pixels are rejected
        about it.
    noise : array, shape (chips,)
        Variance of a pixel of unit weight of each chip, where the patch itself does not tell.
    place : (float, float)
        x, y of its middle.
    rejection : Rejection
        Which pixels do not count.
    """
    for chip, offset in enumerate(offsets):
        own = noise_of(data[chip], weight[chip])
        weight[chip] *= np.float32(1.0 / (own or noise[chip]))
        data[chip] -= np.float32(offset)
    shared = np.add.reduce(weight > 0, axis=0, dtype=np.uint16) > 1
    pixels = int(np.count_nonzero(shared))
    if pixels == 0:
        return None
    mean, total = _mean(data, weight)
    steep = rejection.mismatch**2 * _gradient2(mean, total) if rejection.mismatch else None
    if pixels == shared.size:
        values, weights = data.reshape(len(data), -1), weight.reshape(len(data), -1)
        mean, total = mean.ravel(), total.ravel()
    else:
        index = np.flatnonzero(shared)
        values, weights = (one.reshape(len(one), -1).take(index, axis=1) for one in (data, weight))
        mean, total = mean.ravel()[index], total.ravel()[index]
    if steep is not None:
        _discount(values, weights, mean, total, steep[shared])
    values -= mean
    rejected = _reject(values, weights, total, shared, rejection.clip)
    right = products(weights, values)
    inverse = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    np.multiply(weights, inverse, out=values)
    normal = -between_rows(values, weights)
    # No difference tells a constant: to the last bit.
    normal[np.diag_indices_from(normal)] = -normal.sum(axis=1)
    equations = _joined(owners, normal, right)
    x, y = place
    return Patch(**equations, x=x, y=y, used=pixels - rejected, rejected=rejected)


def _mean(data: Singles, weight: Singles) -> tuple[Singles, Singles]:
    """Return the weighted mean of all exposures, 0 where there is none, and the weights' sum."""
    total = weight.sum(axis=0)
    mean = np.einsum("i...,i...->...", data, weight)
    np.divide(mean, total, out=mean, where=total > 0)
    return mean, total


def _gradient2(mean: Singles, total: Singles) -> Singles:
    """Return the square of the scene's gradient, less what noise makes of it."""
    known = total > 0
    square = np.zeros_like(mean)
    variance = np.divide(1.0, total, out=np.zeros_like(total), where=known)
    for axis in (0, 1):
        # Central differences; the outermost pixels have none along this axis.
        flat, noise, found = (np.swapaxes(one, 0, axis) for one in (mean, variance, square))
        seen = np.swapaxes(known, 0, axis)
        step = flat[2:] - flat[:-2]
        step = 0.25 * step * step - (noise[2:] + noise[:-2])
        found[1:-1] += np.where(seen[2:] & seen[:-2], np.maximum(step, 0.0), 0.0)
    return square


def _discount(
    values: Singles, weights: Singles, mean: Singles, total: Singles, steep: Singles
) -> None:
    """Lower the weights where the scene is steep, in place; and set mean and total anew there."""
    (steep_pixels,) = np.nonzero(total * steep > _STEEP)
    if len(steep_pixels):
        own, some = weights[:, steep_pixels], values[:, steep_pixels]
        own /= 1.0 + own * steep[steep_pixels]
        mean[steep_pixels], total[steep_pixels] = _mean(some, own)
        weights[:, steep_pixels] = own


def _reject(values: Singles, weights: Singles, total: Singles, shared: Flags, clip: float) -> int:
    """Set the weights of outlying pixels and of their neighbours to 0; return how many they are.

    Parameters
    ----------
    values : array of float32, shape (chips, pixels)
        Residuals about the mean, set anew where one chip alone is left out.
    weights, total : array of float32, shape (chips, pixels), (pixels,)
        Set anew, too.
    shared : array of bool, shape (rows, columns)
        Where the pixels are.
    clip : float
        Standard deviations.
    """
    # chi^2 of a pixel is no less than the square of any of its residuals in standard deviations.
    square = np.zeros_like(total)
    for one, own in zip(values, weights, strict=True):
        square += one * one * own
    (suspects,) = np.nonzero(square > clip**2)
    own, some = weights[:, suspects], values[:, suspects]
    outlying = _outlying(some, own, total[suspects], clip)
    suspects, own, some = suspects[outlying], own[:, outlying], some[:, outlying]
    if not len(suspects):
        return 0
    # Where three or more see a pixel, the worst may be at fault alone.
    worst = np.argmax(own * some**2, axis=0)
    many = np.count_nonzero(own, axis=0) > 2
    own[worst[many], np.flatnonzero(many)] = 0.0
    shift, left = _mean(some, own)
    alone = many & ~_outlying(some - shift, own, left, clip)
    values[:, suspects[alone]] = (some - shift)[:, alone]
    weights[:, suspects[alone]], total[suspects[alone]] = own[:, alone], left[alone]
    bad = np.zeros(shared.shape, dtype=bool)
    index = np.flatnonzero(shared.ravel())[suspects]
    bad.ravel()[index] = True
    around = maximum_filter(bad, 3)
    around.ravel()[index[alone]] = False
    gone = np.flatnonzero(around.ravel()[shared.ravel()])
    weights[:, gone] = 0.0
    return len(gone)


def _outlying(values: Singles, weights: Singles, total: Singles, clip: float) -> Flags:
    """Tell where a residual about the mean is beyond `clip` of its standard deviations."""
    # The variance of a residual is 1/u - 1/U.
    rest = total - weights
    beyond = weights * values**2 * total > clip**2 * rest
    return np.asarray((beyond & (rest > 1e-4 * total)).any(axis=0))
