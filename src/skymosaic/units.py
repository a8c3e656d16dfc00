"""Units of pixels and of skies, as they are told.

Exposures of IR detectors hold rates, those of CCDs counts. Counts of exposures of different times
do not compare, so every sky is shown as a rate: MDRIZSKY, divided by EXPTIME where it is in counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from skymosaic.exposure import Exposure
from skymosaic.sky.values import SkyValue

IN_ELECTRONS = ("ACS", "WFC3")
"""Instruments whose files are in electrons; of others MDRIZSKY is in the detector's counts."""


def header_unit(exposures: Sequence[Exposure]) -> str:
    """Return the unit of MDRIZSKY in the headers, that of the exposures' pixels."""
    if not exposures:
        return "electron / s"
    first = exposures[0]
    base = "electron" if first.instrument in IN_ELECTRONS else "count"
    return base if first.chips[0].counts else f"{base} / s"


def as_told(values: Iterable[SkyValue], exposures: Iterable[Exposure]) -> list[SkyValue]:
    """Return sky values that know the time by which a rate is made of them.

    Parameters
    ----------
    values : iterable of SkyValue
        As a run published them.
    exposures : iterable of Exposure
        Those that they are of.
    """
    seconds = {
        (exposure.rootname, chip.extver): exposure.exptime
        for exposure in exposures
        for chip in exposure.chips
        if chip.counts
    }
    return [
        replace(value, seconds=seconds.get((value.rootname, value.chip), 1.0)) for value in values
    ]
