"""How sources are found where the campaign does not say: the kernel's width and the threshold.

TweakReg takes the square root of twice the mode of an image for its noise. The archive's drizzled
images have their sky subtracted, so that the mode is near zero, or says nothing of the noise. Here
the noise is measured, and the threshold is the highest of a few at which every image has enough
sources where it overlaps those aligned before it: bright sources have the best positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skymosaic.align.proof import read_wcs
from skymosaic.config.drizzlepac_parameters import ParameterValue
from skymosaic.errors import AlignmentError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.imagers import imager_of

THRESHOLDS = (100.0, 50.0, 30.0, 20.0, 10.0, 7.0)
"""Tried from the highest, in units of the noise of a pixel; below, the noise itself has peaks."""
WANTED = 300
"""Sources that an image should have in its overlap with those before it."""
NEEDED = 10
"""Sources that it must have there: with fewer at `SAFE` a lower threshold is tried, too."""
SAFE = 10.0
"""At lower thresholds defects of pixels are found as well."""
FEW = 20
"""With fewer sources there a shift is fitted alone; see docs/decisions/0006-gates.md."""
_CONV_WIDTH = 3.5  # of the detector's pixels; what was measured is in docs/decisions/0006-gates.md
_THRESHOLD = 10.0  # where the campaign sets the noise, and nothing else
NOISE_IS_GIVEN = frozenset({"threshold", "computesig", "skysigma"})
"""Imagefind's: with one of them in the file neither the noise nor the threshold is chosen."""
_APART = 8  # pixels: so far apart drizzled pixels share no input pixel
_FWHM = np.sqrt(8 * np.log(2))


@dataclass(frozen=True)
class FinderSettings:
    """Parameters of TweakReg's source finder, and why they are these."""

    parameters: dict[str, ParameterValue]
    """Imagefind's: the campaign's over those that were chosen."""
    why: str
    """For people: what was chosen, and from what."""
    found: dict[str, dict[str, int]] = field(default_factory=dict)
    """By threshold, as text: how many sources each image has; empty where nothing was chosen."""
    tweakreg: dict[str, ParameterValue] = field(default_factory=dict)
    """TweakReg's parameters that follow from it; the campaign's own override them."""


@dataclass(frozen=True)
class ImageNoise:
    """What is measured of a drizzled image before sources are looked for."""

    tile: str
    """Its rootname."""
    sigma: float
    """Noise of a pixel, in the image's unit; 0 where no pixels have data, or all are equal."""
    width: float
    """Full width of the finder's kernel that suits its scale, pixels."""


@dataclass(frozen=True)
class Level:
    """What all images are searched with: TweakReg takes one noise and one kernel for all."""

    sigma: float
    """The largest noise, which finds no noise in any of them, and about the same sources in all."""
    width: float
    """The smallest width, pixels, or the campaign's."""


@dataclass(frozen=True)
class PeakCounts:
    """How many sources all images have, by thresholds, for the choice and for advice."""

    level: Level
    found: dict[str, dict[str, int]]
    """By threshold, as text, and by rootname."""


def measure_noise(path: Path, exposure: Exposure) -> ImageNoise:
    """Measure the noise of a drizzled image."""
    return ImageNoise(exposure.rootname, noise(read_pixels(path)), _width(exposure, path))


def common_level(measured: Sequence[ImageNoise], given: Mapping[str, ParameterValue]) -> Level:
    """Return what all images are searched with; `given`: the campaign's own parameters."""
    width = given.get("conv_width") or min(one.width for one in measured)
    return Level(max(one.sigma for one in measured), float(width))


def count_peaks(path: Path, level: Level) -> dict[str, int]:
    """Return by threshold, as text, how many sources an image has; none without any noise."""
    if not level.sigma > 0:
        return {f"{threshold:g}": 0 for threshold in THRESHOLDS}
    heights = matched_filter(read_pixels(path), level.width)
    return {f"{each:g}": count_above(heights, each * level.sigma) for each in THRESHOLDS}


def counts_of(level: Level, counted: Mapping[str, Mapping[str, int]]) -> PeakCounts:
    """Return the counts of all images; `counted`: those of `count_peaks` by rootname."""
    thresholds = [f"{threshold:g}" for threshold in THRESHOLDS]
    return PeakCounts(level, {t: {tile: n[t] for tile, n in counted.items()} for t in thresholds})


def choose_finding(
    counts: PeakCounts, shares: Mapping[str, float], given: Mapping[str, ParameterValue]
) -> FinderSettings:
    """Choose imagefind's parameters for drizzled images.

    Parameters
    ----------
    counts : PeakCounts
        Of all images.
    shares : mapping of str to float
        What part of each image (0 to 1) overlaps those aligned before it; of the first one, those
        after it.
    given : mapping
        The campaign's own parameters; each is kept. Where `threshold`, `computesig` or `skysigma`
        is among them, the noise is TweakReg's or the campaign's, and no threshold is chosen.

    Raises
    ------
    AlignmentError
        No image has pixels with data that differ.
    """
    level, found = counts.level, counts.found
    width = given.get("conv_width") or level.width
    if NOISE_IS_GIVEN & set(given):
        parameters = {"threshold": _THRESHOLD, "conv_width": width, **given}
        return FinderSettings(parameters, f"sources are found with align.imagefind: {parameters}")
    # Images of next to no sources, or without overlap, can be aligned with no parameters, and say
    # nothing of those for the rest.
    lowest = found[f"{THRESHOLDS[-1]:g}"]
    if not level.sigma > 0:
        raise AlignmentError(
            f"the drizzled images {', '.join(lowest)} have no pixels with data, or all are equal; "
            "fetch them again, or set `align: none`"
        )
    shares = {name: share for name, share in shares.items() if share > 0 and lowest[name] >= NEEDED}
    threshold = _choose_threshold(found, shares)
    chosen = found[f"{threshold:g}"]
    overlapping = _in_overlap(chosen, shares)
    geometry = "shift" if overlapping < FEW else "rscale"
    parameters = {
        "computesig": False,
        "skysigma": level.sigma,
        "threshold": threshold,
        "conv_width": width,
        **given,
    }
    return FinderSettings(
        parameters,
        f"sources are found with threshold {threshold:g}, conv_width {width:g} and the measured "
        f"noise, skysigma {level.sigma:.3g}: {min(chosen.values())} to {max(chosen.values())} in "
        f"an image, about {overlapping} or more where it overlaps those aligned before it; "
        f"fitgeometry {geometry}",
        found,
        {"fitgeometry": geometry},
    )


def _choose_threshold(found: Mapping[str, Mapping[str, int]], shares: Mapping[str, float]) -> float:
    """Return the highest threshold that gives enough; where none does, the lowest safe one."""
    for threshold in THRESHOLDS:
        enough = WANTED if threshold > SAFE else NEEDED
        if _in_overlap(found[f"{threshold:g}"], shares) >= enough:
            return threshold
    return SAFE


def _in_overlap(counts: Mapping[str, int], shares: Mapping[str, float]) -> int:
    """Return how many sources the image that has the fewest has in its overlap."""
    return int(min((counts[name] * share for name, share in shares.items()), default=0))


def _width(exposure: Exposure, path: Path) -> float:
    """Return the width of the finder's kernel, in pixels of a drizzled image."""
    imager = imager_of(exposure.instrument, exposure.detector)
    if imager is None or imager.scale is None:
        return _CONV_WIDTH
    [wcs] = read_wcs(path).values()
    drizzled = np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix))) * 3600.0
    return float(max(2.0, round(_CONV_WIDTH * imager.scale / drizzled, 1)))


def read_pixels(path: Path) -> NDArray[np.float32]:
    """Return a drizzled image, shape (ny, nx), NaN where it has no data.

    AstroDrizzle leaves exactly 0 (or NaN) where nothing fell.
    """
    with fits.open(path, memmap=False) as hdus:
        sci = next((hdu for hdu in hdus if hdu.name == "SCI"), hdus[0])
        pixels = np.array(sci.data, dtype=np.float32)
    pixels[~np.isfinite(pixels) | (pixels == 0)] = np.nan
    return pixels


def noise(pixels: NDArray[np.float32]) -> float:
    """Return the standard deviation of a pixel's noise, in the unit of `pixels`.

    From the median absolute difference of pixels some pixels apart: smooth light drops out, stars
    are few, and the correlation that drizzling makes between neighbours does not reach so far. 0
    where no pixels have data, or all are equal.
    """
    differences = (pixels[:, _APART:] - pixels[:, :-_APART])[::2]
    differences = differences[np.isfinite(differences)]
    if not differences.size:
        return 0.0
    return float(1.4826 * np.median(np.abs(differences)) / np.sqrt(2.0))


def matched_filter(pixels: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Return the heights of Gaussians of a full width (pixels), fitted about every pixel.

    This is DAOFIND's density enhancement (Stetson 1987, PASP 99, 191, equation 1), with the kernel
    as drizzlepac's ``findobj.findstars`` cuts it at 1.5 sigma. The kernel sums to nothing, so that
    a background drops out. 0 where there are no data.
    """
    from scipy import ndimage  # takes long to import, and few need it

    half = 2 * int(max(1.0, 1.5 * width / _FWHM))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    away = np.hypot(x, y)
    within = away <= max(1.5 * width / _FWHM, 2.001)
    shape = np.exp(-0.5 * (away * _FWHM / width) ** 2) * within
    mean = shape.sum() / within.sum()
    kernel = (shape - mean) * within / (np.sum(shape**2) - shape.sum() ** 2 / within.sum())
    heights = ndimage.convolve(np.nan_to_num(pixels), kernel.astype(np.float32), mode="reflect")
    # At the rim of the data the edge itself looks like a source.
    empty = ndimage.binary_dilation(np.isnan(pixels), iterations=half)
    return np.where(empty, np.float32(0), heights)


def count_above(heights: NDArray[np.float32], threshold: float) -> int:
    """Return how many connected groups of pixels rise above a threshold."""
    from scipy import ndimage

    return int(ndimage.label(heights > threshold, structure=np.ones((3, 3)))[1])


def advice(finding: FinderSettings, counts: PeakCounts, tiles: Sequence[str]) -> str:
    """Return values of the campaign file that may help some images, and what they find there.

    Parameters
    ----------
    finding : FinderSettings
        With which the images failed.
    counts : PeakCounts
        Of all images. Where the campaign gave the noise, its own is no measure of what is there.
    tiles : sequence of str
        Rootnames of the images that failed.
    """
    width, sigma = counts.level.width, counts.level.sigma
    fewest = {t: min(numbers[name] for name in tiles) for t, numbers in counts.found.items()}
    listed = ", ".join(f"{number} at {threshold}" for threshold, number in fewest.items())
    now = f"{_number(finding, 'threshold'):g}" if finding.found else f"{SAFE:g}"
    lower = [t for t in fewest if float(t) < float(now) and fewest[t] > 1.2 * fewest[now]]
    seen = (
        f"With conv_width {width:g} and a noise of {sigma:.3g} the image with the fewest sources "
        f"has, by threshold: {listed}. "
    )
    if lower or not finding.found:
        threshold = lower[0] if lower else now
        return (
            f"{seen}Set align.imagefind: {{computesig: false, skysigma: {sigma:.3g}, "
            f"threshold: {threshold}, conv_width: {width:g}}}"
        )
    return (
        f"{seen}A lower threshold finds no more. Set align.tweakreg: {{searchrad: 3, "
        "fitgeometry: shift}, or align.order with a well connected tile first"
    )


def _number(finding: FinderSettings, name: str) -> float:
    value = finding.parameters[name]
    assert isinstance(value, int | float)  # as drizzlepac's table of parameters has it
    return float(value)
