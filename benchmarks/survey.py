"""A survey of small exposures: tiles side by side, three exposures each, turned a little.

    python benchmarks/survey.py FOLDER --exposures 10000

Exposures are as the simulator makes those of WFC3/IR, subarrays of 256 x 256 pixels: distortion,
stars, a smooth glow, noise, the bad pixels of one detector, a sky of its own each. An exposure
overlaps from 5 (at a corner of the field) to some 26 others. Each is the same however many are
written, and those that are there are not written again.

A whole FITS file is made once; of all others the cards that differ are put into its place.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from skymosaic.archive.simulated.detector import expose
from skymosaic.archive.simulated.headers import (
    distorted_wcs,
    flt_file,
    good_pixel_statistics,
    reference_scale,
)
from skymosaic.archive.simulated.plane import deproject, project
from skymosaic.archive.simulated.pointing import LinearWcs, PlannedExposure, PointingError
from skymosaic.archive.simulated.proposal import field_center
from skymosaic.archive.simulated.scene import Stars, add_stars, stars_about
from skymosaic.archive.simulated.seeds import generator
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.host import limits

SIMULATION = Simulation(size="small")
SIDE = SIMULATION.pixels
SCALE = 0.1283  # arcsec
_STEP = 200  # pixels from tile to tile
_DITHERS = 3
_DITHER = 8.0  # pixels: half the width of the square in which the exposures of a tile lie
_TURN = 5.0  # degrees, to both sides
_EXPTIME = 500.0  # s
_COARSE = 17  # points along a side at which the glow is computed
_BLOCK, _CELLS, _FLUXES = 20.0, 4, (2.0, 2000.0)  # arcsec; stars along a side of it; e-/s
_GLOW = ((0.10, 61.0, 0.3), (0.06, 37.0, 1.9), (0.04, 23.0, 2.6))
"""Waves of the glow: e-/s, their length in arcsec, and their direction in radians."""
_START = 56222.0  # MJD


@dataclass(frozen=True)
class Pointing:
    """One exposure of the survey."""

    number: int
    rootname: str
    east: float
    """Of its middle from that of the first tile, arcsec."""
    north: float
    roll: float
    """Degrees east of north."""
    sky: float
    """e-/s."""

    @property
    def name(self) -> str:
        """Its file's."""
        return f"{self.rootname}_flt.fits"


def layout(count: int) -> list[Pointing]:
    """Return the pointings of a survey, tile by tile in growing squares."""
    return [_pointing(number) for number in range(count)]


def _pointing(number: int) -> Pointing:
    tile, dither = divmod(number, _DITHERS)
    x, y = _place(tile)
    own = generator(SIMULATION.seed, "survey", tile)
    turn, level = own.uniform(-_TURN, _TURN), own.uniform(0.6, 1.4)
    random = generator(SIMULATION.seed, "survey", tile, dither)
    dx, dy = random.uniform(-_DITHER, _DITHER, 2)
    return Pointing(
        number,
        f"is{tile:05d}{'aeimqu'[dither]}q",
        (x * _STEP + dx) * SCALE,
        (y * _STEP + dy) * SCALE,
        float(turn),
        float(level * random.uniform(0.97, 1.03)),
    )


def _place(tile: int) -> tuple[int, int]:
    """Return the place of a tile: the first n^2 fill a square, whatever n."""
    ring = math.isqrt(tile)
    along = tile - ring * ring
    return (ring, along) if along <= ring else (2 * ring - along, ring)


def write_survey(folder: Path, count: int, processes: int = 0) -> float:
    """Write the exposures that are not there yet; return the seconds that it took."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [each for each in layout(count) if not (folder / each.name).exists()]
    started = time.monotonic()
    with ProcessPoolExecutor(processes or limits.cores()) as pool:
        for _ in pool.map(partial(write, folder), wanted, chunksize=16):
            pass
    return time.monotonic() - started


def write(folder: Path, pointing: Pointing) -> None:
    """Write one exposure."""
    linear = linear_wcs(pointing)
    light = _light(linear) + pointing.sky
    science, error, flags = expose(SIMULATION, pointing.rootname, light, _EXPTIME)
    cards = _cards(pointing, linear, dict(good_pixel_statistics(science, error, flags)))
    arrays = {"SCI": science, "ERR": error, "DQ": flags}
    part = folder / f"{pointing.rootname}.part"
    with part.open("wb") as file:
        for piece in _template():
            header = bytearray(piece.header)
            for keyword, value in cards.items():
                if (at := piece.places.get(keyword)) is not None:
                    header[at : at + 80] = fits.Card(keyword, value).image.encode("ascii")
            file.write(header)
            file.write(_as_fits(arrays[piece.name]) if piece.name in arrays else piece.data)
    part.rename(folder / pointing.name)


def linear_wcs(pointing: Pointing) -> LinearWcs:
    """Return the linear part of an exposure's WCS."""
    cos, sin = np.cos(np.radians(pointing.roll)), np.sin(np.radians(pointing.roll))
    step, middle = SCALE / 3600.0, (SIDE + 1) / 2.0
    ra, dec = deproject(np.array([pointing.east, pointing.north]), field_center())
    cd = ((-cos * step, sin * step), (sin * step, cos * step))
    return LinearWcs((float(ra), float(dec)), (middle, middle), cd)


def _light(linear: LinearWcs) -> NDArray[np.float64]:
    """Return the scene on the pixels of an exposure, e-/s."""
    wcs = _wcs()
    wcs.wcs.crval, wcs.wcs.cd = linear.crval, linear.cd
    wcs.wcs.set()
    place = np.linspace(0.0, SIDE - 1.0, _COARSE)
    x, y = np.meshgrid(place, place)
    ra, dec = wcs.all_pix2world(x.ravel(), y.ravel(), 0)
    east, north = project(ra, dec, field_center())
    glow = sum(
        height * np.sin(2 * np.pi / length * (east * np.cos(turn) + north * np.sin(turn)))
        for height, length, turn in _GLOW
    )
    pixels = np.arange(SIDE)
    spline = RectBivariateSpline(place, place, np.reshape(glow, (_COARSE, _COARSE)))
    image = np.asarray(spline(pixels, pixels)) + 0.2
    stars: Stars = stars_about(SIMULATION.seed, ra, dec, _BLOCK, _CELLS, _FLUXES)
    add_stars(image, stars, wcs, reference_scale())
    return image


@cache
def _wcs() -> WCS:
    """Return the WCS of an exposure, whose place is set anew for each: to make one takes long."""
    return distorted_wcs(linear_wcs(_pointing(0)))


@dataclass(frozen=True)
class _Piece:
    """An HDU of the file that all are made from."""

    name: str
    header: bytes
    places: Mapping[str, int]
    """Where the card of a keyword begins."""
    data: bytes


@cache
def _template() -> tuple[_Piece, ...]:
    pointing = _pointing(0)
    linear = linear_wcs(pointing)
    error = PointingError()
    exposure = PlannedExposure(
        pointing.rootname, "is0000", 0, _EXPTIME, (0.0, 0.0), 9.0, 0.0, linear, linear, error
    )
    blank = np.ones((SIDE, SIDE), np.float32)
    hdus = flt_file(SIMULATION, exposure, blank, blank, np.zeros((SIDE, SIDE), np.int16))
    hdus["SCI"].header.remove("MDRIZSKY")
    stream = io.BytesIO()
    hdus.writeto(stream)
    return tuple(_pieces(stream.getvalue(), hdus))


def _pieces(content: bytes, hdus: fits.HDUList) -> Iterator[_Piece]:
    for hdu in fits.open(io.BytesIO(content)):
        info = hdu.fileinfo()
        head = content[info["hdrLoc"] : info["datLoc"]]
        data = content[info["datLoc"] : info["datLoc"] + info["datSpan"]]
        places: dict[str, int] = {}
        for at in range(0, len(head), 80):
            places.setdefault(head[at : at + 8].decode("ascii").rstrip(), at)
        yield _Piece(hdu.name, head, places, data)


def _cards(
    pointing: Pointing, linear: LinearWcs, statistics: Mapping[str, float]
) -> dict[str, Any]:
    """Return the values of the cards that differ from exposure to exposure."""
    start = _START + 0.01 * pointing.number
    cards: dict[str, Any] = {
        "FILENAME": pointing.name,
        "ROOTNAME": pointing.rootname,
        "EXPNAME": pointing.rootname,
        "EXPSTART": start,
        "EXPEND": start + _EXPTIME / 86400.0,
        "SIPNAME": f"{pointing.rootname}_w3m18525i",
        "DISTNAME": f"{pointing.rootname}_w3m18525i-NOMODEL-NOMODEL",
        "ORIENTAT": linear.orientation,
        "PA_APER": linear.orientation,
        "RA_APER": linear.crval[0],
        "DEC_APER": linear.crval[1],
        **statistics,
    }
    for key in ("", "A", "O"):
        for axis in (1, 2):
            cards[f"CRVAL{axis}{key}"] = linear.crval[axis - 1]
            for other in (1, 2):
                cards[f"CD{axis}_{other}{key}"] = float(linear.cd[axis - 1][other - 1])
    return cards


def _as_fits(array: NDArray[Any]) -> bytes:
    data = array.astype(array.dtype.newbyteorder(">")).tobytes()
    return data + bytes(-len(data) % 2880)


def main() -> None:
    """Write a survey, and print how long an exposure took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--exposures", type=int, default=1000)
    options = parser.parse_args()
    seconds = write_survey(options.folder, options.exposures)
    each = seconds / options.exposures * 1000
    print(f"{options.exposures} exposures in {seconds:.1f} s, {each:.1f} ms each", file=sys.stdout)


if __name__ == "__main__":
    main()
