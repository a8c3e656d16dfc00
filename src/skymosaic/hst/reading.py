"""An exposure or drizzled image, read from its own headers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from astropy.io import fits

from skymosaic.errors import InputError
from skymosaic.hst.cards import association_of, detector_of, filter_of, is_blank, number_of, text_of
from skymosaic.hst.chips import WCS_KEYWORDS, chips_of
from skymosaic.hst.exposure import DRIZZLED_SUFFIXES, Exposure, suffix_of
from skymosaic.hst.files import open_file
from skymosaic.hst.headers import HeaderUnit, TruncatedError, read_headers
from skymosaic.hst.health import Ignored, measure_chips
from skymosaic.hst.imagers import IMAGERS, imager_of

_PLACE = ("CTYPE1", "CTYPE2", "CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2")
"""What every WCS is told by; of what is missing astropy takes 0 without a word."""
_NEEDED = sorted({need.removeprefix("SCI:") for imager in IMAGERS for need in imager.needs})
_USED_KEYWORDS = re.compile(
    r"TELESCOP|INSTRUME|DETECTOR|CAMERA|ROOTNAME|ASN_ID|FILTER\d?|FILTNAM\d|EXPTIME|POSTARG[12]"
    r"|EXPSTART|MTFLAG|D\d{3}DATA|OBSTYPE|IMAGETYP|EXPFLAG|QUALITY|DGEOFILE|NPOLFILE|BUNIT"
    rf"|IDCSCALE|PAMSCALE|IDCV2REF|IDCV3REF|WCSNAME|WCSTYPE|XTENSION|BITPIX|PA_V3|{'|'.join(_NEEDED)}"
    rf"|{WCS_KEYWORDS.pattern}"
)
_ROOTNAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def read_exposure(path: Path) -> Exposure:
    """Read an exposure's or drizzled image's headers, checking that the file is whole.

    Raises
    ------
    InputError
        The file is not FITS, is truncated, is not HST's, or lacks an extension or keyword that
        drizzlepac needs.
    """
    try:
        with open_file(path) as file:
            units = read_headers(file, _USED_KEYWORDS)
        return _from_headers(path, units)
    except TruncatedError as error:
        raise InputError(f"{path} is {error}; fetch it again") from None
    except (OSError, ValueError, fits.VerifyError) as error:
        raise InputError(f"{path} cannot be read as FITS ({error}); fetch it again") from None
    except KeyError as error:
        raise InputError(
            f"{path}: {error.args[0]} It is not a calibrated HST image; fetch it again"
        ) from None


def with_health(exposure: Exposure, path: Path, ignored: Ignored) -> Exposure:
    """Return an exposure with what is seen in its pixels; a drizzled image as it is.

    Parameters
    ----------
    exposure : Exposure
        As `read_exposure` returned it.
    path : Path
        Its file.
    ignored : Ignored
        Flags of DQ that do not make a pixel bad.

    Raises
    ------
    InputError
        As from `health.measure_chips`.
    """
    if exposure.drizzled:
        return exposure
    extvers = [chip.extver for chip in exposure.chips]
    return replace(exposure, health=tuple(measure_chips(path, extvers, ignored)))


def _from_headers(path: Path, units: Sequence[HeaderUnit]) -> Exposure:
    header = units[0].header
    if str(header.get("TELESCOP", "")).strip() != "HST":
        raise InputError(f"{path}: TELESCOP is {header.get('TELESCOP')!r}, not 'HST'; leave it out")
    suffix = suffix_of(path.name)
    if suffix is None:
        raise InputError(
            f"{path}: the name does not end in _flt, _flc, _drz, _drc or _drw.fits; rename it"
        )
    drizzled = suffix in DRIZZLED_SUFFIXES
    instrument = str(header["INSTRUME"]).strip()
    # Where several exposures share a file (STIS) each has its own time and flags in its extension.
    first = next((unit.header for unit in units if unit.name == "SCI"), header)
    timed = first if instrument == "STIS" and "EXPTIME" in first else header
    # A drizzled image is known by its file: AstroDrizzle's ROOTNAME may be that of an exposure.
    rootname = path.name[: -len(".fits") - 4] if drizzled else str(header["ROOTNAME"]).strip()
    rootname = rootname.lower()
    if not _ROOTNAME.fullmatch(rootname):
        raise InputError(f"{path}: ROOTNAME {rootname!r} is not a name; fetch the file again")
    chips, extent = chips_of(path, units, drizzled)
    return Exposure(
        rootname=rootname,
        suffix=suffix,
        asn_id=association_of(header),
        instrument=instrument,
        detector=detector_of(header, instrument),
        filter=filter_of(header),
        exptime=number_of(path, timed, "EXPTIME"),
        postarg1=number_of(path, header, "POSTARG1", 0.0),
        postarg2=number_of(path, header, "POSTARG2", 0.0),
        chips=chips,
        members=tuple(_members(header)) if drizzled else (),
        obstype=text_of(header, "OBSTYPE"),
        imagetyp=text_of(header, "IMAGETYP"),
        expflag=text_of(first if "EXPFLAG" in first else header, "EXPFLAG"),
        quality=text_of(first if "QUALITY" in first else header, "QUALITY"),
        lacks=() if drizzled else _lacking(units, instrument),
        dgeofile=""
        if "NPOLFILE" in header
        else text_of(header, "DGEOFILE", nothing=("N/A", "n/a")),
        extent=extent,
        # As AstroDrizzle understands it: a word, or a logical value, which is `True` as one.
        moving="T" in str(header.get("MTFLAG", "")),
    )


def _lacking(units: Sequence[HeaderUnit], instrument: str) -> tuple[str, ...]:
    """Return the keywords that AstroDrizzle needs of a detector, and that are missing or blank."""
    primary = units[0].header
    imager = imager_of(instrument, detector_of(primary, instrument))
    science = [unit for unit in units if unit.name == "SCI"]
    # A distortion model is turned by the angle of the telescope.
    has_model = any("IDCV2REF" in unit.header for unit in science)
    needs = [*(() if imager is None else imager.needs), *(["PA_V3"] if has_model else [])]
    lacking = []
    for need in needs:
        name = need.removeprefix("SCI:")
        if need == name:
            # STIS has some of them in its extensions, until it is taken apart.
            if is_blank(primary, name) and any(is_blank(unit.header, name) for unit in science):
                lacking.append(name)
        else:
            lacking += [f"{name} of SCI,{u.ver}" for u in science if is_blank(u.header, name)]
    for unit in science:
        names = [*_PLACE, *(["IDCV3REF"] if "IDCV2REF" in unit.header else [])]
        lacking += [f"{name} of SCI,{unit.ver}" for name in names if is_blank(unit.header, name)]
    return tuple(lacking)


def _members(header: fits.Header) -> list[str]:
    """Return the rootnames in D001DATA, D002DATA, ... (``NAME_flt.fits[sci,1]``), once each."""
    names = [str(value).split("[")[0] for value in header["D???DATA"].values()]
    return list(dict.fromkeys(name.rsplit("_", 1)[0].lower() for name in names))
