"""Exposures of other imagers than WFC3's, with the keywords by which AstroDrizzle tells them.

The keywords are those of real files of stwcs' and drizzlepac's tests; pixels and WCS are made: a
flat sky with noise, and a tangent plane without distortion model, as old files of ACS/HRC and STIS
have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

CENTRE = (150.0, 2.0)  # RA, Dec, degrees
_TIMES = {"EXPSTART": 52000.0, "EXPEND": 52000.01, "DATE-OBS": "2001-04-01", "TIME-OBS": "00:00:00"}
_CCD = {"CCDAMP": "D", "CCDGAIN": 1, "ATODGAIN": 1.0, "READNSE": 4.0}
_ACS = {
    f"{name}{amp}": value for name, value in (("ATODGN", 2.0), ("READNSE", 4.5)) for amp in "ABCD"
}


def write_hrc(folder: Path, name: str, shift: float, sky: float, side: int = 160) -> Path:
    """Write an exposure of ACS/HRC whose header has no distortion model, sky in electrons."""
    primary = {"INSTRUME": "ACS", "DETECTOR": "HRC", "FILTER1": "F606W", "FILTER2": "CLEAR2S"}
    primary |= {**_CCD, **_ACS, "EXPTIME": 200.0, **_TIMES}
    chip = _chip("ELECTRONS", 0.0265, shift, sky, side)
    return _write(folder, name, primary, [chip])


def write_stis(
    folder: Path, name: str, exposures: Mapping[str, tuple[float, float]], side: int = 160
) -> Path:
    """Write a file of STIS/CCD; of each exposure, by its EXPNAME, its shift and sky in counts."""
    primary = {"INSTRUME": "STIS", "DETECTOR": "CCD", "FILTER": "Clear", "OBSTYPE": "IMAGING"}
    primary |= {**_CCD, "CCDGAIN": 4, "ATODGAIN": 4.0}
    chips = []
    for number, (expname, (shift, sky)) in enumerate(exposures.items(), start=1):
        chip = _chip("COUNTS", 0.0508, shift, sky, side, number)
        chip[0].update({"EXPNAME": expname, "EXPTIME": 150.0, **_TIMES})
        chips.append(chip)
    return _write(folder, name, primary, chips)


def write_wfpc2(folder: Path, name: str, shift: float, sky: float) -> Path:
    """Write an FLT of WFPC2 as `wfpc2_to_flt` makes it, without model; sky in the PC's counts."""
    primary = {"INSTRUME": "WFPC2", "DETECTOR": "PC", "FILTNAM1": "F555W", "FILTNAM2": ""}
    primary |= {"FILTER1": 25, "FILTER2": 0, "IMAGETYP": "EXT", "MODE": "FULL", "ATODGAIN": 7.0}
    primary |= {"EXPTIME": 100.0, "DARKTIME": 100.0, "LRFWAVE": 0.0, "NPOLFILE": "N/A", **_TIMES}
    primary |= {"DGEOFILE": "uref$s8f1222cu_dxy.fits"}
    chips = []
    for number, scale in enumerate((0.0455, 0.0996, 0.0996, 0.0996), start=1):
        # The four chips stand around the middle of the field; larger pixels have more sky.
        chip = _chip("COUNTS", scale, shift, sky * (scale / 0.0455) ** 2, 800, number)
        turned = (number - 1) * 90.0
        chip[0].update(_wcs(scale, shift, (-10.0, -10.0), turned))
        chip[0]["DETECTOR"] = number
        chips.append(chip)
    return _write(folder, name, primary, chips)


def _wcs(
    scale: float, shift: float, crpix: tuple[float, float], turned: float = 0.0
) -> dict[str, Any]:
    step, cos, sin = scale / 3600.0, np.cos(np.radians(turned)), np.sin(np.radians(turned))
    return {
        "WCSAXES": 2,
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": CENTRE[0],
        "CRVAL2": CENTRE[1] + shift / 3600.0,
        "CRPIX1": crpix[0],
        "CRPIX2": crpix[1],
        "CD1_1": -step * cos,
        "CD1_2": step * sin,
        "CD2_1": step * sin,
        "CD2_2": step * cos,
        "ORIENTAT": turned,
        "VAFACTOR": 1.0,
    }


def _chip(
    bunit: str, scale: float, shift: float, sky: float, side: int, number: int = 1
) -> tuple[dict[str, Any], np.ndarray]:
    random = np.random.default_rng([round(1000 * sky), number])
    middle = (side + 1) / 2.0
    header = {**_wcs(scale, shift, (middle, middle)), "BUNIT": bunit, "NGOODPIX": side**2}
    return header, (sky + random.normal(0.0, 0.3, (side, side))).astype(np.float32)


def _write(
    folder: Path,
    name: str,
    primary: Mapping[str, Any],
    chips: Sequence[tuple[dict[str, Any], np.ndarray]],
) -> Path:
    path = folder / f"{name}_flt.fits"
    common = {"TELESCOP": "HST", "ROOTNAME": name, "FILENAME": path.name, "PA_V3": 0.0}
    common |= {"RA_TARG": CENTRE[0], "DEC_TARG": CENTRE[1], "EQUINOX": 2000.0, "ASN_ID": "NONE"}
    hdus = [fits.PrimaryHDU(header=fits.Header({**common, **primary}))]
    for number, (keywords, science) in enumerate(chips, start=1):
        own = {"EXPNAME": name, "ROOTNAME": name, "CCDCHIP": 1, "MEANDARK": 0.0, **keywords}
        for kind in ("SCI", "ERR", "DQ"):
            data = np.zeros(science.shape, np.int16) if kind == "DQ" else np.sqrt(np.abs(science))
            header = fits.Header(own if kind == "SCI" else {"BUNIT": own["BUNIT"]})
            hdus.append(
                fits.ImageHDU(science if kind == "SCI" else data, header, name=kind, ver=number)
            )
    if primary["INSTRUME"] == "WFPC2":  # AstroDrizzle finds DQ by the number of the SCI extension
        hdus[1:] = sorted(hdus[1:], key=lambda hdu: hdu.name != "SCI")
    fits.HDUList(hdus).writeto(path)
    return path
