"""What is measured of one exposure for all skies: of its chips, and of what neighbours share.

Neighbours are known by their footprints alone. What all exposures tell together is put together
from these records: no pixel is read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.drizzle.onepass.sky import (
    Mask,
    MeasuredChips,
    SkySettings,
    measure_chip,
    read_chips,
)
from skymosaic.drizzle.summaries import SwappedFootprints
from skymosaic.hst.exposure import Exposure
from skymosaic.sky.footprints import chip_footprint, footprint_of_corners
from skymosaic.sky.layout import Layout, Vertices, regions_of
from skymosaic.sky.measuring import ChipSky
from skymosaic.sky.regions import Shared, overlapping_chips, shared_regions
from skymosaic.sky.source_mask import SourceMask
from skymosaic.sky.statistics import ClippedStatistic
from skymosaic.sky.swapped import swapped_overlaps

Value = tuple[float | None, int, bool]
"""A clipped statistic as records hold it: its value, from how many pixels, and whether the value is
in single precision, which skypac's arithmetic keeps."""


@dataclass(frozen=True)
class Neighbour:
    """An exposure that shares a region with another one.

    Parameters
    ----------
    rootname : str
    before : bool
        Whether it stands before the other one in the order of all exposures.
    chips : tuple of (int, corners)
        EXTVER of those of its chips that do, and their corners as `Exposure` records them: RA, Dec
        in degrees.
    """

    rootname: str
    before: bool
    chips: tuple[tuple[int, tuple[tuple[float, float], ...]], ...]


@dataclass(frozen=True)
class MeasuredChip:
    """What was measured of one chip, in each way: lists in the ways' order."""

    extver: int
    whole: list[Value]
    shared: dict[str, list[Value]]
    """Of its part of each overlap, by the other chip as `chip_name` names it."""


def chip_name(rootname: str, extver: int) -> str:
    """Return what a chip is known as, ``ROOTNAME[SCI,EXTVER]``."""
    return f"{rootname}[SCI,{extver}]"


def neighbours_of(exposures: Sequence[Exposure]) -> list[tuple[Neighbour, ...]]:
    """Return for each exposure the others whose chips share a region with its own.

    The time that it takes grows with the pairs, not with the square of the exposures.

    Parameters
    ----------
    exposures : sequence of Exposure
        In their order; only what their records tell is used.
    """
    chips = [(owner, chip) for owner, one in enumerate(exposures) for chip in one.chips]
    footprints = [footprint_of_corners(np.array(chip.footprint)) for _, chip in chips]
    found: list[dict[int, set[int]]] = [{} for _ in exposures]
    for a, b in overlapping_chips(footprints, [owner for owner, _ in chips]).tolist():
        first, second = chips[a][0], chips[b][0]
        found[first].setdefault(second, set()).add(b)
        found[second].setdefault(first, set()).add(a)
    return [
        tuple(
            Neighbour(
                exposures[other].rootname,
                other < own,
                tuple((chips[i][1].extver, chips[i][1].footprint) for i in sorted(numbers)),
            )
            for other, numbers in sorted(near.items())
        )
        for own, near in enumerate(found)
    ]


def measure_exposure(
    path: Path,
    exposure: Exposure,
    neighbours: Sequence[Neighbour],
    settings: Mapping[str, SkySettings],
    lows: Mapping[Mask, Mapping[int, NDArray[np.bool_]]],
    *,
    swapped: bool = False,
    sources: SourceMask | None = None,
) -> list[MeasuredChip]:
    """Measure the chips of one exposure, whole and in each overlap; one reading serves all.

    Parameters
    ----------
    path : Path
        Its file.
    exposure : Exposure
    neighbours : sequence of Neighbour
        As from `neighbours_of`.
    settings : mapping of str to SkySettings
        The ways to measure, by any names; they share ``resetbits``.
    lows : mapping of (Rule, float) to mapping of int to array of bool, shape (rows, columns)
        Its static masks for these ways, by EXTVER; a chip without one is left out.
    swapped : bool
        Whether its chips are drawn as spherical_geometry before 1.4 did; those of the neighbours
        are drawn as their corners tell.
    sources : SourceMask or None
        Pixels of the sky that do not count.

    Raises
    ------
    InputError
        The instrument's data are not in electrons.
    """
    (resetbits,) = {way.resetbits for way in settings.values()} or {0}
    chips, wcs = read_chips(path, exposure, resetbits)
    layout, first, names = _layout_of(exposure, wcs, neighbours, swapped=swapped)
    found = []
    for place, chip in enumerate(chips):
        user = None if sources is None else sources.usable(wcs[place], chip.image.shape)
        own = {key: masks.get(chip.place.extver) for key, masks in lows.items()}
        ways = list(measure_chip(layout, first + place, chip, settings, own, user).values())
        pairs = layout.regions[first + place]
        found.append(
            MeasuredChip(
                chip.place.extver,
                [_as_value(way.whole) for way in ways],
                {
                    names[pair[0] + pair[1] - first - place]: [
                        _as_value(way.shared[pair]) for way in ways
                    ]
                    for pair in pairs
                },
            )
        )
    return found


def _layout_of(
    exposure: Exposure, wcs: Sequence[WCS], neighbours: Sequence[Neighbour], *, swapped: bool
) -> tuple[Layout, int, list[str]]:
    """Return the overlaps of an exposure's own chips, the first of them, and all chips' names."""
    names, owners, footprints = [], [], []
    ahead = [one for one in neighbours if one.before]
    first = sum(len(one.chips) for one in ahead)
    for owner, near in enumerate([*ahead, None, *neighbours[len(ahead) :]]):
        if near is None:
            names += [chip_name(exposure.rootname, chip.extver) for chip in exposure.chips]
            footprints += [chip_footprint(one, swapped=swapped) for one in wcs]
            owners += [owner] * len(wcs)
        else:
            names += [chip_name(near.rootname, extver) for extver, _ in near.chips]
            footprints += [footprint_of_corners(np.array(corners)) for _, corners in near.chips]
            owners += [owner] * len(near.chips)
    own = range(first, first + len(wcs))
    mine: dict[int, list[Shared]] = {number: [] for number in own}
    # As if the others were one exposure: what they share with each other is not looked for.
    sides = [int(number in own) for number in range(len(names))]
    for region in shared_regions(footprints, sides):
        for number in {region.a, region.b} & mine.keys():
            mine[number].append(region)
    regions: list[dict[tuple[int, int], Vertices]] = [{} for _ in names]
    shapes = [(0, 0)] * len(names)
    for number, one in zip(own, wcs, strict=True):
        regions[number] = regions_of(one, mine[number])
        shapes[number] = (int(one.array_shape[0]), int(one.array_shape[1]))
    return Layout(tuple(owners), tuple(shapes), tuple(regions)), first, names


def with_corners(
    exposure: Exposure, corners: Mapping[int, Sequence[tuple[float, float]]]
) -> Exposure:
    """Return an exposure whose chips have other corners, by EXTVER."""
    chips = [replace(chip, footprint=tuple(corners[chip.extver])) for chip in exposure.chips]
    return replace(exposure, chips=tuple(chips))


def compare_swapped(exposures: Sequence[Exposure], used: Layout) -> SwappedFootprints:
    """Compare the overlaps of chips that were used with those that there are.

    Parameters
    ----------
    exposures : sequence of Exposure
        With their own corners.
    used : Layout
        Of their chips.
    """
    footprints = [
        footprint_of_corners(np.array(chip.footprint)) for one in exposures for chip in one.chips
    ]
    there = {(shared.a, shared.b) for shared in shared_regions(footprints, used.exposures)}
    found = swapped_overlaps(there, used)
    names = [chip_name(one.rootname, chip.extver) for one in exposures for chip in one.chips]
    return SwappedFootprints(
        found.overlap,
        [(names[a], names[b]) for a, b in found.missed],
        [[exposures[i].rootname for i in group] for group in found.groups],
    )


def put_together(
    exposures: Sequence[Exposure],
    measured: Mapping[str, Sequence[MeasuredChip]],
    settings: Mapping[str, SkySettings],
) -> dict[str, MeasuredChips]:
    """Return what was measured of all exposures, as `sky.measure_all` does of files.

    Parameters
    ----------
    exposures : sequence of Exposure
        In their order.
    measured : mapping of str to sequence of MeasuredChip
        Of each by its rootname, in the ways of `settings`.
    settings : mapping of str to SkySettings
        The ways, by any names.
    """
    chips = [chip for one in exposures for chip in measured[one.rootname]]
    owners = [index for index, one in enumerate(exposures) for _ in measured[one.rootname]]
    names = [
        chip_name(one.rootname, chip.extver) for one in exposures for chip in measured[one.rootname]
    ]
    numbers = {name: number for number, name in enumerate(names)}
    pairs: list[dict[str, tuple[int, int]]] = [
        {name: _pair(number, numbers[name]) for name in chip.shared}
        for number, chip in enumerate(chips)
    ]
    layout = Layout(
        tuple(owners),
        ((0, 0),) * len(chips),
        tuple({pair: [] for pair in own.values()} for own in pairs),
    )
    brightness = [one.brightness_factor(c.extver) for one in exposures for c in one.chips]
    return {
        name: MeasuredChips(
            layout,
            [
                ChipSky(
                    _as_statistic(chip.whole[way]),
                    {own[other]: _as_statistic(v[way]) for other, v in chip.shared.items()},
                )
                for chip, own in zip(chips, pairs, strict=True)
            ],
            brightness,
        )
        for way, name in enumerate(settings)
    }


def _pair(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _as_value(statistic: ClippedStatistic) -> Value:
    value: Any = statistic.value
    if value is None:
        return None, statistic.pixels, False
    return float(value), int(statistic.pixels), isinstance(value, np.float32)


def _as_statistic(value: Value) -> ClippedStatistic:
    number, pixels, single = value
    if number is None:
        return ClippedStatistic(None, pixels)
    return ClippedStatistic(np.float32(number) if single else number, pixels)
