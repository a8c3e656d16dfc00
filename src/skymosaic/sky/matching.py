"""The sky methods, from what was measured of each chip: AstroDrizzle's four, and those of OWN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from skymosaic.errors import SkyError
from skymosaic.methods import METHODS, OWN
from skymosaic.sky.difference_fit import MatchedSkies
from skymosaic.sky.layout import Layout, Pair
from skymosaic.sky.measuring import ChipSky
from skymosaic.sky.solving import Difference, Solution, solve
from skymosaic.sky.statistics import Number


@dataclass(frozen=True)
class MethodSky:
    """What one method subtracts.

    Parameters
    ----------
    method : str
        Its name.
    values : tuple of float or None
        The sky of each chip in the units of its data: MDRIZSKY. None where the method could not
        determine it.
    subtracted : tuple of float
        What AstroDrizzle takes off the pixels of each chip, also where the sky is undetermined.
    errors : tuple of float or None
        Standard errors of `values` against the mean of their group; None where a method tells none.
    """

    method: str
    values: tuple[float | None, ...]
    subtracted: tuple[float, ...]
    errors: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Skies:
    """The result of the sky engine."""

    methods: Mapping[str, MethodSky]
    solution: Solution
    """Of the sky differences, by exposure; empty where no method needs it."""


def compute_skies(
    layout: Layout,
    chips: Sequence[ChipSky],
    brightness: Sequence[float],
    methods: Iterable[str] = METHODS,
) -> Skies:
    """Return the sky of each chip by each method.

    Parameters
    ----------
    layout : Layout
        From `plan_layout`.
    chips : sequence of ChipSky
        What was measured of each chip.
    brightness : sequence of float
        For each chip the factor from its data to electron/s/arcsec^2: 1/IDCSCALE^2, and /EXPTIME
        for data in counts.
    methods : iterable of str
        Which methods.

    Raises
    ------
    SkyError
        No chip has a usable pixel.
    """
    problem = _Problem(layout, chips, brightness)
    return Skies({method: problem.by(method) for method in methods}, problem.solution)


def matched_skies(
    layout: Layout,
    chips: Sequence[ChipSky],
    brightness: Sequence[float],
    matched: MatchedSkies,
    methods: Iterable[str] = OWN,
) -> dict[str, MethodSky]:
    """Return the sky of each chip by the methods that start from differences on the common grid.

    Their zero points are those of ``match`` and ``globalmin+match``: the lowest sky is 0, or the
    lowest sky that is left of a chip.

    Parameters
    ----------
    layout, chips, brightness
        As for `compute_skies`.
    matched : MatchedSkies
        The skies of chips that fit the differences, in electron/s/arcsec^2.
    methods : iterable of str
        Which of OWN.

    Raises
    ------
    SkyError
        No chip has a usable pixel.
    """
    offsets = matched.offsets.copy()
    known = np.isfinite(offsets)
    offsets[known] -= np.amin(offsets[known], initial=0.0)
    problem = _Problem(layout, chips, brightness, Solution(offsets, matched.groups), True)
    stated = matched.errors
    if matched.assumed is not None:
        stated = np.hypot(
            stated, matched.assumed * _usual_step(layout.exposures, chips, brightness)
        )
    errors = tuple(
        float(stated[chip] / factor) if known[chip] else None
        for chip, factor in enumerate(brightness)
    )
    return {
        method: replace(
            problem.by(method.removesuffix("-differences")), method=method, errors=errors
        )
        for method in methods
    }


def _usual_step(
    owners: Sequence[int], chips: Sequence[ChipSky], brightness: Sequence[float]
) -> float:
    """Return how far apart the chips of an exposure are by their own skies, rms of exposures.

    A part of that is the scene's. It is the size of what is assumed where no overlap relates the
    chips of an exposure.
    """
    skies: dict[int, list[float]] = {}
    for owner, chip, factor in zip(owners, chips, brightness, strict=True):
        if chip.whole.value is not None:
            skies.setdefault(owner, []).append(float(chip.whole.value) * factor)
    apart = [max(own) - min(own) for own in skies.values() if len(own) > 1]
    return float(np.sqrt(np.mean(np.square(apart)))) if apart else 0.0


def _plain(value: Number) -> float:
    # A number in single precision has few digits; a header of AstroDrizzle's shows those alone.
    return float(str(value))


def _bright(value: Number | None, factor: float) -> Number | None:
    # A median is in single precision and stays so, as in skypac.
    return None if value is None else factor * value


def _differences(
    layout: Layout, chips: Sequence[ChipSky], brightness: Sequence[float]
) -> Iterable[Difference]:
    """Combine the pairs of chips of each pair of exposures, weighted by pixels."""
    by_exposures: dict[tuple[int, int], list[Pair]] = {}
    for pair in layout.pairs:
        first, second = (layout.exposures[chip] for chip in pair)
        by_exposures.setdefault((min(first, second), max(first, second)), []).append(pair)
    for exposures, pairs in sorted(by_exposures.items()):
        sums: dict[int, tuple[Number, int]] = dict.fromkeys(exposures, (0.0, 0))
        for pair in pairs:
            for chip in pair:
                measured = chips[chip].shared.get(pair)
                if measured is None or measured.value is None:
                    continue
                total, pixels = sums[layout.exposures[chip]]
                sums[layout.exposures[chip]] = (
                    total + brightness[chip] * measured.value * measured.pixels,
                    pixels + measured.pixels,
                )
        (sky_a, pixels_a), (sky_b, pixels_b) = (sums[exposure] for exposure in exposures)
        if pixels_a and pixels_b:
            yield Difference(
                *exposures,
                float(sky_a / pixels_a),
                float(sky_b / pixels_b),
                int(pixels_a),
                int(pixels_b),
            )


class _Problem:
    """What the methods share."""

    def __init__(
        self,
        layout: Layout,
        chips: Sequence[ChipSky],
        brightness: Sequence[float],
        solution: Solution | None = None,
        by_chip: bool = False,
    ) -> None:
        """With `by_chip` a given solution is of chips, not of exposures."""
        self._chips = chips
        self._exposures = layout.exposures
        self._brightness = brightness
        count = max(layout.exposures, default=-1) + 1
        self.solution = solution or solve(count, list(_differences(layout, chips, brightness)))
        self._solved = range(len(chips)) if by_chip else layout.exposures
        whole = [chip.whole.value for chip in chips]
        self._lowest = self._by_exposure(
            [_bright(value, factor) for value, factor in zip(whole, brightness, strict=True)]
        )

    def by(self, method: str) -> MethodSky:
        values, subtracted = {
            "localmin": self._localmin,
            "match": self._match,
            "globalmin": self._globalmin,
            "globalmin+match": self._globalmin_match,
        }[method]()
        return MethodSky(
            method,
            tuple(None if value is None else _plain(value) for value in values),
            tuple(_plain(value) for value in subtracted),
        )

    def _by_exposure(self, values: Sequence[Number | None]) -> list[Number | None]:
        """Return the smallest value of each exposure's chips; None where it has none."""
        lowest: list[Number | None] = [None] * (max(self._exposures, default=-1) + 1)
        for exposure, value in zip(self._exposures, values, strict=True):
            known = lowest[exposure]
            if value is not None and (known is None or value < known):
                lowest[exposure] = value
        return lowest

    def _as_data(
        self, skies: Sequence[Number | None], owners: Sequence[int] | None = None
    ) -> list[Number | None]:
        """Turn the brightness of each exposure into the units of each chip's data."""
        return [
            None if (sky := skies[owner]) is None else sky / factor
            for owner, factor in zip(owners or self._exposures, self._brightness, strict=True)
        ]

    def _localmin(self) -> _Found:
        subtracted = self._as_data(self._lowest)
        # A chip without a pixel loses the sky of the exposure's others, which is not its own.
        values = [
            None if chip.whole.value is None else sky
            for chip, sky in zip(self._chips, subtracted, strict=True)
        ]
        return values, _zero_for_none(subtracted)

    def _globalmin(self) -> _Found:
        values = self._as_data([_smallest(self._lowest)] * len(self._lowest))
        return values, _zero_for_none(values)

    def _match(self) -> _Found:
        offsets = self.solution.offsets
        values = self._as_data(
            [None if np.isnan(offset) else offset for offset in offsets], self._solved
        )
        return values, _zero_for_none(values)

    def _globalmin_match(self) -> _Found:
        matched, offsets = self._match()
        if len(self._lowest) < 2:
            return matched, offsets  # one exposure alone: skypac does nothing
        left = [
            _bright(None if chip.whole.value is None else chip.whole.value - offset, factor)
            for chip, offset, factor in zip(self._chips, offsets, self._brightness, strict=True)
        ]
        smallest = _smallest(self._by_exposure(left))
        subtracted = [
            offset + smallest / factor
            for offset, factor in zip(offsets, self._brightness, strict=True)
        ]
        # An exposure that no other was compared with loses the minimum, too: no sky of its own.
        values = [
            None if value is None else sky for value, sky in zip(matched, subtracted, strict=True)
        ]
        return values, subtracted


_Found = tuple[Sequence[Number | None], Sequence[Number]]


def _zero_for_none(values: Sequence[Number | None]) -> list[Number]:
    return [0.0 if value is None else value for value in values]


def _smallest(lowest: Sequence[Number | None]) -> Number:
    known = [value for value in lowest if value is not None]
    if not known or len(known) < len(lowest):
        raise SkyError(
            "an exposure has no usable pixel for its sky, so there is no global minimum: widen "
            "sky_bits, skylower and skyupper, or leave the exposure out"
        )
    return min(known)
