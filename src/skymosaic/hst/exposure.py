"""What is known of one exposure or drizzled image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from skymosaic.errors import InputError
from skymosaic.hst.extent import Extent
from skymosaic.hst.health import ChipHealth

RECORD = 2
"""Version of what is recorded of an exposure; part of the key of the steps that record it."""
EXPOSURE_SUFFIXES = ("_flt", "_flc")
DRIZZLED_SUFFIXES = ("_drz", "_drc", "_drw")


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
    extent: Annotated[Extent | None, Field(exclude_if=lambda value: value is None)] = None
    """Where it lies, and when it began; None of a drizzled image, and where older versions wrote
    the record."""
    moving: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    """Whether its target moves (MTFLAG), so that AstroDrizzle lays it upon others of the kind."""

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


def suffix_of(name: str) -> str | None:
    """Return ``_flt``, ``_flc``, ``_drz``, ``_drc`` or ``_drw`` where the name ends so, or None."""
    stem = name.lower().removesuffix(".fits")
    return stem[-4:] if stem[-4:] in EXPOSURE_SUFFIXES + DRIZZLED_SUFFIXES else None
