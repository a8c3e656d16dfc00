"""By how much the products of both engines differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.io import fits

from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.checks.witness import NOISE, RELATIVE, pixel_noise
from skymosaic.errors import DrizzleError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.units import with_seconds


@dataclass(frozen=True)
class EngineDifferences:
    """The largest differences of two mosaics of one method."""

    sky: float
    """Of the sky values, electrons/s in a pixel of the exposure."""
    mosaic: float
    """Of the mosaics, in their units."""
    mosaic_in_tolerance: float
    """The same in units of what is allowed: 1e-4 of the noise, or 2e-6 of the pixel."""
    weight: float
    """Of the weights, relative."""


def largest_differences(
    one: Drizzled, other: Drizzled, exposures: Sequence[Exposure]
) -> EngineDifferences:
    """Return the largest differences of two mosaics of the exposures on one grid.

    Raises
    ------
    DrizzleError
        They do not cover the same pixels, or not the same chips have a sky.
    """
    (a, b), (wa, wb) = (
        [fits.getdata(getattr(side, kind)) for side in (one, other)]
        for kind in ("science", "weight")
    )
    seen = wa > 0
    if a.shape != b.shape or not np.array_equal(seen, wb > 0):
        raise DrizzleError(
            f"{one.science.name} and {other.science.name}: the engines' mosaics do not cover the "
            "same pixels"
        )
    pairs = [
        (p.rate, q.rate)
        for p, q in zip(
            with_seconds(one.sky, exposures), with_seconds(other.sky, exposures), strict=True
        )
    ]
    if any((p is None) != (q is None) for p, q in pairs):
        raise DrizzleError(f"{one.science.name}: the engines leave different skies undetermined")
    off = np.abs(a[seen].astype(np.float64) - b[seen])
    allowed = np.maximum(NOISE * pixel_noise(a, wa), RELATIVE * np.abs(a[seen]))
    # Where nothing is allowed, as at pixels of 0 without noise, nothing is what there must be.
    in_tolerance = np.divide(off, allowed, out=np.where(off > 0, np.inf, 0.0), where=allowed > 0)
    return EngineDifferences(
        sky=max(
            (abs(p - q) for p, q in pairs if p is not None and q is not None),
            default=0.0,
        ),
        mosaic=float(off.max(initial=0.0)),
        mosaic_in_tolerance=float(in_tolerance.max(initial=0.0)),
        weight=float((np.abs(wa[seen] - wb[seen]) / wa[seen]).max(initial=0.0)),
    )
