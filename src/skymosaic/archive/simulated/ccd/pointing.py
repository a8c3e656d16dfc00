"""Where the simulated exposures of a CCD camera point, how long they last, and their skies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skymosaic.archive.simulated.ccd.cameras import CameraChip, camera_of, chips_of, shrink_of
from skymosaic.archive.simulated.ccd.geometry import axes, linear_wcs, width
from skymosaic.archive.simulated.names import MAXIMUM_DITHERS
from skymosaic.archive.simulated.plane import FloatArray, deproject, project
from skymosaic.archive.simulated.pointing import LinearWcs, PointingError, draw_pointing_error
from skymosaic.archive.simulated.proposal import field_center
from skymosaic.archive.simulated.seeds import generator
from skymosaic.archive.simulated.simulation import CCD_TILES, Simulation
from skymosaic.errors import CampaignError

REFERENCE_TILE = CCD_TILES[0]

_PROGRAM = "skm"
_ORIENTATION, _TURN = 112.0, 3.2  # deg: of the first tile; how much more the next one is turned
# Tiles are half a camera's width apart, along the x and y axes of the first one.
_PATTERN = ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (2, 1), (0, 2), (1, 2), (2, 2))
_SPACING, _SHEAR = 0.5, 0.04  # of the width; along x and y
_IN_LINE = 3  # dithers, each one step from the last; further ones begin again, somewhere else
_FURTHER = 30.0  # pixels: half the width of the square in which further dithers are moved
_EXPOSURE_TIMES = (360.0, 500.0)  # s, in turn
_VISIT_SKY = (0.5, 1.5)  # of the mean
_EXPOSURE_SKY = 0.04  # of the visit's sky: by how much exposures differ from it
_LEFT_OVER = 0.05  # of the mean: what is left at most where the sky had been subtracted before


@dataclass(frozen=True)
class ChipView:
    """What one chip of an exposure sees."""

    chip: CameraChip
    sky: float
    """e-/s a pixel."""
    true_wcs: LinearWcs
    header_wcs: LinearWcs


@dataclass(frozen=True)
class CcdExposure:
    """One exposure of the plan."""

    rootname: str
    visit: str
    number: int
    """Of all that could be made, in the order of time."""
    exptime: float
    """s."""
    postarg: tuple[float, float]
    """arcsec."""
    sky: float
    """Mean of both chips, e-/s a pixel."""
    stale_mdrizsky: float
    """What an earlier drizzle wrote, e-."""
    center: tuple[float, float]
    """Right ascension and declination between the chips, as the header has it, degrees."""
    orientation: float
    """Position angle of the camera's y axis, as the header has it, degrees."""
    error: PointingError
    views: tuple[ChipView, ...]
    """In the order of the file."""


def visits_of(simulation: Simulation) -> tuple[str, ...]:
    """Return the visits to simulate, in the pattern's order."""
    wanted = simulation.tiles or CCD_TILES[:2]
    prefix = camera_of(simulation).letter + _PROGRAM
    return tuple(prefix + tile for tile in CCD_TILES if tile in wanted)


def rootnames_of(simulation: Simulation, visit: str) -> list[str]:
    """Return the rootnames of a visit, such as ``jskm01a1q``."""
    if visit not in visits_of(simulation):
        raise CampaignError(
            f"visit {visit!r} is not in this simulation; "
            f"choose from {', '.join(visits_of(simulation))}"
        )
    places = [letter + digit for letter in "aeimqu" for digit in "147ad"]
    return [f"{visit}{place}q" for place in places][: simulation.dithers]


def pointing_error(simulation: Simulation, visit: str) -> PointingError:
    """Return the error that all exposures of a visit share; the reference tile has none."""
    if visit.endswith(REFERENCE_TILE):
        return PointingError()
    return draw_pointing_error(simulation.seed, visit)


def plan_exposure(simulation: Simulation, visit: str, dither: int) -> CcdExposure:
    """Return one exposure of a visit, `dither` counted from 0."""
    tile = visit[4:6]
    center, orientation = _pointing(simulation, tile)
    step = _dither(simulation, tile, dither)
    place = axes(orientation) @ step
    error = pointing_error(simulation, visit)
    cos, sin = np.cos(np.radians(error.roll)), np.sin(np.radians(error.roll))
    turn = np.array([[cos, sin], [-sin, cos]])
    true = _at(place, center)
    header = _at(turn @ place + np.array([error.dra, error.ddec]), center)
    sky = _sky(simulation, tile, dither)
    views = tuple(
        ChipView(
            chip=chip,
            sky=sky * (1.0 + simulation.chip_step * (0.5 if chip.number == 2 else -0.5)),
            true_wcs=linear_wcs(chip, true, orientation),
            header_wcs=linear_wcs(chip, header, orientation + error.roll),
        )
        for chip in chips_of(simulation)
    )
    exptime = _EXPOSURE_TIMES[dither % len(_EXPOSURE_TIMES)]
    stale = generator(simulation.seed, tile, "stale", dither).uniform(0.5, 1.5)
    return CcdExposure(
        rootname=rootnames_of(simulation, visit)[dither],
        visit=visit,
        number=CCD_TILES.index(tile) * MAXIMUM_DITHERS + dither,
        exptime=exptime,
        postarg=(float(step[0]), float(step[1])),
        sky=sky,
        stale_mdrizsky=float(sky * exptime * stale),
        center=header,
        orientation=orientation + error.roll,
        error=error,
        views=views,
    )


def _at(place: FloatArray, center: tuple[float, float]) -> tuple[float, float]:
    ra, dec = deproject(place, center)
    return float(ra), float(dec)


def _pointing(simulation: Simulation, tile: str) -> tuple[tuple[float, float], float]:
    """Return the true centre of a tile (degrees) and the position angle of its y axis."""
    camera = camera_of(simulation)
    number = CCD_TILES.index(tile)
    column, row = _PATTERN[number]
    size = width(camera) * shrink_of(simulation)
    pattern = np.array(
        [_SPACING * column + _SHEAR * row, _SPACING * row + _SHEAR * column], dtype=float
    )
    plane = axes(_ORIENTATION) @ (pattern * size)
    plane = plane + np.array(simulation.displace.get(tile, (0.0, 0.0)))
    return _at(plane, field_center()), _ORIENTATION + _TURN * (number % 3)


def _dither(simulation: Simulation, tile: str, dither: int) -> FloatArray:
    """Return where a dither lies from the tile's centre, along the camera's x and y, arcsec."""
    camera = camera_of(simulation)
    pixels = np.array(camera.dither) * (dither % _IN_LINE)
    if dither >= _IN_LINE:
        random = generator(simulation.seed, tile, "dither", dither)
        pixels = pixels + random.uniform(-_FURTHER, _FURTHER, 2)
    return pixels * width(camera) / camera.shape[1]


def _sky(simulation: Simulation, tile: str, dither: int) -> float:
    """Return the sky of an exposure, mean of both chips, e-/s a pixel."""
    mean = camera_of(simulation).sky if simulation.sky is None else simulation.sky
    if simulation.scene == "equal-skies":
        return mean
    if simulation.scene == "filled":
        rest = generator(simulation.seed, tile, "rest", dither).uniform(0.0, _LEFT_OVER)
        return float(mean * rest)
    visit = generator(simulation.seed, tile, "visit's sky").uniform(*_VISIT_SKY)
    change = generator(simulation.seed, tile, "sky", dither).uniform(-_EXPOSURE_SKY, _EXPOSURE_SKY)
    return float(mean * visit * (1.0 + change))


def visit_center(simulation: Simulation, tile: str) -> FloatArray:
    """Return the true centre of a tile on the plane of the scene, (east, north) in arcsec."""
    ra, dec = _pointing(simulation, tile)[0]
    return project(np.array(ra), np.array(dec), field_center())
