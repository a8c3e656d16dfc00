"""What a solution for all images starts from, and what it says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.align.gates import Criterion, TileFit
from skymosaic.align.moves import Move, vectors_of
from skymosaic.sky.overlaps import Polygon

Floats = NDArray[np.float64]

Geometry = Literal["shift", "rshift", "rscale"]
"""What is fitted of each image: a shift; with a rotation; with a rotation and a scale."""
UNKNOWNS: dict[Geometry, int] = {"shift": 2, "rshift": 3, "rscale": 4}


@dataclass(frozen=True)
class Image:
    """One image and its sources."""

    name: str
    epoch: float
    """Middle of its exposures, Julian year."""
    wcs: WCS
    """Gnomonic, without distortion."""
    sky: Floats
    """Its sources by this WCS: RA, Dec in degrees, shape (n, 2)."""
    flux: Floats
    """Of each source, in any unit that is the same for images of one `kind`, shape (n,)."""
    footprint: Sequence[Polygon]
    """Its outlines: RA, Dec in degrees."""
    kind: str = ""
    """Images of one kind have the same errors of centroids by flux: detector and filter."""

    @cached_property
    def vectors(self) -> Floats:
        """Its sources as unit vectors, shape (n, 3)."""
        return vectors_of(self.sky)

    @cached_property
    def corners(self) -> Floats:
        """The corners of its outlines as unit vectors, shape (n, 3)."""
        return vectors_of(np.concatenate(list(self.footprint)))

    @cached_property
    def centre(self) -> Floats:
        """The middle of its outlines, a unit vector."""
        mean = self.corners.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean))

    @cached_property
    def radius(self) -> float:
        """Of a circle about the centre that holds its outlines, radians."""
        return float(np.arccos(np.clip(self.corners @ self.centre, -1, 1)).max())

    @cached_property
    def pixel(self) -> float:
        """Size of a pixel, arcsec."""
        return float(np.sqrt(abs(np.linalg.det(self.wcs.pixel_scale_matrix))) * 3600.0)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Sources that have a position, shape (n,)."""
        return np.asarray(np.isfinite(self.sky).all(axis=1))


@dataclass(frozen=True)
class ImageResult:
    """What the solution says of one image."""

    name: str
    fit: TileFit
    move: Move | None
    """None of an image that is not aligned."""
    why: str = ""
    """Why it is not aligned; empty where it is."""
    group: int = -1
    """Images that matches link have one number, 0 for those that are aligned; -1: it is alone."""
    covariance: Floats = field(default_factory=lambda: np.full((0, 0), np.nan))
    """Of east and north (mas), roll (arcsec) and scale (1e-6), as many of them as are fitted."""
    error: float = np.nan
    """Standard error of a position in the image along one axis, rms over its area, mas."""
    sky: Floats = field(default_factory=lambda: np.empty((0, 2)))
    """Its matched sources, RA, Dec in degrees, as moved, shape (n, 2)."""
    residuals: Floats = field(default_factory=lambda: np.empty((0, 2)))
    """Of these against the solution: east, north in mas, shape (n, 2)."""
    to_reference: Floats = field(default_factory=lambda: np.empty((0, 2)))
    """Of these against their star of the reference, NaN where they have none, mas, shape (n, 2)."""


@dataclass(frozen=True)
class Together:
    """The solution for all images."""

    images: list[ImageResult]
    """In the order of the input."""
    criteria: list[Criterion]
    groups: list[list[str]]
    """Names of the images that matches link with each other, the largest first."""
    centroids: dict[str, Floats]
    """By kind: flux and the standard error of a centroid along one axis (mas), shape (n, 2)."""

    @property
    def failed(self) -> dict[str, str]:
        """Images that are not aligned, and why."""
        return {image.name: image.why for image in self.images if image.why}
