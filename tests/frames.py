"""Small exposures of any layout, for what compares the project's engines with AstroDrizzle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.archive.simulated.headers import flt_file
from skymosaic.archive.simulated.plane import deproject, project
from skymosaic.archive.simulated.pointing import LinearWcs, PlannedExposure, PointingError
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzlepac_calls import process

CENTRE = (85.25, -2.45)
SCALE = 0.1283  # arcsec, of WFC3/IR
SKY_STEP_ONLY = {
    **pars.resolve({}),
    "driz_combine": False,
    "num_cores": 1,
    "in_memory": False,
    "mdriztab": False,
    "preserve": False,
    "clean": True,
    "build": False,
    "runfile": "sky.log",
}


@dataclass(frozen=True)
class Frame:
    """One exposure: where it points, and its sky.

    ``dx``, ``dy`` are in pixels from the field's centre, ``roll`` in degrees.
    """

    dx: float
    dy: float
    roll: float = 0.0
    sky: float = 1.0
    pixels: int = 96
    exptime: float = 500.0


def name_of(index: int) -> str:
    return f"ibxl{index:02d}aaq"


def linear_wcs(
    frame: Frame,
    shift: tuple[float, float] = (0.0, 0.0),
    centre: tuple[float, float] = CENTRE,
) -> LinearWcs:
    """Return where a frame lies; its roll is that on the plane tangent at the centre."""
    offset = np.array([frame.dx, frame.dy]) * SCALE
    ra, dec = deproject(offset, centre)
    # Towards the poles north is another direction at each place.
    beyond = deproject(offset + np.array([0.0, 1.0]), centre)
    east, north = project(*beyond, (float(ra), float(dec)))
    roll = np.radians(frame.roll) + np.arctan2(east, north)
    cos, sin = np.cos(roll), np.sin(roll)
    cd = np.array([[-cos, sin], [sin, cos]]) * SCALE / 3600.0
    middle = (frame.pixels + 1) / 2.0
    return LinearWcs(
        crval=(float(ra) % 360, float(dec)),
        crpix=(middle + shift[0], middle + shift[1]),
        cd=((cd[0, 0], cd[0, 1]), (cd[1, 0], cd[1, 1])),
    )


def lights(stars: int = 40) -> np.ndarray:
    """Return the stars of `scene`: pixels east and north of the centre, flux; shape (stars, 3)."""
    random = np.random.default_rng(5)
    places = [random.uniform(-150, 150, stars) for _ in range(2)]
    return np.transpose([*places, random.lognormal(3, 1, stars)])


def scene(
    wcs: WCS,
    shape: tuple[int, int],
    stars: int = 40,
    centre: tuple[float, float] = CENTRE,
) -> np.ndarray:
    """Return light that depends on the place on the sky alone: a slope, and stars."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    east, north = project(*wcs.all_pix2world(x, y, 0), centre) / SCALE
    light = 2e-4 * east + 1e-4 * north
    for x0, y0, flux in lights(stars):
        light += flux * np.exp(-0.5 * ((east - x0) ** 2 + (north - y0) ** 2)) / (2 * np.pi)
    return np.asarray(light)


def write_frames(
    folder: Path,
    frames: Sequence[Frame],
    seed: int = 1,
    stars: int = 40,
    centre: tuple[float, float] = CENTRE,
) -> list[str]:
    """Write WFC3/IR exposures with distortion, noise and bad pixels; return their names."""
    simulation = Simulation(size="small")
    names = []
    for index, frame in enumerate(frames):
        linear = linear_wcs(frame, centre=centre)
        exposure = PlannedExposure(
            rootname=name_of(index),
            visit=name_of(index)[:6],
            number=index,
            exptime=frame.exptime,
            postarg=(0.0, 0.0),
            stale_mdrizsky=9.0,
            sky=frame.sky,
            true_wcs=linear,
            header_wcs=linear,
            error=PointingError(),
        )
        random = np.random.default_rng([seed, index])
        shape = (frame.pixels, frame.pixels)
        from skymosaic.archive.simulated.headers import distorted_wcs

        light = scene(distorted_wcs(linear), shape, stars, centre) + frame.sky
        science = (light + random.normal(0.0, 0.03, shape)).astype(np.float32)
        flags = np.zeros(shape, dtype=np.int16)
        for flag, share in ((4, 0.01), (64, 0.01), (512, 0.005)):
            flags[random.uniform(size=shape) < share] |= flag
        science[(flags & 4) > 0] = -3.0
        error = np.full(shape, 0.03, dtype=np.float32)
        hdus = flt_file(simulation, exposure, science, error, flags)
        for hdu in hdus:
            if "MDRIZSKY" in hdu.header:
                del hdu.header["MDRIZSKY"]
        names.append(f"{exposure.rootname}_flt.fits")
        hdus.writeto(folder / names[-1], overwrite=True)
    return names


def astrodrizzle(folder: Path, names: Sequence[str], **parameters: Any) -> str:
    """Run AstroDrizzle on copies in `folder`; return what it logged."""
    log = folder / "call.log"
    process.call(
        "astrodrizzle",
        folder,
        {"files": list(names), "output": "out", "parameters": {**SKY_STEP_ONLY, **parameters}},
        log,
    )
    runfile = folder / str(parameters.get("runfile", "sky.log"))
    return log.read_text() + (runfile.read_text() if runfile.exists() else "")


def subtracted(folder: Path, names: Sequence[str]) -> list[float | None]:
    """Return MDRIZSKY of every chip; None where AstroDrizzle set none."""
    values = []
    for name in names:
        with fits.open(folder / name) as hdus:
            values += [hdu.header.get("MDRIZSKY") for hdu in hdus if hdu.name == "SCI"]
    return values


def write_two_chip_frames(
    folder: Path, frames: Sequence[Frame], seed: int = 1, stars: int = 40
) -> list[str]:
    """Write exposures like those of ACS/WFC: two wide chips, above each other, in electrons."""
    names = write_frames(folder, frames, seed, stars)
    for index, (name, frame) in enumerate(zip(names, frames, strict=True)):
        with fits.open(folder / name) as hdus:
            primary, science, error, flags = (hdus[i].copy() for i in range(4))
        for keyword, value in _ACS_PRIMARY.items():
            primary.header[keyword] = value
        both = fits.HDUList([primary])
        rows = frame.pixels // 2
        for extver, chip, first in ((1, 2, 0), (2, 1, rows)):
            random = np.random.default_rng([seed, index, chip])
            scale = frame.exptime
            for hdu, data in (
                (science, science.data * scale + random.normal(0, 0.01, science.data.shape)),
                (error, error.data * scale),
                (flags, flags.data),
            ):
                part = data[first : first + rows].astype(hdu.data.dtype)
                # The second chip's sky is higher: the first one's is that of the exposure.
                if hdu is science and chip == 1:
                    part += np.float32(0.1 * scale)
                new = fits.ImageHDU(part, hdu.header.copy(), name=hdu.name, ver=extver)
                new.header.update({"CCDCHIP": chip, "NGOODPIX": int((part == part).sum())})
                new.header["CRPIX2"] = hdu.header["CRPIX2"] - first
                new.header["CCDAMP"] = "CD" if chip == 2 else "AB"
                if hdu is not flags:
                    new.header["BUNIT"] = "ELECTRONS"
                both.append(new)
        both.writeto(folder / name, overwrite=True)
    return names


_ACS_PRIMARY = {
    "INSTRUME": "ACS",
    "DETECTOR": "WFC",
    "FILTER1": "F606W",
    "FILTER2": "CLEAR2L",
    "CCDAMP": "ABCD",
    "CCDGAIN": 2.0,
    **{f"ATODGN{amp}": 2.0 for amp in "ABCD"},
    **{f"READNSE{amp}": 4.0 for amp in "ABCD"},
    "NEXTEND": 6,
}


def plan(folder: Path, names: Sequence[str], **final: Any) -> Grid:
    """Return the output grid of exposures, as a campaign plans it."""
    call = process.call(
        "output_grid", folder, {"files": list(names), "final": final}, folder / "plan.log"
    )
    return Grid.from_call(call.value)
