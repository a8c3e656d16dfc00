"""AstroDrizzle's parameters for a one-pass run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skymosaic.drizzle.parameters import flags


def final_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what drizzling needs, under AstroDrizzle's names without ``final_``."""
    given = {
        name.removeprefix("final_"): value
        for name, value in parameters.items()
        if name.startswith("final_")
    }
    return {
        "pixfrac": float(given.get("pixfrac", 1.0)),
        "kernel": given.get("kernel", "square"),
        "units": given.get("units", "cps"),
        "wht_type": given.get("wht_type", "EXP"),
        "wt_scl": given.get("wt_scl", "exptime"),
        "fillval": given.get("fillval"),
        "maskval": given.get("maskval"),
        "bits": flags(given.get("bits", "0")),
        "resetbits": flags(parameters.get("resetbits", "4096")) or 0,
        "stepsize": int(parameters.get("stepsize", 10)),
        "context": bool(parameters.get("context", True)),
        "proc_unit": parameters.get("proc_unit", "native"),
        "coeffs": True,
        "wcskey": parameters.get("wcskey", ""),
        "build": False,
        "runfile": "astrodrizzle.log",
    }
