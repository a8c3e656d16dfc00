"""A reference as the catalogue that TweakReg is given, which has one position a star.

Stars move, so images of different epochs need catalogues of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skymosaic.align.reference import Reference, Unknown, at_epoch
from skymosaic.align.tweakreg import write_catalogue
from skymosaic.config import Align
from skymosaic.config.reference import TileReference

TOLERANCE = 1.0
"""Mas: what the stars of one catalogue may have moved between its epoch and that of an image."""

_WORST = 10.0  # times the median of the errors
_GOOD = 10.0  # mas: whoever is known so well is taken


def unknown_of(settings: Align) -> Unknown:
    """Return what a campaign says of stars that its reference knows little of."""
    chosen = settings.reference
    if isinstance(chosen, TileReference):
        return Unknown()
    return Unknown(chosen.unknown_motion, chosen.unknown_position)


def stars_at(
    reference: Reference, epoch: float | None, unknown: Unknown | None = None
) -> NDArray[np.float64]:
    """Return the stars as TweakReg's catalogues have them.

    TweakReg weighs all alike, so stars that are known far worse than most at that epoch, such as
    those without proper motion, are left out.

    Parameters
    ----------
    reference : Reference
    epoch : float or None
        Julian year; None: that of each star.
    unknown : Unknown or None
        As for `reference.at_epoch`.

    Returns
    -------
    array of shape (n, 3)
        RA, Dec in degrees; and a flux, by the magnitude, 0 where that is unknown. The brightest
        star goes first.
    """
    if epoch is None:
        ra, dec = reference.ra, reference.dec
    else:
        places = at_epoch(reference, epoch, unknown)
        error = np.hypot(places.ra_error, places.dec_error)
        known = error <= np.maximum(_WORST * np.median(error), _GOOD) if len(error) else error > 0
        reference = reference.select(known)
        ra, dec = places.ra[known], places.dec[known]
    flux = np.nan_to_num(10.0 ** (-0.4 * (reference.mag - 25.0)))
    stars = np.stack([ra, dec, flux], axis=1)
    return np.asarray(stars[np.argsort(-flux, kind="stable")])


def write_refcat(
    path: Path, reference: Reference, epoch: float | None, unknown: Unknown | None = None
) -> None:
    """Write the stars at an epoch as TweakReg reads them; parameters as of `stars_at`."""
    write_catalogue(path, stars_at(reference, epoch, unknown))


def epoch_spans(
    reference: Reference, epochs: Sequence[float | None], tolerance: float = TOLERANCE
) -> list[tuple[list[int], float | None]]:
    """Return which images one catalogue serves, and its epoch.

    Parameters
    ----------
    reference : Reference
    epochs : sequence of float or None
        Julian year of each image; None where nobody knows it.
    tolerance : float
        What the stars may have moved from the catalogue's epoch to an image's, mas: the median of
        the stars, by proper motion and parallax.

    Returns
    -------
    list of (list of int, float or None)
        Places of images in `epochs`, in their order, and the mean of their epochs. Images whose
        epoch is unknown go with the first.
    """
    known = [place for place, epoch in enumerate(epochs) if epoch is not None]
    if not known:
        return [(list(range(len(epochs))), None)] if epochs else []
    spans: list[list[int]] = []
    for place in sorted(known, key=lambda one: _epoch(epochs, one)):
        if spans and _moved(reference, _epoch(epochs, spans[-1][0]), _epoch(epochs, place)) <= (
            2 * tolerance
        ):
            spans[-1].append(place)
        else:
            spans.append([place])
    spans[0] += [place for place, epoch in enumerate(epochs) if epoch is None]
    means = [
        float(np.mean([_epoch(epochs, place) for place in span if epochs[place] is not None]))
        for span in spans
    ]
    both = [(sorted(span), mean) for span, mean in zip(spans, means, strict=True)]
    return sorted(both, key=lambda one: one[0][0])


def _epoch(epochs: Sequence[float | None], place: int) -> float:
    epoch = epochs[place]
    assert epoch is not None  # or it is in no span by its epoch
    return epoch


def _moved(reference: Reference, one: float, other: float) -> float:
    """Return the median of how far the stars move on the sky between two epochs, mas."""
    if not len(reference) or one == other:
        return 0.0
    first, second = at_epoch(reference, one), at_epoch(reference, other)
    east = ((second.ra - first.ra + 180.0) % 360.0 - 180.0) * np.cos(np.radians(first.dec))
    moving = reference.has_motion | (np.nan_to_num(reference.parallax) != 0)
    if not moving.any():
        return 0.0
    return float(np.median(np.hypot(east, second.dec - first.dec)[moving]) * 3.6e6)
