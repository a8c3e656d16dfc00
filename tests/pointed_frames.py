"""Exposures of every detector, without light, that point anywhere on the sky."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.archive.simulated import headers as ir
from skymosaic.archive.simulated.ccd import tables
from skymosaic.archive.simulated.ccd.cameras import ACS_WFC, WFC3_UVIS, Camera, CameraChip
from skymosaic.archive.simulated.ccd.geometry import linear_wcs
from skymosaic.archive.simulated.ccd.headers import chip_header
from skymosaic.archive.simulated.pointing import plan_exposure, visits_of
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.hst.chip_outlines import wcs_outline

CENTRE = (150.0, 2.0)  # RA, Dec of all of them before they are pointed, degrees


def _file(
    primary: dict[str, object], chips: list[tuple[fits.Header, tuple[int, int]]]
) -> fits.HDUList:
    common = {"TELESCOP": "HST", "EXPTIME": 100.0, "PA_V3": 0.0, "EXPSTART": 58849.0}
    hdus = fits.HDUList([fits.PrimaryHDU(header=fits.Header({**common, **primary}))])
    for number, (header, shape) in enumerate(chips, start=1):
        hdus.append(fits.ImageHDU(np.zeros(shape, np.uint8), header, name="SCI", ver=number))
        hdus[-1].header["WCSNAME"] = header.get("WCSNAME", "IDC_made")
        hdus[-1].header["EXPNAME"] = "made"
        if primary["INSTRUME"] == "WFPC2":
            hdus[-1].header["DETECTOR"] = number
    return hdus


def _ccd(camera: Camera, instrument: str, detector: str) -> fits.HDUList:
    chips = [CameraChip(camera, ver, (0, 0), camera.shape) for ver in (1, 2)]
    headers = [(chip_header(chip, linear_wcs(chip, CENTRE, 0.0)), chip.shape) for chip in chips]
    hdus = _file({"INSTRUME": instrument, "DETECTOR": detector}, headers)
    hdus.extend(tables.extensions((chips[0], chips[1])))
    return hdus


def _infrared() -> fits.HDUList:
    simulation = Simulation()
    exposure = plan_exposure(simulation, visits_of(simulation)[0], 0)
    header = ir.science_header(simulation, exposure)
    return _file({"INSTRUME": "WFC3", "DETECTOR": "IR"}, [(header, (1014, 1014))])


def _plain(
    scale: float, side: int, crpix: float, roll: float
) -> tuple[fits.Header, tuple[int, int]]:
    step, cos, sin = scale / 3600.0, np.cos(np.radians(roll)), np.sin(np.radians(roll))
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"})
    header.update({"CRVAL1": CENTRE[0], "CRVAL2": CENTRE[1], "CRPIX1": crpix, "CRPIX2": crpix})
    header.update({"CD1_1": -step * cos, "CD1_2": step * sin})
    header.update({"CD2_1": step * sin, "CD2_2": step * cos, "ORIENTAT": roll, "VAFACTOR": 1.0})
    return header, (side, side)


def _wfpc2() -> fits.HDUList:
    chips = [(0.0455, 0.0), (0.0996, 90.0), (0.0996, 180.0), (0.0996, 270.0)]
    headers = [_plain(scale, 800, -10.0, roll) for scale, roll in chips]
    return _file({"INSTRUME": "WFPC2", "DETECTOR": "PC", "MODE": "FULL"}, headers)


def _square(instrument: str, detector: str, scale: float, side: int) -> fits.HDUList:
    header = _plain(scale, side, (side + 1) / 2.0, 0.0)
    return _file({"INSTRUME": instrument, "DETECTOR": detector}, [header])


DETECTORS: dict[str, Callable[[], fits.HDUList]] = {
    "wfc3-uvis": lambda: _ccd(WFC3_UVIS, "WFC3", "UVIS"),
    "wfc3-ir": _infrared,
    "acs-wfc": lambda: _ccd(ACS_WFC, "ACS", "WFC"),
    "acs-hrc": lambda: _square("ACS", "HRC", 0.0265, 1024),
    "acs-sbc": lambda: _square("ACS", "SBC", 0.0325, 1024),
    "wfpc2": _wfpc2,
    "stis-ccd": lambda: _square("STIS", "CCD", 0.0508, 1024),
}


def _axes(ra: float, dec: float) -> np.ndarray:
    """Return the directions up, east and north of a place as rows."""
    a, d = np.radians([ra, dec])
    return np.array(
        [
            [np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)],
            [-np.sin(a), np.cos(a), 0.0],
            [-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)],
        ]
    )


def point(hdus: fits.HDUList, ra: float, dec: float, roll: float) -> None:
    """Turn all chips as one body: the first one's CRVAL goes to a place, by a roll in degrees."""
    first = hdus["SCI", 1].header
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    rolled = np.array([[1.0, 0.0, 0.0], [0.0, cos, sin], [0.0, -sin, cos]])
    turn = _axes(ra, dec).T @ rolled @ _axes(first["CRVAL1"], first["CRVAL2"])
    for hdu in hdus:
        if hdu.name != "SCI":
            continue
        header = hdu.header
        here = _axes(header["CRVAL1"], header["CRVAL2"]) @ turn.T
        new_ra = np.degrees(np.arctan2(here[0, 1], here[0, 0])) % 360.0
        new_dec = np.degrees(np.arctan2(here[0, 2], np.hypot(here[0, 0], here[0, 1])))
        # Old east and north, as they have been turned, by the new ones.
        convergence = (_axes(new_ra, new_dec) @ here.T)[1:, 1:]
        cd = convergence @ [[header["CD1_1"], header["CD1_2"]], [header["CD2_1"], header["CD2_2"]]]
        header.update({"CRVAL1": float(new_ra), "CRVAL2": float(new_dec)})
        for i in (0, 1):
            for j in (0, 1):
                header[f"CD{i + 1}_{j + 1}"] = float(cd[i, j])
        header["ORIENTAT"] = float(np.degrees(np.arctan2(cd[0, 1], cd[1, 1])))


def write_pointed(
    folder: Path, name: str, detector: str, place: tuple[float, float, float]
) -> Path:
    """Write an exposure of a detector that points at RA, Dec with a roll, degrees.

    Parameters
    ----------
    name : str
        Its rootname; the letters of one visit are the first six.
    """
    hdus = DETECTORS[detector]()
    point(hdus, *place)
    path = folder / f"{name}_flt.fits"
    hdus.writeto(path, overwrite=True)
    return path


def pointings(detector: str, number: int) -> list[tuple[str, float, float, float]]:
    """Return pointings of a detector all over the sky: its name, RA, Dec, roll in degrees."""
    random = np.random.default_rng([1889, list(DETECTORS).index(detector)])
    ra, roll = random.uniform(0.0, 360.0, (2, number))
    dec = np.degrees(np.arcsin(random.uniform(-1.0, 1.0, number)))
    places = zip(ra.tolist(), dec.tolist(), roll.tolist(), strict=True)
    return [(detector, *place) for place in places]


def outlines(detector: str, place: tuple[float, float, float]) -> list[np.ndarray]:
    """Return the outlines of the chips of an exposure as `write_pointed` writes it."""
    hdus = DETECTORS[detector]()
    point(hdus, *place)
    return [wcs_outline(WCS(hdu.header, hdus)) for hdu in hdus if hdu.name == "SCI"]
