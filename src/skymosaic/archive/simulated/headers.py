"""The simulated FLT file: headers as calwf3 and the archive write them, and the five extensions."""

from __future__ import annotations

import functools
import importlib.resources

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.archive.simulated.filters import FILTERS, tile_of
from skymosaic.archive.simulated.motions import date_of, first_start
from skymosaic.archive.simulated.names import IR_FILTER, FilterName
from skymosaic.archive.simulated.pointing import LinearWcs, PlannedExposure
from skymosaic.archive.simulated.simulation import DETECTOR_SIZE, Simulation

_REFERENCE_BORDER = 5  # reference pixels around the light-sensitive ones, trimmed by calwf3
_READS = 9
_FIRST_EXPOSURE_MJD = 56222.0  # 2012-10-22
_CADENCE = 0.01  # days between the starts of exposures


@functools.cache
def read_template(path: str) -> str:
    """Return the text of a header template, one card a line; `path` is within this package."""
    source = importlib.resources.files("skymosaic.archive.simulated").joinpath(*path.split("/"))
    return source.read_text(encoding="ascii")


def _template(name: str) -> fits.Header:
    return fits.Header.fromstring(read_template(f"data/wfc3_ir_{name}.hdr"), sep="\n")


def association_name(visit: str) -> str:
    """Return the association of a visit: 'ibxl54' is 'ibxl54030'."""
    return f"{visit}030"


def reference_scale() -> float:
    """Return IDCSCALE, the scale of undistorted pixels, in arcsec."""
    return float(_template("sci")["IDCSCALE"])


def distorted_wcs(linear: LinearWcs) -> WCS:
    """Return the WCS of a detector frame: the linear part with WFC3/IR's SIP distortion."""
    header = _template("sci")
    set_linear(header, linear)
    return WCS(header)


def set_linear(header: fits.Header, wcs: LinearWcs, alternate: str = "") -> None:
    """Put the linear part of a WCS into a header, in place."""
    for axis in (1, 2):
        header[f"CRPIX{axis}{alternate}"] = wcs.crpix[axis - 1]
        header[f"CRVAL{axis}{alternate}"] = wcs.crval[axis - 1]
        for other in (1, 2):
            header[f"CD{axis}_{other}{alternate}"] = wcs.cd[axis - 1][other - 1]


def start_of(simulation: Simulation, exposure: PlannedExposure) -> float:
    """Return when an exposure begins, MJD."""
    first = first_start(simulation, tile_of(exposure.visit), _FIRST_EXPOSURE_MJD)
    return first + _CADENCE * exposure.number


def primary_header(simulation: Simulation, exposure: PlannedExposure) -> fits.Header:
    """Return the primary header of an exposure."""
    header = _template("primary")
    start_mjd = start_of(simulation, exposure)
    start = date_of(start_mjd)
    association = association_name(exposure.visit)
    header.update(
        {
            "FILENAME": f"{exposure.rootname}_flt.fits",
            "ROOTNAME": exposure.rootname,
            "LINENUM": f"{exposure.visit[4:6]}.001",
            "DATE-OBS": start.strftime("%Y-%m-%d"),
            "TIME-OBS": start.strftime("%H:%M:%S"),
            "EXPSTART": start_mjd,
            "EXPEND": start_mjd + exposure.exptime / 86400.0,
            "EXPTIME": exposure.exptime,
            "POSTARG1": exposure.postarg[0],
            "POSTARG2": exposure.postarg[1],
            "ASN_ID": association.upper(),
            "ASN_TAB": f"{association}_asn.fits",
            "SIPNAME": f"{exposure.rootname}_w3m18525i",
            "DISTNAME": f"{exposure.rootname}_w3m18525i-NOMODEL-NOMODEL",
        }
    )
    if simulation.ir_filter != IR_FILTER:
        header.update(_filter_keywords(simulation.ir_filter))
    if simulation.pixels < DETECTOR_SIZE:
        header["SUBARRAY"] = True
        header["SUBTYPE"] = f"SQ{simulation.pixels}SUB"
        header["APERTURE"] = f"IRSUB{simulation.pixels}"
    return header


def _filter_keywords(name: FilterName) -> dict[str, str | float]:
    chosen = FILTERS[name]
    return {
        "FILTER": name,
        "PHOTMODE": f"WFC3 IR {name}",
        "PHOTFLAM": chosen.photflam,
        "PHOTFNU": chosen.photfnu,
        "PHOTPLAM": chosen.pivot,
        "PHOTBW": chosen.width,
    }


def science_header(simulation: Simulation, exposure: PlannedExposure) -> fits.Header:
    """Return the SCI header: the WCS with its pointing error, and a stale MDRIZSKY."""
    header = _template("sci")
    wcs = exposure.header_wcs
    for alternate in ("", "A", "O"):
        set_linear(header, wcs, alternate)
    header.update(_common_keywords(simulation, exposure))
    header.update(
        {
            "ORIENTAT": wcs.orientation,
            "RA_APER": wcs.crval[0],
            "DEC_APER": wcs.crval[1],
            "SIZAXIS1": simulation.pixels + 2 * _REFERENCE_BORDER,
            "SIZAXIS2": simulation.pixels + 2 * _REFERENCE_BORDER,
            "IDCXREF": wcs.crpix[0],
            "IDCYREF": wcs.crpix[1],
            "SAMPTIME": exposure.exptime,
            "MDRIZSKY": exposure.stale_mdrizsky,
        }
    )
    return header


def _common_keywords(simulation: Simulation, exposure: PlannedExposure) -> dict[str, object]:
    return {
        "ROOTNAME": exposure.rootname,
        "EXPNAME": exposure.rootname,
        "PA_APER": exposure.header_wcs.orientation,
        "LTV1": float(-simulation.corner),
        "LTV2": float(-simulation.corner),
    }


def good_pixel_statistics(
    science: NDArray[np.float32], error: NDArray[np.float32], flags: NDArray[np.int16]
) -> dict[str, int | float]:
    """Return NGOODPIX, GOODMIN, ... SNRMEAN of the pixels without a flag."""
    good = flags == 0
    values, ratio = science[good], science[good] / error[good]
    return {
        "NGOODPIX": int(good.sum()),
        "GOODMIN": float(values.min()),
        "GOODMAX": float(values.max()),
        "GOODMEAN": float(values.mean()),
        "SNRMIN": float(ratio.min()),
        "SNRMAX": float(ratio.max()),
        "SNRMEAN": float(ratio.mean()),
    }


def flt_file(
    simulation: Simulation,
    exposure: PlannedExposure,
    science: NDArray[np.float32],
    error: NDArray[np.float32],
    flags: NDArray[np.int16],
) -> fits.HDUList:
    """Return the FLT of an exposure.

    Parameters
    ----------
    simulation, exposure
        For the headers.
    science, error : array of float32, shape (pixels, pixels)
        e-/s.
    flags : array of int16, same shape
        DQ flags.
    """
    header = science_header(simulation, exposure)
    statistics = good_pixel_statistics(science, error, flags)
    header.update(statistics)
    samples = np.full(science.shape, _READS, dtype=np.int16)
    times = np.full(science.shape, exposure.exptime, dtype=np.float32)
    extensions: list[tuple[str, str, NDArray[np.float32] | NDArray[np.int16]]] = [
        ("ERR", "ELECTRONS/S", error),
        ("DQ", "UNITLESS", flags),
        ("SAMP", "SAMPLES", samples),
        ("TIME", "SECONDS", times),
    ]
    hdus = [
        fits.PrimaryHDU(header=primary_header(simulation, exposure)),
        fits.ImageHDU(science, header=header, name="SCI", ver=1),
    ]
    for name, unit, data in extensions:
        other = _template("extension")
        set_linear(other, exposure.header_wcs)
        other.update(_common_keywords(simulation, exposure))
        other["BUNIT"] = unit
        if name in ("ERR", "DQ"):
            other["NGOODPIX"] = statistics["NGOODPIX"]
            other["SDQFLAGS"] = header["SDQFLAGS"]
        hdus.append(fits.ImageHDU(data, header=other, name=name, ver=1))
    return fits.HDUList(hdus)


def scene_file(exposure: PlannedExposure, scene: NDArray[np.float32]) -> fits.HDUList:
    """Return the scene of an exposure, with its true WCS, as a FITS file of one image."""
    header = distorted_wcs(exposure.true_wcs).to_header(relax=True)
    header["ROOTNAME"] = exposure.rootname
    header["BUNIT"] = "ELECTRONS/S"
    return fits.HDUList([fits.PrimaryHDU(scene, header=header)])
