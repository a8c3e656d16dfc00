"""The simulated CCDs: bad pixels and columns, dark current, noise, saturation."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from skymosaic.archive.simulated.ccd.cameras import CameraChip
from skymosaic.archive.simulated.plane import FloatArray
from skymosaic.archive.simulated.seeds import generator
from skymosaic.archive.simulated.simulation import Simulation

# Flags of the DQ array: ACS Data Handbook, chapter 3; WFC3 Data Handbook, table 3.3.
BAD, HOT, UNSTABLE, WARM, BAD_COLUMN, SATURATED, SINK = 4, 16, 32, 64, 128, 256, 1024

READ_TIME = 40.0  # s: half of the readout, in which dark current and cosmic rays come, too

_SHARES = {BAD: 0.0003, HOT: 0.010, UNSTABLE: 0.002, WARM: 0.005, SINK: 0.001}
_WARM_DARK, _HOT_DARK, _HOT_TAIL = (0.06, 0.14), 0.14, 0.25  # e-/s: the excess of dark current
_UNSTABLE = 25.0  # e- rms
_SINK_DEPTH = 0.4  # share of the charge that a sink pixel keeps back
_COLUMNS = 10  # bad columns of a chip; of each a part, up to the readout
_COLUMN_EXCESS = (15.0, 60.0)  # e-


@functools.lru_cache(maxsize=4)
def _defects(seed: int, camera: str, number: int, shape: tuple[int, int]) -> _Defects:
    """Return the defects of a whole chip, fixed for a seed."""
    random = generator(seed, camera, "detector", number)
    rows, columns = shape
    flags = np.zeros(shape, dtype=np.int16)
    dark = np.zeros(shape, dtype=np.float32)
    excess = np.zeros(shape, dtype=np.float32)
    for flag, share in _SHARES.items():
        count = int(share * rows * columns)
        at = random.integers(0, rows, count), random.integers(0, columns, count)
        flags[at] |= flag
        if flag == HOT:
            dark[at] += _HOT_DARK + random.exponential(_HOT_TAIL, count)
        elif flag == WARM:
            dark[at] += random.uniform(*_WARM_DARK, count)
    for column in random.integers(0, columns, _COLUMNS):
        # Charge is moved away from the gap: what lies beyond a trap is bad up to the gap.
        start = int(random.uniform(0.0, rows))
        part = slice(start, rows) if number == 2 else slice(0, start)
        flags[part, column] |= BAD_COLUMN
        excess[part, column] = random.uniform(*_COLUMN_EXCESS)
    for array in (flags, dark, excess):
        array.setflags(write=False)
    return flags, dark, excess


_Defects = tuple[NDArray[np.int16], NDArray[np.float32], NDArray[np.float32]]


def bad_pixels(simulation: Simulation, chip: CameraChip) -> _Defects:
    """Return DQ flags, excess of dark current (e-/s) and of bad columns (e-) of what is read."""
    whole = _defects(simulation.seed, chip.camera.name, chip.number, chip.camera.shape)
    rows = slice(chip.corner[1], chip.corner[1] + chip.shape[0])
    columns = slice(chip.corner[0], chip.corner[0] + chip.shape[1])
    flags, dark, excess = whole
    return flags[rows, columns].copy(), dark[rows, columns], excess[rows, columns]


def read_noise(chip: CameraChip) -> FloatArray:
    """Return the read noise of each column that is read, e-: two amplifiers share a chip's rows."""
    columns = np.arange(chip.shape[1]) + chip.corner[0]
    left, right = chip.read_noise
    return np.where(columns < chip.camera.shape[1] // 2, left, right)


def expose(
    simulation: Simulation,
    rootname: str,
    chip: CameraChip,
    light: FloatArray,
    hits: NDArray[np.float32],
    exptime: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16]]:
    """Turn light into a calibrated chip.

    Parameters
    ----------
    simulation : Simulation
        Its seed.
    rootname : str
        The noise depends on the seed, this name and the chip only.
    chip : CameraChip
        The part that is read.
    light : array, shape of the chip
        Scene and sky, e-/s.
    hits : array, shape of the chip
        What cosmic rays add, e-.
    exptime : float
        Seconds.

    Returns
    -------
    science, error : array of float32, shape of the chip
        e-. The dark current is subtracted, that of hot pixels too, and has left its noise. The
        error is that of the electrons and of the read noise, as the pipelines work it out.
    flags : array of int16, shape of the chip
        DQ: 0 for good pixels, and for those that cosmic rays affect.
    """
    random = generator(simulation.seed, rootname, "noise", chip.number)
    flags, excess_dark, excess = bad_pixels(simulation, chip)
    dark = (chip.camera.dark + excess_dark) * (exptime + READ_TIME)
    electrons = random.poisson(light * exptime + dark) + hits
    sink = (flags & SINK) > 0
    electrons[sink] *= 1.0 - _SINK_DEPTH
    full = electrons > chip.camera.full_well
    electrons[full] = chip.camera.full_well
    flags[full] |= SATURATED
    noise = read_noise(chip)
    science = electrons + random.standard_normal(light.shape) * noise - dark + excess
    unstable = (flags & UNSTABLE) > 0
    science[unstable] += random.normal(0.0, _UNSTABLE, int(unstable.sum()))
    bad = (flags & BAD) > 0
    science[bad] = random.normal(0.0, noise.mean(), int(bad.sum()))
    error = np.sqrt(np.clip(science + dark, 0.0, None) + noise**2)
    return science.astype(np.float32), error.astype(np.float32), flags


def mean_dark(chip: CameraChip, exptime: float) -> float:
    """Return MEANDARK: the dark current that was subtracted, e-."""
    return chip.camera.dark * (exptime + READ_TIME)
