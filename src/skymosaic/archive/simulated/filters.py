"""The filters of WFC3/IR that can be simulated: one scene, seen in several colours.

The scene is defined as F160W sees it. Each source has a slope of its spectrum. Its count rate in
another filter follows from that slope, the filters' wavelengths and their sensitivities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skymosaic.archive.simulated.names import IR_FILTER, FilterName
from skymosaic.archive.simulated.plane import FloatArray

_LIGHT = 2.99792458e18  # Angstrom/s


@dataclass(frozen=True)
class Filter:
    """What a filter does to light, as headers of 2018 have it."""

    photflam: float
    """Inverse sensitivity, erg/cm^2/Angstrom per electron."""
    pivot: float
    """Pivot wavelength, Angstrom."""
    width: float
    """Rms bandwidth, Angstrom."""
    fwhm: float
    """Of the point-spread function at the pivot wavelength, arcsec; as WFC3 Instrument Handbook,
    table 7.5, has it."""
    letter: str
    """First of the last two characters of its visits, such as ``c`` of ``ibxlc4``."""
    sky: float
    """Its sky over that of F160W, both in e-/s per pixel."""

    @property
    def photfnu(self) -> float:
        """Inverse sensitivity, Jy*s per electron."""
        return self.photflam * self.pivot**2 / _LIGHT * 1e23


FILTERS: dict[FilterName, Filter] = {
    "F098M": Filter(6.0653e-20, 9864.72, 500.85, 0.128, "a", 0.9),
    "F105W": Filter(3.0386e-20, 10551.05, 845.62, 0.129, "b", 1.3),
    "F110W": Filter(1.5274e-20, 11534.46, 1428.48, 0.132, "c", 1.9),
    "F125W": Filter(2.2484e-20, 12486.06, 866.28, 0.136, "d", 1.2),
    "F140W": Filter(1.4737e-20, 13922.91, 1132.38, 0.141, "e", 1.4),
    # The published visits: ibxl50 to ibxl58.
    IR_FILTER: Filter(1.9275602e-20, 15369.176, 826.25085, 0.151, "5", 1.0),
}


def tile_of(visit: str) -> str:
    """Return the tile of a visit, of whatever filter: ``54`` of ``ibxlc4``."""
    return f"{FILTERS[IR_FILTER].letter}{visit[5]}"


def response(filter_: FilterName, slope: FloatArray | float) -> FloatArray:
    """Return what a filter sees of sources, over what F160W sees.

    Parameters
    ----------
    filter_ : str
        Which.
    slope : array or float
        Exponents of the wavelength that the flux per Angstrom follows: negative for blue sources.

    Returns
    -------
    array, shape of `slope`
        Count rate over count rate.
    """
    own, reference = FILTERS[filter_], FILTERS[IR_FILTER]
    colour = (own.pivot / reference.pivot) ** np.asarray(slope, dtype=float)
    return np.asarray(reference.photflam / own.photflam * colour)
