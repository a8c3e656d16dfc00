"""Where a camera's pixels lie on the sky: both chips as one rigid body."""

from __future__ import annotations

import functools

import numpy as np
from astropy.io import fits

from skymosaic.archive.simulated.ccd.cameras import Camera, CameraChip
from skymosaic.archive.simulated.headers import read_template
from skymosaic.archive.simulated.plane import FloatArray, deproject, project
from skymosaic.archive.simulated.pointing import LinearWcs

_FOLDER = "ccd/data"


@functools.cache
def _chip_text(camera: str, number: int) -> str:
    return read_template(f"{_FOLDER}/{camera}_chip{number}.hdr")


def distortion(chip: CameraChip) -> fits.Header:
    """Return the published coefficients of a chip: SIP, OCX10 ..., IDCSCALE, IDCXREF ..."""
    return fits.Header.fromstring(_chip_text(chip.camera.name, chip.number), sep="\n")


def reference_scale(chip: CameraChip) -> float:
    """Return IDCSCALE, the scale of undistorted pixels, in arcsec."""
    return float(distortion(chip)["IDCSCALE"])


def axes(orientation: float) -> FloatArray:
    """Return the matrix from a camera's (x, y) to (east, north), y at a position angle in degrees.

    The camera is seen as on the sky: where y points north, x points west.
    """
    cos, sin = np.cos(np.radians(orientation)), np.sin(np.radians(orientation))
    return np.array([[-cos, sin], [sin, cos]])


def linear_wcs(chip: CameraChip, center: tuple[float, float], orientation: float) -> LinearWcs:
    """Return the linear part of a chip's WCS.

    Parameters
    ----------
    chip : CameraChip
        A chip, and the part of it that is read.
    center : (float, float)
        Right ascension and declination of the middle between the chips' reference points, degrees.
    orientation : float
        Position angle of the camera's y axis at `center`, degrees east of north.

    Returns
    -------
    LinearWcs
        The chip's reference point lies on the plane tangent at `center`; its CD matrix is that of
        the published coefficients, turned by the angle between north here and there.
    """
    header = distortion(chip)
    half = np.array(chip.camera.offset) / 2.0
    place = axes(orientation) @ (half if chip.number == 1 else -half)
    ra, dec = deproject(place, center)
    crval = (float(ra), float(dec))
    pixels = np.array(
        [[header["OCX11"], header["OCX10"]], [header["OCY11"], header["OCY10"]]], dtype=float
    )
    cd = axes(orientation + _convergence(place, center, crval)) @ pixels / 3600.0
    return LinearWcs(
        crval=crval,
        crpix=(
            float(header["IDCXREF"]) - chip.corner[0],
            float(header["IDCYREF"]) - chip.corner[1],
        ),
        cd=((float(cd[0, 0]), float(cd[0, 1])), (float(cd[1, 0]), float(cd[1, 1]))),
    )


def _convergence(
    place: FloatArray, center: tuple[float, float], there: tuple[float, float]
) -> float:
    """Return by how much a direction's position angle is larger there than at the centre."""
    step = 1.0  # arcsec
    ra, dec = deproject(place[:, None] + np.array([[0.0, step, 0.0], [0.0, 0.0, step]]), center)
    origin, east, north = project(ra, dec, there).T
    turned = np.array([east - origin, north - origin])
    angle = np.arctan2(turned[1, 0] - turned[0, 1], turned[0, 0] + turned[1, 1])
    return float(np.degrees(angle))


def width(camera: Camera) -> float:
    """Return the length of the camera's x axis on the sky, arcsec."""
    header = distortion(CameraChip(camera, 1, (0, 0), camera.shape))
    return float(np.hypot(header["OCX11"], header["OCY11"])) * camera.shape[1]
