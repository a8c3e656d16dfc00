"""The simulated sky: a nebula with an edge and dark lanes, and a field of stars.

The scene is defined on the whole plane tangent to the sky at the reference tile, so that every
exposure, wherever it points, sees its part of one and the same sky.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.archive.simulated.filters import FILTERS, response
from skymosaic.archive.simulated.motions import CATALOGUE_EPOCH, draw_motions
from skymosaic.archive.simulated.names import IR_FILTER, FilterName
from skymosaic.archive.simulated.plane import FloatArray, deproject, project
from skymosaic.archive.simulated.proposal import field_center
from skymosaic.archive.simulated.scenes import diffuse, saturated_star, texture
from skymosaic.archive.simulated.seeds import generator
from skymosaic.archive.simulated.simulation import Simulation

_ORIENTATION = 166.6  # deg: position angle of the mosaic's y axis
_SIGMAS = np.sqrt(8 * np.log(2))  # in a full width at half maximum

# Slopes of spectra, as `filters.response` takes them: most stars are bluer than the nebula.
_STAR_SLOPES = (-1.5, 1.2)  # mean, standard deviation
NEBULA_SLOPE = 0.5

# Stars: one in each cell of a grid, at random within it, so that no overlap of two tiles is empty
# and no star is nearer to another than pointing errors are large: their alignment is unambiguous.
# Fluxes follow N(>F) ~ F^-0.64, which is the slope of the published catalog from its quartile
# (20 e-/s) to its percentile 99 (17,000 e-/s).
_BLOCK = 32.0  # arcsec: the stars of one block come from one generator
_CELLS = {"full": 5, "small": 6}  # along each side of a block
_SPARSE_CELLS = 2  # in the other scenes
_WITHIN_CELL = (0.25, 0.75)  # no two stars closer than half a cell
_FAINTEST, _BRIGHTEST, _SLOPE = 12.0, 2.0e4, 0.64  # e-/s
STAMP = 6  # pixels each side of a star: 12 sigma

# (u, v, width u, width v, brightness): arcsec, e-/s
_KNOTS = (
    (-95.0, 60.0, 55.0, 40.0, 0.28),
    (60.0, -85.0, 45.0, 60.0, 0.22),
    (10.0, 120.0, 70.0, 35.0, 0.18),
)
# (u, v, width u, width v, opacity): the pillar and a smaller globule
_PILLARS = ((15.0, -5.0, 24.0, 34.0, 0.65), (-120.0, -90.0, 22.0, 22.0, 0.45))
# (slope, intercept, waviness, wavelength, width, opacity) of v = slope u + intercept + a wave
_LANES = (
    (0.45, 55.0, 14.0, 190.0, 11.0, 0.40),
    (-0.80, -70.0, 10.0, 140.0, 9.0, 0.35),
    (1.60, -150.0, 12.0, 160.0, 10.0, 0.30),
)


@dataclass(frozen=True)
class Stars:
    """Positions in degrees and fluxes in e-/s; each array has shape (n,)."""

    ra: FloatArray
    dec: FloatArray
    flux: FloatArray
    """As F160W sees them; those of CCDs as theirs does."""
    slope: FloatArray | float = 0.0
    """Of their spectra; see `filters.response`."""
    motion: FloatArray | float = 0.0
    """Proper motions along RA (times cos(Dec)) and Dec, mas/yr, shape (2, n); 0: none moves."""

    def at(self, epoch: float) -> Stars:
        """Return the stars where they are at an epoch, Julian year; they are given at 2016.0."""
        if not np.any(self.motion):
            return self
        east, north = np.asarray(self.motion) * (epoch - CATALOGUE_EPOCH) / 3.6e6
        ra = self.ra + east / np.cos(np.radians(self.dec))
        return replace(self, ra=ra, dec=self.dec + north)

    def through(self, filter_: FilterName) -> Stars:
        """Return the stars with the fluxes that another filter sees."""
        return replace(self, flux=self.flux * response(filter_, self.slope))


def nebula(simulation: Simulation, u: FloatArray, v: FloatArray) -> FloatArray:
    """Return the diffuse emission.

    Parameters
    ----------
    simulation : Simulation
        Its seed sets the texture.
    u, v : array, any one shape
        Position along the mosaic's x and y axes, arcsec at full size, from the reference tile.

    Returns
    -------
    array, shape of `u`
        Brightness in e-/s a pixel, positive.
    """
    ridge = 0.75 * u - 0.65 * v + 25.0 * np.sin(v / 70.0) + 20.0
    light = 0.12 + 0.34 * (1.0 - np.tanh(ridge / 42.0))
    for u0, v0, width_u, width_v, brightness in _KNOTS:
        light += brightness * np.exp(-0.5 * (((u - u0) / width_u) ** 2 + ((v - v0) / width_v) ** 2))
    for u0, v0, width_u, width_v, opacity in _PILLARS:
        light *= 1 - opacity * np.exp(
            -0.5 * (((u - u0) / width_u) ** 2 + ((v - v0) / width_v) ** 2)
        )
    for slope, intercept, waviness, wavelength, width, opacity in _LANES:
        course = slope * u + intercept + waviness * np.sin(2 * np.pi * u / wavelength)
        away = (v - course) / (width * np.hypot(1.0, slope))
        light *= 1 - opacity * np.exp(-0.5 * away**2)
    return light * texture(simulation.seed, u, v)


def mosaic_axes() -> FloatArray:
    """Return the matrix from (east, north) to the mosaic's (x, y) axes."""
    angle = np.radians(_ORIENTATION)
    # The detector is seen as on the sky: x runs west of its y axis.
    return np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _footprint(wcs: WCS, pixels: int) -> tuple[FloatArray, FloatArray]:
    """Return (ra, dec) along the edge of an exposure, as a closed line of points."""
    steps = np.linspace(-1.0 - STAMP, pixels + STAMP, 9)
    x, y = np.meshgrid(steps, steps)
    ra, dec = wcs.all_pix2world(x.ravel(), y.ravel(), 0)
    return ra, dec


def _slopes(seed: int, i: int, j: int, count: int) -> FloatArray:
    """Draw the slopes of the spectra of a block's stars; see `filters.response`."""
    return generator(seed, "colours", i, j).normal(*_STAR_SLOPES, count)


def stars_near(simulation: Simulation, wcs: WCS) -> Stars:
    """Return the stars in and about the footprint of an exposure.

    The plane is divided into square blocks, and the stars of a block depend on the seed and the
    block's place only.
    """
    ra, dec = _footprint(wcs, simulation.pixels)
    cells = _CELLS[simulation.size] if simulation.scene == "horsehead" else _SPARSE_CELLS
    block = _BLOCK * simulation.shrink
    limits = (_FAINTEST, _BRIGHTEST)
    return stars_about(simulation.seed, ra, dec, block, cells, limits, simulation.motion)


def stars_about(
    seed: int,
    ra: FloatArray,
    dec: FloatArray,
    block: float,
    cells: int,
    limits: tuple[float, float],
    motion: float = 0.0,
) -> Stars:
    """Return the stars of the blocks in which points lie, and of those between.

    Parameters
    ----------
    seed : int
        Of the simulation.
    ra, dec : array, shape (n,)
        Points, degrees.
    block : float
        Length of a block's side, arcsec.
    cells : int
        Cells along a side; each has one star.
    limits : (float, float)
        Flux of the faintest and of the brightest star, e-/s.
    motion : float
        Rms of their proper motions, mas/yr.
    """
    center = field_center()
    plane = project(ra, dec, center)
    first = np.floor(plane.min(axis=1) / block).astype(int)
    last = np.floor(plane.max(axis=1) / block).astype(int)
    cell = np.stack(np.meshgrid(np.arange(cells), np.arange(cells))).reshape(2, -1)
    places, fluxes, slopes, motions = [], [], [], []
    for i in range(first[0], last[0] + 1):
        for j in range(first[1], last[1] + 1):
            random = generator(seed, "stars", i, j)
            within = (cell + random.uniform(*_WITHIN_CELL, size=cell.shape)) / cells
            places.append((within + np.array([[i], [j]])) * block)
            fluxes.append(_fluxes(random, cell.shape[1], limits))
            slopes.append(_slopes(seed, i, j, cell.shape[1]))
            motions.append(draw_motions(seed, i, j, cell.shape[1], motion))
    ra, dec = deproject(np.concatenate(places, axis=1), center)
    moving = np.concatenate(motions, axis=1) if motion else 0.0
    return Stars(ra, dec, np.concatenate(fluxes), np.concatenate(slopes), moving)


def _fluxes(random: np.random.Generator, count: int, limits: tuple[float, float]) -> FloatArray:
    """Draw fluxes from a power law cut at both ends, by the inverse of its distribution."""
    low, high = limits[0] ** -_SLOPE, limits[1] ** -_SLOPE
    return np.asarray((low + random.uniform(size=count) * (high - low)) ** (-1.0 / _SLOPE))


def pixel_area(wcs: WCS, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the solid angle of pixels, in arcsec^2, from the derivatives of the SIP polynomials.

    Parameters
    ----------
    wcs : WCS
        With SIP coefficients.
    x, y : array, any one shape
        Pixel positions, counted from 0.
    """
    u, v = x - (wcs.wcs.crpix[0] - 1), y - (wcs.wcs.crpix[1] - 1)
    a, b = wcs.sip.a, wcs.sip.b

    def slopes(coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
        along_u, along_v = np.zeros_like(u), np.zeros_like(u)
        for p, q in zip(*np.nonzero(coefficients), strict=True):
            if p:
                along_u += coefficients[p, q] * p * u ** (p - 1) * v**q
            if q:
                along_v += coefficients[p, q] * q * u**p * v ** (q - 1)
        return along_u, along_v

    a_u, a_v = slopes(a)
    b_u, b_v = slopes(b)
    distortion = (1 + a_u) * (1 + b_v) - a_v * b_u
    return np.abs(distortion * np.linalg.det(wcs.wcs.cd)) * 3600.0**2


def add_stars(
    image: FloatArray,
    stars: Stars,
    wcs: WCS,
    reference_scale: float,
    fwhm: float = FILTERS[IR_FILTER].fwhm,
) -> None:
    """Add stars to an image, in place.

    A flat-fielded frame has the same sky in pixels of every area, so that a star's counts are its
    flux divided by the pixel area relative to `reference_scale` squared; drizzling undoes it.

    Parameters
    ----------
    image : array, shape (ny, nx)
        e-/s.
    stars : Stars
        Those outside the image are left out.
    wcs : WCS
        The true one, with distortion.
    reference_scale : float
        IDCSCALE, arcsec/pix.
    fwhm : float
        Of the point-spread function, arcsec.
    """
    x, y = wcs.all_world2pix(stars.ra, stars.dec, 0, tolerance=1e-5, quiet=True)
    ny, nx = image.shape
    inside = (x > -STAMP) & (x < nx + STAMP) & (y > -STAMP) & (y < ny + STAMP)
    x, y, flux = x[inside], y[inside], stars.flux[inside]
    flux = flux * reference_scale**2 / pixel_area(wcs, x, y)
    scale_x, scale_y = np.hypot(*wcs.wcs.cd) * 3600.0
    sigma = fwhm / _SIGMAS
    add_stamps(image, x, y, flux, (sigma / scale_x, sigma / scale_y))


def add_stamps(
    image: FloatArray,
    x: FloatArray,
    y: FloatArray,
    flux: FloatArray,
    sigma: tuple[float, float],
) -> None:
    """Add Gaussian stars to an image, in place.

    Parameters
    ----------
    image : array, shape (ny, nx)
        Any unit.
    x, y : array, shape (n,)
        Pixel positions, counted from 0; a star may lie outside and reach in.
    flux : array, shape (n,)
        The unit of the image.
    sigma : (float, float)
        Width along x and y, pixels.
    """
    ny, nx = image.shape
    reach = np.arange(-STAMP, STAMP + 1)
    column = np.rint(x).astype(int)[:, None] + reach
    row = np.rint(y).astype(int)[:, None] + reach
    profile_x = gaussian_share(column - x[:, None], sigma[0])
    profile_y = gaussian_share(row - y[:, None], sigma[1])
    stamps = flux[:, None, None] * profile_y[:, :, None] * profile_x[:, None, :]
    rows, columns = np.broadcast_arrays(row[:, :, None], column[:, None, :])
    seen = (rows >= 0) & (rows < ny) & (columns >= 0) & (columns < nx)
    np.add.at(image, (rows[seen], columns[seen]), stamps[seen])


def gaussian_share(distance: NDArray[np.float64], sigma: float) -> FloatArray:
    """Return what share of a unit Gaussian falls in pixels at a distance from its centre."""
    from scipy.special import erf  # takes long to import, and few need it

    root = sigma * np.sqrt(2.0)
    return np.asarray(0.5 * (erf((distance + 0.5) / root) - erf((distance - 0.5) / root)))


def render(
    simulation: Simulation, wcs: WCS, reference_scale: float, epoch: float = CATALOGUE_EPOCH
) -> FloatArray:
    """Return the scene, free of noise and sky, on the pixels of an exposure.

    Parameters
    ----------
    simulation : Simulation
        Seed, size and filter.
    wcs : WCS
        The exposure's true WCS, with distortion.
    reference_scale : float
        IDCSCALE, arcsec/pix.
    epoch : float
        When it is seen, Julian year.

    Returns
    -------
    array, shape (pixels, pixels)
        e-/s.
    """
    pixels = simulation.pixels
    y, x = np.mgrid[0:pixels, 0:pixels].astype(float)
    ra, dec = wcs.all_pix2world(x.ravel(), y.ravel(), 0)
    plane = project(ra, dec, field_center())
    u, v = (mosaic_axes() @ plane / simulation.shrink).reshape(2, pixels, pixels)
    # A shrunk nebula is steeper; made fainter too, it changes little across the narrow overlaps.
    light = nebula if simulation.scene == "horsehead" else diffuse
    image = light(simulation, u, v) * np.sqrt(simulation.shrink)
    stars = [stars_near(simulation, wcs).at(epoch)]
    if simulation.scene == "saturated":
        stars.append(Stars(*saturated_star(simulation)))
    filter_ = simulation.ir_filter
    if filter_ != IR_FILTER:  # not a bit of what F160W sees changes
        image *= response(filter_, NEBULA_SLOPE)
        stars = [one.through(filter_) for one in stars]
    for one in stars:
        add_stars(image, one, wcs, reference_scale, FILTERS[filter_].fwhm)
    return image
