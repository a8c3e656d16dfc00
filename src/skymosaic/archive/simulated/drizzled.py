"""How AstroDrizzle makes the drizzled file of a simulated association, as the archive does."""

from __future__ import annotations

from typing import Any

from skymosaic.archive.simulated.simulation import Simulation

_COMMON: dict[str, Any] = {
    "build": True,
    "clean": True,
    "context": False,
    "preserve": False,
    "mdriztab": False,
    "updatewcs": False,
    "in_memory": False,
    "num_cores": 1,
    "resetbits": 0,
    "static": True,
    "skysub": True,
    "skymethod": "localmin",
    "driz_separate": False,
    "median": False,
    "blot": False,
    "driz_cr": False,
    "driz_combine": True,
    "final_wcs": True,
    "final_scale": 0.12825,
    "final_rot": None,
    "final_pixfrac": 1.0,
    "final_kernel": "square",
    "final_bits": 64,
    "final_wht_type": "EXP",
}

# Hot, warm and saturated pixels count as good: their dark current is subtracted, and it is known.
_CCD_BITS = 16 + 64 + 256
_CCD_SCALES = {"acs-wfc": 0.05, "wfc3-uvis": 0.04}  # arcsec
# As drizzlepac's own pars/hap_pars have it for 2 to 5 exposures of these cameras.
_COSMIC_RAY_STEPS: dict[str, Any] = {
    "resetbits": 4096,
    "sky_bits": 16 + 64,
    "driz_separate": True,
    "driz_sep_bits": _CCD_BITS,
    "driz_sep_pixfrac": 1.0,
    "median": True,
    "combine_type": "minmed",
    "combine_nlow": 0,
    "combine_nhigh": 1,
    "blot": True,
    "driz_cr": True,
    "driz_cr_corr": False,
    "driz_cr_snr": "3.5 3.0",
    "driz_cr_scale": "1.5 1.2",
}
_MANY = 6  # exposures, from which on drizzlepac takes the median


def parameters(simulation: Simulation) -> dict[str, Any]:
    """Return AstroDrizzle's parameters for one association.

    WFC3/IR: the cosmic-ray steps are off, because calwf3 has removed the hits by its fit up the
    ramp. CCDs: they are on where there are two exposures or more, which they need.
    """
    if not simulation.is_ccd:
        return dict(_COMMON)
    chosen = {
        **_COMMON,
        "final_bits": _CCD_BITS,
        "final_scale": _CCD_SCALES[simulation.instrument],
    }
    count = simulation.dithers or 0
    if count >= 2:
        chosen.update(_COSMIC_RAY_STEPS)
    if count >= _MANY:
        chosen["combine_type"] = "median"
    return chosen
