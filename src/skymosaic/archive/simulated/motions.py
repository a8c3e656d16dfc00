"""Proper motions of the simulated stars, and the epochs at which tiles are observed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from skymosaic.archive.simulated.plane import FloatArray
from skymosaic.archive.simulated.seeds import generator
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.errors import CampaignError

CATALOGUE_EPOCH = 2016.0
"""Julian year at which the stars lie where a simulation without motions has them; Gaia's."""
_MJD_OF_J2000, _J2000 = 51544.5, datetime(2000, 1, 1, 12)
_DAYS_A_YEAR = 365.25


def draw_motions(seed: int, i: int, j: int, count: int, rms: float) -> FloatArray:
    """Draw the proper motions of a block's stars, mas/yr: along RA (times cos(Dec)) and Dec.

    Returns
    -------
    array, shape (2, count)
        Zeros where `rms` is 0.
    """
    if rms == 0.0:
        return np.zeros((2, count))
    return np.asarray(generator(seed, "motions", i, j).normal(0.0, rms, (2, count)))


def first_start(simulation: Simulation, tile: str, usual: float) -> float:
    """Return when the exposures of a simulation begin, MJD, as far as a tile's dates tell it.

    Parameters
    ----------
    simulation : Simulation
        Its `epochs` go first.
    tile : str
        The tile.
    usual : float
        MJD of a simulation without epochs.
    """
    epoch = simulation.epochs.get(tile)
    return usual if epoch is None else _MJD_OF_J2000 + (epoch - 2000.0) * _DAYS_A_YEAR


def julian_year(mjd: float) -> float:
    """Return a moment as Julian year."""
    return 2000.0 + (mjd - _MJD_OF_J2000) / _DAYS_A_YEAR


def date_of(mjd: float) -> datetime:
    """Return a moment as date and time (UTC)."""
    return _J2000 + timedelta(days=mjd - _MJD_OF_J2000)


def read_epochs(texts: Sequence[str]) -> dict[str, float]:
    """Return when tiles are observed, from ``TILE=YEAR`` each.

    Raises
    ------
    CampaignError
        A text is no such pair.
    """
    epochs = {}
    for text in texts:
        tile, _, year = text.partition("=")
        try:
            epochs[tile.strip()] = float(year)
        except ValueError:
            raise CampaignError(
                f"--epoch {text!r}: give a tile and a Julian year, such as 54=2022.5"
            ) from None
    return epochs
