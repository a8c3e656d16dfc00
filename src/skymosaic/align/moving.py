"""Exposures moved on the sky as their drizzled image was: TweakBack, the proof, and the headers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from skymosaic.align.image_files import restore_frame
from skymosaic.align.proof import read_wcs, unlike_motion
from skymosaic.align.records import ImageSolution
from skymosaic.align.tweakreg_files import free_name, name_original, wcs_names
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import DrizzlepacError
from skymosaic.errors import AlignmentError
from skymosaic.hst.exposure import Exposure

MAX_UNLIKE_MOTION = 1.0  # mas; an exposure that moved otherwise was not moved by TweakBack
WCS_NAME = "TWEAK"


@dataclass(frozen=True)
class Moved:
    """How an exposure was moved."""

    unlike_motion: float
    """By how much its motion differs from its drizzled image's, mas."""
    peak_memory: int
    """Largest resident set of the drizzlepac process, bytes."""


def move_exposure(
    folder: Path, log: Path, exposure: Exposure, tile: Exposure, frame: bytes, to: ImageSolution
) -> Moved:
    """Move an exposure as its drizzled image was moved, and prove that it went the same way.

    Parameters
    ----------
    folder : Path
        Holds the exposure's file, which is changed, and no other of the same names.
    log : Path
        File for what TweakBack prints.
    exposure, tile : Exposure
        The exposure, and the drizzled image that was made from it.
    frame : bytes
        The drizzled image's headers, as `image_files.write_frame` has them.
    to : ImageSolution
        Where the drizzled image lies; it has a WCS.

    Raises
    ------
    AlignmentError
        TweakBack failed, or the exposure did not move as the drizzled image did.
    """
    assert to.wcs is not None
    path, drizzled = folder / exposure.name, folder / tile.name
    restore_frame(frame, drizzled)
    original = name_original(drizzled)
    before, [drizzled_before] = read_wcs(path), read_wcs(drizzled).values()
    arguments = {
        "drizzled": drizzled.name,
        "files": [path.name],
        "original": original,
        "wcs": {"crval": to.wcs.crval, "crpix": to.wcs.crpix, "cd": to.wcs.cd},
        "wcsname": free_name(WCS_NAME, wcs_names([path, drizzled])),
    }
    try:
        done = process.call("tweakback", folder, arguments, log)
    except DrizzlepacError as error:
        raise AlignmentError(str(error)) from None
    after = read_wcs(path)
    drizzled_after = to.wcs.wcs()
    # Of all chips; numpy's maximum, because that of Python can lose a NaN.
    unlike = float(
        np.max(
            [
                unlike_motion((drizzled_before, drizzled_after), (before[ver], after[ver]))
                for ver in after
            ]
        )
    )
    if not unlike <= MAX_UNLIKE_MOTION:
        raise AlignmentError(
            f"{exposure.name} moved {unlike:.2f} mas differently from {tile.name} (at most "
            f"{MAX_UNLIKE_MOTION:g} is allowed). Was the image drizzled with another WCS than the "
            "exposure has now? Fetch both files again"
        )
    drizzled.unlink()
    _write_cards(path, to)
    return Moved(unlike, done.peak_memory)


def _write_cards(path: Path, to: ImageSolution) -> None:
    """Tell in the header of each chip how its WCS was fitted, as STScI's mosaics (HAP) do."""
    fit = to.fit
    cards: Sequence[tuple[str, float | int | str, str]] = [
        ("RMS_RA", fit.rms_ra, "RMS in RA of WCS fit(mas)"),
        ("RMS_DEC", fit.rms_dec, "RMS in Dec of WCS fit(mas)"),
        ("NMATCHES", fit.matches, "Number of sources used in WCS fit"),
        ("FITGEOM", to.geometry, "Geometry of WCS fit"),
        ("CATALOG", to.catalogue, "Astrometric catalog used for WCS fit"),
    ]
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name == "SCI":
                for name, value, comment in cards:
                    if value != "" and not (isinstance(value, float) and math.isnan(value)):
                        hdu.header[name] = (value, comment)
