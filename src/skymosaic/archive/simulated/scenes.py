"""Scenes that favour one sky method or another, and the texture that all diffuse light has."""

from __future__ import annotations

import numpy as np
from astropy.wcs import WCS

from skymosaic.archive.simulated.filters import tile_of
from skymosaic.archive.simulated.plane import FloatArray, deproject, project
from skymosaic.archive.simulated.pointing import PlannedExposure, place_of
from skymosaic.archive.simulated.proposal import REFERENCE_TILE, field_center
from skymosaic.archive.simulated.seeds import generator
from skymosaic.archive.simulated.simulation import Simulation

_WAVES, _WAVE_AMPLITUDE, _WAVELENGTHS = 10, 0.05, (45.0, 180.0)
_GHOSTLY = "51"  # the tile whose exposures have a ghost
_STAR = 2.0e6  # e-/s
_GHOST, _GHOST_RADIUS = 2.0, 14.0  # e-/s; arcsec at full size


def texture(seed: int, u: FloatArray, v: FloatArray) -> FloatArray:
    """Return waves in many directions about a mean of 1, shape of `u`."""
    return _waves(seed, u, v, 1.0, _WAVE_AMPLITUDE)


def _waves(seed: int, u: FloatArray, v: FloatArray, mean: float, amplitude: float) -> FloatArray:
    random = generator(seed, "texture")
    waves = np.full_like(u, mean)
    for _ in range(_WAVES):
        angle, phase = random.uniform(0.0, 2 * np.pi, 2)
        number = 2 * np.pi / random.uniform(*_WAVELENGTHS)
        waves += amplitude * np.sin(
            (number * np.cos(angle)) * u + (number * np.sin(angle)) * v + phase
        )
    return waves


def diffuse(simulation: Simulation, u: FloatArray, v: FloatArray) -> FloatArray:
    """Return the diffuse light of any scene but the Horsehead.

    Parameters
    ----------
    simulation : Simulation
        Its scene, and its seed, which sets place, size and strength.
    u, v : array, any one shape
        Position along the mosaic's x and y axes, arcsec at full size, from the reference tile.

    Returns
    -------
    array, shape of `u`
        Brightness in e-/s a pixel, not negative.
    """
    random = generator(simulation.seed, str(simulation.scene), "diffuse")
    match simulation.scene:
        case "nebula" | "equal-skies":
            strength = random.uniform(1.0, 2.5)
            u0, v0 = random.uniform(-30.0, 30.0, 2)
            width_u, width_v = random.uniform(45.0, 60.0, 2)
            light = strength * np.exp(
                -0.5 * (((u - u0) / width_u) ** 2 + ((v - v0) / width_v) ** 2)
            )
        case "one-sided":
            angle, strength = random.uniform(0.0, 2 * np.pi), random.uniform(0.8, 2.0)
            along = u * np.cos(angle) + v * np.sin(angle)
            light = strength * np.clip((along + 40.0) / 230.0, 0.0, None)
        case "filled":
            waves = _waves(simulation.seed, u, v, 0.0, np.sqrt(2.0 / _WAVES))
            return np.asarray(0.6 * np.exp(0.9 * waves))
        case _:
            return np.zeros_like(u)
    return np.asarray(light * texture(simulation.seed, u, v))


def _crossing(simulation: Simulation) -> FloatArray:
    """Return the middle of the overlap of tiles 54 and 51, (east, north) in arcsec."""
    places = [place_of(simulation, tile, 0) for tile in (REFERENCE_TILE, _GHOSTLY)]
    center = field_center()
    return np.mean([project(np.array(ra), np.array(dec), center) for ra, dec in places], axis=0)


def saturated_star(simulation: Simulation) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return RA, Dec in degrees and flux in e-/s of the saturated star, each of shape (1,)."""
    ra, dec = deproject(_crossing(simulation), field_center())
    return np.array([ra]), np.array([dec]), np.array([_STAR])


def ghost(simulation: Simulation, exposure: PlannedExposure, wcs: WCS) -> FloatArray:
    """Return the star's ghost, a reflection that the exposures of one tile alone have.

    Returns
    -------
    array, shape (pixels, pixels)
        e-/s; zero in the exposures of other tiles.
    """
    shape = (simulation.pixels, simulation.pixels)
    if tile_of(exposure.visit) != _GHOSTLY:
        return np.zeros(shape)
    y, x = np.indices(shape).reshape(2, -1).astype(float)
    ra, dec = wcs.all_pix2world(x, y, 0)
    plane = project(ra, dec, field_center())
    away = np.hypot(*(plane - _crossing(simulation)[:, None])) / simulation.shrink
    return np.asarray(_GHOST * np.exp(-0.5 * (away / _GHOST_RADIUS) ** 2)).reshape(shape)
