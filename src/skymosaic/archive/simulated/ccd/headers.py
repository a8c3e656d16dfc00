"""The simulated FLC: headers as calacs, calwf3 and stwcs write them, both chips, the tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.archive.simulated.ccd import tables
from skymosaic.archive.simulated.ccd.cameras import CameraChip, camera_of
from skymosaic.archive.simulated.ccd.detector import READ_TIME, mean_dark
from skymosaic.archive.simulated.ccd.geometry import distortion
from skymosaic.archive.simulated.ccd.pointing import CcdExposure, ChipView
from skymosaic.archive.simulated.headers import (
    association_name,
    good_pixel_statistics,
    read_template,
    set_linear,
)
from skymosaic.archive.simulated.motions import date_of, first_start
from skymosaic.archive.simulated.plane import FloatArray
from skymosaic.archive.simulated.pointing import LinearWcs
from skymosaic.archive.simulated.simulation import Simulation

_FIRST_EXPOSURE_MJD = 58849.0  # 2020-01-01
_CADENCE = 0.01  # days between the starts of exposures
_OF_REFERENCE_FILES = {"acs_wfc": "11d1433lj", "wfc3_uvis": "2731450pi"}
_TABLES = {"acs_wfc": "jref$simulated", "wfc3_uvis": "iref$simulated"}


@dataclass(frozen=True)
class ChipPlanes:
    """The pixels of one chip, each array of its shape."""

    science: NDArray[np.float32]
    """e-."""
    error: NDArray[np.float32]
    """e-."""
    flags: NDArray[np.int16]
    """DQ."""


def _template(path: str) -> fits.Header:
    return fits.Header.fromstring(read_template(f"ccd/data/{path}.hdr"), sep="\n")


def chip_header(chip: CameraChip, wcs: LinearWcs) -> fits.Header:
    """Return the SCI header of a chip with a WCS and all of its distortion."""
    header = _template("sci")
    name = f"IDC_{_OF_REFERENCE_FILES[chip.camera.name]}"
    header["WCSNAME"] = header["WCSNAMEA"] = name
    header.update(distortion(chip))
    for alternate in ("", "A", "O"):
        set_linear(header, wcs, alternate)
    tables.add_keywords(header, chip)
    header["D2IMEXT"] = f"{_TABLES[chip.camera.name]}_d2i.fits"
    header["NPOLEXT"] = f"{_TABLES[chip.camera.name]}_npl.fits"
    left, low = chip.corner
    header.update(
        {
            "LTV1": float(-left),
            "LTV2": float(-low),
            "SIZAXIS1": chip.shape[1],
            "SIZAXIS2": chip.shape[0],
            "CENTERA1": left + chip.shape[1] // 2 + 1,
            "CENTERA2": low + chip.shape[0] // 2 + 1,
            "IDCXREF": wcs.crpix[0],
            "IDCYREF": wcs.crpix[1],
            "ORIENTAT": wcs.orientation,
        }
    )
    return header


def distorted_wcs(chip: CameraChip, linear: LinearWcs) -> WCS:
    """Return the WCS of a chip with SIP, D2IM and NPOL."""
    units = fits.HDUList([fits.PrimaryHDU(), *tables.extensions((chip,))])
    return WCS(chip_header(chip, linear), units)


def start_of(simulation: Simulation, exposure: CcdExposure) -> float:
    """Return when an exposure begins, MJD."""
    first = first_start(simulation, exposure.visit[-2:], _FIRST_EXPOSURE_MJD)
    return first + _CADENCE * exposure.number


def primary_header(simulation: Simulation, exposure: CcdExposure) -> fits.Header:
    """Return the primary header of an exposure."""
    camera = camera_of(simulation)
    header = _template(f"{camera.name}_primary")
    start_mjd = start_of(simulation, exposure)
    start = date_of(start_mjd)
    association = association_name(exposure.visit)
    distortion_name = f"{exposure.rootname}_{_OF_REFERENCE_FILES[camera.name]}"
    header.update(
        {
            "FILENAME": f"{exposure.rootname}_flc.fits",
            "ROOTNAME": exposure.rootname,
            "LINENUM": f"{exposure.visit[4:6]}.001",
            "RA_TARG": exposure.center[0],
            "DEC_TARG": exposure.center[1],
            "DATE-OBS": start.strftime("%Y-%m-%d"),
            "TIME-OBS": start.strftime("%H:%M:%S"),
            "EXPSTART": start_mjd,
            "EXPEND": start_mjd + exposure.exptime / 86400.0,
            "EXPTIME": exposure.exptime,
            "DARKTIME": exposure.exptime + READ_TIME,
            "PA_V3": (exposure.orientation - camera.v3_angle) % 360.0,
            "POSTARG1": exposure.postarg[0],
            "POSTARG2": exposure.postarg[1],
            "ASN_ID": association.upper(),
            "ASN_TAB": f"{association}_asn.fits",
            "SIPNAME": distortion_name,
            "DISTNAME": f"{distortion_name}-simulated-simulated",
        }
    )
    if simulation.size == "small":
        header["SUBARRAY"] = True
    return header


def _common_keywords(exposure: CcdExposure) -> dict[str, object]:
    return {
        "ROOTNAME": exposure.rootname,
        "EXPNAME": exposure.rootname,
        "RA_APER": exposure.center[0],
        "DEC_APER": exposure.center[1],
        "PA_APER": exposure.orientation,
    }


def _extensions(exposure: CcdExposure, view: ChipView, pixels: ChipPlanes) -> list[fits.ImageHDU]:
    version = view.chip.extver
    header = chip_header(view.chip, view.header_wcs)
    statistics = good_pixel_statistics(pixels.science, pixels.error, pixels.flags)
    header.update(_common_keywords(exposure))
    header.update(statistics)
    header["MEANDARK"] = mean_dark(view.chip, exposure.exptime)
    header["MDRIZSKY"] = exposure.stale_mdrizsky
    units = [fits.ImageHDU(pixels.science, header=header, name="SCI", ver=version)]
    for name, unit, data in (
        ("ERR", "ELECTRONS", pixels.error),
        ("DQ", "UNITLESS", pixels.flags),
    ):
        other = fits.Header.fromstring(read_template("data/wfc3_ir_extension.hdr"), sep="\n")
        set_linear(other, view.header_wcs)
        other.update(_common_keywords(exposure))
        other.update({key: header[key] for key in ("LTV1", "LTV2", "WCSNAME", "SDQFLAGS")})
        other["NGOODPIX"] = statistics["NGOODPIX"]
        other["BUNIT"] = unit
        units.append(fits.ImageHDU(data, header=other, name=name, ver=version))
    return units


def flc_file(
    simulation: Simulation, exposure: CcdExposure, pixels: tuple[ChipPlanes, ...]
) -> fits.HDUList:
    """Return the FLC of an exposure: SCI, ERR and DQ of both chips, D2IMARR and WCSDVARR.

    Parameters
    ----------
    simulation, exposure
        For the headers.
    pixels : tuple of ChipPlanes
        Of the chips, in the order of the file.
    """
    units = [fits.PrimaryHDU(header=primary_header(simulation, exposure))]
    for view, chip_pixels in zip(exposure.views, pixels, strict=True):
        units += _extensions(exposure, view, chip_pixels)
    units += tables.extensions(tuple(view.chip for view in exposure.views))
    units[0].header["NEXTEND"] = len(units) - 1
    return fits.HDUList(units)


def image_file(
    exposure: CcdExposure, name: str, unit: str, images: list[FloatArray | NDArray[np.float32]]
) -> fits.HDUList:
    """Return an image a chip, with the true WCS and its tables, as a FITS file.

    Parameters
    ----------
    exposure : CcdExposure
        What the images belong to.
    name, unit : str
        EXTNAME and BUNIT of the images.
    images : list of array
        In the order of the file; written as float32.
    """
    primary = fits.PrimaryHDU()
    primary.header["ROOTNAME"] = exposure.rootname
    units = [primary]
    for view, image in zip(exposure.views, images, strict=True):
        header = chip_header(view.chip, view.true_wcs)
        for keyword in ("MDRIZSKY", *(key for key in header if key.startswith(("GOOD", "SNR")))):
            del header[keyword]
        header.update(_common_keywords(exposure))
        header["BUNIT"] = unit
        data = image.astype(np.float32)
        units.append(fits.ImageHDU(data, header=header, name=name, ver=view.chip.extver))
    return fits.HDUList([*units, *tables.extensions(tuple(v.chip for v in exposure.views))])
