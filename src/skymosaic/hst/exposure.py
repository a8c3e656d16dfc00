"""What is known of one exposure or drizzled image, read from its own headers."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from astropy.io.fits.card import Undefined
from astropy.wcs import WCS, FITSFixedWarning
from pydantic import TypeAdapter

from skymosaic.errors import InputError
from skymosaic.hst.headers import HeaderUnit, TruncatedError, read_headers
from skymosaic.hst.health import ChipHealth, Ignored, measure_chips
from skymosaic.hst.imagers import IMAGERS, imager_of

RECORD = 2
"""Version of what is recorded of an exposure; part of the key of the steps that record it."""
EXPOSURE_SUFFIXES = ("_flt", "_flc")
DRIZZLED_SUFFIXES = ("_drz", "_drc", "_drw")
_TABLE_EXTENSIONS = ("D2IMARR", "WCSDVARR")
_REFERS_TO_TABLE = re.compile(r"CPDIS\d|D2IMDIS\d|AXISCORR")
# FITS WCS papers I to IV, SIP, and the lookup tables that astropy reads; of the primary WCS.
_WCS_KEYWORDS = re.compile(
    r"(WCSAXES|NAXIS\d?|CTYPE\d|CRVAL\d|CRPIX\d|CDELT\d|CUNIT\d|CROTA\d|(CD|PC|PV|PS)\d+_\d+"
    r"|LONPOLE|LATPOLE|RADESYS|EQUINOX|EPOCH|DATE-\w+|MJD-\w+|SPECSYS|VELOSYS|REST\w+"
    r"|[AB]P?_\w+|CPDIS\d|CPERR\d|DP\d.*|D2IM\w*.*|AXISCORR|A_DMAX|B_DMAX)"
)
_PLACE = ("CTYPE1", "CTYPE2", "CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2")
"""What every WCS is told by; of what is missing astropy takes 0 without a word."""
_NEEDED = sorted({need.removeprefix("SCI:") for imager in IMAGERS for need in imager.needs})
_USED_KEYWORDS = re.compile(
    r"TELESCOP|INSTRUME|DETECTOR|CAMERA|ROOTNAME|ASN_ID|FILTER\d?|FILTNAM\d|EXPTIME|POSTARG[12]"
    r"|D\d{3}DATA|OBSTYPE|IMAGETYP|EXPFLAG|QUALITY|DGEOFILE|NPOLFILE|BUNIT|IDCSCALE|PAMSCALE"
    rf"|IDCV2REF|IDCV3REF|WCSNAME|WCSTYPE|XTENSION|BITPIX|PA_V3|{'|'.join(_NEEDED)}"
    rf"|{_WCS_KEYWORDS.pattern}"
)
_ROOTNAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class Chip:
    """One SCI extension."""

    extver: int
    """EXTVER of the SCI extension."""
    footprint: tuple[tuple[float, float], ...]
    """Corners on the sky with distortion: RA, Dec in degrees."""
    wcsname: str
    orientation: float
    """Position angle of the image's y axis, degrees east of north."""
    idcscale: float | None
    """Pixel scale of the distortion model, arcsec; None where there is none in the header."""
    counts: bool
    """Whether pixels hold counts and not count rates (BUNIT)."""
    bunit: str = ""
    """BUNIT in capitals; empty where there is none."""
    has_model: bool = False
    """Whether the header tells of a distortion model (IDCV2REF), whose scale is IDCSCALE."""
    nominal_scale: float | None = None
    """Pixel scale that skypac takes where there is no IDCSCALE, arcsec."""
    wcstype: str = ""
    """WCSTYPE: what the WCS was made from; empty where there is none, or nobody read it."""

    @property
    def scale(self) -> float | None:
        """Pixel scale, arcsec; None where nothing tells it, or a model lacks its own."""
        return self.idcscale if self.idcscale or self.has_model else self.nominal_scale


@dataclass(frozen=True)
class Exposure:
    """A calibrated exposure (FLT, FLC) or a drizzled image (DRZ, DRC, DRW)."""

    rootname: str
    suffix: str
    asn_id: str
    instrument: str
    detector: str
    filter: str
    exptime: float
    """Exposure time, s."""
    postarg1: float
    """POSTARG1, arcsec."""
    postarg2: float
    """POSTARG2, arcsec."""
    chips: tuple[Chip, ...]
    members: tuple[str, ...] = ()
    """Rootnames of the exposures that a drizzled image was made from."""
    obstype: str = ""
    """OBSTYPE: IMAGING, SPECTROSCOPIC, CORONAGRAPHIC, INTERNAL; empty where there is none."""
    imagetyp: str = ""
    """IMAGETYP: EXT for the sky, or what was calibrated; empty where there is none."""
    expflag: str = ""
    """EXPFLAG: NORMAL, or what came in between; empty where there is none."""
    quality: str = ""
    """QUALITY: remarks of who looked at it; empty where there are none."""
    dgeofile: str = ""
    """DGEOFILE where there is no NPOLFILE, which AstroDrizzle asks its user about."""
    lacks: tuple[str, ...] = ()
    """Keywords that AstroDrizzle needs of this detector, and that the file has not."""
    health: tuple[ChipHealth, ...] = ()
    """What was seen in the pixels of each chip; empty where nobody looked."""

    @property
    def name(self) -> str:
        """The file name that the header's ROOTNAME calls for."""
        return f"{self.rootname}{self.suffix}.fits"

    @property
    def drizzled(self) -> bool:
        """Whether this is a drizzled image."""
        return self.suffix in DRIZZLED_SUFFIXES

    @property
    def polygons(self) -> list[np.ndarray]:
        """Footprints of the chips, each of shape (n, 2): RA, Dec in degrees."""
        return [np.array(chip.footprint) for chip in self.chips]

    def brightness_factor(self, extver: int) -> float:
        """Return the factor from data units to skypac's brightness, data units/s/arcsec^2.

        Raises
        ------
        InputError
            The header has a distortion model without its scale.
        """
        chip = next(chip for chip in self.chips if chip.extver == extver)
        if not chip.scale:
            raise InputError(self.without_scale(extver))
        return 1.0 / chip.scale**2 / (self.exptime if chip.counts else 1.0)

    def without_scale(self, extver: int, name: str | None = None) -> str:
        """Return what to say of a chip whose distortion model has no scale."""
        return f"{name or self.name}[SCI,{extver}] has no IDCSCALE; recalibrate or fetch it again"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as manifests hold them."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Exposure:
        """Return the exposure that `to_dict` described."""
        return _ADAPTER.validate_python(values)


_ADAPTER = TypeAdapter(Exposure)


def suffix_of(name: str) -> str | None:
    """Return ``_flt``, ``_flc``, ``_drz``, ``_drc`` or ``_drw`` where the name ends so, or None."""
    stem = name.lower().removesuffix(".fits")
    return stem[-4:] if stem[-4:] in EXPOSURE_SUFFIXES + DRIZZLED_SUFFIXES else None


def read_exposure(path: Path) -> Exposure:
    """Read an exposure's or drizzled image's headers, checking that the file is whole.

    Raises
    ------
    InputError
        The file is not FITS, is truncated, is not HST's, or lacks an extension or keyword that
        drizzlepac needs.
    """
    try:
        with _open(path) as file:
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


def write_frame(file: Path | BinaryIO, target: Path) -> None:
    """Write a copy of an exposure without its pixels: what its WCS is made of.

    The primary header, that of each SCI extension, and the tables of small corrections that a
    detector's WCS refers to (D2IM, NPOL), which lie in extensions of their own. A SCI extension has
    its size as ``NPIX1`` and ``NPIX2``, as HST's files tell it of arrays that were left out.

    Parameters
    ----------
    file : Path or binary file
        An exposure.
    target : Path
        Is replaced.
    """
    with fits.open(file, memmap=False) as hdus:
        frame = fits.HDUList([fits.PrimaryHDU(header=hdus[0].header)])
        for hdu in hdus[1:]:
            if hdu.name == "SCI":
                header = hdu.header.copy()
                size = {f"NPIX{axis}": header[f"NAXIS{axis}"] for axis in (1, 2)}
                frame.append(fits.ImageHDU(None, header))
                frame[-1].header.update(size)
            elif hdu.name in _TABLE_EXTENSIONS:
                frame.append(hdu.copy())
        frame.writeto(target, overwrite=True)


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


def require_file(path: Path) -> None:
    """Refuse what is no file: who opened a FIFO would wait for ever.

    Raises
    ------
    InputError
        It is something else.
    OSError
        There is nothing, or it may not be looked at.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "something else")
        raise InputError(f"{path} is {kind}, not a file; remove it from the folder")


def _open(path: Path) -> BinaryIO:
    require_file(path)
    # It may have become a FIFO meanwhile.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _from_headers(path: Path, units: Sequence[HeaderUnit]) -> Exposure:
    header = units[0].header
    if str(header.get("TELESCOP", "")).strip() != "HST":
        raise InputError(
            f"{path}: TELESCOP is {header.get('TELESCOP')!r}, not 'HST'; remove it from the folder"
        )
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
    return Exposure(
        rootname=rootname,
        suffix=suffix,
        asn_id=association_of(header),
        instrument=instrument,
        detector=detector_of(header, instrument),
        filter=filter_of(header),
        exptime=_number(path, timed, "EXPTIME"),
        postarg1=_number(path, header, "POSTARG1", 0.0),
        postarg2=_number(path, header, "POSTARG2", 0.0),
        chips=_chips(path, units, drizzled),
        members=tuple(_members(header)) if drizzled else (),
        obstype=_text(header, "OBSTYPE"),
        imagetyp=_text(header, "IMAGETYP"),
        expflag=_text(first if "EXPFLAG" in first else header, "EXPFLAG"),
        quality=_text(first if "QUALITY" in first else header, "QUALITY"),
        lacks=() if drizzled else _lacking(units, instrument),
        dgeofile="" if "NPOLFILE" in header else _text(header, "DGEOFILE", nothing=("N/A", "n/a")),
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
            if _is_blank(primary, name) and any(_is_blank(unit.header, name) for unit in science):
                lacking.append(name)
        else:
            lacking += [f"{name} of SCI,{u.ver}" for u in science if _is_blank(u.header, name)]
    for unit in science:
        names = [*_PLACE, *(["IDCV3REF"] if "IDCV2REF" in unit.header else [])]
        lacking += [f"{name} of SCI,{unit.ver}" for name in names if _is_blank(unit.header, name)]
    return tuple(lacking)


def _is_blank(header: fits.Header, name: str) -> bool:
    return name not in header or header[name] is None or isinstance(header[name], Undefined)


def _text(header: fits.Header, name: str, nothing: Sequence[str] = ()) -> str:
    value = header.get(name, "")
    text = value.strip() if isinstance(value, str) else ""  # a card may have no value
    return "" if text in nothing else text


def detector_of(header: fits.Header, instrument: str) -> str:
    """Return the detector that a primary header tells; empty where it tells none."""
    if instrument == "NICMOS" and "CAMERA" in header:
        return f"NIC{header['CAMERA']}"
    return str(header.get("DETECTOR", "")).strip()


def _number(path: Path, header: fits.Header, name: str, default: float | None = None) -> float:
    value = header[name] if default is None else header.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{path}: {name} is {value!r}, not a number; fetch it again") from None


def association_of(header: fits.Header) -> str:
    """Return the association that a primary header tells; empty where it tells none."""
    name = str(header.get("ASN_ID", "")).strip()
    return "" if name.upper() == "NONE" else name  # as the archive writes for single exposures


def filter_of(header: fits.Header) -> str:
    """Return the filters that a primary header tells, joined by ``+``; CLEAR without any."""
    # WFPC2's FILTER1 and FILTER2 are numbers; the names are beside them.
    keys = ("FILTNAM1", "FILTNAM2") if "FILTNAM1" in header else ("FILTER", "FILTER1", "FILTER2")
    names = [str(header[key]).strip() for key in keys if key in header]
    used = [name for name in names if name and not name.upper().startswith("CLEAR")]
    return "+".join(used) or "CLEAR"


def _members(header: fits.Header) -> list[str]:
    """Return the rootnames in D001DATA, D002DATA, ... (``NAME_flt.fits[sci,1]``), once each."""
    names = [str(value).split("[")[0] for value in header["D???DATA"].values()]
    return list(dict.fromkeys(name.rsplit("_", 1)[0].lower() for name in names))


def _chips(path: Path, units: Sequence[HeaderUnit], drizzled: bool) -> tuple[Chip, ...]:
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
            return tuple(_chip(path, unit, units[0].header, hdus) for unit in sci)
    return tuple(_chip(path, unit, units[0].header) for unit in sci)


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
    if _text(header, "XTENSION") != "IMAGE" or header["NAXIS"] != 2:
        return None
    columns, rows = int(header["NAXIS1"]), int(header["NAXIS2"])
    return (columns, rows) if columns and rows else None


def _wcs_cards(header: fits.Header) -> fits.Header:
    """Return the cards that the WCS is made of, a fifth of all: reading the others takes long."""
    return fits.Header([card for card in header.cards if _WCS_KEYWORDS.fullmatch(card.keyword)])


def _chip(
    path: Path, unit: HeaderUnit, primary: fits.Header, tables: fits.HDUList | None = None
) -> Chip:
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
    return Chip(
        extver=int(unit.ver),
        footprint=tuple((float(ra), float(dec)) for ra, dec in footprint),
        wcsname=str(header.get("WCSNAME", "")).strip(),
        orientation=float(np.degrees(np.arctan2(cd[0, 1], cd[1, 1]))) % 360.0,
        idcscale=_number(path, header, "IDCSCALE") if "IDCSCALE" in header else None,
        counts="/S" not in str(header.get("BUNIT", "")).upper(),
        bunit=_text(header, "BUNIT").upper(),
        has_model="IDCV2REF" in header,
        nominal_scale=_nominal_scale(path, header, primary, cd),
        wcstype=_text(header, "WCSTYPE"),
    )


def _nominal_scale(
    path: Path, header: fits.Header, primary: fits.Header, cd: np.ndarray
) -> float | None:
    """Return what skypac takes for IDCSCALE where the extension has none, arcsec.

    As ``SkyLineMember._get_pixel_scale`` of stsci.skypac 1.0.12.
    """
    for cards, name in ((header, "PAMSCALE"), (primary, "PAMSCALE"), (primary, "IDCSCALE")):
        if name in cards:
            return _number(path, cards, name)
    scale = 3600.0 * float(np.sqrt(abs(np.linalg.det(cd))))
    return scale if scale > 0 else None
