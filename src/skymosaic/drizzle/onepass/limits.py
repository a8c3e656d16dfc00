"""What is a sum over chips, and so can be done by the one-pass engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skymosaic.drizzle.parameters import CR_STEPS
from skymosaic.errors import DrizzleError

KERNELS = ("square", "point", "turbo", "gaussian")
"""Those whose weights have one sign: sums of Lanczos' cancel, and lose their digits."""
WEIGHTS = ("EXP", "ERR")


def require_linear(parameters: Mapping[str, Any]) -> None:
    """Refuse what is no sum over chips.

    Raises
    ------
    DrizzleError
        It names the parameter.
    """
    off = [step for step in CR_STEPS if not parameters.get(step, True)]
    if off and len(off) < len(CR_STEPS):
        raise DrizzleError(
            f"onepass does not do {' and '.join(s for s in CR_STEPS if s not in off)} without "
            f"{' and '.join(off)}: set all of {', '.join(CR_STEPS)} to true, or all to false"
        )
    weight = parameters.get("final_wht_type", "EXP")
    if weight not in WEIGHTS:
        raise DrizzleError(
            f"onepass does not do final_wht_type {weight}: these weights depend on the sky; use "
            "EXP or ERR, or drizzle.engine: astrodrizzle"
        )
    kernel = parameters.get("final_kernel", "square")
    if kernel not in KERNELS:
        raise DrizzleError(
            f"onepass does not do final_kernel {kernel}; use one of {', '.join(KERNELS)}"
        )
    plain = {"coeffs": True, "rules_file": "", "driz_combine": True, "final_maskval": None}
    for name, needed in plain.items():
        if parameters.get(name, needed) != needed:
            raise DrizzleError(
                f"onepass does not do {name}: {parameters[name]}; leave it out, or use "
                "drizzle.engine: astrodrizzle"
            )
