"""Whether the stars of exposures that overlap lie at the same places on the sky."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skymosaic.align.finding import matched_filter, noise
from skymosaic.align.plane import to_plane

THRESHOLD = 10.0
"""Times the noise of a pixel: fainter stars have poor positions."""
MOST_STARS = 1000
"""Brightest of an exposure that are kept."""
RADIUS = 2.0
"""Arcsec: two WCS solutions of one exposure are seldom further apart."""
TOLERANCE = 0.1
"""Pixels of a displacement that is told of."""
FEWEST = 5
"""Stars that two exposures must have in common."""
_WIDTH = 2.0  # full width of stars, pixels of the detector: 1.1 (WFC3/IR) to 2.5 (ACS/WFC)
_NEAR = 0.75  # pixels: stars that lie so near each other once displaced are one
_SAME_PIXEL = 1.0  # what lies on one pixel in both, though the sky moved by more, is the detector's
_CHANCE = 1e-4  # displacements found by chance, expected in a pair of exposures
_FLOOR = 0.02  # pixels: a centroid's own error, common to stars of one undersampled image
_SURE = 3.0  # errors
_MEDIAN = 1.2533  # error of a median over that of a mean
_SCATTER = 1.4826  # standard deviation over the median absolute deviation

AGREE = "agree"
DISPLACED = "displaced"
TOO_FEW = "not enough stars to tell"


@dataclass(frozen=True)
class Displacement:
    """What the stars of two overlapping exposures say."""

    a: str
    b: str
    state: str
    """One of `AGREE`, `DISPLACED`, `TOO_FEW`."""
    stars: int
    """Stars that both have; 0 where none were recognized."""
    pixels: float | None = None
    """How far those of `b` lie from those of `a`, pixels of the coarser detector."""
    error: float | None = None
    """Standard error of that, pixels."""
    arcsec: float | None = None
    """The same in arcsec."""
    east: float | None = None
    """Of `b` minus `a`, arcsec."""
    north: float | None = None
    """Of `b` minus `a`, arcsec."""


def find_stars(
    science: NDArray[np.float32], bad: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find what looks like stars in one chip.

    Peaks of the matched filter that `finding` uses; photutils' DAOStarFinder measures them and
    leaves out what is too sharp or too elongated, as most cosmic rays and hot pixels are.

    Parameters
    ----------
    science : array of shape (ny, nx)
        The chip.
    bad : array of bool of the same shape
        Pixels that are flagged. A star with one of them in its core is left out.

    Returns
    -------
    positions : array of shape (n, 2)
        x, y from 0, pixels; the brightest first, at most `MOST_STARS`.
    heights : array of shape (n,)
        In the unit of `science`.
    """
    from photutils.detection import DAOStarFinder  # with scipy, takes long to import
    from scipy import ndimage

    bad = bad | ~np.isfinite(science)
    sigma = noise(np.where(bad, np.float32(np.nan), science))
    nothing = np.empty((0, 2)), np.empty(0)
    if not sigma > 0:
        return nothing
    filled = fill(science, bad)
    heights = matched_filter(filled, _WIDTH)
    labels, count = ndimage.label(heights > THRESHOLD * sigma, structure=np.ones((3, 3)))
    if not count:
        return nothing
    peaks = np.array(ndimage.maximum_position(heights, labels, np.arange(1, count + 1)))
    core = ndimage.binary_dilation(bad, structure=np.ones((3, 3)))
    peaks = peaks[~core[peaks[:, 0], peaks[:, 1]]]
    order = np.argsort(-heights[peaks[:, 0], peaks[:, 1]], kind="stable")
    peaks = peaks[order][: 3 * MOST_STARS]
    if not len(peaks):
        return nothing
    finder = DAOStarFinder(
        threshold=THRESHOLD * sigma, fwhm=_WIDTH, xycoords=np.ascontiguousarray(peaks[:, ::-1])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NoDetectionsWarning: all were too sharp
        found = finder.find_stars(filled)
    if found is None:
        return nothing
    x, y = (np.asarray(_column(found, axis), dtype=np.float64) for axis in "xy")
    height = np.asarray(found["peak"], dtype=np.float64)
    brightest = np.argsort(-height, kind="stable")[:MOST_STARS]
    return np.stack([x, y], axis=1)[brightest], height[brightest]


def _column(found: Table, axis: str) -> Any:
    new, old = f"{axis}_centroid", f"{axis}centroid"  # since and before photutils 3
    return found[new if new in found.colnames else old]


def fill(science: NDArray[np.float32], bad: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the chip with flagged pixels filled from those around them, less its median."""
    from scipy import ndimage

    if bad.all():
        return np.zeros_like(science)
    level = np.float32(np.median(science[~bad]))
    good = np.where(bad, np.float32(0), science - level)
    weight = ndimage.gaussian_filter((~bad).astype(np.float32), 2.0)
    near = ndimage.gaussian_filter(good, 2.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        around = np.where(weight > 1e-3, near / weight, np.float32(0))
    return np.where(bad, around, good).astype(np.float32)


@dataclass(frozen=True)
class ExposureStars:
    """The stars of one exposure."""

    rootname: str
    sky: NDArray[np.float64]
    """RA, Dec in degrees, shape (n, 2)."""
    places: NDArray[np.float64]
    """EXTVER, x, y on the detector, shape (n, 3)."""
    scale: float
    """Pixel scale of the detector, arcsec."""
    postarg: tuple[float, float] = (0.0, 0.0)
    """POSTARG1, POSTARG2: the offset that was commanded, arcsec."""


def compare(a: ExposureStars, b: ExposureStars) -> Displacement:
    """Return how far the stars of one exposure lie from the same stars in another.

    The displacement is where most pairs of a star of `a` and one of `b`, within `RADIUS` of each
    other, agree. It counts only where so many pairs would not agree by chance: wrong matches,
    cosmic rays and few stars give `TOO_FEW`.

    Notes
    -----
    Of pairs at random places, a circle of `_NEAR` pixels holds ``pairs * (near / radius)**2``, by
    Poisson's law; each pair is a circle that was tried.
    """
    from scipy.spatial import cKDTree
    from scipy.special import pdtrc  # Poisson's law, without the second that scipy.stats takes

    unknown = Displacement(a.rootname, b.rootname, TOO_FEW, 0)
    if min(len(a.sky), len(b.sky)) < FEWEST:
        return unknown
    scale = max(a.scale, b.scale)
    centre = a.sky[0]
    ours, theirs = (to_plane(stars.sky, centre) / scale for stars in (a, b))
    radius = RADIUS / scale
    near = cKDTree(ours).query_ball_tree(cKDTree(theirs), radius)
    i = np.repeat(np.arange(len(ours)), [len(one) for one in near])
    j = np.array([k for one in near for k in one], dtype=int)
    if len(i) < FEWEST:
        return unknown
    i, j = _without_defects(a, b, i, j, theirs[j] - ours[i])
    if len(i) < FEWEST:
        return unknown
    offsets = theirs[j] - ours[i]
    peak = offsets[int(np.argmax(_alike(offsets)))]
    for _ in range(5):
        chosen = _matches(i, j, offsets, peak)
        peak = np.median(offsets[chosen], axis=0)
    chosen = _matches(i, j, offsets, peak)
    stars = len(chosen)
    expected = len(i) * (_NEAR / radius) ** 2
    if stars < FEWEST or len(i) * pdtrc(stars - 1, expected) > _CHANCE:
        return unknown
    spread = _SCATTER * np.median(np.abs(offsets[chosen] - peak), axis=0)
    error = math.hypot(_MEDIAN * math.hypot(*spread) / math.sqrt(2 * stars), _FLOOR)
    pixels = math.hypot(*peak)
    if pixels - _SURE * error > TOLERANCE:
        state = DISPLACED
    elif pixels <= TOLERANCE or error <= TOLERANCE / _SURE:
        state = AGREE
    else:
        state = TOO_FEW
    return Displacement(
        a.rootname,
        b.rootname,
        state,
        stars,
        pixels=pixels,
        error=error,
        arcsec=pixels * scale,
        east=float(peak[0]) * scale,
        north=float(peak[1]) * scale,
    )


def _alike(offsets: NDArray[np.float64]) -> NDArray[np.int_]:
    """Return how many of the offsets (pixels) are near each."""
    from scipy.spatial import cKDTree  # here only: it takes long to import

    return np.asarray(cKDTree(offsets).query_ball_point(offsets, _NEAR, return_length=True))


def _is_sure(offsets: NDArray[np.float64], radius: float) -> bool:
    """Tell whether more pairs lie at one place on the sky than by chance; `radius` in pixels."""
    from scipy.special import pdtrc

    number = int((np.hypot(*offsets.T) < _NEAR).sum())
    expected = len(offsets) * (_NEAR / radius) ** 2
    return number >= FEWEST and bool(pdtrc(number - 1, expected) < _CHANCE)


def _without_defects(
    a: ExposureStars,
    b: ExposureStars,
    i: NDArray[np.int_],
    j: NDArray[np.int_],
    offsets: NDArray[np.float64],
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Leave out pairs on one pixel of the detector: defects of it.

    Without a dither between the exposures stars are on one pixel, too: where none was commanded,
    none is seen in stars that lie where the WCS says, and no other offset has as many pairs, all
    are kept.
    """
    here, there = a.places[i], b.places[j]
    away = np.hypot(here[:, 1] - there[:, 1], here[:, 2] - there[:, 2])
    fixed = (here[:, 0] == there[:, 0]) & (away < _SAME_PIXEL)
    dither = math.dist(a.postarg, b.postarg) / max(a.scale, b.scale)
    others = offsets[~fixed]
    dithered = dither > _SAME_PIXEL or _is_sure(others, RADIUS / max(a.scale, b.scale))
    if not dithered and fixed.sum() >= _alike(others).max(initial=0):
        return i, j
    return i[~fixed], j[~fixed]


def _matches(
    i: NDArray[np.int_],
    j: NDArray[np.int_],
    offsets: NDArray[np.float64],
    peak: NDArray[np.float64],
) -> NDArray[np.int_]:
    """Return the pairs whose offset is near `peak`, the nearest first, each star in one alone."""
    away = np.hypot(*(offsets - peak).T)
    order = np.argsort(away, kind="stable")
    order = order[away[order] < _NEAR]
    # `unique` gives the first of each: the pair that is nearest.
    order = order[np.sort(np.unique(i[order], return_index=True)[1])]
    return np.asarray(order[np.sort(np.unique(j[order], return_index=True)[1])])


def choose_pairs(
    pairs: Sequence[tuple[str, str, float]], visits: Mapping[str, str], own: int = 3, other: int = 5
) -> list[tuple[str, str]]:
    """Choose the overlaps to compare: their number grows with that of the exposures, not of pairs.

    All, where they are few.

    Parameters
    ----------
    pairs : sequence of (str, str, float)
        Exposures that overlap, and their common area, in any unit.
    visits : mapping of str to str
        The visit of each exposure. Those of one visit are most often right to each other, and
        may all be wrong.
    own, other : int
        How many neighbours of each exposure to compare it with, in its visit and in others; of
        others first one in each visit. The largest overlaps are taken.
    """
    if len(pairs) <= (own + other) * len(visits):
        return sorted((min(a, b), max(a, b)) for a, b, _ in pairs)
    chosen: set[tuple[str, str]] = set()
    by: dict[str, list[tuple[float, str, str]]] = {}
    for a, b, area in pairs:
        by.setdefault(a, []).append((-area, b, a))
        by.setdefault(b, []).append((-area, a, b))
    for name, neighbours in by.items():
        seen: dict[str, int] = {}
        ranked = []
        for _, neighbour, _ in sorted(neighbours):
            visit = visits[neighbour]
            seen[visit] = seen.get(visit, 0) + 1
            ranked.append((seen[visit], visit != visits[name], neighbour))
        inside = [one for _, outside, one in ranked if not outside][:own]
        outside = [one for _, away, one in sorted(ranked, key=lambda r: r[0]) if away][:other]
        chosen |= {(name, one) if name < one else (one, name) for one in (*inside, *outside)}
    return sorted(chosen)
