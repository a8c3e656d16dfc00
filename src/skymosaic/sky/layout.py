"""What is to be measured where: found from the WCS of all chips, before any pixel is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS

from skymosaic.sky.footprints import chip_footprint
from skymosaic.sky.pixels import Integers, filled, united, world_to_pixels
from skymosaic.sky.regions import Shared, shared_regions

Pair = tuple[int, int]
"""Two chips by their index, in ascending order."""
Vertices = list[list[tuple[int, int]]]
"""Polygons in pixels: x, y of the corners from 0, the last is the first again."""


@dataclass(frozen=True)
class Layout:
    """The overlaps of a set of chips, as plain values.

    Parameters
    ----------
    exposures : tuple of int
        The exposure of each chip.
    shapes : tuple of (int, int)
        Rows and columns of each chip.
    regions : tuple of mapping
        For each chip, its part of each pair of chips that overlap.
    """

    exposures: tuple[int, ...]
    shapes: tuple[tuple[int, int], ...]
    regions: tuple[Mapping[Pair, Vertices], ...]

    @property
    def pairs(self) -> list[Pair]:
        """The pairs of chips that overlap."""
        return sorted({pair for regions in self.regions for pair in regions})

    def pixels(self, chip: int, pair: Pair) -> Integers:
        """Return the pixels of a chip that lie in a pair's overlap, as from `pixels.filled`."""
        shape = self.shapes[chip]
        parts = [filled(np.array(polygon), shape) for polygon in self.regions[chip][pair]]
        return united(parts, shape)


def plan_layout(chips: Sequence[WCS], exposures: Sequence[int], *, swapped: bool = False) -> Layout:
    """Find the overlaps of chips.

    Parameters
    ----------
    chips : sequence of WCS
        Each with its distortion and its ``array_shape``.
    exposures : sequence of int
        The exposure that each chip belongs to: chips of one exposure are not compared.
    swapped : bool
        Draw the chips as spherical_geometry before 1.4 did.
    """
    footprints = [chip_footprint(wcs, swapped=swapped) for wcs in chips]
    mine: list[list[Shared]] = [[] for _ in chips]
    for region in shared_regions(footprints, exposures):
        mine[region.a].append(region)
        mine[region.b].append(region)
    regions = [regions_of(wcs, own) for wcs, own in zip(chips, mine, strict=True)]
    return Layout(
        tuple(int(exposure) for exposure in exposures),
        tuple((int(wcs.array_shape[0]), int(wcs.array_shape[1])) for wcs in chips),
        tuple(regions),
    )


def regions_of(wcs: WCS, shared: Sequence[Shared]) -> dict[Pair, Vertices]:
    """Return what a chip shares with others in its own pixels, by pair.

    A pair of which a corner lies nowhere on the chip's plane is left out.

    Parameters
    ----------
    wcs : WCS
        Of the chip.
    shared : sequence of Shared
        The regions that are its own, too.
    """
    polygons = [(region, polygon) for region in shared for polygon in region.polygons]
    corners = world_to_pixels(wcs, [polygon for _, polygon in polygons])
    found: dict[Pair, Vertices] = {}
    for (region, _), polygon in zip(polygons, corners, strict=True):
        if np.isfinite(polygon).all():
            whole = np.rint(polygon).astype(int)
            vertices = [(int(x), int(y)) for x, y in whole]
            found.setdefault((region.a, region.b), []).append(vertices)
    return found
