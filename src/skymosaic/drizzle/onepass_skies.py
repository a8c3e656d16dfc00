"""Which skies a one-pass run applies: those of the methods, of variants, and the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skymosaic.drizzle.onepass_sky import Exposures, SkySettings, measure_skies
from skymosaic.errors import CampaignError
from skymosaic.exposure import Exposure
from skymosaic.sky.values import SkyValue


@dataclass(frozen=True)
class SkyChoice:
    """Where the sky of one mosaic comes from.

    Parameters
    ----------
    method : str or None
        AstroDrizzle's name of the method; None: the sky is given.
    parameters : mapping
        AstroDrizzle's parameters of the sky step that differ from the run's.
    values : mapping of str to float
        With no method: the sky of each exposure by rootname, in its data units, the same for all
        of its chips.
    """

    method: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AppliedSky:
    """The sky of every chip in one mosaic.

    Parameters
    ----------
    values : list of SkyValue
        As published; without a number where the method could not determine it.
    subtracted : tuple of float
        What is taken off the pixels of each chip.
    recorded : tuple of float or None
        MDRIZSKY as AstroDrizzle would leave it in the header.
    """

    values: list[SkyValue]
    subtracted: tuple[float, ...]
    recorded: tuple[float | None, ...]


def find_skies(
    folder: Path,
    exposures: Sequence[Exposure],
    choices: Mapping[str, SkyChoice],
    parameters: Mapping[str, Any],
    pixels: Exposures | None = None,
) -> dict[str, AppliedSky]:
    """Return the sky of every mosaic.

    Parameters
    ----------
    folder : Path
        Holds the exposures.
    exposures : sequence of Exposure
        Which.
    choices : mapping of str to SkyChoice
        By the mosaics' names.
    parameters : mapping
        AstroDrizzle's, of the run.
    pixels : Exposures or None
        Where the caller has read the exposures already.

    Raises
    ------
    CampaignError
        A given sky is missing, or of no exposure.
    SkyError, InputError
        As from `measure_skies`.
    """
    ways: dict[str, SkySettings] = {}
    for name, choice in choices.items():
        if choice.method is not None:
            ways[name] = SkySettings.from_parameters({**parameters, **choice.parameters})
    # Each way to measure is measured once, whichever methods use it.
    distinct = {repr(way): way for way in ways.values()}
    skies = measure_skies(folder, exposures, distinct, pixels=pixels) if distinct else {}
    found = {}
    for name, choice in choices.items():
        if choice.method is None:
            found[name] = _given(name, exposures, choice.values)
            continue
        sky = skies[repr(ways[name])].methods[choice.method]
        recorded = sky.subtracted if choice.method == "globalmin+match" else sky.values
        found[name] = AppliedSky(_published(exposures, sky.values), sky.subtracted, recorded)
    return found


def _published(exposures: Sequence[Exposure], values: Sequence[float | None]) -> list[SkyValue]:
    chips = [(exposure, chip.extver) for exposure in exposures for chip in exposure.chips]
    return [
        SkyValue(exposure.rootname, extver, value, exposure.brightness_factor(extver))
        for (exposure, extver), value in zip(chips, values, strict=True)
    ]


def _given(name: str, exposures: Sequence[Exposure], values: Mapping[str, float]) -> AppliedSky:
    known = {exposure.rootname for exposure in exposures}
    for rootname in sorted(known ^ set(values)):
        what = "has no sky" if rootname in known else "is no exposure of this campaign"
        raise CampaignError(f"sky.variants.{name}.values: {rootname} {what}; name each once")
    each = tuple(float(values[e.rootname]) for e in exposures for _ in e.chips)
    return AppliedSky(_published(exposures, each), each, each)
