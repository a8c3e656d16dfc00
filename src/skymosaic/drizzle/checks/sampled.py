"""What AstroDrizzle itself makes of a sample, against what the one-pass engine made.

AstroDrizzle gets the MDRIZSKY values that the engine's mosaics carry, as its ``skyfile``, and the
masks that the engine used. The rest is its own: how pixels are mapped and resampled, weighed,
averaged, and how a sky is taken off.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skymosaic.drizzle import astrodrizzle
from skymosaic.drizzle.checks.sample_window import Window
from skymosaic.drizzle.checks.witness import (
    NOISE,
    RELATIVE,
    WEIGHT,
    Agreement,
    in_counts,
    pixel_noise,
    skies_in,
)
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.kept_masks import flag_kept
from skymosaic.drizzle.memory import Work, memory_of
from skymosaic.drizzle.onepass.run import drizzle_chips
from skymosaic.drizzle.onepass.skies import AppliedSky
from skymosaic.drizzle.onepass.sums import Singles, bands
from skymosaic.errors import SkyError
from skymosaic.host import limits
from skymosaic.hst.exposure import Exposure
from skymosaic.methods import column

SHIFT = 2e-5
"""Largest median difference, electron/s; or one spacing of single precision, at the largest sky or
at the mosaic's level; times the square root of the pixels that are averaged in one."""

ROUNDINGS = 4
"""How much a pixel may differ at least, in spacings of single precision at the largest sky or at
the mosaic's level: both engines round where they subtract, where they weigh and average."""

Pixels = tuple[Singles, Singles]
"""A mosaic, electron/s, and its weights."""


def by_astrodrizzle(
    folder: Path,
    log: Path,
    exposures: Sequence[Exposure],
    grid: Grid,
    skies: Mapping[str, Sequence[float]],
    parameters: Mapping[str, Any],
    *,
    processes: int = 1,
) -> dict[str, Pixels]:
    """Run AstroDrizzle on exposures for each of several sets of skies.

    Parameters
    ----------
    folder : Path
        Holds the exposures, which stay as they are.
    log : Path
        File that what AstroDrizzle logs is appended to.
    exposures : sequence of Exposure
        Which.
    grid : Grid
        The output grid.
    skies : mapping of str to sequence of float
        By any name: the sky of each chip, in its data units.
    parameters : mapping
        AstroDrizzle's.
    processes : int
        How many runs at once.

    Raises
    ------
    DrizzleError, SkyError
        AstroDrizzle failed, or subtracted something else.
    """
    # Rates can be compared whatever the exposures are that a mosaic in counts is made of.
    in_rates = {**parameters, "final_units": "cps", "context": False}

    def one(name: str) -> tuple[Pixels, str]:
        work = folder / f"by_astrodrizzle_{column(name).replace(':', '_')}"
        work.mkdir()
        for exposure in exposures:
            shutil.copy(folder / exposure.name, work / exposure.name)
        sky = tuple(skies[name])
        mosaic = astrodrizzle.drizzle(
            work, work / "log", exposures, "sample", name, grid, in_rates, AppliedSky([], sky, sky)
        )
        pixels = fits.getdata(mosaic.science), fits.getdata(mosaic.weight)
        log_text = (work / "log").read_text()
        shutil.rmtree(work)
        return pixels, log_text

    with ThreadPoolExecutor(max(processes, 1)) as pool:
        found = dict(zip(skies, pool.map(one, skies), strict=True))
    with log.open("a") as file:
        for name, (_, log_text) in found.items():
            file.write(f"\n===== {name}, by AstroDrizzle =====\n{log_text}")
    return {name: pixels for name, (pixels, _) in found.items()}


def read_window(
    science: BinaryIO, weight: BinaryIO, window: Window
) -> tuple[Pixels, dict[tuple[str, int], float]]:
    """Read a window of a mosaic, electron/s, and what its HDRTAB says was subtracted."""
    here = np.s_[window.y : window.y + window.rows, window.x : window.x + window.columns]
    with fits.open(science, memmap=False) as hdus, fits.open(weight, memmap=False) as weights:
        pixels = np.asarray(hdus[0].section[here], dtype=np.float32)
        if in_counts(hdus[0].header):
            pixels = pixels / np.float32(hdus[0].header["EXPTIME"])
        its_weight = np.asarray(weights[0].section[here], dtype=np.float32)
        return (pixels, its_weight), skies_in(hdus)


def compare_sample(
    folder: Path,
    log: Path,
    exposures: Sequence[Exposure],
    window: Window,
    grid: Grid,
    ours: Mapping[str, Pixels],
    skies: Mapping[str, Sequence[float]],
    masks: Mapping[str, NDArray[np.bool_]],
    parameters: Mapping[str, Any],
    *,
    titles: Mapping[str, str],
    processes: int = 1,
    theirs: Mapping[str, Pixels] | None = None,
) -> dict[str, Agreement]:
    """Compare each mosaic of the one-pass engine with what AstroDrizzle makes of the window.

    Parameters
    ----------
    folder : Path
        Holds private copies of the exposures, in whose DQ the masks are marked.
    log : Path
        File that what drizzlepac logs is appended to.
    exposures : sequence of Exposure
        Those of the window.
    window : Window
        What is compared. Where others reach it, too, the engine drizzles these exposures alone.
    grid : Grid
        The whole output grid.
    ours : mapping of str to Pixels
        The window of each mosaic.
    skies : mapping of str to sequence of float
        What each mosaic says was subtracted from each chip, in its data units.
    masks : mapping
        As from `kept_masks.read_masks`.
    parameters : mapping
        AstroDrizzle's of the run.
    titles : mapping of str to str
        What to call each mosaic in a message.
    processes : int
        How many runs at once, where memory allows.
    theirs : mapping of str to Pixels, optional
        What AstroDrizzle has made of the window already, with these skies and masks.

    Raises
    ------
    SkyError
        A mosaic differs; or AstroDrizzle subtracted something else.
    DrizzleError
        AstroDrizzle failed.
    """
    theirs = dict(theirs or {})
    part, missing = window.of(grid), {n: sky for n, sky in skies.items() if n not in theirs}
    if missing or not window.whole:
        plain = flag_kept(folder, exposures, masks, parameters)
    if not window.whole:
        ours = _by_onepass(folder, log, exposures, part, skies, plain, processes)
    if missing:
        room = limits.free_memory() / memory_of("astrodrizzle", _work(exposures, masks, part)).peak
        at_once = max(1, min(processes, int(room)))
        theirs = theirs | by_astrodrizzle(
            folder, log, exposures, part, missing, plain, processes=at_once
        )
    averaged = _averaged(exposures, grid)
    return {
        name: require_same(
            ours[name],
            theirs[name],
            # A pixel of the mosaic has the sky of all pixels that fall into it.
            largest_sky=averaged * _largest_rate(skies[name], exposures),
            averaged=averaged,
            corner=(window.x, window.y),
            what=f"{titles[name]} ({name})",
        )
        for name in skies
    }


def _largest_rate(skies: Sequence[float], exposures: Sequence[Exposure]) -> float:
    """Return the largest sky of any chip, of its size alone, per second."""
    times = [e.exptime if chip.counts else 1.0 for e in exposures for chip in e.chips]
    return max(abs(sky) / time for sky, time in zip(skies, times, strict=True))


def _by_onepass(
    folder: Path,
    log: Path,
    exposures: Sequence[Exposure],
    part: Grid,
    skies: Mapping[str, Sequence[float]],
    parameters: Mapping[str, Any],
    processes: int,
) -> dict[str, Pixels]:
    """Return a part of each mosaic, made of these exposures alone."""
    cut_outs, load = drizzle_chips(folder, log, exposures, part, parameters, processes=processes)
    [band] = bands(part.shape, cut_outs, load, skies, rows=part.shape[1])
    return {name: (band.mosaics[name], band.weight) for name in skies}


def _averaged(exposures: Sequence[Exposure], grid: Grid) -> float:
    """Return how many pixels of an exposure fall into one of the grid, 1 or more."""
    scales = [chip.scale or grid.scale for e in exposures for chip in e.chips]
    return max(1.0, max((grid.scale / scale) ** 2 for scale in scales))


def _work(
    exposures: Sequence[Exposure], masks: Mapping[str, NDArray[np.bool_]], grid: Grid
) -> Work:
    return Work(
        chips=sum(len(exposure.chips) for exposure in exposures),
        input_pixels=sum(mask.size for mask in masks.values()),
        output_pixels=grid.shape[0] * grid.shape[1],
    )


def require_same(
    ours: Pixels,
    theirs: Pixels,
    *,
    largest_sky: float,
    corner: tuple[int, int],
    what: str,
    averaged: float = 1.0,
) -> Agreement:
    """Compare a mosaic of the one-pass engine with AstroDrizzle's, pixel by pixel.

    Parameters
    ----------
    ours, theirs : (array, array)
        Mosaic and weights of each, of one shape.
    largest_sky : float
        That was taken off a pixel of the mosaic, electron/s.
    corner : (int, int)
        Column and row of the first pixel in the whole mosaic, from 0.
    what : str
        What is compared, for the message.
    averaged : float
        How many pixels of an exposure fall into one of the mosaic, 1 or more: AstroDrizzle rounds
        their mean with each of them.

    Raises
    ------
    SkyError
        They differ; the message tells by how much, and where.
    """
    (mine, my_weight), (its, its_weight) = ours, theirs
    seen = (my_weight > 0) | (its_weight > 0)
    noise = pixel_noise(its, its_weight)
    _require_same_weights(my_weight, its_weight, corner, what)
    difference = np.where(seen, mine.astype(np.float64) - its, 0.0)
    size = np.abs(difference)
    level = float(np.median(np.abs(its[seen]))) if seen.any() else 0.0
    spacing = math.sqrt(averaged) * float(np.spacing(np.float32(max(largest_sky, level))))
    # Few pixels, or equal ones, have no noise, and a large sky leaves none: then rounding is more.
    least = max(NOISE * noise, ROUNDINGS * spacing)
    allowed = np.maximum(least, RELATIVE * np.abs(np.where(seen, its, 0.0)))
    wrong = ~(size <= allowed)  # also where a number is none
    # A constant that noise hides in each pixel shows in all of them.
    shift = float(np.median(difference[seen])) if seen.any() else 0.0
    most = max(SHIFT, spacing)
    if wrong.any() or abs(shift) > most:
        number = (
            f"up to {np.nanmax(size):.3g} e-/s, {shift:+.3g} e-/s in the median "
            f"(the noise is {noise:.3g})"
        )
        raise SkyError(
            _differs(what, "pixels", number, wrong if wrong.any() else seen, size, corner)
        )
    size = size[seen]
    rms = math.sqrt(float((size**2).mean())) if size.size else 0.0
    return Agreement(int(size.size), rms, float(size.max(initial=0.0)), noise)


def _require_same_weights(
    mine: np.ndarray, its: np.ndarray, corner: tuple[int, int], what: str
) -> None:
    off, larger = np.abs(mine.astype(np.float64) - its), np.maximum(mine, its)
    wrong = (larger > 0) & (off > WEIGHT * larger)
    if wrong.any():
        number = f"{np.max(off[wrong] / larger[wrong]):.3g} of the weight"
        raise SkyError(_differs(what, "weights", number, wrong, np.where(wrong, off, 0.0), corner))


def _differs(
    what: str,
    which: str,
    number: str,
    wrong: np.ndarray,
    size: np.ndarray,
    corner: tuple[int, int],
) -> str:
    y, x = np.unravel_index(
        np.argmax(np.where(wrong, np.nan_to_num(size, nan=np.inf), -1)), size.shape
    )
    return (
        f"{what}: its {which} are not those that AstroDrizzle makes with the same sky values: they "
        f"differ by {number}, in {wrong.sum()} of {wrong.size} pixels that were compared, most at "
        f"column {corner[0] + x + 1}, row {corner[1] + y + 1} of the mosaic. Do not use the "
        "mosaics of this run; `skymosaic run FILE --set drizzle.engine=astrodrizzle` makes them by "
        "AstroDrizzle alone. Please report it"
    )
