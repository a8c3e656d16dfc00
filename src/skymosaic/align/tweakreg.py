"""One run of TweakReg over drizzled images, and what its files say of it."""

from __future__ import annotations

import itertools
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skymosaic.align.chance import count_pairs, expected_by_chance, read_positions
from skymosaic.align.gates import TileFit
from skymosaic.align.proof import centre_motion, read_wcs
from skymosaic.drizzlepac_calls import process
from skymosaic.hst.exposure import Exposure

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
}
PRE_TWEAKREG = "PRE-TWEAKREG"


@dataclass(frozen=True)
class Tweaked:
    """What one run of TweakReg left."""

    folder: Path
    """Holds the drizzled images with their new WCS."""
    fits: list[TileFit]
    """One for each image, in the order of the input."""
    seconds: float
    peak_memory: int


def wcs_names(paths: Sequence[Path]) -> set[str]:
    """Return every WCSNAME, of primary and alternate WCS, that the files' headers hold."""
    names = set()
    for path in paths:
        with fits.open(path) as hdus:
            for hdu in hdus:
                names |= {str(value).strip() for value in hdu.header["WCSNAME*"].values()}
    return names


def unused_name(paths: Sequence[Path], wanted: str) -> str:
    """Return `wanted`, with a number where the files hold a WCS of that name already."""
    return _free_name(wanted, wcs_names(paths))


def _free_name(wanted: str, names: set[str]) -> str:
    used = {name.upper() for name in names}
    candidates = itertools.chain([wanted], (f"{wanted}_{i}" for i in itertools.count(2)))
    return next(name for name in candidates if name.upper() not in used)


def name_original(path: Path) -> str:
    """Return the primary WCSNAME of a drizzled image, making it one that no other WCS has.

    TweakBack finds the WCS before TweakReg by this name; a name that an older WCS has too would
    give it the wrong one.
    """
    with fits.open(path, mode="update") as hdus:
        sci = next((hdu for hdu in hdus if hdu.name == "SCI"), hdus[0])
        name = str(sci.header.get("WCSNAME", "")).strip()
        others = {
            str(value).strip() for key, value in sci.header["WCSNAME?"].items() if key != "WCSNAME"
        }
        if not name or name in others:
            name = _free_name(PRE_TWEAKREG, others)
            sci.header["WCSNAME"] = name
    return name


def run_tweakreg(
    folder: Path,
    originals: Mapping[str, Path],
    tiles: Sequence[Exposure],
    sources: Mapping[str, int],
    parameters: Mapping[str, Any],
    imagefind: Mapping[str, Any],
    wcsname: str,
    log: Path,
    catalogue: Path | None = None,
) -> Tweaked:
    """Align `tiles` to the first of them, in their order, or all of them to a catalogue.

    Parameters
    ----------
    folder : Path
        Fresh folder; the images are copied into it, because TweakReg changes their headers.
    originals : mapping of str to Path
        Rootname to the image.
    tiles : sequence of Exposure
        The images.
    sources : mapping of str to int
        Sources found in each, by rootname.
    parameters, imagefind : mapping
        TweakReg's over the defaults, and all of imagefind's.
    wcsname : str
        Name of the new WCS.
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
    for tile in tiles:
        shutil.copyfile(originals[tile.rootname], folder / tile.name)
    call, order = _call(
        folder,
        {
            "files": [tile.name for tile in tiles],
            "parameters": {**used, **_OURS, "wcsname": wcsname},
            "imagefind": dict(imagefind),
        },
        log,
    )
    shifts_file = folder / _OURS["outshifts"]
    shifts = read_shifts(shifts_file.read_text()) if shifts_file.exists() else {}
    reference = None if used.get("refcat") else tiles[0]
    fits_of = [
        _tile_fit(tile, folder, originals[tile.rootname], shifts, order, sources, reference)
        for tile in tiles
    ]
    names = {tile.rootname: tile.name for tile in tiles}
    known = read_positions(catalogue) if catalogue else None
    fits_of = _with_chances(fits_of, names, folder, used, known)
    return Tweaked(folder, fits_of, call.seconds, call.peak_memory)


def _call(folder: Path, arguments: dict[str, Any], log: Path) -> tuple[process.Call, list[str]]:
    """Run TweakReg, and return what the call gave and the order that its log tells."""
    size_before = log.stat().st_size if log.exists() else 0
    done = process.call("tweakreg", folder, arguments, log)
    with log.open() as file:
        file.seek(size_before)
        return done, _order_used(file.read())


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


def _order_used(log: str) -> list[str]:
    """Return file names in the order of their last fit: a failed image is tried again, last."""
    tried = re.findall(r"^Performing fit for: (\S+)", log, flags=re.MULTILINE)
    return [name for i, name in enumerate(tried) if name not in tried[i + 1 :]]


def read_shifts(text: str) -> dict[str, list[float]]:
    """Return dx, dy, rotation, scale, xrms, yrms by file name from a TweakReg shift file."""
    rows = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
    return {row[0]: [float(value) for value in row[1:7]] for row in rows}


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


def _tile_fit(
    tile: Exposure,
    folder: Path,
    original: Path,
    shifts: Mapping[str, Sequence[float]],
    order: Sequence[str],
    sources: Mapping[str, int],
    reference: Exposure | None,
) -> TileFit:
    nan = [math.nan] * 6
    dx, dy, rotation, scale, *_ = shifts.get(tile.name, nan)
    path = folder / tile.name
    with fits.open(path) as hdus:
        header = next((hdu for hdu in hdus if hdu.name == "SCI"), hdus[0]).header
    fitted = tile.name in order and "not aligned" not in str(header.get("WCSTYPE", ""))
    [before], [after] = read_wcs(original).values(), read_wcs(path).values()
    place = order.index(tile.name) + 1 if fitted else -1
    return TileFit(
        tile=tile.rootname,
        place=0 if tile == reference else place,
        sources=sources[tile.rootname],
        dx=dx,
        dy=dy,
        rotation=(rotation + 180.0) % 360.0 - 180.0,
        scale=scale,
        matches=int(header.get("NMATCH", 0)) if fitted else 0,
        rms_ra=float(header["RMS_RA"]) * 3.6e6 if fitted and "RMS_RA" in header else math.nan,
        rms_dec=float(header["RMS_DEC"]) * 3.6e6 if fitted and "RMS_DEC" in header else math.nan,
        shift=centre_motion(before, after),
    )
