"""Many small exposures with low pixels in random places, and one that is low in all."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from astropy.io import fits

from tests.frames import Frame, write_frames, write_two_chip_frames

BAD = (20, 33)
"""Row and column of the pixel that is low in all exposures, in each chip."""
_CHIP_STEP = 0.1  # e-/s, by which `write_two_chip_frames` raises the second chip
_SLOPE = (2e-4, 1e-4)  # e-/s a pixel to the east and to the north, of `frames.scene`


def lattice(count: int, side: int, step: int) -> list[Frame]:
    """Return exposures that overlap their neighbours, with random skies."""
    random, across = np.random.default_rng(4), math.ceil(math.sqrt(count))
    number = np.arange(count)
    places = step * (np.stack([number % across, number // across], 1) - (across - 1) / 2)
    skies = random.uniform(0.5, 2.0, count)
    return [
        Frame(float(x), float(y), sky=float(sky), pixels=side)
        for (x, y), sky in zip(places, skies, strict=True)
    ]


def write_many(folder: Path, frames: list[Frame], chips: int = 1, share: float = 0.01) -> list[str]:
    """Write the exposures; of two chips in electrons. Return their names."""
    names = (write_two_chip_frames if chips == 2 else write_frames)(folder, frames)
    for seed, (name, frame) in enumerate(zip(names, frames, strict=True)):
        _level(folder / name, frame)
        spoil(folder / name, seed, share)
    return names


def _level(path: Path, frame: Frame) -> None:
    """Take off the slope of the scene: over thousands of pixels it is what `match` gets wrong.

    And the step between chips: `match` knows one sky an exposure.
    """
    middle = (frame.pixels - 1) / 2
    with fits.open(path, mode="update") as hdus:
        for hdu in (one for one in hdus if one.name == "SCI"):
            y, x = np.mgrid[: hdu.shape[0], : hdu.shape[1]]
            y += hdu.shape[0] * (hdu.ver - 1)
            light = _SLOPE[0] * (frame.dx - (x - middle)) + _SLOPE[1] * (frame.dy + y - middle)
            light += _CHIP_STEP * (hdu.ver - 1)
            counts = hdu.header["BUNIT"] == "ELECTRONS"
            hdu.data -= (light * (frame.exptime if counts else 1.0)).astype(np.float32)


def spoil(path: Path, seed: int, share: float) -> None:
    """Make random pixels of each chip low, and one in the same place in all exposures."""
    random = np.random.default_rng([5, seed])
    with fits.open(path, mode="update") as hdus:
        for hdu in (one for one in hdus if one.name == "SCI"):
            level = float(np.median(hdu.data))
            hdu.data[random.uniform(size=hdu.shape) < share] = -level
            hdu.data[BAD] = 0.3 * level
