"""One AstroDrizzle run: one sky method on its own copies of the aligned exposures."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.io import fits

from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.image_rows import ImageRows
from skymosaic.drizzle.missing_pixels import fill_missing
from skymosaic.drizzle.sky_record import (
    SkyCheck,
    chips_without_pixels,
    read_checks,
    read_sky,
    same_sky,
)
from skymosaic.drizzle.static_masks import flag_repeated, masks_of_files
from skymosaic.drizzle.summaries import (
    CosmicRaySearch,
    DifferencesSummary,
    MaskSummary,
    SwappedFootprints,
)
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import DrizzlepacError
from skymosaic.errors import DrizzleError, SkyError
from skymosaic.hst.exposure import Exposure
from skymosaic.sky.values import SkyValue, without_sky

if TYPE_CHECKING:
    from skymosaic.drizzle.onepass.skies import AppliedSky

_ANGLE_TOLERANCE = 1e-9  # degrees, for CRVAL; a thousandth of a mas
_PIXEL_TOLERANCE = 1e-6
_SKYFILE = "sky.txt"
_ROWS = 256  # read at a time


@dataclass(frozen=True)
class Drizzled:
    """What one run made."""

    science: Path
    """The mosaic, electrons/s (or the units of ``final_units``), with HDRTAB."""
    weight: Path
    sky: list[SkyValue]
    checks: list[SkyCheck]
    """What AstroDrizzle's records of the sky say, which agree; empty where it was not at work."""
    peak_memory: int
    """Bytes."""
    differences: DifferencesSummary | None = None
    """What the differences on the common grid tell, where the method looks at them."""
    footprints: SwappedFootprints | None = None
    """What swapped footprints do to the overlaps, where they were used."""
    cosmic_rays: CosmicRaySearch | None = None
    """How cosmic rays were looked for once for all methods."""
    static: Sequence[MaskSummary] = ()
    """The static mask of each chip."""
    error: Path | None = None
    """The error plane, in the units of the mosaic, where one was asked for."""
    applied: AppliedSky | None = None
    """The skies of a one-pass run with all that was taken off."""


def drizzle(
    folder: Path,
    log: Path,
    exposures: Sequence[Exposure],
    output: str,
    method: str,
    grid: Grid,
    parameters: Mapping[str, Any],
    given: AppliedSky | None = None,
) -> Drizzled:
    """Drizzle the exposures in `folder` with one sky method.

    Parameters
    ----------
    folder : Path
        Holds private copies of the exposures; their headers are changed.
    log : Path
        File for what AstroDrizzle prints and logs.
    exposures : sequence of Exposure
        What to drizzle.
    output : str
        Root name of the products.
    method : str
        The skymethod.
    grid : Grid
        The output grid.
    parameters : mapping
        AstroDrizzle's, as from `parameters.resolve`.
    given : AppliedSky or None
        The sky of a method that is not AstroDrizzle's own, which it is given as its skyfile.

    Raises
    ------
    DrizzleError
        AstroDrizzle failed, or its mosaic is not on the grid.
    InputError
        A pixel that is no number would be used.
    SkyError
        What it subtracted cannot be trusted, or its static mask would leave out most of a chip.
    """
    for exposure in exposures:
        forget_sky(folder / exposure.name)
    fill_missing(folder, exposures, parameters)
    static = masks_of_files(folder, exposures, parameters)
    known = flag_repeated(folder, exposures, static, parameters)
    arguments = pars.for_method(known, grid.final_parameters(), method)
    if given is not None:
        from skymosaic.drizzle.onepass.sky import write_skyfile  # with scipy

        write_skyfile(folder / _SKYFILE, exposures, given.subtracted)
        arguments |= {"skyfile": _SKYFILE, "skymethod": "localmin"}  # of these, it takes the first
    names = [exposure.name for exposure in exposures]
    call = _call(folder, log, {"files": names, "output": output, "parameters": arguments}, method)
    science, weight = _products(folder, output)
    _must_be_on_grid(science, grid)
    log_text = log.read_text()
    sky = read_sky(method, exposures, folder, science, log_text)
    if given is not None:
        sky = _as_given(method, sky, given)
    checks = read_checks(exposures, folder, science, log_text)
    differences = None if given is None else given.differences
    return Drizzled(
        science, weight, sky, checks, call.peak_memory, differences, static=static.summaries()
    )


def _call(folder: Path, log: Path, arguments: Mapping[str, Any], method: str) -> process.Call:
    try:
        call = process.call("astrodrizzle", folder, dict(arguments), log)
    except DrizzlepacError as error:
        unseen = chips_without_pixels(log.read_text()) if log.exists() else ()
        if unseen and "NoneType" in str(error):  # skypac compares a sky with none
            raise SkyError(without_sky([f"{name}[SCI,{chip}]" for name, chip in unseen])) from None
        raise DrizzleError(f"skymethod {method!r}: {error}") from None
    runfile = folder / "astrodrizzle.log"
    with log.open("a") as printed:
        printed.write("\n===== astrodrizzle.log =====\n" + runfile.read_text())
    return call


def _as_given(method: str, applied: Sequence[SkyValue], given: AppliedSky) -> list[SkyValue]:
    """Return the values of the method, where AstroDrizzle subtracted what it was given."""
    for value, expected in zip(applied, given.subtracted, strict=True):
        if value.mdrizsky is None or not same_sky(value.mdrizsky, expected):
            raise SkyError(
                f"{method}: AstroDrizzle was given {expected} for the sky of {value.rootname}"
                f"[SCI,{value.chip}] and subtracted {value.mdrizsky}; the mosaic cannot be trusted"
            )
    return given.values


def forget_sky(path: Path) -> None:
    """Delete MDRIZSKY from every header of an exposure.

    Files from MAST carry the pipeline's value, and AstroDrizzle subtracts it again from an exposure
    whose sky the method leaves alone.
    """
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if "MDRIZSKY" in hdu.header:
                hdu.header.remove("MDRIZSKY", remove_all=True)


def weight_checksum(path: Path) -> str:
    """Return a checksum of a weight map's pixels, which must be the same for all methods.

    It is read some rows at a time, and not mapped: pages of a mapped file count as a worker's
    memory, which Dask limits.
    """
    checksum, image = hashlib.sha256(), ImageRows(path)
    for first in range(0, image.shape[0], _ROWS):
        checksum.update(image[first : first + _ROWS].data)
    return checksum.hexdigest()


def _products(folder: Path, output: str) -> tuple[Path, Path]:
    # _drz, _drc or _drw, as AstroDrizzle finds right: the files themselves tell.
    candidates = sorted(folder.glob(f"{glob.escape(output)}_dr[a-z]_sci.fits"))
    for science in candidates:
        weight = science.with_name(science.name.replace("_sci.fits", "_wht.fits"))
        if weight.exists():
            return science, weight
    raise DrizzleError(
        f"AstroDrizzle ended without an error but wrote no {output}_dr*_sci.fits with its weight "
        "map; its log tells why"
    )


def _must_be_on_grid(science: Path, grid: Grid) -> None:
    header = fits.getheader(science)
    for name, expected in grid.header_keywords().items():
        tolerance = _PIXEL_TOLERANCE if name.startswith(("CRPIX", "NAXIS")) else _ANGLE_TOLERANCE
        if abs(header[name] - expected) > tolerance:
            raise DrizzleError(
                f"{science.name}: {name} is {header[name]}, the planned grid has {expected}; the "
                "methods' mosaics would not lie on one grid"
            )
