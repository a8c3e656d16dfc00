"""An independent witness of AstroDrizzle: whether a mosaic agrees with its own headers.

The sums of `onepass` predict what AstroDrizzle's mosaic must be with the MDRIZSKY values of its
HDRTAB. A run that subtracted anything else, or used other pixels, is found out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from skymosaic.drizzle.onepass.sums import Band, CutOut, Load, bands
from skymosaic.errors import SkyError
from skymosaic.hst.exposure import Exposure

NOISE = 1e-4
"""Largest difference in units of the mosaic's local noise ..."""
RELATIVE = 2e-6
"""... or of the pixel's own value, whichever is larger."""
WEIGHT = 2e-6
"""Largest relative difference of weights: the accumulated rounding of single precision."""
_ROWS = 256


@dataclass(frozen=True)
class Agreement:
    """How well a mosaic agrees with its headers.

    Parameters
    ----------
    pixels : int
        How many were compared.
    rms, largest : float
        Of the differences, in the mosaic's units.
    noise : float
        Of the mosaic from pixel to pixel.
    """

    pixels: int
    rms: float
    largest: float
    noise: float


def recorded_skies(product: Path) -> dict[tuple[str, int], float]:
    """Return the MDRIZSKY values of a mosaic's HDRTAB, 0 where it has none."""
    with fits.open(product) as hdus:
        return skies_in(hdus)


def skies_in(hdus: fits.HDUList) -> dict[tuple[str, int], float]:
    """Return the same of an open file."""
    table = hdus["HDRTAB"].data
    rows = zip(table["ROOTNAME"], table["EXTVER"], table["MDRIZSKY"], strict=True)
    return {
        (str(rootname).strip().lower(), int(extver)): 0.0 if math.isnan(sky) else float(sky)
        for rootname, extver, sky in rows
    }


def require_agreement(
    science: Path,
    weight: Path,
    exposures: Sequence[Exposure],
    cut_outs: Sequence[CutOut],
    load: Load,
    skies: Mapping[tuple[str, int], float] | None = None,
) -> Agreement:
    """Compare AstroDrizzle's mosaic with what the one-pass sums predict from its headers.

    Parameters
    ----------
    science, weight : Path
        AstroDrizzle's products.
    exposures : sequence of Exposure
        What they were made of, in the order of the cut-outs.
    cut_outs : sequence of CutOut
        Of every chip, on the same grid.
    load : callable
        Gives the pixels of a cut-out.
    skies : mapping or None
        MDRIZSKY by rootname and EXTVER; None: those of the product's HDRTAB.

    Raises
    ------
    SkyError
        Pixels and headers disagree; the message tells by how much, and where.
    """
    skies = recorded_skies(science) if skies is None else skies
    subtracted = _skies_of_chips(skies, exposures, science.name)
    again = f"remove {science.name} from the store, and `skymosaic run` makes it again"
    with fits.open(science, memmap=True) as hdus, fits.open(weight, memmap=True) as weights:
        shape = (hdus[0].header["NAXIS1"], hdus[0].header["NAXIS2"])
        scale = float(hdus[0].header["EXPTIME"]) if in_counts(hdus[0].header) else 1.0
        noise = pixel_noise(hdus[0].data, weights[0].data)
        largest_sky = scale * max(
            abs(sky * one.factor) for sky, one in zip(subtracted, cut_outs, strict=False)
        )
        predicted = bands(shape, cut_outs, load, {"witness": subtracted}, rows=_ROWS, scale=scale)
        count, squares, largest = 0, 0.0, 0.0
        for band in predicted:
            rows = slice(band.first, band.first + len(band.weight))
            found, its_weight = hdus[0].data[rows], weights[0].data[rows]
            _require_weights(band, its_weight, weight.name, again)
            seen = (its_weight > 0) | (band.weight > 0)
            difference = _difference(band, found, seen, noise, largest_sky, science.name, again)
            count += int(seen.sum())
            squares += float((difference**2).sum())
            largest = max(largest, float(difference.max(initial=0.0)))
    return Agreement(count, math.sqrt(squares / max(count, 1)), largest, noise)


def _difference(
    band: Band,
    found: np.ndarray,
    seen: np.ndarray,
    noise: float,
    largest_sky: float,
    name: str,
    again: str,
) -> np.ndarray:
    """Return how far seen pixels are from the prediction; raises as `require_agreement`."""
    difference = np.abs(found[seen].astype(np.float64) - band.mosaics["witness"][seen])
    # Where pixels of the mosaic are smaller than those of the exposures, neighbours may be
    # alike, and their differences no noise: then the rounding of the sky is more.
    allowed = np.maximum(
        NOISE * noise, RELATIVE * (np.abs(found[seen]).astype(np.float64) + largest_sky)
    )
    if not (difference <= allowed).all():  # also where a number is none
        over = np.nan_to_num(difference - allowed, nan=np.inf)
        y, x = (index[np.argmax(over)] for index in np.nonzero(seen))
        raise SkyError(
            f"{name}: its pixels do not agree with MDRIZSKY in its headers, by "
            f"{difference.max():.3g} (the noise is {noise:.3g}), first at column {x + 1}, "
            f"row {band.first + y + 1}; something else was subtracted: {again}"
        )
    return difference


def _skies_of_chips(
    skies: Mapping[tuple[str, int], float], exposures: Sequence[Exposure], name: str
) -> list[float]:
    """Return what was subtracted from each chip, in the order of the exposures."""
    keys = [(e.rootname, chip.extver) for e in exposures for chip in e.chips]
    missing = [key for key in keys if key not in skies]
    if missing:
        raise SkyError(f"{name}: HDRTAB has no row of {missing[0][0]}[SCI,{missing[0][1]}]")
    return [skies[key] for key in keys]


def _require_weights(band: Band, found: np.ndarray, name: str, again: str) -> None:
    """Refuse a weight map, of which `found` are the rows of a band, that is not as predicted."""
    off = np.abs(band.weight - found)
    if (off > WEIGHT * np.maximum(band.weight, found)).any():
        raise SkyError(
            f"{name}: its weights are not those of the exposures it names; the run "
            f"used other pixels: {again}"
        )


def without_number(image: np.ndarray, weight: np.ndarray) -> int:
    """Return how many pixels of a mosaic have weight and are no number.

    There are none: private copies of exposures hold numbers alone (`missing_pixels`). Versions
    before that left NaN of flagged pixels in their mosaics.
    """
    return int(np.count_nonzero((weight > 0) & ~np.isfinite(image)))


def in_counts(header: fits.Header) -> bool:
    """Tell whether a mosaic is in counts of all exposure time, by its header."""
    return str(header.get("D001OUUN", "cps")).strip() == "counts"


def pixel_noise(image: np.ndarray, weight: np.ndarray) -> float:
    """Return a mosaic's noise from pixel to pixel, from the differences of neighbours."""
    step = max(image.shape[0] // 256, 1)
    rows, seen = image[::step], weight[::step] > 0
    both = seen[:, 1:] & seen[:, :-1]
    differences = np.abs(np.diff(rows, axis=1)[both])
    return float(1.4826 * np.median(differences) / math.sqrt(2)) if differences.size else 0.0
