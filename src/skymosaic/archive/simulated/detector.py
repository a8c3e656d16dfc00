"""The simulated WFC3/IR detector: bad pixels and noise."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from skymosaic.archive.simulated.plane import FloatArray
from skymosaic.archive.simulated.seeds import generator
from skymosaic.archive.simulated.simulation import DETECTOR_SIZE, Simulation

# Flags of the DQ array (WFC3 Data Handbook, table 3.3)
DEAD, HOT, UNSTABLE, SATURATED, BLOB = 4, 16, 32, 256, 512

DARK = 0.05  # e-/s
READ_NOISE = 14.0  # e-: what the fit to a ramp of 9 reads leaves

FULL_WELL = 8.0e4  # e- (WFC3 Instrument Handbook, section 5.7.1)

_SHARES = {DEAD: 0.002, HOT: 0.0025, UNSTABLE: 0.004}
_BLOBS, _BLOB_RADII, _BLOB_DEPTH = 20, (5.0, 10.0), 0.10


@functools.lru_cache(maxsize=2)
def _detector_flags(seed: int) -> NDArray[np.int16]:
    random = generator(seed, "detector")
    shape = (DETECTOR_SIZE, DETECTOR_SIZE)
    flags = np.zeros(shape, dtype=np.int16)
    for flag, share in _SHARES.items():
        flags[random.uniform(size=shape) < share] |= flag
    y, x = np.mgrid[0:DETECTOR_SIZE, 0:DETECTOR_SIZE]
    for _ in range(_BLOBS):
        x0, y0 = random.uniform(0, DETECTOR_SIZE, 2)
        flags[np.hypot(x - x0, y - y0) < random.uniform(*_BLOB_RADII)] |= BLOB
    flags.setflags(write=False)
    return flags


def bad_pixels(simulation: Simulation) -> NDArray[np.int16]:
    """Return the DQ flags of the pixels read out, shape (pixels, pixels), fixed for a seed."""
    part = slice(simulation.corner, simulation.corner + simulation.pixels)
    return _detector_flags(simulation.seed)[part, part].copy()


def expose(
    simulation: Simulation, rootname: str, light: FloatArray, exptime: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16]]:
    """Turn light into a calibrated exposure.

    Parameters
    ----------
    simulation : Simulation
        Seed and part of the detector.
    rootname : str
        The noise depends on the seed and this name only.
    light : array, shape (pixels, pixels)
        Scene and sky, e-/s.
    exptime : float
        Seconds.

    Returns
    -------
    science, error : array of float32, shape of `light`
        e-/s; the dark current is subtracted and has left its noise.
    flags : array of int16, shape of `light`
        DQ: 0 for good pixels. Flagged pixels hold wrong values.
    """
    random = generator(simulation.seed, rootname, "noise")
    electrons = (light + DARK) * exptime
    noise = np.sqrt(electrons + READ_NOISE**2)
    read = random.standard_normal(light.shape) * READ_NOISE
    science = (random.poisson(electrons) + read) / exptime - DARK
    flags = bad_pixels(simulation)
    science[(flags & BLOB) > 0] *= 1.0 - _BLOB_DEPTH
    unstable = (flags & UNSTABLE) > 0
    science[unstable] += random.normal(0.0, 0.5, int(unstable.sum()))
    hot = (flags & HOT) > 0
    science[hot] += random.exponential(5.0, int(hot.sum()))
    dead = (flags & DEAD) > 0
    science[dead] = random.normal(0.0, READ_NOISE / exptime, int(dead.sum()))
    if simulation.scene == "saturated":
        flags[electrons > FULL_WELL] |= SATURATED
    return science.astype(np.float32), (noise / exptime).astype(np.float32), flags
