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


def choose_finding(
    images: Mapping[str, Path],
    exposures: Sequence[Exposure],
    shares: Mapping[str, float],
    given: Mapping[str, ParameterValue],
) -> FinderSettings:
    """Choose imagefind's parameters for drizzled images.

    Parameters
    ----------
    images : mapping of str to Path
        Rootname to file.
    exposures : sequence of Exposure
        What their headers say.
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
    width = given.get("conv_width") or min(_width(e, images[e.rootname]) for e in exposures)
    if NOISE_IS_GIVEN & set(given):
        parameters = {"threshold": _THRESHOLD, "conv_width": width, **given}
        return FinderSettings(parameters, f"sources are found with align.imagefind: {parameters}")
    sigma, found = _count_at_thresholds(images, float(width))
    # Images of next to no sources, or without overlap, can be aligned with no parameters, and say
    # nothing of those for the rest.
    lowest = found[f"{THRESHOLDS[-1]:g}"]
    shares = {name: share for name, share in shares.items() if share > 0 and lowest[name] >= NEEDED}
    threshold = _choose_threshold(found, shares)
    counts = found[f"{threshold:g}"]
    overlapping = _in_overlap(counts, shares)
    geometry = "shift" if overlapping < FEW else "rscale"
    parameters = {
        "computesig": False,
        "skysigma": sigma,
        "threshold": threshold,
        "conv_width": width,
        **given,
    }
    return FinderSettings(
        parameters,
        f"sources are found with threshold {threshold:g}, conv_width {width:g} and the measured "
        f"noise, skysigma {sigma:.3g}: {min(counts.values())} to {max(counts.values())} in an "
        f"image, about {overlapping} or more where it overlaps those aligned before it; "
        f"fitgeometry {geometry}",
        found,
        {"fitgeometry": geometry},
    )


def _count_at_thresholds(
    images: Mapping[str, Path], width: float
) -> tuple[float, dict[str, dict[str, int]]]:
    """Return the noise, and by threshold how many sources each image has.

    TweakReg takes one noise for all images. The largest finds no noise in any of them, and about
    the same sources in all.
    """
    sigma = max(noise(read_pixels(path)) for path in images.values())
    if not sigma > 0:
        raise AlignmentError(
            f"the drizzled images {', '.join(images)} have no pixels with data, or all are equal; "
            "fetch them again, or set `align: none`"
        )
    found: dict[str, dict[str, int]] = {f"{threshold:g}": {} for threshold in THRESHOLDS}
    for name, path in images.items():
        heights = matched_filter(read_pixels(path), width)
        for threshold in THRESHOLDS:
            found[f"{threshold:g}"][name] = count_above(heights, threshold * sigma)
    return sigma, found


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


def advice(finding: FinderSettings, images: Mapping[str, Path], tiles: Sequence[str]) -> str:
    """Return values of the campaign file that may help some images, and what they find there.

    Parameters
    ----------
    finding : Finding
        With which the images failed.
    images : mapping of str to Path
        Rootname to file.
    tiles : sequence of str
        Rootnames of the images that failed.
    """
    width = _number(finding, "conv_width")
    if finding.found:
        sigma, found = _number(finding, "skysigma"), finding.found
    else:  # the campaign's own noise is no measure of what is there
        sigma, found = _count_at_thresholds({name: images[name] for name in tiles}, width)
    fewest = {threshold: min(counts[name] for name in tiles) for threshold, counts in found.items()}
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
