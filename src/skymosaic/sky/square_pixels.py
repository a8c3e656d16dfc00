"""The scale and the rotation of square pixels, from a CD matrix; other pixels are refused by name.

The engines make mosaics on a tangent plane with square pixels, RA increasing to the left of north.
Such a grid has the CD matrix

    s [[-cos r, sin r], [sin r, cos r]],

with the pixel size s and the position angle r of the y axis, east of north (Greisen & Calabretta
2002, A&A 395, 1061, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

SMALLEST_PIXEL, LARGEST_PIXEL = 0.001, 10.0
"""Arcsec: what lies beyond is a number of another unit."""
CLOSE = 0.001
"""Pixels by which the corners of an image may lie off the grid that its CD matrix stands for."""


def scale_and_rotation(cd: Sequence[Sequence[float]], longest: int) -> tuple[float, float]:
    """Return the pixel size and the position angle of the y axis that a CD matrix stands for.

    Parameters
    ----------
    cd : sequence of sequence of float, shape (2, 2)
        CD1_1, CD1_2 and CD2_1, CD2_2, degrees.
    longest : int
        Pixels along the longest side of the image: of a large one the matrix must be closer.

    Returns
    -------
    (float, float)
        Arcsec, and degrees east of north from -180 to 180.

    Raises
    ------
    ValueError
        No such grid has this matrix; the message names what is wrong with it.
    """
    (cd11, cd12), (cd21, cd22) = cd
    determinant = cd11 * cd22 - cd12 * cd21
    if not math.isfinite(determinant) or determinant == 0:
        raise ValueError(f"the CD matrix {_shown(cd)} is that of no image")
    if determinant > 0:
        raise ValueError("the parity is flipped: RA increases to the right where north is up")
    along_x, along_y = math.hypot(cd11, cd21), math.hypot(cd12, cd22)
    # The nearest matrix of a square grid.
    north, east = (cd22 - cd11) / 2, (cd12 + cd21) / 2
    step = math.hypot(north, east)
    # The number may have been through a file: its last digits are no reason to refuse it.
    if not SMALLEST_PIXEL * (1 - CLOSE) <= step * 3600.0 <= LARGEST_PIXEL * (1 + CLOSE):
        raise ValueError(
            f"the pixels would have {step * 3600:.4g} arcsec, and the CD matrix is in degrees: "
            f"from {SMALLEST_PIXEL:g} to {LARGEST_PIXEL:g} arcsec can be made"
        )
    off = math.hypot(cd11 + north, cd21 - east) + math.hypot(cd12 - east, cd22 - north)
    if off / step * longest > CLOSE:
        leaning = (cd11 * cd12 + cd21 * cd22) / along_x / along_y  # cosine of the angle of the axes
        if abs(along_x / along_y - 1) > abs(leaning):
            sizes = f"{along_x * 3600:.9g} x {along_y * 3600:.9g} arcsec"
            raise ValueError(f"the pixels are not square ({sizes})")
        angle = math.degrees(math.acos(max(-1.0, min(leaning, 1.0))))
        raise ValueError(f"the axes are skewed (they meet at {angle:.9g} degrees, not at 90)")
    return step * 3600.0, math.degrees(math.atan2(east, north))


def _shown(cd: Sequence[Sequence[float]]) -> str:
    return "[" + ", ".join("[" + ", ".join(f"{one:g}" for one in row) + "]" for row in cd) + "]"
