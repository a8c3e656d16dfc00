"""How many fits as good as a tile's are expected by chance, from the density of its sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_RMS_TO_RADIUS = 3.0  # a circle of 3 rms a side holds 99% of a round Gaussian's points
_PARAMETERS = 2  # sources that a fit of shift, rotation and scale goes through exactly


def read_positions(path: Path) -> NDArray[np.float64]:
    """Return RA, Dec in degrees, shape (n, 2), of a ``*_sky_catalog.coo`` of TweakReg."""
    positions = np.loadtxt(path, usecols=(0, 1), ndmin=2).reshape(-1, 2)
    # The finder has no position for some peaks that it counts.
    return np.asarray(positions[np.isfinite(positions).all(axis=1)])


def count_pairs(
    tile: NDArray[np.float64], references: Sequence[NDArray[np.float64]], radius: float
) -> int:
    """Return how many pairs of a source of a tile and one of the reference lie near each other.

    Parameters
    ----------
    tile : array of shape (n, 2)
        RA, Dec in degrees.
    references : sequence of array of shape (m, 2)
        Those of the images that were aligned before it.
    radius : float
        Arcsec.
    """
    from scipy.spatial import cKDTree  # takes long to import, and few need it

    if not len(tile):
        return 0
    centre = tile.mean(axis=0)
    tree = cKDTree(tangent_plane(tile, centre))
    return sum(
        int(tree.count_neighbors(cKDTree(tangent_plane(reference, centre)), radius))
        for reference in references
        if len(reference)
    )


def tangent_plane(
    positions: NDArray[np.float64], centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return offsets in arcsec; a fraction of a percent off at the rim of a tile does no harm."""
    ra = (positions[:, 0] - centre[0] + 180.0) % 360.0 - 180.0
    offsets = np.stack(
        [ra * math.cos(math.radians(centre[1])), positions[:, 1] - centre[1]], axis=1
    )
    return offsets * 3600.0


def expected_by_chance(pairs: int, radius: float, matches: int, rms: float) -> float:
    """Return the number of fits expected that match so many sources so well by chance.

    Parameters
    ----------
    pairs : int
        Pairs within `radius`, from `count_pairs`; right ones among them make the number larger.
    radius : float
        Of the search, arcsec.
    matches : int
        Sources that the fit kept.
    rms : float
        Its rms residual along one axis, the larger one, arcsec.

    Notes
    -----
    Any two pairs fix a shift, a rotation and a scale: ``pairs**2 / 2`` fits can be tried. For each,
    the other sources must have a partner within the residuals, and of wrong partners a circle of
    that size holds ``pairs * (size / radius)**2``, by Poisson's law (the reasoning `a contrario` of
    Desolneux, Moisan & Morel 2000, IJCV 40, 7). The rms is enlarged by what the fit of its own
    parameters takes away.
    """
    from scipy.special import pdtrc  # Poisson's law, without the second that scipy.stats takes

    if matches <= _PARAMETERS:
        return math.inf
    size = _RMS_TO_RADIUS * rms * math.sqrt(matches / (matches - _PARAMETERS))
    mean = pairs * min(1.0, (size / radius) ** 2)
    trials = max(1.0, pairs**2 / 2)
    return float(trials * pdtrc(matches - _PARAMETERS - 1, mean))
