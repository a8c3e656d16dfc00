"""Files that hold several WCS solutions, as MAST's do: made by stwcs, whose headerlets they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits


@dataclass(frozen=True)
class Held:
    """A solution that a file is to hold."""

    name: str
    """WCSNAME."""
    east: float = 0.0
    """By how much it lies from the primary one, arcsec."""
    north: float = 0.0
    rms: tuple[float, float] = (0.0, 0.0)
    """In RA and Dec, mas."""
    matches: int = 0
    catalogue: str = ""


def shift(header: fits.Header, east: float, north: float) -> None:
    """Move the primary WCS of a chip on the sky, arcsec."""
    header["CRVAL1"] += east / 3600.0 / np.cos(np.radians(header["CRVAL2"]))
    header["CRVAL2"] += north / 3600.0


def add_headerlet(path: Path, held: Held) -> None:
    """Attach a headerlet; the primary WCS stays."""
    from stwcs.wcsutil import headerlet

    with fits.open(path, memmap=False) as hdus:
        chips = [hdu for hdu in hdus if hdu.name == "SCI"]
        for hdu in chips:
            shift(hdu.header, held.east, held.north)
            hdu.header["WCSNAME"] = held.name
        made = headerlet.create_headerlet(
            hdus,
            sciext="SCI",
            hdrname=f"{hdus[0].header['ROOTNAME']}_{held.name}-hlet.fits",
            wcsname=held.name,
            nmatch=held.matches,
            catalog=held.catalogue,
        )
    # As drizzlepac's align_utils.update_headerlet_phdu writes them: mas.
    made[0].header["RMS_RA"], made[0].header["RMS_DEC"] = held.rms
    with fits.open(path, mode="update") as hdus:
        hdu = headerlet.HeaderletHDU.fromheaderlet(made)
        hdu.header["EXTVER"] = 1 + sum(hdu.name == "HDRLET" for hdu in hdus)
        hdus.append(hdu)


def add_alternate(path: Path, held: Held, key: str) -> None:
    """Write an alternate WCS into the headers of the chips; the primary one stays."""
    from stwcs.wcsutil import altwcs

    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name != "SCI":
                continue
            own = altwcs.wcs_from_key(hdus, ("SCI", hdu.ver), from_key=" ", to_key=key)
            hdu.header.update(own)
            hdu.header[f"CRVAL1{key}"] += (
                held.east / 3600.0 / np.cos(np.radians(hdu.header["CRVAL2"]))
            )
            hdu.header[f"CRVAL2{key}"] += held.north / 3600.0
            hdu.header[f"WCSNAME{key}"] = held.name
            values: Mapping[str, Any] = {
                f"CRDER1{key}": held.rms[0] / 3.6e6,
                f"CRDER2{key}": held.rms[1] / 3.6e6,
                f"NMATCH{key}": held.matches,
                f"CATALOG{key}": held.catalogue,
            }
            hdu.header.update(values)
