"""One run of TweakReg over drizzled images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymosaic.align.chance import count_pairs, expected_by_chance, read_positions
from skymosaic.align.gates import TileFit
from skymosaic.align.image_files import restore_frame
from skymosaic.align.records import AlignImage
from skymosaic.align.tweakreg_files import (
    free_name,
    name_original,
    order_used,
    read_shifts,
    tile_fit,
)
from skymosaic.drizzlepac_calls import process

# Tiles in the user's order, each adding its sources to the catalogue that the next one is matched
# with, as in STScI's tutorial 'Sky Matching for HST Mosaics'. The other values are those with which
# simulated WFC3/IR tiles come out best: the histogram that finds the offset between two catalogues
# can be wrong by more than a pixel, hence the tolerance; the clipping then removes chance pairs.
DEFAULTS: dict[str, Any] = {
    "expand_refcat": True,
    "enforce_user_order": True,
    "searchrad": 1.0,
    "tolerance": 3.0,
    "nclip": 5,
    "sigma": 2.5,
}
REFERENCE_WCS = "shifts_wcs.fits"
"""File with the WCS of the frame that the fits are made in."""
_OURS: dict[str, Any] = {
    "updatehdr": True,
    "reusename": False,
    "shiftfile": True,
    "outshifts": "shifts.txt",
    "outwcs": REFERENCE_WCS,
    "runfile": "tweakreg.log",
    "interactive": False,
    "see2dplot": False,
    "residplot": "No plot",
    "writecat": True,
    "clean": False,
    # Of the catalogues that it gets, as `_listed` writes them.
    "xcol": 1,
    "ycol": 2,
    "fluxcol": 3,
    "xyunits": "pixels",
    "maxflux": None,
    "minflux": None,
    "nbright": None,
}
_LIST = "sources.list"
"""File that names the catalogue of each image."""


@dataclass(frozen=True)
class Tweaked:
    """What one run of TweakReg left."""

    folder: Path
    """Holds the drizzled images with their new WCS."""
    fits: list[TileFit]
    """One for each image, in the order of the input."""
    peak_memory: int


def run_tweakreg(
    folder: Path,
    images: Sequence[AlignImage],
    parameters: Mapping[str, Any],
    imagefind: Mapping[str, Any],
    log: Path,
    catalogue: Path | None = None,
) -> Tweaked:
    """Align images to the first of them, in their order, or all of them to a catalogue.

    TweakReg gets their headers and their sources, which it would find in the pixels.

    Parameters
    ----------
    folder : Path
        Is made; TweakReg leaves its files there.
    images : sequence of AlignImage
        The images.
    parameters, imagefind : mapping
        TweakReg's over the defaults, and all of imagefind's.
    log : Path
        File for what TweakReg prints.
    catalogue : Path or None
        As `write_catalogue` leaves it; a catalogue of the user's is among `parameters`.

    Raises
    ------
    DrizzlepacError
        TweakReg raised an exception.
    """
    folder.mkdir()
    used = {**DEFAULTS, **parameters, **(_with_catalogue(catalogue) if catalogue else {})}
    for image in images:
        restore_frame(image.frame, folder / image.exposure.name)
        name_original(folder / image.exposure.name)
    (folder / _LIST).write_text("".join(_listed(folder, image) for image in images))
    wcsname = free_name("TWEAK", {name for image in images for name in image.wcs_names})
    call, order = _call(
        folder,
        {
            "files": [image.exposure.name for image in images],
            "parameters": {**used, **_OURS, "catfile": _LIST, "wcsname": wcsname},
            "imagefind": dict(imagefind),
        },
        log,
    )
    shifts_file = folder / _OURS["outshifts"]
    shifts = read_shifts(shifts_file.read_text()) if shifts_file.exists() else {}
    reference = None if used.get("refcat") else images[0].exposure
    sources = {image.name: len(image.catalogue) for image in images}
    fits_of = [
        tile_fit(image.exposure, folder, image.wcs, shifts, order, sources, reference)
        for image in images
    ]
    names = {image.name: image.exposure.name for image in images}
    known = read_positions(catalogue) if catalogue else None
    fits_of = _with_chances(fits_of, names, folder, used, known)
    return Tweaked(folder, fits_of, call.peak_memory)


def _listed(folder: Path, image: AlignImage) -> str:
    """Write the sources of an image as TweakReg reads them; return the line that names them."""
    its = image.catalogue
    path = folder / f"{image.name}_sources.cat"
    # As many digits as a float64 has: TweakReg gets the numbers that its finder gave.
    np.savetxt(path, np.stack([its.x, its.y, its.flux], axis=1), fmt="%.17g")
    return f"{image.exposure.name} {path.name}\n"


def _call(folder: Path, arguments: dict[str, Any], log: Path) -> tuple[process.Call, list[str]]:
    """Run TweakReg, and return what the call gave and the order that its log tells."""
    size_before = log.stat().st_size if log.exists() else 0
    done = process.call("tweakreg", folder, arguments, log)
    with log.open() as file:
        file.seek(size_before)
        return done, order_used(file.read())


def write_catalogue(path: Path, sources: NDArray[np.float64]) -> None:
    """Write sources as TweakReg reads them.

    Parameters
    ----------
    path : Path
        Is replaced.
    sources : array of shape (n, 3)
        RA, Dec in degrees, and flux.
    """
    np.savetxt(path, sources, fmt=("%.10f", "%.10f", "%.6g"), header="RA Dec (degrees) flux")


def _with_catalogue(path: Path) -> dict[str, Any]:
    """Return TweakReg's parameters that name a catalogue as `write_catalogue` leaves it."""
    return {
        "refcat": str(path),
        "refxcol": 1,
        "refycol": 2,
        "refxyunits": "degrees",
        "rfluxcol": None,
    }


def _with_chances(
    fits_of: Sequence[TileFit],
    names: Mapping[str, str],
    folder: Path,
    used: Mapping[str, Any],
    known: NDArray[np.float64] | None,
) -> list[TileFit]:
    """Return the fits with how many as good are expected by chance.

    Without them where the sources to match with come from a catalogue of the user's.

    Parameters
    ----------
    names : mapping of str to str
        Rootname to file name.
    used : mapping
        TweakReg's parameters.
    known : array of shape (n, 2) or None
        RA, Dec in degrees of the sources of a catalogue that is not the user's.
    """
    of_the_users = bool(used.get("refcat")) and known is None
    if of_the_users or used.get("searchunits", "arcseconds") != "arcseconds":
        return list(fits_of)
    radius = float(used["searchrad"])
    chances: dict[str, float] = {}
    before = [] if known is None else [known]
    for fit in sorted((fit for fit in fits_of if fit.place >= 0), key=lambda fit: fit.place):
        stem = names[fit.tile].removesuffix(".fits")
        positions = read_positions(folder / f"{stem}_sky_catalog.coo")
        if not fit.reference and math.isfinite(fit.rms_ra + fit.rms_dec):
            chances[fit.tile] = expected_by_chance(
                count_pairs(positions, before, radius),
                radius,
                fit.matches,
                max(fit.rms_ra, fit.rms_dec) / 1000.0,
            )
        if fit.reference or used["expand_refcat"]:
            before.append(positions)
    return [replace(fit, chance=chances.get(fit.tile, math.nan)) for fit in fits_of]
