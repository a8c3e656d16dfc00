"""Pixels of exposures that are no number (NaN, infinite), and that DQ flags.

drizzlepac multiplies them by a weight of 0, which leaves NaN where others have good pixels.
Private copies get the median of their chip there and keep the flag, by which nothing uses it. Any
number would do but for the static mask, which looks at flagged pixels, too: 0 is far below most
skies, and would count as low for that pixel of the detector in all exposures. Nobody measured that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skymosaic.drizzle.parameters import flags, has_cr_steps
from skymosaic.errors import InputError
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.health import usable
from skymosaic.hst.opened import opened_chips

log = logging.getLogger(__name__)


def fill_missing(
    folder: Path,
    exposures: Sequence[Exposure],
    parameters: Mapping[str, Any],
    variants: Iterable[Mapping[str, Any]] = (),
) -> int:
    """Set the flagged pixels that are no number to the median of their chip; return how many.

    Parameters
    ----------
    folder : Path
        Holds private copies of the exposures.
    exposures : sequence of Exposure
        What was seen in their pixels tells which of them are looked at.
    parameters : mapping
        AstroDrizzle's, of the run: they tell which flags make a pixel bad.
    variants : iterable of mapping
        Parameters of other ways to measure the sky, over those of the run.

    Raises
    ------
    InputError
        A pixel that is no number would be used.
    """
    ways = _ways(parameters, variants)
    cleared = flags(parameters.get("resetbits", "4096")) or 0
    number, unknown = 0, []
    looked_at = [exposure for exposure in exposures if _may_have_missing(exposure)]
    for exposure, chip, hdus in opened_chips(folder, looked_at, update=True):
        science = hdus["SCI", chip.extver].data
        missing = ~np.isfinite(science)
        if not missing.any():
            continue
        what = f"{exposure.name}[SCI,{chip.extver}]"
        dq = hdus["DQ", chip.extver].data[missing].astype(np.int64) & ~cleared
        for name, ignored in ways:
            if used := int(np.count_nonzero(usable(dq, ignored))):
                raise InputError(
                    f"{what}: {counted(used, 'pixel is not a number', 'pixels are not numbers')} "
                    f"(NaN or infinite), and {name} {ignored} uses what is flagged in DQ "
                    f"({_named(dq)}); set {name} so that one of these flags counts, or "
                    "leave the exposure out"
                )
        finite = science[~missing]
        science[missing] = np.median(finite) if finite.size else 0
        number += len(dq)
        if not exposure.health:
            unknown.append(f"{what} ({counted(len(dq), 'pixel')})")
    if unknown:  # the inspection, of an older version, does not tell
        log.warning(
            "flagged pixels that are not numbers get the chip's median in the private copies of %s",
            ", ".join(unknown),
        )
    return number


def _may_have_missing(exposure: Exposure) -> bool:
    """Tell whether the inspection saw pixels that are no numbers, or did not look."""
    return not exposure.health or any(
        chip.missing or chip.flagged_missing for chip in exposure.health
    )


def key_of_missing(exposures: Iterable[Exposure]) -> dict[str, Any]:
    """Return what of pixels without a number the result of a drizzle depends on, part of its key.

    Nothing where there are none, as in stores that older versions made.
    """
    number = sum(chip.flagged_missing for one in exposures for chip in one.health)
    # Older versions filled in 0, which their static masks counted as low.
    return {"missing": number, "filled": "median"} if number else {}


def _ways(
    parameters: Mapping[str, Any], variants: Iterable[Mapping[str, Any]]
) -> list[tuple[str, int | None]]:
    """Return the parameters that tell which pixels are used, with the flags that each ignores."""
    names = ["sky_bits", "final_bits", *(["driz_sep_bits"] if has_cr_steps(parameters) else [])]
    named = [(name, parameters.get(name, "0")) for name in names]
    named += [("sky_bits", one["sky_bits"]) for one in variants if "sky_bits" in one]
    return [(name, flags(value)) for name, value in named]


def _named(dq: np.ndarray) -> str:
    found = np.bitwise_or.reduce(dq)
    return " and ".join(str(1 << bit) for bit in range(16) if found & (1 << bit)) or "none"
