"""What passes between those who find sources, those who solve, and those who move exposures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.align.finding import FinderSettings
from skymosaic.align.gates import Criterion, TileFit
from skymosaic.config import Align
from skymosaic.hst.exposure import Exposure

if TYPE_CHECKING:
    from skymosaic.align.reference import Reference


@dataclass(frozen=True, eq=False)
class ImageCatalogue:
    """The sources of a drizzled image, as TweakReg's finder has them; arrays of shape (n,)."""

    x: NDArray[np.float64]
    """Pixels; the first one's centre is 1."""
    y: NDArray[np.float64]
    ra: NDArray[np.float64]
    """Degrees, by the WCS that the image has."""
    dec: NDArray[np.float64]
    flux: NDArray[np.float64]
    """In the image's unit."""

    def __len__(self) -> int:
        return len(self.x)

    @property
    def sky(self) -> NDArray[np.float64]:
        """RA, Dec in degrees, shape (n, 2)."""
        return np.stack([self.ra, self.dec], axis=1)


@dataclass(frozen=True)
class LinearWcs:
    """The WCS of a drizzled image, which has no distortion: a tangent plane (TAN)."""

    crval: tuple[float, float]
    """Degrees."""
    crpix: tuple[float, float]
    """Pixels; the first one's centre is 1."""
    cd: tuple[float, float, float, float]
    """CD1_1, CD1_2, CD2_1, CD2_2, degrees a pixel."""

    @classmethod
    def of(cls, wcs: WCS) -> LinearWcs:
        """Return the linear part of a WCS."""
        (a, b), (c, d) = wcs.pixel_scale_matrix
        crval, crpix = wcs.wcs.crval, wcs.wcs.crpix
        return cls(
            (float(crval[0]), float(crval[1])),
            (float(crpix[0]), float(crpix[1])),
            (float(a), float(b), float(c), float(d)),
        )

    def wcs(self) -> WCS:
        """Return it as astropy has it."""
        plane = WCS(naxis=2)
        plane.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        plane.wcs.crval, plane.wcs.crpix = self.crval, self.crpix
        plane.wcs.cd = np.array(self.cd).reshape(2, 2)
        plane.wcs.set()
        return plane


@dataclass(frozen=True, eq=False)
class AlignImage:
    """A drizzled image, as those who solve see it: no pixels."""

    exposure: Exposure
    """What its headers say; `rootname` is its name."""
    frame: bytes
    """Its headers, as `image_files.write_frame` has them."""
    catalogue: ImageCatalogue
    wcs: WCS
    """That it has, without distortion, with its size."""
    epoch: float | None
    """The middle of its exposures, Julian year; None where the headers do not tell it."""
    wcs_names: frozenset[str] = frozenset()
    """Names of all WCSs in its headers."""

    @property
    def name(self) -> str:
        """Its rootname."""
        return self.exposure.rootname


@dataclass(frozen=True)
class ImageSolution:
    """Where a drizzled image lies, once it is aligned."""

    fit: TileFit
    wcs: LinearWcs | None = None
    """None: it stays where it is, as the reference does, and what failed a gate."""
    catalogue: str = ""
    """What it was matched with, for headers."""
    geometry: str = ""
    """What was fitted, for headers: ``shift``, ``rscale`` or ``general``."""
    covariance: tuple[float, ...] = ()
    """Of what was fitted; see the solver. Empty where it tells none."""
    group: int = 0
    """Number of the group of images that matches link."""


@dataclass(frozen=True, eq=False)
class Solutions:
    """What a solver found."""

    images: list[ImageSolution]
    """Of every image, in the order that was asked for."""
    criteria: list[Criterion]
    excluded: list[str]
    """Rootnames of those that failed a gate, where the campaign goes on without them."""
    vectors: Table
    """Residuals of matched sources, as `vectors.read_vectors` has them."""
    peak_memory: int = 0
    """Largest resident set of a drizzlepac process, bytes."""
    groups: list[list[str]] = field(default_factory=list)
    """Rootnames of the images that matches link, where there are several such groups."""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SolverRoom:
    """Where a solver works, and what it knows beside the images."""

    folder: Path
    """Its own, to write into."""
    log: Path
    """A text file that becomes a product."""
    finding: FinderSettings
    """How the sources were found."""
    advice: Callable[[Sequence[str]], str]
    """Returns what a campaign file might set so that images of these rootnames pass."""
    catalogue: Path | None = None
    """Sources of another group's images, as `tweakreg.write_catalogue` leaves them; what all images
    are aligned to. None: `reference` and the settings tell what they are aligned to."""


class Solver(Protocol):
    """Finds where images lie; `align/solvers.py` chooses one by the settings."""

    def __call__(
        self,
        images: Sequence[AlignImage],
        reference: Reference | None,
        settings: Align,
        room: SolverRoom,
    ) -> Solutions:
        """Return where the images lie.

        Parameters
        ----------
        images : sequence of AlignImage
            In the order of the alignment.
        reference : Reference or None
            Stars that they are aligned to; None: each other, or the catalogue of `room`.
        settings : Align
            The campaign's.
        room : SolverRoom
            Where to work.

        Raises
        ------
        AlignmentError
            An image failed a gate and the policy is to stop, or too few images are left.
        """
