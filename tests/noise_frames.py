"""Frames of noise through the resampler, and how sums in apertures of the mosaic scatter."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.run import Options, drizzle_all
from skymosaic.drizzlepac_calls.onepass_functions import drizzle_chip
from skymosaic.hst.reading import read_exposure
from tests.frames import plan

RADII = (3, 10, 30)


@dataclass(frozen=True)
class Scatter:
    """Of sums in apertures of one radius.

    Parameters
    ----------
    radius : int
        Pixels of the mosaic.
    apertures : int
        How many, apart from each other.
    ratio : float
        Mean over the apertures of the scatter of their sums over what the error plane states.
    error : float
        Standard error of that mean.
    uncorrected : float
        The same without the factor of correlated noise.
    """

    radius: int
    apertures: int
    ratio: float
    error: float
    uncorrected: float


def measure(
    folder: Path,
    names: Sequence[str],
    parameters: Mapping[str, Any],
    *,
    realisations: int = 200,
    apertures: int = 50,
    seed: int = 7,
) -> tuple[list[Scatter], fits.Header]:
    """Return the scatter of sums for each of `RADII`, and the header of the error plane.

    Parameters
    ----------
    folder : Path
        Holds exposures, whose pixels are replaced by noise of their ERR.
    names : sequence of str
        Of their files.
    parameters : mapping
        AstroDrizzle's that differ from the defaults.
    realisations, apertures : int
        How many frames of noise, and how many apertures apart, where the mosaic has room.
    seed : int
        Of the noise.
    """
    resolved = pars.resolve(parameters)
    grid = plan(folder, list(names), **pars.grid_choice(resolved))
    exposures = [read_exposure(folder / name) for name in names]
    mosaic = drizzle_all(
        *(folder, folder / "log", exposures, {"x": "out"}, {"x": SkyChoice("localmin")}),
        *(grid, {**resolved, "static": False}),
        Options(errors=True),
    )["x"]
    assert mosaic.error is not None
    error, weight = fits.getdata(mosaic.error).astype(float), fits.getdata(mosaic.weight)
    header = fits.getheader(mosaic.error)
    random = np.random.default_rng(seed)
    chosen = {radius: _places(weight > 0, radius, apertures, random) for radius in RADII}
    labels = {radius: _labels(weight.shape, places, radius) for radius, places in chosen.items()}
    sums = _sums(folder, names, grid, resolved, weight, labels, realisations, random)
    factors = {header[f"NOISRAD{n}"]: header[f"NOISFAC{n}"] for n in range(1, 5)}
    found = []
    counts = resolved.get("final_units") == "counts"
    scale = sum(exposure.exptime for exposure in exposures) if counts else 1.0
    for radius, own in sums.items():
        variance = np.bincount(labels[radius].ravel(), (np.nan_to_num(error) ** 2).ravel())[1:]
        ratios = scale * own.std(axis=0, ddof=1) / np.sqrt(variance)
        corrected = ratios / factors[radius]
        count = len(ratios)
        found.append(
            Scatter(
                radius,
                count,
                float(corrected.mean()),
                float(corrected.std(ddof=1) / np.sqrt(count)),
                float(ratios.mean()),
            )
        )
    return found, header


def _places(
    seen: np.ndarray, radius: int, most: int, random: np.random.Generator
) -> list[tuple[int, int]]:
    """Return centres of apertures that lie in the mosaic and apart from each other."""
    step = 2 * radius + 1
    places = [
        (y, x)
        for y in range(radius, seen.shape[0] - radius, step)
        for x in range(radius, seen.shape[1] - radius, step)
        if seen[_aperture(y, x, radius)].all()
    ]
    return [places[i] for i in random.permutation(len(places))[:most]]


def _aperture(y: int, x: int, radius: int) -> tuple[np.ndarray, np.ndarray]:
    dy, dx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    inside = np.hypot(dy, dx) <= radius
    return y + dy[inside], x + dx[inside]


def _labels(shape: tuple[int, ...], places: Sequence[tuple[int, int]], radius: int) -> np.ndarray:
    labels = np.zeros(shape, dtype=np.intp)
    for number, (y, x) in enumerate(places, start=1):
        labels[_aperture(y, x, radius)] = number
    return labels


def _sums(
    folder: Path,
    names: Sequence[str],
    grid: Grid,
    parameters: Mapping[str, Any],
    weight: np.ndarray,
    labels: Mapping[int, np.ndarray],
    realisations: int,
    random: np.random.Generator,
) -> dict[int, np.ndarray]:
    """Return the sums of each realisation (rows) in each aperture (columns), by radius.

    The mosaic is the mean of the chips by weight: each chip's part of a sum is added up alone.
    """
    from stwcs.wcsutil import HSTWCS

    final = final_of(parameters)
    given = {k.removeprefix("final_"): v for k, v in grid.final_parameters().items()}
    given.pop("wcs")
    inverse = np.divide(1.0, weight, out=np.zeros(weight.shape), where=weight > 0)
    sums = {r: np.zeros((realisations, own.max())) for r, own in labels.items()}
    back = Path.cwd()
    os.chdir(folder)  # where the resampler's answers are written
    try:
        for name in names:
            with fits.open(name, memmap=False) as hdus:
                for extver in [hdu.ver for hdu in hdus if hdu.name == "SCI"]:
                    error = hdus["ERR", extver].data.astype(float)
                    wcs = HSTWCS(hdus, ext=("SCI", extver))
                    for number in range(realisations):
                        noise = random.normal(size=error.shape) * error
                        hdus["SCI", extver].data = noise.astype(np.float32)
                        one = drizzle_chip(hdus, extver, wcs, 0, given, final, None)
                        here = np.s_[
                            one["y"] : one["y"] + one["rows"], one["x"] : one["x"] + one["columns"]
                        ]
                        own = np.load("0_wht.npy").astype(float)
                        part = np.where(own > 0, np.load("0_sci.npy") * own, 0.0) * inverse[here]
                        for radius, its in labels.items():
                            most = sums[radius].shape[1] + 1
                            found = np.bincount(its[here].ravel(), part.ravel(), minlength=most)
                            sums[radius][number] += found[1:]
    finally:
        os.chdir(back)
    return sums


def as_json(found: Sequence[Scatter]) -> str:
    """Return what was found as JSON."""
    return json.dumps([vars(one) for one in found])
