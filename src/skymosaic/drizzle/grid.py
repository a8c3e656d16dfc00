"""The output grid: computed once, given to all methods, bounded before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from skymosaic.drizzle.memory import mosaic_memory
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import Call, DrizzlepacError
from skymosaic.errors import DrizzleError, InputError
from skymosaic.hst.exposure import Exposure
from skymosaic.sky.clipping import overlap
from skymosaic.sky.outlines import Outlines
from skymosaic.sky.overlaps import unit_vectors
from skymosaic.sky.pixel_grid import PixelGrid
from skymosaic.sky.square_pixels import scale_and_rotation

Outline = NDArray[np.float64]
"""Shape (n, 2): RA, Dec in degrees of points around a chip, in order."""
_ROUNDING = 1e-3  # pixels
_Matrix = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Grid:
    """The tangent-plane pixel grid of the mosaics."""

    crval: tuple[float, float]
    """RA, Dec of the reference pixel, degrees."""
    crpix: tuple[float, float]
    """The reference pixel, from 1."""
    scale: float
    """Pixel size, arcsec."""
    rot: float
    """Position angle of the y axis, degrees east of north."""
    shape: tuple[int, int]
    """Columns, rows."""
    cd: Annotated[_Matrix | None, Field(exclude_if=lambda value: value is None)] = field(
        default=None, compare=False, repr=False
    )
    """As drizzlepac told it, degrees: recorded with the grid, and of no other use."""

    @staticmethod
    def from_call(values: Mapping[str, Any]) -> Grid:
        """Return the grid that `functions.output_grid` of `drizzlepac_calls` computed."""
        return _ADAPTER.validate_python(values)

    @staticmethod
    def of_matrix(
        crval: tuple[float, float], crpix: tuple[float, float], cd: _Matrix, shape: tuple[int, int]
    ) -> Grid:
        """Return the grid that the keywords of a FITS header tell.

        Parameters
        ----------
        crval, crpix : (float, float)
            RA, Dec (degrees) of the reference pixel, and its place (from 1).
        cd : ((float, float), (float, float))
            CD matrix, degrees.
        shape : (int, int)
            Columns, rows.

        Raises
        ------
        ValueError
            The pixels are not square, or not as on the sky; see `sky.square_pixels`.
        """
        scale, rot = scale_and_rotation(cd, max(shape))
        return Grid(crval, crpix, scale, rot, shape, cd)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as `from_call` takes them: a part of the keys of steps."""
        plain: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return plain

    def final_parameters(self) -> dict[str, Any]:
        """Return the AstroDrizzle parameters that ask for this grid exactly."""
        return {
            "final_wcs": True,
            "final_ra": self.crval[0],
            "final_dec": self.crval[1],
            "final_crpix1": self.crpix[0],
            "final_crpix2": self.crpix[1],
            "final_scale": self.scale,
            "final_rot": self.rot,
            "final_outnx": self.shape[0],
            "final_outny": self.shape[1],
        }

    def header_keywords(self) -> dict[str, float]:
        """Return the WCS keywords that a mosaic on this grid has (RA increases with -x)."""
        angle, step = np.radians(self.rot), self.scale / 3600.0
        return {
            "NAXIS1": self.shape[0],
            "NAXIS2": self.shape[1],
            "CRVAL1": self.crval[0],
            "CRVAL2": self.crval[1],
            "CRPIX1": self.crpix[0],
            "CRPIX2": self.crpix[1],
            "CD1_1": -step * np.cos(angle),
            "CD1_2": step * np.sin(angle),
            "CD2_1": step * np.sin(angle),
            "CD2_2": step * np.cos(angle),
        }

    @property
    def pixels(self) -> PixelGrid:
        """The same grid, as the arithmetic of the sky has it."""
        return PixelGrid(self.crval, self.crpix, self.scale, self.rot, self.shape)

    @property
    def centre(self) -> tuple[float, float]:
        """RA, Dec of the middle, degrees."""
        middle = np.array([[(self.shape[0] + 1) / 2, (self.shape[1] + 1) / 2]])
        ra, dec = self.wcs().wcs_pix2world(middle, 1)[0]
        return float(ra), float(dec)

    def holding(self, polygons: Iterable[NDArray[np.float64]]) -> Grid:
        """Return this grid with as many rows and columns more, on each side, as footprints need.

        The pixels of both are the same: the larger one has this one's at an offset.

        Parameters
        ----------
        polygons : iterable of array of shape (n, 2)
            RA, Dec in degrees.

        Raises
        ------
        DrizzleError
            A footprint is on the other side of the sky.
        """
        low, high = np.array([0.5, 0.5]), np.array(self.shape) + 0.5
        wcs = self.wcs()
        for polygon in polygons:
            pixels = wcs.wcs_world2pix(np.asarray(polygon), 1)
            if not np.isfinite(pixels).all():
                raise DrizzleError(
                    f"a footprint about RA {polygon[0][0]:.4f}, Dec {polygon[0][1]:.4f} is on the "
                    "other side of the sky; leave its exposure out"
                )
            low, high = np.minimum(low, pixels.min(axis=0)), np.maximum(high, pixels.max(axis=0))
        # A thousandth of a pixel outside is rounding.
        before = np.ceil(0.5 - low - _ROUNDING).astype(int)
        after = np.ceil(high - np.array(self.shape) - 0.5 - _ROUNDING).astype(int)
        return replace(
            self,
            crpix=(self.crpix[0] + int(before[0]), self.crpix[1] + int(before[1])),
            shape=(
                self.shape[0] + int(before[0] + after[0]),
                self.shape[1] + int(before[1] + after[1]),
            ),
        )

    def wcs(self) -> WCS:
        """Return the mosaics' WCS, a plain tangent plane."""
        keywords = {**self.header_keywords(), "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}
        return WCS(fits.Header(keywords))


_ADAPTER = TypeAdapter(Grid)


def output_grid(
    folder: Path,
    log: Path,
    names: Sequence[str],
    choice: Mapping[str, Any],
    reference: Grid | None = None,
    corners: Sequence[NDArray[np.float64]] | None = None,
) -> tuple[Grid, Call]:
    """Let drizzlepac compute the output grid that holds exposures, or that the user places.

    Parameters
    ----------
    folder : Path
        Holds the exposures, or copies without pixels.
    log : Path
        File that everything drizzlepac prints is appended to.
    names : sequence of str
        Of their files.
    choice : mapping
        What the user says of the grid, under the names of drizzlepac's mergeWCS.
    reference : Grid or None
        What `choice` changes instead of the grid that holds the exposures.
    corners : sequence of array, shape (4, 2), optional
        Those of all chips, as recorded (`Extent.corners`); `names` is the first exposure alone.

    Returns
    -------
    Grid, Call
        The grid, and the call with all that drizzlepac tells of it.

    Raises
    ------
    DrizzleError
        There is no such grid.
    """
    arguments: dict[str, Any] = {"files": list(names), "final": dict(choice)}
    if reference is not None:
        arguments["reference"] = reference.to_dict()
    if corners is not None:
        arguments["corners"] = np.concatenate(corners).tolist()
    try:
        call = process.call("output_grid", folder, arguments, log)
    except DrizzlepacError as error:
        raise DrizzleError(f"no output grid holds these exposures: {error}") from None
    return Grid.from_call(call.value), call


def off_grid(
    exposures: Sequence[Exposure], grid: Grid, outlines: Sequence[Sequence[Outline]] | None = None
) -> list[str]:
    """Return the names of the exposures that do not touch a grid.

    Parameters
    ----------
    exposures : sequence of Exposure
        Which.
    grid : Grid
        The grid.
    outlines : sequence of sequence of array of shape (n, 2), optional
        For each exposure its chips, with their bent edges; default: the footprints.

    Raises
    ------
    InputError
        None touches it.
    """
    chips = Outlines.of(outlines or [exposure.polygons for exposure in exposures])
    pixels = grid.pixels.to_pixels(chips.vectors)
    seen = np.isfinite(pixels).all(axis=(1, 2))
    low, high = np.full(2, 0.5), np.array(grid.shape) + 0.5
    touching = {*chips.exposures[seen][overlap(pixels[seen], low, high)].tolist()}
    off = [one.name for index, one in enumerate(exposures) if index not in touching]
    if len(off) < len(exposures):
        return off
    apart = _distances(exposures, unit_vectors(np.array([grid.centre]))[0])
    nearest = int(np.argmin(apart))
    ra, dec = exposures[nearest].polygons[0][0]
    raise InputError(
        f"no exposure touches the output grid, whose centre is RA {grid.centre[0]:.6f}, Dec "
        f"{grid.centre[1]:.6f} (degrees): the nearest of {len(exposures)}, "
        f"{exposures[nearest].name}, is {_shown(apart[nearest])} away, with a corner at "
        f"RA {ra:.6f}, Dec {dec:.6f}. Correct "
        "drizzle.grid (drizzle.grid: auto takes all exposures), or take other exposures"
    )


def _shown(arcsec: float) -> str:
    """Return a distance in arcmin, or a large one in degrees."""
    return f"{arcsec / 60:.1f} arcmin" if arcsec < 3600 else f"{arcsec / 3600:.1f} degrees"


def _distances(exposures: Sequence[Exposure], middle: np.ndarray) -> list[float]:
    """Return how far the nearest corner of each exposure is, arcsec."""
    corners = [np.concatenate([unit_vectors(p) for p in e.polygons]) for e in exposures]
    return [float(np.degrees(np.arccos(np.clip(c @ middle, -1, 1)).min()) * 3600) for c in corners]


def bound_output(
    exposures: Sequence[Exposure], grid: Grid, max_megapixels: float, *, given: bool = False
) -> None:
    """Refuse a grid that is too large, before anything is allocated.

    `given`: whether the user placed it, and no exposure is to blame.

    Raises
    ------
    DrizzleError
        It is larger than `max_megapixels`; the message names the exposure that lies farthest out,
        where the grid holds them all.
    """
    pixels = grid.shape[0] * grid.shape[1]
    if pixels <= max_megapixels * 1e6:
        return
    size = (
        f"the output would have {grid.shape[0]} x {grid.shape[1]} = {pixels / 1e6:.0f} megapixels "
        f"({mosaic_memory(pixels) / 1e9:.1f} GB in memory for each method), more "
        f"than drizzle.max_output_megapixels = {max_megapixels:g}"
    )
    if given:
        raise DrizzleError(f"{size}: give a smaller drizzle.grid, or raise the limit")
    corners = [np.concatenate([unit_vectors(p) for p in e.polygons]) for e in exposures]
    # The median is where most exposures are: one bad WCS does not move it.
    middle = np.median([c.mean(axis=0) for c in corners], axis=0)
    middle /= np.linalg.norm(middle)
    distances = [_radius(c, middle) for c in corners]
    worst = int(np.argmax(distances))
    raise DrizzleError(
        f"{size}. The farthest exposure, "
        f"{exposures[worst].name}, lies {distances[worst] / 60:.1f} arcmin from the middle of the "
        "field: look at its WCS, leave it out, or raise the limit or final_scale"
    )


def _radius(vectors: np.ndarray, centre: np.ndarray) -> float:
    """Largest angle from `centre`, arcsec."""
    return float(np.degrees(np.arccos(np.clip(vectors @ centre, -1, 1)).max()) * 3600.0)
