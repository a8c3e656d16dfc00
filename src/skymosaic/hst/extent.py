"""Where an exposure lies on the sky and when it began: what plans need of it, and of its file."""

from __future__ import annotations

import base64
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

from skymosaic.hst.chip_outlines import wcs_of, wcs_outline

Packed = str
"""Places on the sky: RA, Dec in degrees as float64, little-endian, in base64.

A list of numbers would take twice as long in a manifest, and seven times as much memory.
"""


@dataclass(frozen=True)
class Extent:
    """Where the chips of an exposure lie, in the order of the file, and when it began."""

    packed_corners: tuple[Packed, ...]
    """Of each chip the centres of its corner pixels."""
    packed_outlines: tuple[Packed, ...]
    """Of each chip its edges, as `chip_outlines` draws them."""
    started: float | None = None
    """EXPSTART, MJD (days); None where the primary header does not tell it."""

    @property
    def corners(self) -> list[NDArray[np.float64]]:
        """Centres of the corner pixels of each chip, shape (4, 2): RA, Dec in degrees.

        With all distortion, in the order of ``astropy.wcs.WCS.calc_footprint``.
        """
        return [_unpacked(chip) for chip in self.packed_corners]

    @property
    def outlines(self) -> list[NDArray[np.float64]]:
        """The edge of each chip, shape (64, 2): RA, Dec in degrees of points on it, in order."""
        return [_unpacked(chip) for chip in self.packed_outlines]


def extent_of(wcss: list[WCS], primary: fits.Header) -> Extent:
    """Return the extent of an exposure.

    Parameters
    ----------
    wcss : list of WCS
        Of its chips, with all distortion and their size.
    primary : Header
        Its primary header.
    """
    start = primary.get("EXPSTART")
    return Extent(
        tuple(_packed(wcs.calc_footprint()) for wcs in wcss),
        tuple(_packed(wcs_outline(wcs)) for wcs in wcss),
        float(start) if isinstance(start, int | float) else None,
    )


def read_extent(path: Path, extvers: list[int]) -> Extent:
    """Return the extent of an exposure whose record does not hold it.

    Parameters
    ----------
    path : Path
        Its file, or a copy without pixels (`files.write_frame`).
    extvers : list of int
        EXTVER of its SCI extensions, which are there: somebody has read the file before.
    """
    with fits.open(path) as hdus, warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        chips = [wcs_of(hdus["SCI", extver].header, hdus) for extver in extvers]
        return extent_of(chips, hdus[0].header)


def _packed(places: NDArray[np.float64]) -> Packed:
    return base64.b64encode(np.asarray(places, dtype="<f8").tobytes()).decode("ascii")


def _unpacked(packed: Packed) -> NDArray[np.float64]:
    places = np.frombuffer(base64.b64decode(packed), dtype="<f8")
    return places.astype(np.float64).reshape(-1, 2)
