"""What is known of stars before images are: of those of a reference, and of all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skymosaic.align.reference import Reference, Unknown

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SAMPLE = 10  # stars of the reference from which a mean motion is taken
_MEDIAN_ERROR = 1.2533  # error of a median over that of a mean
_OTHERS = 1.0  # mas/yr: by how much the mean motion of fainter stars may differ


def common_motion(reference: Reference | None, unknown: Unknown) -> tuple[Floats, Floats, Floats]:
    """Return the mean motion of stars without a catalogue, its spread, and the mean's error.

    Each of shape (2,), mas/yr. Stars of the reference tell them, and are brighter: the mean of
    others may be another.
    """
    drift, spread = np.zeros(2), np.full(2, unknown.motion)
    if reference is None or reference.has_motion.sum() < _SAMPLE:
        return drift, spread, np.full(2, unknown.motion)
    moving = reference.select(reference.has_motion)
    for k, motion in enumerate((moving.pmra, moving.pmdec)):
        drift[k] = np.median(motion)
        spread[k] = max(1.0, 1.4826 * float(np.median(np.abs(motion - drift[k]))))
    return drift, spread, np.hypot(_MEDIAN_ERROR * spread / np.sqrt(len(moving)), _OTHERS)


def inverse_variances(
    reference: Reference, which: Integers, unknown: Unknown
) -> tuple[Floats, Floats]:
    """Return how well places and motions of some stars are known, as `Known` has it."""
    its = reference.select(which)
    places = np.stack([its.ra_error, its.dec_error], axis=1)
    motions = np.stack([its.pmra_error, its.pmdec_error], axis=1)
    is_known = np.isfinite(motions) & its.has_motion[:, None]
    places = np.where(np.isfinite(places), places, unknown.position)
    motions = np.where(is_known, motions, unknown.motion)
    return np.maximum(places, 0.02) ** -2.0, np.maximum(motions, 0.005) ** -2.0
