"""What TweakReg's files say: names of WCSs, shifts, the order in fact used, the fit of a tile."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.align.gates import TileFit
from skymosaic.align.proof import centre_motion, read_wcs
from skymosaic.hst.exposure import Exposure

PRE_TWEAKREG = "PRE-TWEAKREG"


def wcs_names(paths: Sequence[Path]) -> set[str]:
    """Return every WCSNAME, of primary and alternate WCS, that the files' headers hold."""
    names = set()
    for path in paths:
        with fits.open(path) as hdus:
            for hdu in hdus:
                names |= {str(value).strip() for value in hdu.header["WCSNAME*"].values()}
    return names


def free_name(wanted: str, names: Collection[str]) -> str:
    """Return `wanted`, with a number where it is among names already."""
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
            name = free_name(PRE_TWEAKREG, others)
            sci.header["WCSNAME"] = name
    return name


def order_used(log: str) -> list[str]:
    """Return file names in the order of their last fit: a failed image is tried again, last."""
    tried = re.findall(r"^Performing fit for: (\S+)", log, flags=re.MULTILINE)
    return [name for i, name in enumerate(tried) if name not in tried[i + 1 :]]


def read_shifts(text: str) -> dict[str, list[float]]:
    """Return dx, dy, rotation, scale, xrms, yrms by file name from a TweakReg shift file."""
    rows = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
    return {row[0]: [float(value) for value in row[1:7]] for row in rows}


def tile_fit(
    tile: Exposure,
    folder: Path,
    before: WCS,
    shifts: Mapping[str, Sequence[float]],
    order: Sequence[str],
    sources: Mapping[str, int],
    reference: Exposure | None,
) -> TileFit:
    """Return what the files of one run of TweakReg say of a tile.

    Parameters
    ----------
    tile : Exposure
        Its drizzled image.
    folder : Path
        Holds the image with its new WCS.
    before : WCS
        That the image had.
    shifts : mapping of str to sequence of float
        As `read_shifts` returns them.
    order : sequence of str
        As `order_used` returns it.
    sources : mapping of str to int
        Sources found in each tile, by rootname.
    reference : Exposure or None
        The tile that the others are aligned to; None where that is a catalogue.
    """
    nan = [math.nan] * 6
    dx, dy, rotation, scale, *_ = shifts.get(tile.name, nan)
    path = folder / tile.name
    with fits.open(path) as hdus:
        header = next((hdu for hdu in hdus if hdu.name == "SCI"), hdus[0]).header
    fitted = tile.name in order and "not aligned" not in str(header.get("WCSTYPE", ""))
    [after] = read_wcs(path).values()
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
