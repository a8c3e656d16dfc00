"""Which skies a one-pass run applies: those of the methods, of variants, and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.grid_differences import OnGrid
from skymosaic.drizzle.onepass.sky import Exposures, MeasuredChips, SkySettings, measure_all
from skymosaic.drizzle.onepass.sums import Tilt
from skymosaic.drizzle.summaries import DifferencesSummary
from skymosaic.errors import CampaignError, SkyError
from skymosaic.hst.exposure import Exposure
from skymosaic.methods import METHODS, OWN
from skymosaic.sky.matching import MethodSky, compute_skies, matched_skies
from skymosaic.sky.source_mask import SourceMask
from skymosaic.sky.values import SkyValue, without_sky


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
    tilts: tuple[Tilt, ...] = ()
    """Planes that are taken off, too, by number of the chip."""
    differences: DifferencesSummary | None = None
    """What the differences on the common grid tell beside, where they were looked at."""


def find_skies(
    folder: Path,
    exposures: Sequence[Exposure],
    choices: Mapping[str, SkyChoice],
    parameters: Mapping[str, Any],
    pixels: Exposures | None = None,
    match_on_grid: Callable[[], OnGrid] | None = None,
    sources: SourceMask | None = None,
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
    match_on_grid : callable or None
        Gives what the exposures tell of each other on the common grid, once they are on it;
        called where a choice needs it, after all else is measured.
    sources : SourceMask or None
        Pixels of the sky that no method uses.

    Raises
    ------
    CampaignError
        A given sky is missing, or of no exposure.
    SkyError, InputError
        As from `measure_skies`.
    """
    ways = distinct_ways(choices, parameters)
    measured = measure_all(folder, exposures, ways, pixels=pixels, sources=sources) if ways else {}
    return skies_of_measured(exposures, choices, parameters, measured, match_on_grid)


def distinct_ways(
    choices: Mapping[str, SkyChoice], parameters: Mapping[str, Any]
) -> dict[str, SkySettings]:
    """Return the ways in which the sky is measured, each once, whichever methods use it."""
    return {repr(way): way for way in _ways(choices, parameters).values()}


def _ways(
    choices: Mapping[str, SkyChoice], parameters: Mapping[str, Any]
) -> dict[str, SkySettings]:
    """Return how the sky is measured of each mosaic whose sky is."""
    return {
        name: SkySettings.from_parameters({**parameters, **choice.parameters})
        for name, choice in choices.items()
        if choice.method is not None
    }


def skies_of_measured(
    exposures: Sequence[Exposure],
    choices: Mapping[str, SkyChoice],
    parameters: Mapping[str, Any],
    measured: Mapping[str, MeasuredChips],
    match_on_grid: Callable[[], OnGrid] | None = None,
) -> dict[str, AppliedSky]:
    """Return the sky of every mosaic from what was measured of the chips.

    Parameters
    ----------
    exposures, choices, parameters, match_on_grid
        As for `find_skies`; no file is read.
    measured : mapping of str to MeasuredChips
        In each of the ways of `distinct_ways`, by its key there.

    Raises
    ------
    CampaignError, SkyError
        As from `find_skies`.
    """
    ways = _ways(choices, parameters)
    skies: dict[str, dict[str, MethodSky]] = {}
    on_grid: OnGrid | None = None
    for key, one in measured.items():
        wanted = {choices[name].method for name, way in ways.items() if repr(way) == key}
        if any(method is not None and method.startswith("globalmin") for method in wanted):
            _require_a_sky_of_each(exposures, one)
        plain = [method for method in METHODS if method in wanted]
        parts = (one.layout, one.chips, one.brightness)
        skies[key] = dict(compute_skies(*parts, plain).methods) if plain else {}
        own = [method for method in OWN if method in wanted]
        if own:
            if match_on_grid is None:
                raise SkyError(f"{own[0]} needs the exposures on the common grid")
            on_grid = on_grid or match_on_grid()
            skies[key] |= matched_skies(*parts, on_grid.matched, own)
    found = {}
    for name, choice in choices.items():
        if choice.method is None:
            found[name] = _given(name, exposures, choice.values)
            continue
        sky = skies[repr(ways[name])][choice.method]
        # What `match` leaves alone gets no keyword; `localmin` writes what it takes off.
        recorded = sky.values if choice.method.startswith("match") else sky.subtracted
        published = _published(exposures, sky.values, sky.errors)
        applied = AppliedSky(published, sky.subtracted, recorded)
        if on_grid is not None and choice.method in OWN:
            applied = replace(applied, tilts=on_grid.tilts, differences=on_grid.summary)
        found[name] = applied
    return found


def _require_a_sky_of_each(exposures: Sequence[Exposure], measured: MeasuredChips) -> None:
    chips = [(exposure, chip) for exposure in exposures for chip in exposure.chips]
    seen = {
        exposure.rootname
        for (exposure, _), sky in zip(chips, measured.chips, strict=True)
        if sky.whole.value is not None
    }
    if unseen := [f"{e.name}[SCI,{c.extver}]" for e, c in chips if e.rootname not in seen]:
        raise SkyError(without_sky(unseen))


def _published(
    exposures: Sequence[Exposure],
    values: Sequence[float | None],
    errors: Sequence[float | None] = (),
) -> list[SkyValue]:
    chips = [(exposure, chip.extver) for exposure in exposures for chip in exposure.chips]
    return [
        SkyValue(exposure.rootname, extver, value, exposure.brightness_factor(extver), error)
        for (exposure, extver), value, error in zip(
            chips, values, errors or [None] * len(chips), strict=True
        )
    ]


def _given(name: str, exposures: Sequence[Exposure], values: Mapping[str, float]) -> AppliedSky:
    known = {exposure.rootname for exposure in exposures}
    for rootname in sorted(known ^ set(values)):
        what = "has no sky" if rootname in known else "is no exposure of this campaign"
        raise CampaignError(f"sky.variants.{name}.values: {rootname} {what}; name each once")
    each = tuple(float(values[e.rootname]) for e in exposures for _ in e.chips)
    return AppliedSky(_published(exposures, each), each, each)
