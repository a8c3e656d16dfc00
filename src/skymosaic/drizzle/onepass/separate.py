"""AstroDrizzle's steps against cosmic rays, an exposure or a rectangle of the grid at a time.

AstroDrizzle drizzles each exposure separately, makes the median of all, blots it to each exposure
and compares. What it does to pixels is done by its own functions here (`drizzlepac_calls`), and the
masks are its own, bit for bit. No image of the whole grid is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from skymosaic.config.drizzlepac_parameters import known_parameters
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.astrodrizzle import forget_sky
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.skies import AppliedSky
from skymosaic.drizzle.onepass.stored import Box
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import Call, DrizzlepacError
from skymosaic.errors import DrizzleError
from skymosaic.hst.exposure import Exposure

ChipSky = tuple[int, Literal["none", "float32", "float64"], float]
"""EXTVER of a chip; in which precision AstroDrizzle has its sky, none: in that of what it is
subtracted from; and the sky, in the chip's data units."""
_GRID = ("ra", "dec", "scale", "rot", "outnx", "outny", "crpix1", "crpix2")
_COMMON = ("", "INSTRUMENT PARAMETERS")
_SECTIONS = {
    "separate": (*_COMMON, "STEP 3: DRIZZLE SEPARATE IMAGES"),
    "grid": ("STEP 3a: CUSTOM WCS FOR SEPARATE OUTPUTS",),
    "median": ("STEP 4: CREATE MEDIAN IMAGE",),
    "hits": (
        *_COMMON,
        "STEP 5: BLOT BACK THE MEDIAN IMAGE",
        "STEP 6: REMOVE COSMIC RAYS WITH DERIV, DRIZ_CR",
    ),
}
_NO_MATTER = ("context", "runfile", "build", "wcskey")


@dataclass(frozen=True)
class SeenChip:
    """What of the median a chip is compared with."""

    extver: int
    box: Box
    """On the grid of the separate images."""


@dataclass(frozen=True)
class Separated:
    """An exposure that was drizzled separately.

    Parameters
    ----------
    box : Box
        The part of the grid that it may reach.
    chips : list of SeenChip
        What its chips are compared with.
    mean_weight : float
        Of its pixels that have weight.
    readnoise, background : float
        As ``createMedian`` takes them, electrons and electrons/s.
    """

    box: Box
    chips: list[SeenChip]
    mean_weight: float
    readnoise: float
    background: float

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Separated:
        """Return what `separate_exposure` of drizzlepac's child returned."""
        return cls(
            _box(values),
            [SeenChip(one["extver"], _box(one)) for one in values["chips"]],
            *(values[name] for name in ("mean_weight", "readnoise", "background")),
        )


def _box(values: Mapping[str, Any]) -> Box:
    return Box(*(values[name] for name in ("x", "y", "columns", "rows")))


def parameters_of(step: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return AstroDrizzle's parameters that a step depends on, of those that are given.

    Parameters
    ----------
    step : {'separate', 'grid', 'median', 'hits'}
        Which.
    parameters : mapping
        All of them, as from `parameters.resolve`.
    """
    known = known_parameters("astrodrizzle")
    return {
        name: value
        for name, value in parameters.items()
        if name in known and known[name].section in _SECTIONS[step] and name not in _NO_MATTER
    }


def with_defaults(step: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same, and for those that are not given what AstroDrizzle takes."""
    known = known_parameters("astrodrizzle")
    defaults = {name: one.default for name, one in known.items()}
    return parameters_of(step, {**defaults, **parameters})


def skies_of_chips(
    method: str, exposures: Sequence[Exposure], sky: AppliedSky
) -> dict[str, list[ChipSky]]:
    """Return the sky of each chip as AstroDrizzle goes on with it, by rootname.

    Parameters
    ----------
    method : str
        One of AstroDrizzle's.
    exposures : sequence of Exposure
        In the order of the sky.
    sky : AppliedSky
        What the method takes off their chips.
    """
    found: dict[str, list[ChipSky]] = {}
    chips = [(one.rootname, chip.extver) for one in exposures for chip in one.chips]
    for (rootname, extver), value, level in zip(chips, sky.values, sky.subtracted, strict=True):
        kind: Literal["none", "float32", "float64"] = "float64" if "match" in method else "float32"
        if value.mdrizsky is None and not method.startswith("globalmin"):
            kind = "none"  # no keyword in the header, and 0 instead
        found.setdefault(rootname, []).append((extver, kind, float(level)))
    return found


def separate_grid(
    folder: Path,
    log: Path,
    first: Exposure,
    parameters: Mapping[str, Any],
    corners: Sequence[NDArray[np.float64]],
) -> Grid:
    """Return the grid on which AstroDrizzle drizzles exposures separately.

    Parameters
    ----------
    folder : Path
        Holds the first exposure, or a copy without pixels.
    log : Path
        File that everything drizzlepac prints is appended to.
    first : Exposure
        The first one: it tells orientation and scale.
    parameters : mapping
        AstroDrizzle's: ``driz_sep_*``.
    corners : sequence of array, shape (4, 2)
        Those of all chips, as recorded (`Extent.corners`).

    Raises
    ------
    DrizzleError
        drizzlepac failed, or the grid is to be that of a file.
    """
    if parameters.get("driz_sep_refimage"):
        raise DrizzleError(
            f"onepass does not do driz_sep_refimage: {parameters['driz_sep_refimage']}; leave it "
            "out, or use drizzle.engine: astrodrizzle"
        )
    given = {name: parameters.get(f"driz_sep_{name}") for name in _GRID}
    arguments = {"given": given, "corners": np.concatenate(corners).tolist()}
    call = _call("separate_grid", folder, log, {"files": [first.name], **arguments})
    return Grid.from_call(call.value)


def separate(
    folder: Path,
    log: Path,
    exposure: Exposure,
    grid: Grid,
    parameters: Mapping[str, Any],
    sky: Sequence[ChipSky],
    low: Mapping[int, str],
) -> tuple[Separated, Call]:
    """Drizzle the chips of an exposure together onto their part of the grid.

    Parameters
    ----------
    folder : Path
        Holds a private copy of the exposure, and gets its pixels (`read_separate`).
    log : Path
        File that everything drizzlepac prints is appended to.
    exposure : Exposure
        Which.
    grid : Grid
        As from `separate_grid`.
    parameters : mapping
        AstroDrizzle's, as from `parameters.resolve`.
    sky : sequence of ChipSky
        Of its chips.
    low : mapping of int to str
        Files of the static masks of its chips, by EXTVER.

    Raises
    ------
    DrizzleError
        drizzlepac failed.
    """
    arguments = _of_exposure(folder, exposure, grid, parameters, sky)
    arguments["low"] = {str(extver): name for extver, name in low.items()}
    call = _call("separate_exposure", folder, log, arguments)
    return Separated.of(call.value), call


def read_separate(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what `separate` wrote: data (electrons/s, without sky) and weights."""
    science, weight = (np.load(folder / f"separate_{word}.npy") for word in ("sci", "wht"))
    return science, weight


def find_hits(
    folder: Path,
    log: Path,
    exposure: Exposure,
    grid: Grid,
    parameters: Mapping[str, Any],
    sky: Sequence[ChipSky],
    regions: Mapping[int, tuple[str, Box]],
) -> tuple[dict[int, Path], Call]:
    """Compare the chips of an exposure with the median.

    Parameters
    ----------
    folder, log, exposure, grid, parameters, sky
        As for `separate`.
    regions : mapping of int to (str, Box)
        By EXTVER a file of the median where the chip lies, ``.npy``, and where that is.

    Returns
    -------
    dict of int to Path, Call
        By EXTVER the mask as AstroDrizzle writes it: 0 where a cosmic ray hit.

    Raises
    ------
    DrizzleError
        drizzlepac failed.
    """
    arguments = _of_exposure(folder, exposure, grid, parameters, sky)
    arguments["regions"] = {
        str(extver): [name, box.x, box.y] for extver, (name, box) in regions.items()
    }
    call = _call("cosmic_ray_hits", folder, log, arguments)
    return {int(extver): folder / name for extver, name in call.value.items()}, call


def _of_exposure(
    folder: Path,
    exposure: Exposure,
    grid: Grid,
    parameters: Mapping[str, Any],
    sky: Sequence[ChipSky],
) -> dict[str, Any]:
    forget_sky(folder / exposure.name)
    # Its static masks come beside: AstroDrizzle's own step would need all exposures.
    plain = {**parameters, "static": False, "driz_sep_refimage": ""}
    return {
        "file": exposure.name,
        "grid": grid.to_dict(),
        "parameters": pars.for_method(plain, {}, "localmin"),
        "sky": {str(extver): [kind, level] for extver, kind, level in sky},
    }


def _call(function: str, folder: Path, log: Path, arguments: dict[str, Any]) -> Call:
    try:
        return process.call(function, folder, arguments, log)
    except DrizzlepacError as error:
        raise DrizzleError(f"onepass, cosmic rays: {error}") from None
