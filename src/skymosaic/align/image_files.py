"""Files in which a drizzled image travels without its pixels: its headers, and its sources."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from astropy.io import fits

from skymosaic.align.proof import read_wcs
from skymosaic.align.records import AlignImage, ImageCatalogue
from skymosaic.align.tweakreg_files import wcs_names
from skymosaic.hst.epochs import julian_year, possible_epoch
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.skeletons import restore_skeleton, write_skeleton

_SPARE = 150  # cards; a WCS has some 30, and there is history
_COLUMNS = {"x": "pix", "y": "pix", "ra": "deg", "dec": "deg", "flux": ""}


def frame_name(rootname: str) -> str:
    """Return the name of the file with the headers of a drizzled image."""
    return f"{rootname}_frame.bin"


def sources_name(rootname: str) -> str:
    """Return the name of the file with its sources."""
    return f"{rootname}_sources.fits"


def write_frame(image: Path, target: Path) -> None:
    """Write the headers of a drizzled image that its WCS is in: the primary one, and SCI's."""
    write_skeleton(image, target, only=("SCI",))


def write_sources(target: Path, rows: list[list[float]]) -> None:
    """Write the sources of a drizzled image: x, y, RA, Dec, flux, as `ImageCatalogue` has them."""
    values = np.array(rows, dtype=np.float64).reshape(-1, len(_COLUMNS))
    columns = [
        fits.Column(name, "D", unit=unit, array=values[:, number])
        for number, (name, unit) in enumerate(_COLUMNS.items())
    ]
    fits.BinTableHDU.from_columns(columns).writeto(target)


def read_sources(file: Path | BinaryIO) -> ImageCatalogue:
    """Return the sources of a drizzled image that `write_sources` wrote."""
    with fits.open(file, memmap=False) as hdus:
        data = hdus[1].data
        return ImageCatalogue(*(np.array(data[name], dtype=np.float64) for name in _COLUMNS))


def restore_frame(frame: bytes, target: Path) -> None:
    """Write a drizzled image from its headers, with a hole for its pixels.

    Its headers can grow by another WCS, as TweakReg and TweakBack write it.
    """
    restore_skeleton(frame, target, spare=_SPARE)


def read_image(
    folder: Path, exposure: Exposure, frame: bytes, catalogue: ImageCatalogue
) -> AlignImage:
    """Return a drizzled image as solvers see it.

    Parameters
    ----------
    folder : Path
        To work in.
    exposure : Exposure
        The image.
    frame : bytes
        What `write_frame` wrote.
    catalogue : ImageCatalogue
        Its sources.
    """
    path = folder / exposure.name
    restore_skeleton(frame, path)
    try:
        [wcs] = read_wcs(path).values()
        names = frozenset(wcs_names([path]))
        return AlignImage(exposure, frame, catalogue, wcs, _epoch_of(path), names)
    finally:
        path.unlink()


def _epoch_of(path: Path) -> float | None:
    """Return the middle of an image's exposures, Julian year; None where nothing tells it."""
    header = fits.getheader(path, 0)
    times = [header.get(name) for name in ("EXPSTART", "EXPEND")]
    given = [julian_year(float(time)) for time in times if isinstance(time, int | float) and time]
    known = [year for year in given if possible_epoch(year) is not None]
    return sum(known) / len(known) if known else None
