"""The tables of small corrections: detector to image (D2IM) and non-polynomial (NPOL).

Their form is that which stwcs writes into FLTs and FLCs (stwcs.updatewcs.det2im and npol): an array
of 64 x 32 values for each axis of each chip, 64 pixels apart, in pixels. Their values are our own,
as large as those of the real tables: 0.03 pixel D2IM, in the pattern of the masks by which the
CCDs were made, and 0.02 pixel NPOL, which is smooth.
"""

from __future__ import annotations

import functools

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skymosaic.archive.simulated.ccd.cameras import CameraChip
from skymosaic.archive.simulated.seeds import generator

_STEP = 64  # pixels between two values
_D2IM_RMS, _D2IM_BLOCKS = 0.03, 8  # pixels; values that one step of the mask is wide
_NPOL_AMPLITUDE, _NPOL_WAVES = 0.012, 6  # pixels

_KINDS = (
    # extension, keyword of the kind, of its parameters, of its largest value, comment, EXT
    ("D2IMARR", "D2IMDIS", "D2IM", "D2IMERR", "Detector to image correction type"),
    ("WCSDVARR", "CPDIS", "DP", "CPERR", "Prior distortion function type"),
)


@functools.cache
def _values(camera: str, kind: str, chip: int, axis: int) -> NDArray[np.float32]:
    """Return the values of a table, shape (32, 64): a property of the camera, not of a seed."""
    random = generator(0, camera, kind, chip, axis)
    rows, columns = 32, 64
    if kind == "D2IMARR":
        coarse = random.normal(0.0, _D2IM_RMS, (rows // _D2IM_BLOCKS, columns // _D2IM_BLOCKS))
        values = coarse.repeat(_D2IM_BLOCKS, axis=0).repeat(_D2IM_BLOCKS, axis=1)
    else:
        y, x = np.mgrid[0:rows, 0:columns] / columns
        values = np.zeros((rows, columns))
        for _ in range(_NPOL_WAVES):
            kx, ky = random.uniform(-3.0, 3.0, 2)
            phase = random.uniform(0.0, 2 * np.pi)
            values += _NPOL_AMPLITUDE * np.sin(2 * np.pi * (kx * x + ky * y) + phase)
    return values.astype(np.float32)


def _version(chip: CameraChip, axis: int) -> int:
    """Return EXTVER of a table: 1 and 2 are those of SCI,1, 3 and 4 those of SCI,2."""
    return 2 * (chip.extver - 1) + axis


def add_keywords(header: fits.Header, chip: CameraChip) -> None:
    """Add to the header of a chip what refers to its tables."""
    for name, kind, parameters, largest, comment in _KINDS:
        for axis in (1, 2):
            values = _values(chip.camera.name, name, chip.number, axis)
            header[f"{largest}{axis}"] = (float(values.max()), f"Maximum error for axis {axis}")
            header[f"{kind}{axis}"] = ("Lookup", comment)
            for field, value in (
                ("EXTVER", _version(chip, axis)),
                ("NAXES", 2),
                ("AXIS.1", 1),
                ("AXIS.2", 2),
            ):
                header[f"{parameters}{axis}.{field}"] = value


def extensions(chips: tuple[CameraChip, ...]) -> list[fits.ImageHDU]:
    """Return the tables of all chips, D2IMARR first.

    A chip of which a part is read refers to the whole table: its CRVAL is moved as the pixels are.
    """
    units = []
    for name, *_ in _KINDS:
        for chip in chips:
            for axis in (1, 2):
                values = _values(chip.camera.name, name, chip.number, axis)
                unit = fits.ImageHDU(values, name=name, ver=_version(chip, axis))
                for number, corner in zip((1, 2), chip.corner, strict=True):
                    unit.header[f"CRPIX{number}"] = (0.0, "reference pixel of the table")
                    unit.header[f"CRVAL{number}"] = (float(-corner), "pixel of the image there")
                    unit.header[f"CDELT{number}"] = (float(_STEP), "pixels of the image a step")
                units.append(unit)
    return units
