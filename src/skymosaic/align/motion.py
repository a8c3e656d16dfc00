"""How an exposure moves on the sky when it gets another WCS, and its drizzled image with it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

from skymosaic.align.plane import from_plane, to_plane
from skymosaic.align.proof import grid

SMALLEST = 0.01
"""Mas: by less nothing moves."""


@dataclass(frozen=True)
class Motion:
    """A shift, rotation and change of scale on the plane tangent at a point."""

    ra: float
    """Of the point, degrees."""
    dec: float
    east: float
    """By how much the point moves, arcsec."""
    north: float
    matrix: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """What is added to the shift an arcsec from the point: east for east and north, then north."""

    @property
    def length(self) -> float:
        """How far the point moves, mas."""
        return float(np.hypot(self.east, self.north)) * 1000.0

    def moved(self, sky: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return positions after the motion.

        Parameters
        ----------
        sky : array of shape (n, 2)
            RA, Dec in degrees, near the point.
        """
        if not self.length and not any(self.matrix):
            return sky
        centre = np.array([self.ra, self.dec])
        plane = to_plane(sky, centre)
        turned = plane @ np.array(self.matrix).reshape(2, 2).T
        return from_plane(plane + turned + np.array([self.east, self.north]), centre)


STILL = Motion(0.0, 0.0, 0.0, 0.0)
"""That of what does not move."""


def motion_between(before: Mapping[int, WCS], after: Mapping[int, WCS]) -> Motion:
    """Return how an exposure moves from one WCS to another.

    Least squares over a grid of points on all chips; the distortion of both is taken account of.

    Parameters
    ----------
    before, after : mapping of int to WCS
        Of each chip, as `proof.read_wcs` gives them.
    """
    start, end = [], []
    for number, wcs in before.items():
        pixels = np.stack(grid(wcs), axis=1)
        start.append(wcs.all_pix2world(pixels, 0))
        end.append(after[number].all_pix2world(pixels, 0))
    was, becomes = np.concatenate(start), np.concatenate(end)
    middle = to_plane(was, was[0]).mean(axis=0)
    [centre] = from_plane(middle[None], was[0])
    plane = to_plane(was, centre)
    away = to_plane(becomes, centre) - plane
    columns = np.column_stack([np.ones(len(plane)), plane])
    solved, *_ = np.linalg.lstsq(columns, away, rcond=None)
    (east, north), by_east, by_north = solved
    return Motion(
        *(float(centre[0]), float(centre[1]), float(east), float(north)),
        (float(by_east[0]), float(by_north[0]), float(by_east[1]), float(by_north[1])),
    )


def move_image(
    path: Path,
    motions: Sequence[Motion],
    name: str = "",
    cards: Mapping[str, tuple[float, str]] | None = None,
) -> None:
    """Move an image on the sky by the mean of several motions.

    The linear part of each chip's WCS changes (CRVAL, CD): what distortion it has stays.

    Parameters
    ----------
    path : Path
        An exposure or a drizzled image, changed in place.
    motions : sequence of Motion
        At least one.
    name : str
        The WCSNAME that it gets; empty: it keeps its own.
    cards : mapping of str to (float, str), optional
        What the header of each chip is to tell besides: value and comment by keyword.
    """
    with fits.open(path, mode="update", memmap=False) as hdus, warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        for hdu in [hdu for hdu in hdus if hdu.name == "SCI"] or [hdus[0]]:
            _move(hdu.header, WCS(hdu.header, hdus), motions)
            if name:
                hdu.header["WCSNAME"] = name
            hdu.header.update(cards or {})


def _move(header: fits.Header, wcs: WCS, motions: Sequence[Motion]) -> None:
    pixels = np.stack(grid(wcs), axis=1)
    sky = wcs.wcs_pix2world(pixels, 0)
    crval = _moved(np.array([wcs.wcs.crval]), motions)[0]
    plane = to_plane(_moved(sky, motions), crval) / 3600.0
    cd, *_ = np.linalg.lstsq(pixels + 1.0 - wcs.wcs.crpix, plane, rcond=None)
    header["CRVAL1"], header["CRVAL2"] = float(crval[0]), float(crval[1])
    for row in (1, 2):
        for column in (1, 2):
            header[f"CD{row}_{column}"] = float(cd[column - 1, row - 1])
    if "ORIENTAT" in header:
        header["ORIENTAT"] = float(np.degrees(np.arctan2(cd[1, 0], cd[1, 1])))


def _moved(sky: NDArray[np.float64], motions: Sequence[Motion]) -> NDArray[np.float64]:
    """Return positions moved by the mean of several motions, RA, Dec in degrees."""
    centre = sky[0]
    planes = [to_plane(motion.moved(sky), centre) for motion in motions]
    return from_plane(np.mean(planes, axis=0), centre)
