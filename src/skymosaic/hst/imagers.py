"""HST's imagers: what their files are like, which engine takes them, and what was tried.

This table is asked wherever an imager matters; the one in the docs is made from it.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Literal

Engine = Literal["astrodrizzle", "onepass"]
BOTH: tuple[Engine, ...] = ("astrodrizzle", "onepass")
REFERENCE: tuple[Engine, ...] = ("astrodrizzle",)
PAGE = "docs/instruments.md"


@dataclass(frozen=True)
class Imager:
    """A detector, or a camera of several."""

    instrument: str
    """INSTRUME."""
    detectors: tuple[str, ...]
    """DETECTOR as headers and the archive write it, the header's first; for NICMOS the CAMERA."""
    pixels: str
    """Unit of the calibrated pixels, and so of MDRIZSKY."""
    bunit: str
    """BUNIT that says so."""
    chips: int
    """Most SCI extensions of one exposure."""
    files: tuple[str, ...]
    """Suffixes of the exposures."""
    products: tuple[str, ...]
    """Suffixes that AstroDrizzle gives its mosaics: the exposures' first one decides."""
    engines: tuple[Engine, ...]
    tried: str
    """On what kind of files it was tried; empty: not at all."""
    cosmic_rays: bool
    """Whether calibrated exposures still have cosmic rays in them (CCDs)."""
    scale: float | None = None
    """Width of a pixel, arcsec, from the instrument's handbook; of WFPC2 of its three wide-field
    chips. None where nothing needs it."""
    hap: str = ""
    """drizzlepac's name of it, by which its own defaults are found; empty: it has none."""
    note: str = ""
    needs: tuple[str, ...] = ()
    """Keywords without which AstroDrizzle fails; of SCI extensions as ``SCI:KEYWORD``. Each was
    left out and tried: what works without one does not need it."""

    @property
    def name(self) -> str:
        """What people call it."""
        return "/".join([self.instrument, *self.detectors[:1]])

    @property
    def names(self) -> tuple[str, ...]:
        """Every name of it in the archive."""
        return tuple(f"{self.instrument}/{detector}" for detector in self.detectors)


_FLT, _BOTH_FILES = ("flt",), ("flt", "flc")
_ALL = ("EXPEND", "SCI:EXPNAME", "SCI:NGOODPIX")
_AMPLIFIERS = tuple(f"{name}{amp}" for name in ("ATODGN", "READNSE") for amp in "ABCD")
_WFC3_ACS = (*_ALL, *_AMPLIFIERS, "SCI:MEANDARK")
IMAGERS = (
    Imager(
        "WFC3", ("IR",), "electron / s", "ELECTRONS/S", 1, _FLT, ("drz",), BOTH,
        "real exposures; simulated ones", cosmic_rays=False, scale=0.12825,
        needs=_WFC3_ACS,
    ),
    Imager(
        "WFC3", ("UVIS",), "electron", "ELECTRONS", 2, _BOTH_FILES, ("drz", "drc"), BOTH,
        "made exposures, real headers", cosmic_rays=True, scale=0.0396, hap="wfc3_uvis",
        needs=_WFC3_ACS,
    ),
    Imager(
        "ACS", ("WFC",), "electron", "ELECTRONS", 2, _BOTH_FILES, ("drz", "drc"), BOTH,
        "made exposures, real headers", cosmic_rays=True, scale=0.05, hap="acs_wfc",
        needs=_WFC3_ACS,
    ),
    Imager(
        "ACS", ("HRC",), "electron", "ELECTRONS", 1, _FLT, ("drz",), BOTH,
        "made exposures", cosmic_rays=True, scale=0.026, hap="acs_hrc",
        needs=(*_WFC3_ACS, "CCDAMP"),
    ),
    Imager(
        "WFPC2", ("PC", "WFC", "1"), "count", "COUNTS", 4, _FLT, ("drw",), REFERENCE,
        "a real exposure", cosmic_rays=True, scale=0.0996, hap="wfpc2_pc",
        note="FLTs are made from c0m and c1m: see below",
    ),
    Imager(
        "STIS", ("CCD",), "count", "COUNTS", 1, _FLT, ("drz",), REFERENCE,
        "a real exposure", cosmic_rays=True, scale=0.0507,
        note="a file of several exposures is split into them",
        needs=(
            *(*_ALL, "ATODGAIN", "READNSE", "OBSTYPE"),
            *("SCI:EXPTIME", "SCI:EXPSTART", "SCI:EXPEND", "SCI:DATE-OBS"),
        ),
    ),
    Imager(
        "ACS", ("SBC",), "electron", "ELECTRONS", 1, _FLT, ("drz",), REFERENCE, "",
        cosmic_rays=False,
    ),
    Imager(
        "STIS", ("NUV-MAMA",), "count", "COUNTS", 1, _FLT, ("drz",), REFERENCE, "",
        cosmic_rays=False,
    ),
    Imager(
        "STIS", ("FUV-MAMA",), "count", "COUNTS", 1, _FLT, ("drz",), REFERENCE, "",
        cosmic_rays=False,
    ),
    Imager(
        "NICMOS", ("NIC1", "NIC2", "NIC3"), "count / s", "COUNTS/S", 1, _FLT, ("drz",), REFERENCE,
        "", cosmic_rays=False,
        note="its exposures are named _cal: only copies that are named _flt are looked at",
    ),
)  # fmt: skip
"""All that AstroDrizzle 3.11 knows (``drizzlepac/processInput.py``, ``_getInputImage``)."""


def imager_of(instrument: str, detector: str) -> Imager | None:
    """Return the imager of a header's INSTRUME and DETECTOR; None: AstroDrizzle has none such."""
    for imager in IMAGERS:
        if imager.instrument == instrument and detector in imager.detectors:
            return imager
    return None


def imagers_named(pattern: str) -> list[Imager]:
    """Return the imagers that a name of the archive's, such as ``WFC3/IR`` or ``ACS*``, means."""
    wanted = pattern.strip().upper()
    if "/" not in wanted and not wanted.endswith("*"):
        wanted += "/*"
    return [
        imager
        for imager in IMAGERS
        if any(fnmatch.fnmatchcase(name, wanted) for name in imager.names)
    ]


def detectors_named(detector: str) -> list[Imager]:
    """Return the imagers with a detector of this name."""
    return [imager for imager in IMAGERS if detector in imager.detectors]


def onepass_imagers() -> str:
    """Return the names of the imagers that drizzle.engine onepass takes, for people."""
    names = [imager.name for imager in IMAGERS if "onepass" in imager.engines]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def product_suffix(instrument: str, detector: str, exposure: str) -> str:
    """Return the suffix that AstroDrizzle gives its mosaics: ``drz``, ``drc`` or ``drw``.

    As ``processInput.process_input`` of drizzlepac has it.

    Parameters
    ----------
    instrument, detector : str
        Of the first exposure.
    exposure : str
        Its suffix, such as ``_flc``.
    """
    imager = imager_of(instrument, detector)
    if imager is None or len(imager.products) == 1:
        return "drz" if imager is None else imager.products[0]
    return imager.products[imager.files.index(exposure.removeprefix("_"))]


def imagers_markdown() -> str:
    """Return the table of the documentation."""
    head = [
        "| Imager | Exposures | Chips | MDRIZSKY in | Mosaics | Engines | Tried on | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = [
        f"| {'/'.join([imager.instrument, *_shown(imager)])} | {_listed(imager.files)} "
        f"| {imager.chips} | {imager.pixels.replace(' ', '')} | {_listed(imager.products)} "
        f"| {', '.join(imager.engines)} "
        f"| {imager.tried or 'nothing: refused unless `source.allow_untried: true`'} "
        f"| {imager.note} |"
        for imager in IMAGERS
    ]
    return "\n".join([*head, *rows]) + "\n"


def _shown(imager: Imager) -> tuple[str, ...]:
    if imager.instrument == "WFPC2":  # all four chips are one imager
        return ()
    return (", ".join(imager.detectors),)


def _listed(suffixes: tuple[str, ...]) -> str:
    return ", ".join(f"`_{suffix}`" for suffix in suffixes)
