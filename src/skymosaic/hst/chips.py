"""The chips of an exposure, read from their headers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from skymosaic.errors import InputError
from skymosaic.hst.cards import number_of, text_of
from skymosaic.hst.exposure import Chip
from skymosaic.hst.extent import Extent, extent_of
from skymosaic.hst.headers import HeaderUnit

_REFERS_TO_TABLE = re.compile(r"CPDIS\d|D2IMDIS\d|AXISCORR")
# FITS WCS papers I to IV, SIP, and the lookup tables that astropy reads; of the primary WCS.
WCS_KEYWORDS = re.compile(
    r"(WCSAXES|NAXIS\d?|CTYPE\d|CRVAL\d|CRPIX\d|CDELT\d|CUNIT\d|CROTA\d|(CD|PC|PV|PS)\d+_\d+"
    r"|LONPOLE|LATPOLE|RADESYS|EQUINOX|EPOCH|DATE-\w+|MJD-\w+|SPECSYS|VELOSYS|REST\w+"
    r"|[AB]P?_\w+|CPDIS\d|CPERR\d|DP\d.*|D2IM.*|AXISCORR|A_DMAX|B_DMAX)"
)


def chips_of(
    path: Path, units: Sequence[HeaderUnit], drizzled: bool
) -> tuple[tuple[Chip, ...], Extent | None]:
    """Return the chips of a file, and where they lie, which is recorded of exposures alone.

    Parameters
    ----------
    path : Path
        The file.
    units : sequence of HeaderUnit
        All its headers.
    drizzled : bool
        Whether it is a drizzled image.

    Raises
    ------
    InputError
        An extension is missing, is no image, or has no usable WCS.
    """
    sci = [unit for unit in units if unit.name == "SCI"]
    if not sci and drizzled and units[0].header["NAXIS"] == 2:
        sci = [units[0]]  # AstroDrizzle with build=False
    if not sci:
        raise InputError(f"{path} has no SCI extension; fetch it again")
    if not drizzled:
        have = {(u.name, u.ver): u for u in units if u.name in ("SCI", "ERR", "DQ")}
        for unit in sci:
            for name in ("ERR", "DQ"):
                if (name, unit.ver) not in have:
                    raise InputError(f"{path} has no {name},{unit.ver} extension; fetch it again")
            _check_arrays(path, unit, have["DQ", unit.ver])
    if any(_REFERS_TO_TABLE.fullmatch(keyword) for unit in sci for keyword in unit.header):
        with fits.open(path) as hdus:  # the tables are read from other extensions
            read = [_chip(path, unit, units[0].header, hdus) for unit in sci]
    else:
        read = [_chip(path, unit, units[0].header) for unit in sci]
    extent = None if drizzled else extent_of([wcs for _, wcs in read], units[0].header)
    return tuple(chip for chip, _ in read), extent


def _check_arrays(path: Path, science: HeaderUnit, flags: HeaderUnit) -> None:
    """Refuse a chip that is no image, or whose DQ are no whole numbers of the same shape."""
    shape, flagged = _shape(science.header), _shape(flags.header)
    if shape is None:
        raise InputError(
            f"{path}[SCI,{science.ver}] is not an image with rows and columns "
            f"(NAXIS {science.header.get('NAXIS')}); fetch it again"
        )
    if flagged != shape or flags.header["BITPIX"] < 0:
        what = "no array" if flagged is None else f"{flagged[0]} x {flagged[1]}"
        raise InputError(
            f"{path}[DQ,{science.ver}] is {what} with BITPIX {flags.header['BITPIX']}, and has to "
            f"be {shape[0]} x {shape[1]} whole numbers, as SCI is; fetch the file again"
        )


def _shape(header: fits.Header) -> tuple[int, int] | None:
    """Return columns and rows; None: this is no image, or one that is packed."""
    if text_of(header, "XTENSION") != "IMAGE" or header["NAXIS"] != 2:
        return None
    columns, rows = int(header["NAXIS1"]), int(header["NAXIS2"])
    return (columns, rows) if columns and rows else None


def _wcs_cards(header: fits.Header) -> fits.Header:
    """Return the cards that the WCS is made of, a fifth of all: reading the others takes long."""
    return fits.Header([card for card in header.cards if WCS_KEYWORDS.fullmatch(card.keyword)])


def _chip(
    path: Path, unit: HeaderUnit, primary: fits.Header, tables: fits.HDUList | None = None
) -> tuple[Chip, WCS]:
    header = unit.header
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            wcs = WCS(_wcs_cards(header), tables)
            footprint = wcs.calc_footprint(center=False)  # edges of the pixels
    except Exception as error:  # astropy raises many kinds for a broken WCS
        raise InputError(
            f"{path}[SCI,{unit.ver}]: no usable WCS ({error}); fetch it again"
        ) from None
    if not wcs.has_celestial:
        raise InputError(f"{path}[SCI,{unit.ver}]: the header has no WCS; fetch it again")
    if not np.all(np.isfinite(footprint)):
        raise InputError(f"{path}[SCI,{unit.ver}]: the WCS puts a corner nowhere on the sky")
    cd = wcs.pixel_scale_matrix
    if not abs(np.linalg.det(cd)) > 0:  # drizzlepac would make an output without end
        raise InputError(
            f"{path}[SCI,{unit.ver}]: the WCS has pixels of no size (CD1_1, ...); fetch it again"
        )
    chip = Chip(
        extver=int(unit.ver),
        footprint=tuple((float(ra), float(dec)) for ra, dec in footprint),
        wcsname=str(header.get("WCSNAME", "")).strip(),
        orientation=float(np.degrees(np.arctan2(cd[0, 1], cd[1, 1]))) % 360.0,
        idcscale=number_of(path, header, "IDCSCALE") if "IDCSCALE" in header else None,
        counts="/S" not in str(header.get("BUNIT", "")).upper(),
        bunit=text_of(header, "BUNIT").upper(),
        has_model="IDCV2REF" in header,
        nominal_scale=_nominal_scale(path, header, primary, cd),
        wcstype=text_of(header, "WCSTYPE"),
    )
    return chip, wcs


def _nominal_scale(
    path: Path, header: fits.Header, primary: fits.Header, cd: np.ndarray
) -> float | None:
    """Return what skypac takes for IDCSCALE where the extension has none, arcsec.

    As ``SkyLineMember._get_pixel_scale`` of stsci.skypac 1.0.12.
    """
    for cards, name in ((header, "PAMSCALE"), (primary, "PAMSCALE"), (primary, "IDCSCALE")):
        if name in cards:
            return number_of(path, cards, name)
    scale = 3600.0 * float(np.sqrt(abs(np.linalg.det(cd))))
    return scale if scale > 0 else None
