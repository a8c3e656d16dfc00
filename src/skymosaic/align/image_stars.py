"""Stars in any FITS image with a WCS, as something that images are aligned to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from astropy.io import fits
from astropy.stats import SigmaClip, mad_std
from astropy.time import Time
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import proj_plane_pixel_scales
from numpy.typing import NDArray

from skymosaic.align.reference import Reference, reference_of
from skymosaic.errors import InputError
from skymosaic.hst.epochs import julian_year, possible_epoch

_BOX = 64  # pixels: nebulae and galaxies are wider than what is taken off as background
_FILTER = 3  # boxes whose median smooths the background
_FEWEST = 0.1  # of a box must have data for it to count
_FLOOR = 0.02  # pixels: undersampled stars have no better positions
_SIGMAS = np.sqrt(8 * np.log(2))  # in a full width at half maximum


@dataclass(frozen=True)
class SkyImage:
    """An image of the sky."""

    wcs: WCS
    epoch: float | None
    """When it was taken, Julian year."""
    data: NDArray[np.float64] | None
    """Its pixels; None where they were not asked for."""


def read_image(file: BinaryIO, name: str, *, pixels: bool = True) -> SkyImage:
    """Return the image in a file, which is then closed: that called SCI, else the first.

    Raises
    ------
    InputError
        It is no FITS file, or has no image with a WCS of the sky.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", (FITSFixedWarning, fits.verify.VerifyWarning))
            with fits.open(file, memmap=False) as hdus:
                order = sorted(range(len(hdus)), key=lambda one: hdus[one].name != "SCI")
                for number in order:
                    hdu = hdus[number]
                    if hdu.is_image and hdu.header.get("NAXIS") == 2:
                        wcs = WCS(hdu.header, hdus)
                        if wcs.has_celestial:
                            epoch = _epoch(hdu.header, hdus[0].header)
                            data = np.asarray(hdu.data, dtype=np.float64) if pixels else None
                            return SkyImage(wcs, epoch, data)
    except (OSError, ValueError, KeyError, TypeError, fits.VerifyError) as error:
        raise InputError(
            f"{name} cannot be read as a FITS image ({error}); name another, or fetch it again"
        ) from None
    raise InputError(
        f"{name} has no image of two axes with a WCS of the sky: name another in "
        "align.reference.path"
    )


def _epoch(header: fits.Header, primary: fits.Header) -> float | None:
    """Return the middle of an exposure, as far as the header tells it."""
    for one in (header, primary):
        start, end = one.get("EXPSTART"), one.get("EXPEND")
        if isinstance(start, int | float) and isinstance(end, int | float):
            return possible_epoch(julian_year((start + end) / 2))
        for key in ("MJD-AVG", "MJD-OBS"):
            if isinstance(value := one.get(key), int | float):
                return possible_epoch(julian_year(value))
        try:
            return possible_epoch(float(Time(str(one["DATE-OBS"])).jyear))
        except (KeyError, ValueError):
            continue
    return None


def stars_in(
    file: BinaryIO,
    name: str,
    title: str,
    threshold: float,
    width: float,
    epoch: float | None = None,
) -> Reference:
    """Return the stars that DAOFIND (Stetson 1987, PASP 99, 191) finds in an image.

    Parameters
    ----------
    file : binary file
        FITS.
    name : str
        What the reference is called.
    title : str
        What messages call the file.
    threshold : float
        Of a peak, in units of the noise of a pixel (from the median absolute deviation, the
        background taken off).
    width : float
        Of the stars, full at half maximum, pixels.
    epoch : float or None
        Julian year; None: what the header says.

    Notes
    -----
    The error of a position is ``width / 2.355 / S``, with S the height of the star in units of the
    noise (King 1983, PASP 95, 163), and at least 0.02 pixels.

    Raises
    ------
    InputError
        It is no such image, or has no star.
    """
    image = read_image(file, title)
    assert image.data is not None  # pixels were asked for
    found = _found(image.data, threshold, width)
    if found is None:
        raise InputError(
            f"{title} has no star {threshold:g} sigma above its background: set "
            "align.reference.threshold or width, or name another image"
        )
    x, y, flux, height = found
    ra, dec = image.wcs.all_pix2world(x, y, 0)
    scale = float(np.mean(proj_plane_pixel_scales(image.wcs.celestial))) * 3.6e6  # mas
    error = np.maximum(width / _SIGMAS / height, _FLOOR) * scale
    when = image.epoch if epoch is None else epoch
    return reference_of(
        name,
        ra=np.asarray(ra) % 360.0,
        dec=dec,
        epoch=np.nan if when is None else when,
        ra_error=error,
        dec_error=error,
        mag=-2.5 * np.log10(np.maximum(flux, np.finfo(float).tiny)),
    )


def _found(
    data: NDArray[np.float64], threshold: float, width: float
) -> tuple[NDArray[np.float64], ...] | None:
    """Return x, y (pixels, from 0), flux and height (sigma) of each star; None: there are none."""
    from photutils.background import Background2D, MedianBackground
    from photutils.detection import DAOStarFinder

    # Drizzled images have 0 where there are no data, others NaN.
    empty = ~np.isfinite(data) | (data == 0)
    if empty.all():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of boxes without data, and of no source
        background = Background2D(
            np.where(empty, 0.0, data),
            min(_BOX, *data.shape),
            mask=empty,
            filter_size=_FILTER,
            sigma_clip=SigmaClip(3.0),
            bkg_estimator=MedianBackground(),
            exclude_percentile=100 * (1 - _FEWEST),
        )
        level = np.where(empty, 0.0, data - background.background)
        noise = float(mad_std(level[~empty]))
        if noise <= 0:
            return None
        table = DAOStarFinder(threshold=threshold * noise, fwhm=width)(level, mask=empty)
    if table is None or not len(table):
        return None
    x, y = (np.asarray(table[_either(table.colnames, one)], dtype=float) for one in "xy")
    return x, y, np.asarray(table["flux"], dtype=float), np.asarray(table["peak"]) / noise


def _either(names: list[str], axis: str) -> str:
    """Return what this version of photutils calls the centre along an axis."""
    return f"{axis}_centroid" if f"{axis}_centroid" in names else f"{axis}centroid"
