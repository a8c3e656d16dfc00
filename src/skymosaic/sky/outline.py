"""The outline of a mosaic: polygons around the pixels that have data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.sky.row_blocks import reduce_rows

Floats = NDArray[np.float64]

_TOLERANCE = 1.5  # pixels of the mask
_CORNERS = 120  # at most, of all polygons: a header card holds two of them at most
_LEAST = 100.0  # pixels of the mosaic; smaller islands and holes are single bad pixels


@dataclass(frozen=True)
class Outline:
    """Polygons around what a mosaic covers, RA and Dec in degrees (ICRS).

    Parameters
    ----------
    outer : tuple of array, shape (n, 2)
        Around each part, counter-clockwise on the sky from its topmost corner; not closed.
    holes : tuple of array, shape (n, 2)
        Around what the parts leave out, clockwise. A point is covered where the polygons
        of both kinds that it lies in are odd in number.
    """

    outer: tuple[Floats, ...]
    holes: tuple[Floats, ...] = ()

    def s_region(self) -> str:
        """Return it as MAST writes S_REGION: closed polygons, and no holes."""
        return " ".join(
            "POLYGON ICRS " + " ".join(f"{ra:.8f} {dec:.8f}" for ra, dec in (*ring, ring[0]))
            for ring in self.outer
        )


def trace(mask: NDArray[np.bool_], wcs: WCS, block: int = 1) -> Outline:
    """Return the outline of the pixels that are true.

    The polygons follow the edges of the mask's pixels to 1.5 of them, or to as much more as keeps
    all corners together below 120. Each part keeps three corners or more, however many parts
    there are.

    Parameters
    ----------
    mask : array of bool, shape (rows, columns)
        Where the mosaic has data, in blocks of pixels.
    wcs : WCS
        Of the mosaic.
    block : int
        Side of a block, in pixels of the mosaic.
    """
    from skimage.measure import find_contours

    from skymosaic.sky.polylines import simplified

    rings = [_from_top(ring - 1.0) for ring in find_contours(np.pad(mask, 1).astype(float), 0.5)]
    areas = [_area(ring) for ring in rings]
    kept = [i for i, area in enumerate(areas) if abs(area) * block**2 >= _LEAST]
    if rings and not any(areas[i] > 0 for i in kept):
        kept = [int(np.argmax(areas))]
    tolerance, simple = _TOLERANCE, [rings[i][:-1] for i in kept]
    while kept:
        coarser = [simplified(rings[i], tolerance)[:-1] for i in kept]
        # Of a part that is smaller than the tolerance something stays: it is covered. Holes go.
        simple = [
            new if len(new) > 2 or areas[i] <= 0 else old
            for new, old, i in zip(coarser, simple, kept, strict=True)
        ]
        if sum(map(len, simple)) <= _CORNERS or not any(len(ring) > 2 for ring in coarser):
            break
        tolerance *= 2.0
    whole = [(ring, areas[i] > 0) for ring, i in zip(simple, kept, strict=True) if len(ring) > 2]
    return Outline(
        tuple(_on_sky(ring, wcs, block) for ring, outer in whole if outer),
        tuple(_on_sky(ring, wcs, block) for ring, outer in whole if not outer),
    )


def any_in_blocks(strips: Iterable[NDArray[np.bool_]], block: int) -> NDArray[np.bool_]:
    """Return where any pixel of a block is true.

    Parameters
    ----------
    strips : iterable of array of bool, shape (rows, columns)
        The rows of a mosaic, from the first on: whole blocks of them, but for the last strip.
    block : int
        Side of a block, pixels.
    """
    found = []
    for strip in strips:
        rows = reduce_rows(np.logical_or, strip, block)
        found.append(reduce_rows(np.logical_or, rows.T, block).T)
    return np.concatenate(found)


def _from_top(ring: Floats) -> Floats:
    """Return a closed ring of (row, column) that begins at its topmost corner."""
    opened = np.roll(ring[:-1], -int(np.argmax(ring[:-1, 0])), axis=0)
    return np.concatenate([opened, opened[:1]])


def _area(ring: Floats) -> float:
    """Return the area of a closed ring of (row, column), positive where it is an outer one.

    `find_contours` goes around what is true with it on one side, and around holes with it on
    the same side: the other way round.
    """
    y, x = ring.T
    return float(0.5 * np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


def _on_sky(ring: Floats, wcs: WCS, block: int) -> Floats:
    y, x = (ring.T + 0.5) * block - 0.5
    return np.stack(wcs.all_pix2world(x, y, 0), axis=1)
