"""What a campaign covers, for other programs: DS9 regions and a coverage map (MOC)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skymosaic.sky.outline import Outline
from skymosaic.sky.overlaps import unit_vectors

if TYPE_CHECKING:
    from mocpy import MOC

Floats = NDArray[np.float64]

REGIONS, COVERAGE = "footprints.reg", "footprints.moc.fits"
_ORDER = 18
"""Of the MOC's smallest cells, which have 0.8 arcsec a side."""


def write_footprints(
    folder: Path, polygons: Mapping[str, Sequence[Floats]], outline: Outline | None
) -> list[Path]:
    """Write ``footprints.reg`` and, where a mosaic is, ``footprints.moc.fits``.

    Parameters
    ----------
    folder : Path
        Where they go.
    polygons : mapping of str to sequence of array, shape (n, 2)
        Corners of each chip of an exposure: RA and Dec in degrees.
    outline : Outline or None
        Of the mosaic.
    """
    if not polygons and outline is None:
        return []
    regions = folder / REGIONS
    regions.write_text(as_regions(polygons, outline), encoding="ascii")
    if outline is None or not outline.outer:
        return [regions]
    coverage_of(outline).save(folder / COVERAGE, overwrite=True)
    return [regions, folder / COVERAGE]


def as_regions(polygons: Mapping[str, Sequence[Floats]], outline: Outline | None) -> str:
    """Return DS9's text: a polygon for each chip and each part of the mosaic.

    What the mosaic leaves out is a polygon that is excluded. Parameters as `write_footprints`.
    """
    lines = ["# Region file format: DS9 version 4.1", "global color=green width=1", "icrs"]
    for name, chips in polygons.items():
        for number, chip in enumerate(chips, start=1):
            text = name if len(chips) == 1 else f"{name}, chip {number} of {len(chips)}"
            lines.append(f"{_polygon(chip)} # text={{{text}}} tag={{exposure}}")
    if outline is not None:
        style = "color=red width=2 text={mosaic} tag={mosaic}"
        lines += [f"{_polygon(ring)} # {style}" for ring in outline.outer]
        lines += [f"-{_polygon(ring)} # {style}" for ring in outline.holes]
    return "\n".join(lines) + "\n"


def coverage_of(outline: Outline) -> MOC:
    """Return the cells of the sky that hold a part of the mosaic, 0.8 arcsec at the smallest."""
    from astropy import units
    from mocpy import MOC

    def area(ring: Floats) -> float:
        # By vectors, so that rings over RA 0 and around a pole are like any other.
        points = unit_vectors(ring)
        points -= points[0]
        return float(np.linalg.norm(np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)))

    # From the largest on: a hole lies in its part, and an island in its hole.
    rings = [(ring, False) for ring in outline.outer] + [(ring, True) for ring in outline.holes]
    covered = MOC.new_empty(_ORDER)
    for ring, hole in sorted(rings, key=lambda one: -area(one[0])):
        lon, lat = ring.T * units.deg
        cells = MOC.from_polygon(lon, lat, complement=hole, max_depth=_ORDER)
        covered = covered.intersection(cells) if hole else covered.union(cells)
    return covered


def _polygon(corners: Floats) -> str:
    return f"polygon({','.join(f'{ra:.8f},{dec:.8f}' for ra, dec in corners)})"
