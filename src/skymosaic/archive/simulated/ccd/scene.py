"""The simulated sky on the pixels of a CCD, through all of its distortion: SIP, D2IM and NPOL."""

from __future__ import annotations

import numpy as np
from astropy.wcs import WCS

from skymosaic.archive.simulated.ccd.cameras import shrink_of
from skymosaic.archive.simulated.ccd.geometry import reference_scale
from skymosaic.archive.simulated.ccd.pointing import ChipView, visit_center
from skymosaic.archive.simulated.motions import CATALOGUE_EPOCH
from skymosaic.archive.simulated.plane import FloatArray, deproject, project
from skymosaic.archive.simulated.proposal import field_center
from skymosaic.archive.simulated.scene import (
    STAMP,
    Stars,
    add_stamps,
    mosaic_axes,
    nebula,
    stars_about,
)
from skymosaic.archive.simulated.scenes import diffuse
from skymosaic.archive.simulated.simulation import CCD_TILES, Simulation

# Stars: as in the infrared scene, but fainter and nearer to each other: pixels are a third as wide.
_BLOCK = {"full": 32.0, "small": 8.0}  # arcsec
_CELLS = {"full": 5, "small": 6}  # along each side of a block
_SPARSE_CELLS = 4  # in the other scenes
_FLUXES = (0.8, 2.0e3)  # e-/s: the brightest saturate
_DIFFUSE = 0.12  # of the diffuse light in the infrared, as the skies are
_GRID = 16  # pixels between the points at which diffuse light is worked out
_NEAR = 150.0  # pixels: about the largest distortion
_STAR, _GHOST, _GHOST_RADIUS = 1.0e5, 0.25, 14.0  # e-/s; arcsec at full size
_GHOSTLY = CCD_TILES[1]
_ASIDE = 0.4  # of the distance of two tiles: where the star is, away from the gap


def pixel_area(wcs: WCS, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the solid angle of pixels, arcsec^2: of the parallelogram of their middle lines.

    Parameters
    ----------
    wcs : WCS
        With all of its distortion.
    x, y : array, shape (n,)
        Pixel positions, counted from 0.
    """
    steps = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, -0.5], [0.0, 0.5]])
    at = np.stack([x, y])[:, :, None] + steps.T[:, None, :]
    center = (float(wcs.wcs.crval[0]), float(wcs.wcs.crval[1]))
    ra, dec = wcs.all_pix2world(at[0].ravel(), at[1].ravel(), 0)
    plane = project(ra, dec, center)
    left, right, low, high = np.moveaxis(plane.reshape(2, x.size, 4), 2, 0)
    along_x, along_y = right - left, high - low
    return np.asarray(np.abs(along_x[0] * along_y[1] - along_x[1] * along_y[0]))


def render(
    simulation: Simulation, view: ChipView, wcs: WCS, epoch: float = CATALOGUE_EPOCH
) -> FloatArray:
    """Return the scene, free of noise and sky, on the pixels of a chip.

    Parameters
    ----------
    simulation : Simulation
        Seed, size and scene.
    view : ChipView
        The chip.
    wcs : WCS
        The true one, with all of its distortion.
    epoch : float
        When it is seen, Julian year.

    Returns
    -------
    array, shape of the chip
        e-/s a pixel.
    """
    rows, columns = view.chip.shape
    image = _diffuse(simulation, wcs, rows, columns)
    add_stars(image, stars_near(simulation, wcs, (rows, columns)).at(epoch), view, wcs)
    if simulation.scene == "saturated":
        ra, dec = deproject(_crossing(simulation), field_center())
        star = Stars(np.array([ra]), np.array([dec]), np.array([_STAR]))
        add_stars(image, star, view, wcs)
    return image


def stars_near(simulation: Simulation, wcs: WCS, shape: tuple[int, int]) -> Stars:
    """Return the stars in and about the footprint of a chip, at the epoch 2016.0."""
    edge = _edge(wcs, *shape)
    cells = _CELLS[simulation.size] if simulation.scene == "horsehead" else _SPARSE_CELLS
    block = _BLOCK[simulation.size]
    return stars_about(simulation.seed, *edge, block, cells, _FLUXES, simulation.motion)


def _edge(wcs: WCS, rows: int, columns: int) -> tuple[FloatArray, FloatArray]:
    """Return RA and Dec of a grid of points over the chip and a star's reach about it."""
    x, y = np.meshgrid(
        np.linspace(-STAMP, columns + STAMP, 9), np.linspace(-STAMP, rows + STAMP, 9)
    )
    ra, dec = wcs.all_pix2world(x.ravel(), y.ravel(), 0)
    return ra, dec


def add_stars(image: FloatArray, stars: Stars, view: ChipView, wcs: WCS) -> None:
    """Add stars; a star's counts are divided by its pixel's relative area: drizzling undoes it.

    Parameters
    ----------
    image : array of shape (rows, columns)
        Of a chip, e-; the stars are added in place.
    stars : Stars
        Of which those that are not on the chip are left out.
    view : ChipView
        The chip.
    wcs : WCS
        Of the chip, with its whole distortion.
    """
    rows, columns = image.shape
    x, y = wcs.wcs_world2pix(stars.ra, stars.dec, 0)
    near = (x > -_NEAR) & (x < columns + _NEAR) & (y > -_NEAR) & (y < rows + _NEAR)
    ra, dec, flux = stars.ra[near], stars.dec[near], stars.flux[near]
    if not ra.size:
        return
    x, y = wcs.all_world2pix(ra, dec, 0, tolerance=1e-6, quiet=True)
    inside = (x > -STAMP) & (x < columns + STAMP) & (y > -STAMP) & (y < rows + STAMP)
    x, y, flux = x[inside], y[inside], flux[inside]
    if not x.size:
        return
    flux = flux * reference_scale(view.chip) ** 2 / pixel_area(wcs, x, y)
    scale_x, scale_y = np.hypot(*wcs.wcs.cd) * 3600.0
    sigma = view.chip.camera.fwhm / np.sqrt(8 * np.log(2))
    add_stamps(image, x, y, flux, (sigma / scale_x, sigma / scale_y))


def _diffuse(simulation: Simulation, wcs: WCS, rows: int, columns: int) -> FloatArray:
    """Return diffuse light, worked out on a coarse grid and joined by cubic splines."""
    if simulation.scene in ("sparse", "saturated"):
        return np.zeros((rows, columns))
    from scipy.interpolate import RectBivariateSpline  # takes long to import, and few need it

    y = np.linspace(0.0, rows - 1.0, rows // _GRID + 1)
    x = np.linspace(0.0, columns - 1.0, columns // _GRID + 1)
    u, v = _on_mosaic(simulation, wcs, *np.meshgrid(x, y))
    light = nebula if simulation.scene == "horsehead" else diffuse
    coarse = light(simulation, u, v) * np.sqrt(shrink_of(simulation)) * _DIFFUSE
    return np.asarray(RectBivariateSpline(y, x, coarse)(np.arange(rows), np.arange(columns)))


def _on_mosaic(simulation: Simulation, wcs: WCS, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the places of pixels along the mosaic's axes, arcsec at full size, shape (2, ...)."""
    ra, dec = wcs.all_pix2world(x.ravel(), y.ravel(), 0)
    plane = project(ra, dec, field_center())
    return (mosaic_axes() @ plane / shrink_of(simulation)).reshape(2, *x.shape)


def _crossing(simulation: Simulation) -> FloatArray:
    """Return a place that tiles 01 and 02 share, away from the gap, (east, north) in arcsec."""
    first, second = (visit_center(simulation, tile) for tile in CCD_TILES[:2])
    along = second - first  # the other axis of the camera is at right angles to it
    return np.asarray((first + second) / 2.0 + _ASIDE * np.array([along[1], -along[0]]))


def ghost(simulation: Simulation, visit: str, view: ChipView, wcs: WCS) -> FloatArray:
    """Return the saturated star's ghost, which the exposures of one tile alone have, e-/s."""
    if simulation.scene != "saturated" or not visit.endswith(_GHOSTLY):
        return np.zeros(view.chip.shape)
    y, x = np.indices(view.chip.shape).reshape(2, -1).astype(float)
    ra, dec = wcs.all_pix2world(x, y, 0)
    away = np.hypot(*(project(ra, dec, field_center()) - _crossing(simulation)[:, None]))
    away = away / shrink_of(simulation)
    light = _GHOST * np.exp(-0.5 * (away / _GHOST_RADIUS) ** 2)
    return np.asarray(light.reshape(view.chip.shape))
