"""The error plane of a mosaic: the noise of each pixel, were it not shared with its neighbours.

From the ERR extensions of the exposures, through the resampler that makes the mosaic: see
`drizzlepac_calls.variance_functions`. The square of the error of a pixel is the sum of its
covariances with all pixels, itself among them. So the squares add up to the variance of a sum over
a large aperture, whatever the weights are. The rms of a single pixel is lower, by the factor of
correlated noise: see Fruchter & Hook (2002, PASP 114, 144) and Casertano et al. (2000, AJ 120,
2747), appendix A.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.chip_cards import ProductHeader, read_header
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.memory import ROWS
from skymosaic.drizzle.onepass import products
from skymosaic.drizzle.onepass.drizzling import (
    DrizzledChips,
    call_drizzlepac,
    drizzle_variances,
)
from skymosaic.drizzle.onepass.frames import Frames
from skymosaic.drizzle.onepass.sums import CutOut, Pieces, Singles, pieces_of
from skymosaic.errors import InputError
from skymosaic.hst.exposure import Exposure

PLACES = 8
"""Places of the mosaic where the correlation is computed, at most."""
_CHIPS = 16
"""Chips that are looked at in a place, at most: with more the correlation changes no more."""
_REACH = 33  # pixels around a place that are looked at
_TRIES = 50

LoadPlane = Callable[[CutOut, str], Singles]
"""Gives a plane of a cut-out by its word: ``sci``, ``wht``, ``var``."""


@dataclass(frozen=True)
class CorrelatedNoise:
    """How the noise of neighbouring pixels is correlated.

    Parameters
    ----------
    correlation : float
        The error of a pixel over the rms of its noise: R of Casertano et al. (2000).
    radii : sequence of float
        Of apertures, pixels of the mosaic.
    factors : sequence of float
        For each radius the rms of sums in such apertures over the root of the summed squares of
        the errors; 1 is its limit for large ones.
    """

    correlation: float
    radii: Sequence[float]
    factors: Sequence[float]

    def cards(self) -> list[tuple[str, float, str]]:
        """Return it as cards of a header."""
        cards = [("NOISCORR", self.correlation, "error of a pixel / rms of its noise (R)")]
        for number, (radius, factor) in enumerate(zip(self.radii, self.factors, strict=True), 1):
            cards.append((f"NOISRAD{number}", radius, "radius of an aperture, pixels"))
            cards.append((f"NOISFAC{number}", factor, "rms / stated, sums in this aperture"))
        return [(name, round(value, 5), comment) for name, value, comment in cards]


@dataclass(frozen=True)
class MosaicPixel:
    """A pixel of the mosaic, from 0, and the numbers of the chips that may reach its window."""

    column: int
    row: int
    chips: Sequence[int]


@dataclass(frozen=True)
class Surroundings:
    """A grid that holds the mosaic, and the pixels beside it that share noise with its own.

    Parameters
    ----------
    grid : Grid
        Its pixels are those of the mosaic, and more.
    chips : DrizzledChips
        All that lies on it: first the mosaic's own, then those that lie beside it alone.
    """

    grid: Grid
    chips: DrizzledChips


HISTORY = (
    "ERR: 1 sigma of each pixel, from the ERR extensions of the exposures, as",
    "if its noise were not shared with its neighbours. Stated of a sum in an",
    "aperture: the root of the sum of ERR^2. Its rms is that times NOISFACn",
    "for an aperture of radius NOISRADn, times 1 for very large ones.",
    "The rms of the noise of a single pixel is ERR / NOISCORR.",
)


def require_errors(path: Path, exposure: Exposure) -> None:
    """Refuse an exposure whose ERR is empty: the archive has such where all pixels have one value.

    Raises
    ------
    InputError
        It names the extension.
    """
    with fits.open(path) as hdus:
        for chip in exposure.chips:
            shapes = [
                tuple(header.get(f"NAXIS{axis}", 0) for axis in (1, 2))
                for header in (hdus[name, chip.extver].header for name in ("SCI", "ERR"))
            ]
            if shapes[0] != shapes[1]:
                raise InputError(
                    f"{path.name}[ERR,{chip.extver}] has {shapes[1][0]} x {shapes[1][1]} pixels, "
                    f"and SCI {shapes[0][0]} x {shapes[0][1]}: drizzle.products: [err] and "
                    "final_wht_type: ERR need the error of each pixel; leave them out, or leave "
                    "the exposure out"
                )


def choose_places(
    cut_outs: Sequence[CutOut], load: LoadPlane, shape: tuple[int, int]
) -> list[MosaicPixel]:
    """Choose places that have weight, at random among the pixels of all chips.

    They are drawn by a generator that always begins the same, so the same mosaic has the same.

    Parameters
    ----------
    cut_outs : sequence of CutOut
        Of all chips.
    load : callable
        Gives their planes.
    shape : (int, int)
        Columns and rows of the mosaic.
    """
    random = np.random.default_rng(1)
    filled = [one for one in cut_outs if one.columns > 0 and one.rows > 0]
    found: list[MosaicPixel] = []
    for _ in range(_TRIES if filled else 0):
        one = filled[random.integers(len(filled))]
        column, row = random.integers(one.columns), random.integers(one.rows)
        if not load(one, "wht")[row, column] > 0:
            continue
        x, y = one.x + int(column), one.y + int(row)
        near = [
            other.number
            for other in filled
            if other.x - _REACH < x < other.x + other.columns + _REACH
            and other.y - _REACH < y < other.y + other.rows + _REACH
        ]
        if len(near) > _CHIPS:
            near = sorted(random.choice(near, _CHIPS, replace=False).tolist())
        found.append(MosaicPixel(x, y, near))
        if len(found) == PLACES:
            break
    return found


def error_bands(
    shape: tuple[int, int],
    cut_outs: Sequence[CutOut],
    pieces: Pieces,
    *,
    rows: int = ROWS,
    scale: float = 1.0,
) -> Iterator[tuple[int, Singles]]:
    """Sum the error plane, some rows at a time: the first row, and the rows.

    NaN where there is no weight, and where a pixel that is used has no error.

    Parameters
    ----------
    shape : (int, int)
        Columns, rows of the mosaic.
    cut_outs : sequence of CutOut
        All chips.
    pieces : callable
        Gives what `onepass_variances` makes of variances, in place of data, and weights.
    rows : int
        Rows of a band.
    scale : float
        What the mosaics are multiplied with.
    """
    for first in range(0, shape[1], rows):
        last = min(first + rows, shape[1])
        weight, total = (np.zeros((last - first, shape[0])) for _ in range(2))
        for one in cut_outs:
            if not one.meets(first, last):
                continue
            for y, x, variance, own in pieces(one, first, last):
                height, width = own.shape
                here = (slice(y - first, y - first + height), slice(x, x + width))
                part = own.astype(np.float64)
                weight[here] += part
                total[here] += np.where(part > 0, variance, np.float32(0)) * part
        seen = weight > 0
        error = np.full(weight.shape, np.nan)
        error[seen] = scale * np.sqrt(total[seen] / weight[seen])
        yield first, error.astype(np.float32)


def add_errors(
    frames: Frames,
    grid: Grid,
    chips: DrizzledChips,
    mosaics: Mapping[str, Drizzled],
    processes: int = 1,
    around: Surroundings | None = None,
) -> dict[str, Drizzled]:
    """Write the error plane of each mosaic beside it: they are all the same.

    Parameters
    ----------
    frames, grid, chips
        As for `mosaics.sum_mosaics`.
    mosaics : mapping of str to Drizzled
        By name; their weight maps are the same.
    processes : int
        How many chips at once.
    around : Surroundings or None
        The pixels beside the mosaic that share noise with its own; None: there are none.

    Raises
    ------
    DrizzleError
        drizzlepac failed.
    """
    around = around or Surroundings(grid, chips)
    inverse = _write_inverse(frames.folder / "inverse.npy", around)
    drizzle_variances(frames, around.grid, processes)
    inverse.unlink()
    noise = _correlation(frames, grid, chips)
    files = {name: error_file(mosaic.science, noise) for name, mosaic in mosaics.items()}
    counts = frames.final["units"] == "counts"
    scale = sum(exposure.exptime for exposure in frames.exposures) if counts else 1.0
    planes = pieces_of(lambda one: (chips.load_plane(one, "var"), chips.load_plane(one, "wht")))
    for first, part in error_bands(grid.shape, chips.cut_outs, planes, scale=scale):
        for file in files.values():
            file.write(first, part)
    for file in files.values():
        file.finish()
    return {name: replace(one, error=files[name].path) for name, one in mosaics.items()}


def error_file(science: Path, noise: CorrelatedNoise | None) -> products.ImageFile:
    """Begin the file of the error plane beside a mosaic that is written."""
    path = science.with_name(science.name.replace("_sci.fits", "_err.fits"))
    header = read_header(science)
    shape = (header.header["NAXIS2"], header.header["NAXIS1"])
    return products.ImageFile(path, _header(header, path.name, noise), shape)


def _write_inverse(path: Path, around: Surroundings) -> Path:
    """Write 1 over the weights of all chips, 0 where there are none, some rows at a time."""
    columns, rows = around.grid.shape
    head = {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        for first in range(0, rows, ROWS):
            last = min(first + ROWS, rows)
            total = np.zeros((last - first, columns))
            for one in around.chips.cut_outs:
                if one.meets(first, last):
                    here, there = one.rows_between(first, last)
                    total[here] += around.chips.load_plane(one, "wht")[there]
            weight = total.astype(np.float32)
            inverse = np.divide(1.0, weight, out=np.zeros(weight.shape, "<f4"), where=weight > 0)
            file.write(inverse.tobytes())
    return path


def _correlation(frames: Frames, grid: Grid, chips: DrizzledChips) -> CorrelatedNoise | None:
    return correlation_at(choose_places(chips.cut_outs, chips.load_plane, grid.shape), frames, grid)


def correlation_at(
    places: Sequence[MosaicPixel],
    frames: Frames,
    grid: Grid,
    typical: Sequence[Sequence[float]] | None = None,
) -> CorrelatedNoise | None:
    """Compute how noise is correlated at some places; None where no chip lies at any.

    Parameters
    ----------
    places : sequence of MosaicPixel
        As from `choose_places`, of the chips of the frames.
    frames, grid
        As for `add_errors`; with `typical` headers alone are read.
    typical : sequence of sequence of float, or None
        For each chip of each exposure the error of a typical pixel, as from `drizzle_variances`.
    """
    if not places:
        return None
    call = call_drizzlepac(
        *("onepass_noise", frames, grid, frames.exposures),
        extvers=[[chip.extver for chip in exposure.chips] for exposure in frames.exposures],
        places=[asdict(place) for place in places],
        typical=typical,
    )
    return CorrelatedNoise(**call.value) if call.value["factors"] is not None else None


def _header(science: ProductHeader, name: str, noise: CorrelatedNoise | None) -> ProductHeader:
    own = science.copy()
    header = own.header
    header["EXTNAME"] = "ERR"
    if "FILENAME" in header:
        header["FILENAME"] = name
    for card in () if noise is None else noise.cards():
        header.append(card)
    for line in HISTORY:
        header.add_history(line)
    return own
