"""AstroDrizzle's parameters: the project's defaults, the user's, and what only the project sets.

What they are for a campaign is decided in `order`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skymosaic.config.drizzlepac_parameters import CR_STEPS as CR_STEPS

# Those of STScI's tutorial 'Sky Matching for HST Mosaics' for WFC3/IR, whose exposures come with
# cosmic rays removed: no CR steps, so one sky value is the only thing in which two runs differ.
DEFAULTS: dict[str, Any] = {
    "driz_separate": False,
    "median": False,
    "blot": False,
    "driz_cr": False,
    "final_bits": "64",
    "final_rot": 0.0,
    "context": False,
}
_GRID = {
    "final_rot": "rot",
    "final_scale": "scale",
}


def resolve(given: Mapping[str, Any], defaults: Mapping[str, Any] = DEFAULTS) -> dict[str, Any]:
    """Return the user's parameters over the defaults; without others, over those of WFC3/IR.

    ``resetbits`` clears cosmic-ray flags in DQ even with the CR steps off, so it is 0 there unless
    the user sets it.
    """
    parameters = {**defaults, **given}
    if not has_cr_steps(parameters):
        parameters.setdefault("resetbits", 0)
    for name in ("final_bits", "sky_bits", "driz_sep_bits", "resetbits"):
        if isinstance(parameters.get(name), int):  # drizzlepac declares them as strings
            parameters[name] = str(parameters[name])
    return parameters


def flags(value: object) -> int | None:
    """Return the flags of DQ that a parameter such as ``sky_bits`` names as one number.

    None: DQ is not used.
    """
    from astropy.nddata.bitmask import interpret_bit_flags  # which takes long to import

    if value is None or str(value).strip().lower() in ("none", ""):
        return None
    named: int | None = interpret_bit_flags(value)
    return named


def has_cr_steps(parameters: Mapping[str, Any]) -> bool:
    """Tell whether cosmic rays are looked for, whose masks may differ from method to method.

    ``driz_cr`` finds them; the steps before it, without it, only make images that it would need.
    """
    return bool(parameters.get("driz_cr", True))


def grid_choice(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's choice of output grid, under the names of drizzlepac's mergeWCS."""
    return {
        ours: parameters[name] for name, ours in _GRID.items() if parameters.get(name) is not None
    }


def for_method(
    parameters: Mapping[str, Any], grid: Mapping[str, Any], method: str
) -> dict[str, Any]:
    """Return all that AstroDrizzle is called with for one sky method."""
    return {
        **parameters,
        **grid,
        "skymethod": method,
        # drizzlepac would take every core of the host, and files or tables that override all this.
        "num_cores": 1,
        "in_memory": False,
        "mdriztab": False,
        "preserve": False,
        "clean": True,
        "build": False,
        "runfile": "astrodrizzle.log",
    }
