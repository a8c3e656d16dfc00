"""Proper motions of the simulated stars, and the epochs at which tiles are observed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from skymosaic.archive.simulated.plane import FloatArray
from skymosaic.archive.simulated.seeds import generator
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.errors import CampaignError
from skymosaic.hst.epochs import MJD_OF_J2000, mjd_of

CATALOGUE_EPOCH = 2016.0
"""Julian year at which the stars lie where a simulation without motions has them; Gaia's."""
_J2000 = datetime(2000, 1, 1, 12)


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
    return usual if epoch is None else mjd_of(epoch)


def date_of(mjd: float) -> datetime:
    """Return a moment as date and time (UTC)."""
    return _J2000 + timedelta(days=mjd - MJD_OF_J2000)


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
