"""Units of pixels and of skies, as they are told.

Exposures of IR detectors hold rates, those of CCDs counts. Counts of exposures of different times
do not compare, so every sky is shown as a rate: MDRIZSKY, divided by EXPTIME where it is in counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from skymosaic.hst.exposure import Exposure
from skymosaic.hst.imagers import imager_of
from skymosaic.sky.values import SkyValue


def header_unit(exposures: Sequence[Exposure]) -> str:
    """Return the unit of MDRIZSKY in the headers, that of the exposures' pixels."""
    if not exposures:
        return "electron / s"
    quantum = _quantum(exposures)
    return quantum if exposures[0].chips[0].counts else f"{quantum} / s"


def mosaic_unit(exposures: Sequence[Exposure], *, in_counts: bool) -> str:
    """Return the unit of the mosaics' pixels: AstroDrizzle leaves counts what they are.

    `in_counts`: ``final_units: counts`` was asked for.
    """
    quantum = _quantum(exposures)
    return quantum if in_counts else f"{quantum} / s"


def _quantum(exposures: Sequence[Exposure]) -> str:
    imager = imager_of(exposures[0].instrument, exposures[0].detector) if exposures else None
    return "electron" if imager is None else imager.pixels.removesuffix(" / s")


def with_seconds(values: Iterable[SkyValue], exposures: Iterable[Exposure]) -> list[SkyValue]:
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
