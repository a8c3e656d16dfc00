"""STIS keeps several exposures in one file (its imsets): they become files of their own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from astropy.io import fits

from skymosaic.errors import InputError

# What STIS has in the extensions, and AstroDrizzle looks for in the primary header.
_OF_EXTENSION = ("DATE-OBS", "EXPEND", "EXPSTART", "EXPTIME")


def split_imsets(path: Path) -> list[Path]:
    """Split a file of STIS into its exposures, as AstroDrizzle would do while it runs.

    As ``splitStis`` and ``stisExt2PrimKw`` of stsci.tools.check_files do, but for ROOTNAME: each
    exposure gets its own (its EXPNAME), and so its own rows in tables. A file of one exposure keeps
    its name.

    Parameters
    ----------
    path : Path
        The file, which is replaced.

    Returns
    -------
    list of Path
        The files, in its folder.

    Raises
    ------
    InputError
        An exposure has no EXPNAME, or two have the same.
    """
    paths = []
    with fits.open(path, memmap=False) as hdus:
        versions = [hdu.ver for hdu in hdus if hdu.name == "SCI"]
        names = [_name(path, hdus, version, len(versions)) for version in versions]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise InputError(f"{path.name} holds two exposures {twice[0]!r}; fetch it again")
        for name, version in zip(names, versions, strict=True):
            parts = fits.HDUList([hdus[0].copy()])
            for kind in ("SCI", "ERR", "DQ"):
                parts.append(hdus[kind, version].copy())  # it sets EXTEND, which += does not
            for keyword in _OF_EXTENSION:
                if keyword in parts[1].header:
                    parts[0].header[keyword] = (parts[1].header[keyword], "of the SCI extension")
            for hdu in parts[1:]:
                hdu.ver = 1
            if len(versions) > 1:
                for hdu in parts:
                    hdu.header["ROOTNAME"] = name
                parts[0].header["FILENAME"] = f"{name}_flt.fits"
                parts[0].header["NEXTEND"] = 3
            paths.append(path.with_name(f"{name}_flt.fits"))
            parts.writeto(paths[-1].with_suffix(".part"))
    path.unlink()
    for part in paths:
        part.with_suffix(".part").rename(part)
    return paths


def _name(path: Path, hdus: fits.HDUList, version: int, count: int) -> str:
    if count == 1:
        return path.name.removesuffix("_flt.fits")
    name = str(hdus["SCI", version].header.get("EXPNAME", "")).strip().lower()
    if not name.isalnum():
        raise InputError(
            f"{path.name}[SCI,{version}]: EXPNAME is {name!r}, and the file holds {count} "
            "exposures that need names; fetch it again"
        )
    return name
