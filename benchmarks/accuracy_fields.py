"""Fields on which sky methods are measured: their light without noise, and their exposures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.wcs import WCS

from skymosaic.archive.simulated.detector import expose
from skymosaic.archive.simulated.headers import distorted_wcs, flt_file, reference_scale
from skymosaic.archive.simulated.names import SceneName
from skymosaic.archive.simulated.plane import deproject, project
from skymosaic.archive.simulated.pointing import (
    PlannedExposure,
    plan_exposure,
    rootnames_of,
    visits_of,
)
from skymosaic.archive.simulated.proposal import field_center, tiles_of_proposal
from skymosaic.archive.simulated.scene import Stars, add_stars, render
from skymosaic.archive.simulated.simulation import Simulation

PIXEL = 0.1283  # arcsec
_SERSIC = 7.67  # of n = 4
Light = Callable[[Simulation, PlannedExposure, WCS], np.ndarray]


@dataclass(frozen=True)
class Field:
    """A kind of field.

    ``extra`` is light beyond the scene's. ``pointing`` is the rms error of the header's WCS in
    pixels along either axis. ``apart`` moves the tiles away from the middle, as a factor.
    """

    scene: SceneName
    extra: Light | None = None
    pointing: float = 0.0
    apart: float = 1.0


def _plane(simulation: Simulation, wcs: WCS) -> np.ndarray:
    """Return (east, north) in arcsec of every pixel, as if at full size."""
    y, x = np.indices((simulation.pixels, simulation.pixels)).reshape(2, -1).astype(float)
    ra, dec = wcs.all_pix2world(x, y, 0)
    return project(ra, dec, field_center()) / simulation.shrink


def _galaxy(simulation: Simulation, exposure: PlannedExposure, wcs: WCS) -> np.ndarray:
    """Return a de Vaucouleurs galaxy, 2000 e-/s at its middle, between tiles 54 and 51."""
    places = [plan_exposure(simulation, f"ibxl{t}", 0).true_wcs.crval for t in ("54", "51")]
    middle = np.mean([project(np.array(a), np.array(d), field_center()) for a, d in places], axis=0)
    east, north = _plane(simulation, wcs) - middle[:, None] / simulation.shrink
    radius = np.hypot(0.8 * east + 0.6 * north, 1.6 * (0.8 * north - 0.6 * east)) / 20.0
    light = np.exp(-_SERSIC * ((radius**2 + 1e-4) ** 0.125 - 1.0))
    return light.reshape(simulation.pixels, simulation.pixels)


def _crowd(simulation: Simulation, exposure: PlannedExposure, wcs: WCS) -> np.ndarray:
    """Return stars, one in each 1.6 arcsec square on average, over the whole field."""
    random = np.random.default_rng(simulation.seed)
    reach = 260.0 * simulation.shrink
    count = int((2 * reach / 1.6) ** 2)
    ra, dec = deproject(random.uniform(-reach, reach, (2, count)), field_center())
    # N(>F) ~ F^-0.64 from 1 to 20,000 e-/s
    low, high = 1.0, 2.0e4**-0.64
    flux = (low + random.uniform(size=count) * (high - low)) ** (-1.0 / 0.64)
    image = np.zeros((simulation.pixels, simulation.pixels))
    add_stars(image, Stars(ra, dec, flux), wcs, reference_scale())
    return image


def _own(exposure: PlannedExposure) -> np.random.Generator:
    return np.random.default_rng([exposure.number, 77])


def _gradient(simulation: Simulation, exposure: PlannedExposure, wcs: WCS) -> np.ndarray:
    """Return a plane of any direction, 0.02 e-/s from edge to edge, 0 in the middle."""
    angle = _own(exposure).uniform(0.0, 2 * np.pi)
    y, x = np.mgrid[-0.5 : 0.5 : simulation.pixels * 1j, -0.5 : 0.5 : simulation.pixels * 1j]
    return 0.02 * (np.cos(angle) * x + np.sin(angle) * y)


def _damage(simulation: Simulation, exposure: PlannedExposure, wcs: WCS) -> np.ndarray:
    """Return, for one exposure alone, a bright corner: a reflection without a flag."""
    side = simulation.pixels
    y, x = np.indices((side, side)) / side
    if exposure.rootname != DAMAGED:
        return np.zeros((side, side))
    return 1.0 * np.exp(-0.5 * ((x - 0.1) ** 2 + (y - 0.15) ** 2) / 0.18**2)


DAMAGED = "ibxl51eoq"
FIELDS = {
    "sparse field": Field("sparse"),
    "nebula": Field("horsehead"),
    "nebula in the middle": Field("nebula"),
    "bright galaxy across a seam": Field("sparse", _galaxy),
    "crowded stars": Field("sparse", _crowd),
    "a gradient an exposure": Field("sparse", _gradient),
    "few-pixel overlaps": Field("sparse", apart=1.08),
    "one damaged exposure": Field("horsehead", _damage),
    "nebula, pointing off by 0.1 pixel": Field("horsehead", pointing=0.1),
    "nebula, pointing off by 0.3 pixel": Field("horsehead", pointing=0.3),
}


def simulation_of(field: Field, size: str, seed: int) -> Simulation:
    """Return the layout of a field: 9 tiles, 2 exposures each."""
    plain = Simulation(seed=seed, size=size, scene=field.scene)
    if field.apart == 1.0:
        return plain
    moved = {}
    for tile in tiles_of_proposal():
        east, north = project(
            *map(np.array, plan_exposure(plain, f"ibxl{tile}", 0).true_wcs.crval), field_center()
        )
        moved[tile] = ((field.apart - 1.0) * float(east), (field.apart - 1.0) * float(north))
    return replace(plain, displace=moved)


@dataclass(frozen=True)
class Truth:
    """An exposure without noise."""

    exposure: PlannedExposure
    light: np.ndarray
    """Scene and sky, e-/s, in its pixels."""


def lights(field: Field, simulation: Simulation) -> list[Truth]:
    """Return the exposures of a field without noise; their headers point as the field says."""
    found = []
    for visit in visits_of(simulation):
        for dither in range(len(rootnames_of(simulation, visit))):
            exposure = plan_exposure(simulation, visit, dither)
            wcs = distorted_wcs(exposure.true_wcs)
            light = render(simulation, wcs, reference_scale()) + exposure.sky
            if field.extra is not None:
                light = light + field.extra(simulation, exposure, wcs)
            found.append(Truth(_pointed(exposure, field.pointing), light))
    return found


def _pointed(exposure: PlannedExposure, error: float) -> PlannedExposure:
    true = exposure.true_wcs
    shift = np.random.default_rng([exposure.number, 78]).normal(0.0, 1.0, 2) * error * PIXEL
    offset = project(*map(np.array, true.crval), field_center()) + shift
    ra, dec = deproject(offset, field_center())
    return replace(exposure, header_wcs=replace(true, crval=(float(ra), float(dec))))


def write(simulation: Simulation, truths: list[Truth], folder: Path, noise: int) -> list[str]:
    """Write the exposures with one realisation of their noise; return their names."""
    names = []
    for truth in truths:
        exposure = truth.exposure
        science, error, flags = expose(
            simulation, f"{exposure.rootname}-{noise}", truth.light, exposure.exptime
        )
        hdus = flt_file(simulation, exposure, science, error, flags)
        for hdu in hdus:
            hdu.header.remove("MDRIZSKY", ignore_missing=True)
        names.append(f"{exposure.rootname}_flt.fits")
        hdus.writeto(folder / names[-1], overwrite=True)
    return names
