"""Some images of one made-up sky, with their truth, as the solver for all images takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS

from skymosaic.align.moves import ARCSEC, Move, basis_of, sky_of, vectors_of
from skymosaic.align.reference import Reference, reference_of
from skymosaic.align.together_records import Image

CENTRE = np.array([150.0, 2.0])
SIDE = 120.0
"""Of an image, arcsec."""
PIXEL = 0.1


@dataclass(frozen=True)
class Stars:
    """Places about the centre (arcsec) and their motions (mas/yr), shape (n, 2)."""

    places: np.ndarray
    motions: np.ndarray

    def sky(self, years: float = 0.0) -> np.ndarray:
        plane = (self.places + years * self.motions / 1000.0) / ARCSEC
        vectors = np.column_stack([plane, np.ones(len(plane))]) @ basis_of(vectors_of(CENTRE)[0])
        return sky_of(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def make_stars(seed: int, count: int, width: float = 400.0, motion: float = 0.0) -> Stars:
    random = np.random.default_rng(seed)
    return Stars(
        random.uniform(-width / 2, width / 2, (count, 2)), random.normal(0, 1, (count, 2)) * motion
    )


def make_reference(stars: Stars, epoch: float = 2016.0) -> Reference:
    sky = stars.sky()
    return reference_of(
        "made up",
        ra=sky[:, 0],
        dec=sky[:, 1],
        epoch=epoch,
        ra_error=0.2,
        dec_error=0.2,
        pmra=stars.motions[:, 0],
        pmdec=stars.motions[:, 1],
        pmra_error=0.1,
        pmdec_error=0.1,
    )


def make_image(
    stars: Stars,
    name: str,
    place: tuple[float, float] = (0.0, 0.0),
    error: tuple[float, float, float] = (0.0, 0.0, 0.0),
    epoch: float = 2016.0,
    noise: float = 4.0,
    false: int = 0,
    kind: str = "IR",
    seed: int = 0,
) -> tuple[Image, Move]:
    """Return an image and how it must be moved.

    Parameters
    ----------
    error : (float, float, float)
        East, north (arcsec) and roll (degrees) by which it must be moved.
    noise : float
        Of a centroid in either axis, mas.
    """
    random = np.random.default_rng([seed, sum(map(ord, name))])
    plane = np.array([*place, ARCSEC]) / ARCSEC @ basis_of(vectors_of(CENTRE)[0])
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = sky_of(plane[None] / np.linalg.norm(plane))[0]
    side = round(SIDE / PIXEL)
    wcs.wcs.crpix = [side / 2 + 0.5] * 2
    wcs.wcs.cd = PIXEL / 3600.0 * np.array([[-1.0, 0.0], [0.0, 1.0]])
    wcs.wcs.set()
    move = Move.none(vectors_of(wcs.wcs.crval)[0]).then(
        error[0] / ARCSEC, error[1] / ARCSEC, float(np.radians(error[2]))
    )
    seen = vectors_of(stars.sky(epoch - 2016.0)) @ move.matrix
    pixels = wcs.wcs_world2pix(sky_of(seen), 1)
    pixels = pixels[((pixels > 0.5) & (pixels < side + 0.5)).all(axis=1)]
    pixels = pixels + random.normal(0, noise / 1000.0 / PIXEL, pixels.shape)
    pixels = np.concatenate([pixels, random.uniform(0.5, side + 0.5, (false, 2))])
    corners = wcs.wcs_pix2world(
        [[0.5, 0.5], [side + 0.5, 0.5], [side + 0.5, side + 0.5], [0.5, side + 0.5]], 1
    )
    sky = np.asarray(wcs.wcs_pix2world(pixels, 1)).reshape(-1, 2)
    flux = random.uniform(1.0, 100.0, len(sky))
    return Image(name, epoch, wcs, sky, flux, [corners], kind), move
