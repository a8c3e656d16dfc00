"""Random campaigns as catalogues, with their truth: a synthetic Gaia, and what HST sees of it.

Densities, magnitudes, errors and motions are like those of real fields; nothing is from one.

* Stars are uniform on the sky; their number grows with the magnitude as 10^(0.25 m). Motions are
  normal with 4 mas/yr in either axis about a mean of some mas/yr, 15 mas/yr of one star in five.
* The reference has stars to magnitude 21, thinning out from 20.3 on, at epoch 2016. Errors of
  positions, motions and parallaxes are those of Gaia DR3 by magnitude (Lindegren et al. 2021, A&A
  649, A2, table 3, interpolated); 15% of the stars fainter than 20 have no motion, and 2% of all
  are binaries whose place is off by 5 and whose motion by 3 mas(/yr).
* An image's centroids are off by the width over the signal to noise, and by a floor of 0.025 pixels
  (IR, undersampled) or 0.012 (WFC); the brightest by three floors. One source in ten is missed,
  neighbours within a width are one source between them, 3% are found twice, and 20% of what is
  found is false.
* The pointing is off by up to 1 arcsec, the roll by up to 0.2 degrees. Epochs lie ten years apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.astrometry_faults import corners_of, spoil
from skymosaic.align.moves import ARCSEC, Move, basis_of, sky_of, vectors_of
from skymosaic.align.reference import Reference, at_epoch, reference_of
from skymosaic.align.together_records import Image

Floats = NDArray[np.float64]
EPOCH = 2016.0
_FALSE, _MISSED, _TWICE = 0.20, 0.10, 0.03


@dataclass(frozen=True)
class Detector:
    """What an image of one detector is like."""

    name: str
    pixel: float
    """Arcsec."""
    side: tuple[int, int]
    """Pixels of the drizzled image, x and y."""
    width: float
    """Full width of a star, pixels."""
    floor: float
    """Of a centroid, pixels."""
    filters: tuple[str, ...]


IR = Detector("IR", 0.13, (1050, 950), 1.2, 0.025, ("F110W", "F160W", "F125W"))
WFC = Detector("WFC", 0.05, (4050, 4050), 2.2, 0.012, ("F606W", "F814W", "F475W"))


@dataclass
class Field:
    """A campaign as catalogues, and its truth."""

    images: list[Image]
    truth: list[Move]
    """How each image must be moved."""
    reference: Reference | None
    special: dict[int, str] = field(default_factory=dict)
    """By number of an image: what is wrong with it."""
    true_counts: list[int] = field(default_factory=list)
    """Real stars in each image."""


@dataclass(frozen=True)
class _Sky:
    stars: Reference
    """Their true places and motions."""
    tree: cKDTree


def make_field(seed: int, tiles: int | None = None, stars: float | None = None) -> Field:
    """Return a campaign.

    Parameters
    ----------
    seed : int
    tiles : int or None
        Images of one square mosaic of one detector and epoch, without anything special; None: a
        random campaign.
    stars : float or None
        Of an image; None: at random from 5 to 500.
    """
    random = np.random.default_rng(seed)
    wanted = stars or float(np.exp(random.uniform(np.log(6.0), np.log(500.0))))
    looks = _mosaic(random, tiles) if tiles else _looks(random)
    limit = float(random.uniform(21.0, 24.0))
    centre = vectors_of(np.array([[random.uniform(0, 360), random.uniform(-85, 85)]]))[0]
    sky = _make_sky(random, centre, looks, wanted, limit)
    field_ = Field([], [], _observe_gaia(random, sky.stars))
    for number, look in enumerate(looks):
        image, move, count = _observe(random, sky, centre, look, limit, number)
        field_.images.append(image)
        field_.truth.append(move)
        field_.true_counts.append(count)
    if tiles is None:
        spoil(random, field_, [(look.detector.side) for look in looks])
        if random.random() < 0.1:
            field_.reference = None
    return field_


@dataclass(frozen=True)
class _Look:
    detector: Detector
    filter: str
    epoch: float
    angle: float
    """Of the image's y axis, radians."""
    place: tuple[float, float]
    """Of its centre, arcsec east and north of the field's."""


def _mosaic(random: np.random.Generator, tiles: int) -> list[_Look]:
    side = int(np.ceil(np.sqrt(tiles)))
    step = 0.85 * IR.side[1] * IR.pixel
    return [
        _Look(IR, "F110W", 2012.0 + 0.002 * n, 0.0, (n % side * step, n // side * step))
        for n in range(tiles)
    ]


def _looks(random: np.random.Generator) -> list[_Look]:
    """Return some pointings, each seen in some filters of one or both detectors, at two epochs."""
    detectors = [(IR,), (WFC,), (IR, WFC)][int(random.integers(3))]
    first = float(random.uniform(2004, 2014))
    epochs = [first, first + 10.0][: int(random.integers(1, 3))]
    columns, rows = random.integers(1, 4, 2)
    biggest = max(detectors, key=lambda one: one.pixel * one.side[1])
    step = random.uniform(0.5, 0.9) * biggest.pixel * biggest.side[1]
    looks = []
    for epoch in epochs:
        angle = float(random.uniform(0, 2 * np.pi))
        for detector in detectors:
            for name in detector.filters[: int(random.integers(1, 4))]:
                late = epoch + float(random.uniform(0, 0.3))
                for column in range(columns):
                    for row in range(rows):
                        jitter = random.normal(0, 3.0, 2)
                        place = (column * step + jitter[0], row * step + jitter[1])
                        looks.append(_Look(detector, name, late, angle, place))
    return looks[:40] if len(looks) > 1 else [*looks, replace(looks[0], place=(20.0, 10.0))]


def _make_sky(
    random: np.random.Generator,
    centre: Floats,
    looks: list[_Look],
    wanted: float,
    limit: float,
) -> _Sky:
    places = np.array([look.place for look in looks])
    low, high = places.min(axis=0) - 220.0, places.max(axis=0) + 220.0
    area = np.mean([np.prod(np.array(k.detector.side) * k.detector.pixel) for k in looks])
    count = max(8, int(random.poisson(wanted * np.prod(high - low) / area / (1 - _MISSED))))
    plane = random.uniform(low, high, (count, 2)) / ARCSEC
    vectors = np.column_stack([plane, np.ones(count)]) @ basis_of(centre)
    sky = sky_of(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    # Numbers that grow as 10^(0.25 m), from 14 on.
    share = random.uniform(10 ** (0.25 * (14.0 - limit)), 1.0, count)
    spread = np.where(random.random(count) < 0.2, 15.0, 4.0)
    mean = random.normal(0, 3.0, 2)
    motion = mean + random.normal(size=(count, 2)) * spread[:, None]
    stars = reference_of(
        "truth",
        ra=sky[:, 0],
        dec=sky[:, 1],
        epoch=EPOCH,
        ra_error=0.0,
        dec_error=0.0,
        pmra=motion[:, 0],
        pmdec=motion[:, 1],
        pmra_error=0.0,
        pmdec_error=0.0,
        parallax=random.exponential(0.5, count),
        parallax_error=0.0,
        mag=limit + 4.0 * np.log10(share),
    )
    return _Sky(stars, cKDTree(vectors_of(sky)))


_MAGNITUDES = [13.0, 15.0, 17.0, 18.0, 19.0, 20.0, 21.0]
_PLACES = [0.015, 0.02, 0.07, 0.12, 0.21, 0.46, 1.4]  # mas
_MOTIONS = [0.02, 0.025, 0.08, 0.14, 0.25, 0.55, 1.6]  # mas/yr


def _observe_gaia(random: np.random.Generator, stars: Reference) -> Reference:
    found = random.random(len(stars)) < np.clip((21.0 - stars.mag) / 0.7, 0.0, 1.0)
    its = stars.select(found)
    count = len(its)
    place = np.interp(its.mag, _MAGNITUDES, _PLACES)
    motion = np.interp(its.mag, _MAGNITUDES, _MOTIONS)
    binary = random.random(count) < 0.02
    off = random.normal(size=(4, count)) * [place, place, motion, motion]
    off[:2] += binary * random.normal(0, 5.0, (2, count))
    off[2:] += binary * random.normal(0, 3.0, (2, count))
    still = (its.mag > 20.0) & (random.random(count) < 0.15)
    nothing = np.where(still, np.nan, 1.0)
    return Reference(
        "GAIA DR3",
        its.ra + off[0] / 3.6e6 / np.cos(np.radians(its.dec)),
        its.dec + off[1] / 3.6e6,
        its.epoch,
        place,
        place,
        (its.pmra + off[2]) * nothing,
        (its.pmdec + off[3]) * nothing,
        motion * nothing,
        motion * nothing,
        (its.parallax + random.normal(size=count) * place) * nothing,
        place * nothing,
        its.mag,
    )


def _wcs(centre: Floats, look: _Look) -> WCS:
    plane = np.array([*look.place, ARCSEC]) / ARCSEC @ basis_of(centre)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = sky_of(plane[None] / np.linalg.norm(plane))[0]
    wcs.wcs.crpix = np.array(look.detector.side) / 2 + 0.5
    cos, sin = np.cos(look.angle), np.sin(look.angle)
    wcs.wcs.cd = look.detector.pixel / 3600.0 * np.array([[-cos, sin], [sin, cos]])
    wcs.wcs.set()
    wcs.pixel_shape = look.detector.side
    return wcs


def _observe(
    random: np.random.Generator,
    sky: _Sky,
    centre: Floats,
    look: _Look,
    limit: float,
    number: int,
) -> tuple[Image, Move, int]:
    """Return an image with its header's WCS, how it must be moved, and its real stars."""
    wcs = _wcs(centre, look)
    tangent = vectors_of(wcs.wcs.crval)[0]
    error, roll = random.uniform(0, 1.0), np.radians(random.uniform(-0.2, 0.2))
    where = random.uniform(0, 2 * np.pi)
    move = Move.none(tangent).then(
        error * np.cos(where) / ARCSEC, error * np.sin(where) / ARCSEC, roll
    )
    pixels, flux, count = _sources(random, sky, move, wcs, look, limit)
    image = Image(
        f"image{number:03d}",
        look.epoch,
        wcs,
        np.asarray(wcs.wcs_pix2world(pixels, 1)).reshape(-1, 2),
        flux,
        [corners_of(wcs, look.detector.side)],
        f"{look.detector.name} {look.filter}",
    )
    return image, move, count


def _sources(
    random: np.random.Generator, sky: _Sky, move: Move, wcs: WCS, look: _Look, limit: float
) -> tuple[Floats, Floats, int]:
    detector = look.detector
    radius = np.hypot(*detector.side) * detector.pixel / 2 + 10.0
    near = np.array(sorted(sky.tree.query_ball_point(move.matrix @ move.centre, radius / ARCSEC)))
    stars = sky.stars.select(near.astype(np.intp))
    seen = at_epoch(stars, look.epoch)
    # The header's WCS is wrong by the move: what is at v is seen where the header has its inverse.
    vectors = vectors_of(np.stack([seen.ra, seen.dec], axis=1)) @ move.matrix
    pixels = wcs.wcs_world2pix(sky_of(vectors), 1).reshape(-1, 2)
    inside = ((pixels > 0.5) & (pixels < np.array(detector.side) + 0.5)).all(axis=1)
    inside &= random.random(len(pixels)) > _MISSED
    magnitude = stars.mag + random.normal(0, 0.3, len(stars))
    pixels, flux = _blended(pixels[inside], 10 ** (-0.4 * (magnitude[inside] - limit)), detector)
    # Signal to noise 10 at the limit, half of the noise that of the background.
    ratio = 10.0 * flux / np.sqrt(0.5 * flux + 0.5)
    bright = 10 ** (-0.4 * (16.0 - limit))
    floor = detector.floor * np.where(flux > bright, 3.0, 1.0)
    error = np.hypot(detector.width / 2.355 / ratio, floor)
    count = len(pixels)
    pixels = pixels + random.normal(size=pixels.shape) * error[:, None]
    twice = random.random(count) < _TWICE
    beside = random.uniform(1.0, 2.5, twice.sum())
    around = random.uniform(0, 2 * np.pi, twice.sum())
    doubles = pixels[twice] + np.stack([np.cos(around), np.sin(around)], axis=1) * beside[:, None]
    wrong = int(random.poisson(count * _FALSE / (1 - _FALSE)))
    false = random.uniform(0.5, np.array(detector.side) + 0.5, (wrong, 2))
    faint = flux[random.integers(0, count, wrong)] if count else np.empty(0)
    return (
        np.concatenate([pixels, doubles, false if count else false[:0]]),
        np.concatenate([flux, 0.3 * flux[twice], faint]),
        count,
    )


def _blended(pixels: Floats, flux: Floats, detector: Detector) -> tuple[Floats, Floats]:
    """Return sources, those nearer to each other than their width as one between them."""
    if len(pixels) < 2:
        return pixels, flux
    keep = np.ones(len(pixels), dtype=bool)
    pixels, flux = pixels.copy(), flux.copy()
    for a, b in sorted(cKDTree(pixels).query_pairs(detector.width)):
        if keep[a] and keep[b]:
            total = flux[a] + flux[b]
            pixels[a] = (pixels[a] * flux[a] + pixels[b] * flux[b]) / total
            flux[a] = total
            keep[b] = False
    return pixels[keep], flux[keep]
