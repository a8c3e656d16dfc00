"""Cosmic rays: tracks through the silicon of a CCD, with the charge that diffuses from them.

From the ACS Instrument Handbook, section 4.3, and ISR ACS 2002-07: a hit leaves 500 electrons or
more, 1,000 in the median; it affects 4 to 5 pixels most often, with a long tail of longer tracks;
most affected pixels are not hit themselves, charge diffuses to them. How many pixels are affected
is in the handbooks of both cameras, see `cameras`.

The model: particles come from everywhere, so that through a flat detector the cosine of the angle
to its normal is the root of a uniform number. A track is as long as the silicon is deep (a pixel's
width: both are 15 micrometres) times the angle's tangent, and leaves charge along its whole path.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skymosaic.archive.simulated.ccd.cameras import CameraChip
from skymosaic.archive.simulated.plane import FloatArray
from skymosaic.archive.simulated.scene import gaussian_share
from skymosaic.archive.simulated.seeds import generator
from skymosaic.archive.simulated.simulation import Simulation

AFFECTED = 15.0  # e-: about 4 times the read noise; pixels with more count as affected

_CHARGE, _SCATTER = 700.0, 0.25  # e- of a hit along the normal; natural logarithm
_DIFFUSION = 0.33  # pixels: width of the charge that spreads from a point
_LONGEST = 300.0  # pixels
_PIXELS_A_HIT = 6.6  # that a hit affects in the mean: measured, with what is above
_REACH = np.arange(-2, 3)  # pixels about a point to which its charge spreads
_STEP = 0.5  # pixels along a track


def hit_share(simulation: Simulation, rootname: str, chip: CameraChip) -> float:
    """Return the share of pixels that are affected in 1000 s of an exposure: it varies in orbit."""
    random = generator(simulation.seed, rootname, "cosmic rays")
    return float(random.uniform(*chip.camera.hit_share))


def cosmic_rays(
    simulation: Simulation, rootname: str, chip: CameraChip, seconds: float
) -> NDArray[np.float32]:
    """Return the electrons that cosmic rays add.

    Parameters
    ----------
    simulation : Simulation
        Its seed, and whether there are cosmic rays.
    rootname : str
        The hits depend on the seed, this name and the chip only.
    chip : CameraChip
        The part that is read.
    seconds : float
        From the start of the exposure to its readout.

    Returns
    -------
    array of float32, shape of the chip
        Whole electrons.
    """
    rows, columns = chip.shape
    if not simulation.cosmic_rays:
        return np.zeros((rows, columns), dtype=np.float32)
    random = generator(simulation.seed, rootname, "hits", chip.number)
    affected = hit_share(simulation, rootname, chip) * seconds / 1000.0 * rows * columns
    hits = int(random.poisson(affected / _PIXELS_A_HIT))
    x, y, charge = _tracks(random, hits, rows, columns)
    return np.rint(_spread(x, y, charge, rows, columns)).astype(np.float32)


def _tracks(
    random: np.random.Generator, hits: int, rows: int, columns: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return points along all tracks, and the charge that each leaves, each of shape (n,)."""
    cosine = np.sqrt(1.0 - random.uniform(size=hits))
    length = np.minimum(np.sqrt(1.0 - cosine**2) / cosine, _LONGEST)
    path = np.hypot(1.0, length)
    charge = _CHARGE * np.exp(random.normal(0.0, _SCATTER, hits)) * path
    angle = random.uniform(0.0, 2 * np.pi, hits)
    x0 = random.uniform(-0.5, columns - 0.5, hits)
    y0 = random.uniform(-0.5, rows - 0.5, hits)
    points = np.maximum(1, np.ceil(length / _STEP).astype(int))
    owner = np.repeat(np.arange(hits), points)
    first = np.cumsum(points) - points
    along = (np.arange(owner.size) - first[owner] + 0.5) / points[owner] * length[owner]
    return (
        x0[owner] + along * np.cos(angle[owner]),
        y0[owner] + along * np.sin(angle[owner]),
        (charge / points)[owner],
    )


def _spread(
    x: FloatArray, y: FloatArray, charge: FloatArray, rows: int, columns: int
) -> FloatArray:
    """Return the charge in pixels, shape (rows, columns)."""
    column = np.rint(x).astype(int)[:, None] + _REACH
    row = np.rint(y).astype(int)[:, None] + _REACH
    share_x = gaussian_share(column - x[:, None], _DIFFUSION)
    share_y = gaussian_share(row - y[:, None], _DIFFUSION)
    stamps = charge[:, None, None] * share_y[:, :, None] * share_x[:, None, :]
    row3, column3 = np.broadcast_arrays(row[:, :, None], column[:, None, :])
    seen = (row3 >= 0) & (row3 < rows) & (column3 >= 0) & (column3 < columns)
    places = row3[seen] * columns + column3[seen]
    image = np.bincount(places, weights=stamps[seen], minlength=rows * columns)
    return np.asarray(image.reshape(rows, columns))
