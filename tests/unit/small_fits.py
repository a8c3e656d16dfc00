"""Tiny calibrated exposures and drizzled images, as far as the headers tell of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

SIDE = 16
SCALE = 0.13  # arcsec a pixel


def wcs_keywords(
    ra: float = 85.0, dec: float = -2.5, angle: float = 0.0, side: int = SIDE
) -> dict[str, Any]:
    """Return a tangent-plane WCS around (ra, dec) whose y axis has position angle `angle`."""
    turn, step = np.radians(angle), SCALE / 3600.0
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": ra,
        "CRVAL2": dec,
        "CRPIX1": (side + 1) / 2,
        "CRPIX2": (side + 1) / 2,
        "CD1_1": -step * np.cos(turn),
        "CD1_2": step * np.sin(turn),
        "CD2_1": step * np.sin(turn),
        "CD2_2": step * np.cos(turn),
        "WCSNAME": "IDC_test",
    }


def write_exposure(
    path: Path,
    *,
    primary: Mapping[str, Any] | None = None,
    science: Mapping[str, Any] | None = None,
    chips: int = 1,
    without: Sequence[tuple[str, int]] = (),
    wcs: Mapping[str, Any] | None = None,
    side: int = SIDE,
) -> Path:
    """Write an FLT; a keyword that is given as None is left out.

    Parameters
    ----------
    path : Path
        Its ROOTNAME is the name up to the last underscore unless `primary` says otherwise.
    primary, science : mapping
        Keywords over the usual ones.
    chips : int
        Number of SCI extensions.
    without : sequence of (name, version)
        Extensions to leave out.
    wcs : mapping
        Keywords of the WCS instead of `wcs_keywords()`.
    side : int
        Pixels along each side.
    """
    header = {
        "TELESCOP": "HST",
        "ROOTNAME": path.name.rsplit("_", 1)[0],
        "INSTRUME": "WFC3",
        "DETECTOR": "IR",
        "FILTER": "F160W",
        "EXPTIME": 700.0,
        "ASN_ID": "IBXL54030",
        "POSTARG1": 1.5,
        "POSTARG2": -2.5,
        "EXPSTART": 55555.0,
        "EXPEND": 55555.01,
        "PA_V3": 0.0,
        "OBSTYPE": "IMAGING",
        "CCDAMP": "D",
        "ATODGAIN": 1.0,
        "READNSE": 4.0,
        **{f"{name}{amp}": 2.5 for name in ("ATODGN", "READNSE") for amp in "ABCD"},
        **(primary or {}),
    }
    unit = "ELECTRONS" if header["DETECTOR"] in ("WFC", "HRC", "SBC", "UVIS") else "ELECTRONS/S"
    hdus = fits.HDUList([fits.PrimaryHDU(header=_header(header))])
    for version in range(1, chips + 1):
        for name in ("SCI", "ERR", "DQ"):
            if (name, version) in without:
                continue
            keywords = dict(wcs or wcs_keywords(side=side)) if name == "SCI" else {}
            if name == "SCI":
                keywords |= {"BUNIT": unit, "IDCSCALE": 0.1282500028610229, "MEANDARK": 0.05}
                keywords |= {"EXPNAME": header["ROOTNAME"], "NGOODPIX": side**2}
                if header["INSTRUME"] == "STIS":
                    times = {"EXPTIME": 10.0, "EXPSTART": 55555.0, "EXPEND": 55555.01}
                    keywords |= {**times, "DATE-OBS": "2011-01-01"}
                keywords |= science or {}
            data = np.zeros((side, side), np.int16 if name == "DQ" else np.float32)
            hdus.append(fits.ImageHDU(data, _header(keywords), name=name, ver=version))
    hdus.writeto(path)
    return path


def write_drizzled(
    path: Path,
    members: Sequence[str] = ("ibxl54aaq_flt.fits[sci,1]",),
    *,
    primary: Mapping[str, Any] | None = None,
    build: bool = True,
) -> Path:
    """Write a DRZ made from `members`, as extensions or (``build=False``) as one image."""
    header: dict[str, Any] = {
        "TELESCOP": "HST",
        "ROOTNAME": "ibxl54aaq",
        "INSTRUME": "WFC3",
        "DETECTOR": "IR",
        "FILTER": "F160W",
        "EXPTIME": 1400.0,
        "ASN_ID": "IBXL54030",
        **{f"D{i:03d}DATA": name for i, name in enumerate(members, start=1)},
        **(primary or {}),
    }
    data = np.zeros((SIDE, SIDE), np.float32)
    wcs = {**wcs_keywords(), "BUNIT": "ELECTRONS/S"}
    if build:
        hdus = [fits.PrimaryHDU(header=_header(header))]
        hdus += [fits.ImageHDU(data, _header(wcs), name=name, ver=1) for name in ("SCI", "WHT")]
    else:
        hdus = [fits.PrimaryHDU(data, _header({**header, **wcs}))]
    fits.HDUList(hdus).writeto(path)
    return path


def _header(keywords: Mapping[str, Any]) -> fits.Header:
    return fits.Header([(key, value) for key, value in keywords.items() if value is not None])
