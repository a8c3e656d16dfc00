"""Outlines of chips as one array of unit vectors, whatever form they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymosaic.sky.overlaps import unit_vectors
from skymosaic.sky.pixel_grid import Floats


@dataclass(frozen=True)
class Outlines:
    """The chips of exposures as polygons of great circles."""

    vectors: Floats
    """Unit vectors of the corners, shape (chips, corners, 3): the last is repeated."""
    exposures: NDArray[np.int64]
    """The exposure that each chip belongs to, by its position, shape (chips,)."""

    @staticmethod
    def of(footprints: Sequence[Sequence[Floats]]) -> Outlines:
        """Gather the polygons of exposures.

        Parameters
        ----------
        footprints : sequence of sequence of array
            For each exposure its chips; each the corners in order, as RA, Dec in degrees, shape
            (n, 2), or as unit vectors, shape (n, 3).

        Raises
        ------
        ValueError
            A polygon has another shape, or fewer than three corners, or a corner that is no number.
        """
        polygons = [_vectors(polygon, i) for i, chips in enumerate(footprints) for polygon in chips]
        exposures = np.repeat(np.arange(len(footprints)), [len(chips) for chips in footprints])
        most = max(map(len, polygons), default=3)
        vectors = np.empty((len(polygons), most, 3))
        for row, polygon in zip(vectors, polygons, strict=True):
            row[: len(polygon)], row[len(polygon) :] = polygon, polygon[-1]
        return Outlines(vectors, exposures)

    @property
    def circles(self) -> tuple[Floats, Floats]:
        """Circles around the chips: centres as unit vectors, (chips, 3); radii in radians."""
        centres = self.vectors.mean(axis=1)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        cosines = np.einsum("cni,ci->cn", self.vectors, centres).min(axis=1)
        return centres, np.arccos(np.clip(cosines, -1.0, 1.0))


def _vectors(polygon: Floats, exposure: int) -> Floats:
    corners = np.asarray(polygon, dtype=float)
    if corners.ndim != 2 or corners.shape[1] not in (2, 3) or len(corners) < 3:
        raise ValueError(
            f"a footprint of exposure {exposure} has the shape {corners.shape}: it has to be three "
            "or more corners, each RA and Dec in degrees, or a unit vector"
        )
    if not np.isfinite(corners).all():
        raise ValueError(f"a footprint of exposure {exposure} has a corner that is no number")
    return unit_vectors(corners) if corners.shape[1] == 2 else corners
