"""A one-pass run: the mosaics of all skies from one drizzle of each chip, in a folder."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.kept_masks import save_masks
from skymosaic.drizzle.memory import planes_of
from skymosaic.drizzle.missing_pixels import fill_missing
from skymosaic.drizzle.onepass import products
from skymosaic.drizzle.onepass.chips import PerChip
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.cosmic_rays import find_cosmic_rays, method_of
from skymosaic.drizzle.onepass.differences import matched_on_grid
from skymosaic.drizzle.onepass.limits import require_linear
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.skies import AppliedSky, find_skies
from skymosaic.drizzle.onepass.sky import Exposures
from skymosaic.drizzle.onepass.sources import sources_on_grid
from skymosaic.drizzle.onepass.sums import CutOut, Load, Singles, bands
from skymosaic.drizzle.parameters import CR_STEPS, has_cr_steps
from skymosaic.drizzle.static_masks import StaticMasks, rule_of, sigma_of
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import DrizzlepacError
from skymosaic.errors import DrizzleError, InputError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.imagers import product_suffix

_BATCH = 4  # exposures a call: starting one costs some hundredths of a second


@dataclass(frozen=True)
class _Chips:
    cut_outs: list[CutOut]
    version: str
    peak_memory: int


@dataclass(frozen=True)
class _Masks:
    """Files of the masks of each chip, by ``NAME_EXTVER``."""

    low: Mapping[str, str]
    hits: Mapping[str, str]

    def of(self, batch: Sequence[Exposure]) -> dict[str, dict[str, str]]:
        """Return those of some exposures: of a thousand, not all travel with each call."""
        keys = [_key(exposure, chip.extver) for exposure in batch for chip in exposure.chips]
        return {
            "low": {key: self.low[key] for key in keys if key in self.low},
            "hits": {key: self.hits[key] for key in keys if key in self.hits},
        }


def drizzle_all(
    folder: Path,
    log: Path,
    exposures: Sequence[Exposure],
    outputs: Mapping[str, str],
    choices: Mapping[str, SkyChoice],
    grid: Grid,
    parameters: Mapping[str, Any],
    *,
    processes: int = 1,
    planes: bool = False,
    mask_sources: bool = False,
    swapped_footprints: bool = False,
    per_chip: PerChip = "auto",
    keep: tuple[Path, Sequence[Exposure]] | None = None,
) -> dict[str, Drizzled]:
    """Drizzle the exposures in `folder` once, and make a mosaic for each choice of sky.

    Parameters
    ----------
    folder : Path
        Holds private copies of the exposures, and gets the products.
    log : Path
        File for what drizzlepac prints, and for the skies.
    exposures : sequence of Exposure
        What to drizzle.
    outputs : mapping of str to str
        Root name of the products, by the mosaics' names.
    choices : mapping of str to SkyChoice
        Where the sky of each mosaic comes from.
    grid : Grid
        The output grid.
    parameters : mapping
        AstroDrizzle's, as from `parameters.resolve`.
    processes : int
        How many chips to drizzle at once.
    planes : bool
        Whether this project's own methods subtract a plane from each exposure, too.
    mask_sources : bool
        Whether all methods leave out the pixels of sources, found on the common grid.
    swapped_footprints : bool
        Whether overlaps are looked for where spherical_geometry before 1.4 drew the chips.
    per_chip : bool or "auto"
        Whether chips have skies of their own by this project's own methods.
    keep : (Path, sequence of Exposure) or None
        File that gets the masks of some exposures, for `kept_masks.read_masks`.

    Returns
    -------
    dict of str to Drizzled
        The products of each mosaic.

    Raises
    ------
    DrizzleError
        A parameter asks for what is no sum over chips, or drizzlepac failed.
    InputError
        An exposure has no time, or pixels that are no numbers and would be used; or it is
        of an instrument whose data are not in electrons.
    SkyError
        A method finds no sky.
    """
    require_linear(parameters)
    for exposure in exposures:
        if not exposure.exptime > 0:
            raise InputError(f"{exposure.name} has no exposure time; leave it out")
    variants = [choice.parameters for choice in choices.values() if choice.method is not None]
    fill_missing(folder, exposures, parameters, variants)
    final = final_of(parameters)
    pixels = Exposures(
        folder, exposures, int(final["resetbits"]), swapped_footprints=swapped_footprints
    )
    static = pixels.static_masks(rule_of(parameters), sigma_of(parameters))
    found = find_cosmic_rays(folder, log, exposures, method_of(choices), grid, parameters, static)
    masks = _Masks(_save_masks(folder, pixels, static), found.masks)
    if keep is not None:
        save_masks(keep[0], folder, keep[1], masks.low, masks.hits)
    first_name = next(iter(outputs.values()))
    with ThreadPoolExecutor(max(processes, 1)) as pool:

        @functools.cache
        def drizzled() -> _Chips:
            _headers(folder, log, exposures, first_name, grid, final)
            return _collect(exposures, [future.result() for future in running], found.peak_memory)

        def load(cut_out: CutOut) -> tuple[Singles, Singles]:
            return _load(folder, cut_out)

        running = [
            pool.submit(_drizzle, folder, log, batch, first, grid, final, masks)
            for first, batch in _batches(exposures)
        ]
        try:
            sources = None
            if mask_sources:
                sources = sources_on_grid(grid, drizzled().cut_outs, load, exposures, per_chip)
            skies = find_skies(
                folder,
                exposures,
                choices,
                parameters,
                pixels,
                lambda: matched_on_grid(
                    grid,
                    drizzled().cut_outs,
                    load,
                    exposures,
                    mask=None if sources is None else sources.mask,
                    planes=planes,
                    per_chip=per_chip,
                ),
                sources,
            )
            chips = drizzled()
        except BaseException:
            for future in running:
                future.cancel()
            raise
    with log.open("a") as file:
        file.write(_log_text(exposures, skies))
    mosaics = _write(folder, exposures, outputs, skies, grid, final, chips, first_name)
    for path in folder.glob("[0-9]*_[sw][ch][it].npy"):
        path.unlink()
    mosaics = {
        name: replace(one, cosmic_rays=found.summary, static=static.summaries())
        for name, one in mosaics.items()
    }
    if swapped_footprints:
        overlaps = pixels.swapped_by_name()
        mosaics = {name: replace(one, footprints=overlaps) for name, one in mosaics.items()}
    return mosaics


def drizzle_chips(
    folder: Path,
    log: Path,
    exposures: Sequence[Exposure],
    grid: Grid,
    parameters: Mapping[str, Any],
    *,
    processes: int = 1,
) -> tuple[list[CutOut], Load]:
    """Drizzle each chip of the exposures in `folder` alone; for the witness.

    Returns
    -------
    list of CutOut, Load
        The cut-outs of all chips, and what gives their pixels while the folder is there.

    Raises
    ------
    DrizzleError
        As `drizzle_all`; and where cosmic rays were looked for: each run has its own masks.
    """
    require_linear(parameters)
    if has_cr_steps(parameters):
        raise DrizzleError(
            "drizzle.witness does not work with driz_cr: the masks of cosmic rays are not kept; "
            f"set {', '.join(CR_STEPS)} to false in drizzle.parameters"
        )
    fill_missing(folder, exposures, parameters)
    final = final_of(parameters)
    pixels = Exposures(folder, exposures, int(final["resetbits"]))
    static = pixels.static_masks(rule_of(parameters), sigma_of(parameters))
    masks = _Masks(_save_masks(folder, pixels, static), {})
    with ThreadPoolExecutor(max(processes, 1)) as pool:
        calls = pool.map(
            lambda part: _drizzle(folder, log, part[1], part[0], grid, final, masks),
            _batches(exposures),
        )
        cut_outs = _collect(exposures, list(calls)).cut_outs
    return cut_outs, lambda cut_out: _load(folder, cut_out)


def _save_masks(folder: Path, pixels: Exposures, static: StaticMasks) -> dict[str, str]:
    """Write the static masks; return the file of each chip that has one, by `_key`."""
    files: dict[int, str] = {}
    names: dict[str, str] = {}
    if static.rule is None:
        return names  # and no exposure is read for it
    for exposure, places in zip(pixels.exposures, pixels.places(), strict=True):
        for place in places:
            low = static.low(place)
            if low is None:
                continue
            if id(low) not in files:
                files[id(low)] = f"static_{len(files)}.npy"
                np.save(folder / files[id(low)], low)
            names[_key(exposure, place.extver)] = files[id(low)]
    return names


def _key(exposure: Exposure, extver: int) -> str:
    return f"{exposure.name}_{extver}"


def _batches(exposures: Sequence[Exposure]) -> Iterator[tuple[int, list[Exposure]]]:
    """Split the exposures; with each part the number of its first chip."""
    chip = 0
    for start in range(0, len(exposures), _BATCH):
        batch = list(exposures[start : start + _BATCH])
        yield chip, batch
        chip += sum(len(exposure.chips) for exposure in batch)


def _grid_parameters(grid: Grid) -> dict[str, Any]:
    # crpix1 is its name also in mergeWCS
    return {
        name.removeprefix("final_"): value
        for name, value in grid.final_parameters().items()
        if name != "final_wcs"
    }


def _call(function: str, folder: Path, arguments: dict[str, Any], log: Path) -> Any:
    try:
        return process.call(function, folder, arguments, log)
    except DrizzlepacError as error:
        raise DrizzleError(f"onepass: {error}") from None


def _drizzle(
    folder: Path,
    log: Path,
    batch: Sequence[Exposure],
    first: int,
    grid: Grid,
    final: Mapping[str, Any],
    masks: _Masks,
) -> Any:
    return _call(
        "onepass_chips",
        folder,
        {
            "files": [exposure.name for exposure in batch],
            "first": first,
            "grid": _grid_parameters(grid),
            "parameters": dict(final),
            **masks.of(batch),
        },
        log,
    )


def _collect(exposures: Sequence[Exposure], calls: Sequence[Any], peak_memory: int = 0) -> _Chips:
    found = sorted((chip for call in calls for chip in call.value), key=lambda chip: chip["number"])
    owners = [(exposure, chip) for exposure in exposures for chip in exposure.chips]
    cut_outs = [
        CutOut(
            chip["number"],
            chip["x"],
            chip["y"],
            chip["columns"],
            chip["rows"],
            chip["pixel_ratio"] ** 2 / (exposure.exptime if own.counts else 1.0),
        )
        for chip, (exposure, own) in zip(found, owners, strict=True)
    ]
    version = next((chip["version"] for chip in found if chip["version"]), "")
    return _Chips(cut_outs, version, max(peak_memory, *(call.peak_memory for call in calls)))


def _headers(
    folder: Path,
    log: Path,
    exposures: Sequence[Exposure],
    output: str,
    grid: Grid,
    final: Mapping[str, Any],
) -> None:
    with fits.open(folder / exposures[0].name, mode="update") as hdus:
        header = hdus["SCI", exposures[0].chips[0].extver].header
        if "MDRIZSKY" not in header:  # without it HDRTAB would have no such column
            header["MDRIZSKY"] = (0.0, "Sky value computed by AstroDrizzle")
    _call(
        "onepass_headers",
        folder,
        {
            "files": [exposure.name for exposure in exposures],
            "output": f"{output}_{_suffix(exposures)}",
            "grid": _grid_parameters(grid),
            "parameters": dict(final),
        },
        log,
    )


def _suffix(exposures: Sequence[Exposure]) -> str:
    first = exposures[0]
    return product_suffix(first.instrument, first.detector, first.suffix)


def _log_text(exposures: Sequence[Exposure], skies: Mapping[str, AppliedSky]) -> str:
    lines = []
    chips = [f"{e.name}[sci,{chip.extver}]" for e in exposures for chip in e.chips]
    for name, sky in skies.items():
        lines += [
            f"{name}: sky value of {value:.6f} for {chip}"
            for value, chip in zip(sky.subtracted, chips, strict=True)
        ]
    return "\n".join(["", "===== onepass =====", *lines, ""])


def _write(
    folder: Path,
    exposures: Sequence[Exposure],
    outputs: Mapping[str, str],
    skies: Mapping[str, AppliedSky],
    grid: Grid,
    final: Mapping[str, Any],
    chips: _Chips,
    headers_of: str,
) -> dict[str, Drizzled]:
    """Sum the mosaics and write their files."""
    columns, rows = grid.shape
    suffix = _suffix(exposures)
    with fits.open(folder / "headers_sci.fits") as hdus:
        science_header, table = hdus[0].header, hdus["HDRTAB"].copy()
    weight_header = fits.getheader(folder / "headers_wht.fits")
    keys = [(e.rootname, chip.extver) for e in exposures for chip in e.chips]
    sciences: dict[str, products.ImageFile] = {}
    weights: dict[str, products.ImageFile] = {}
    contexts: dict[str, products.ImageFile] = {}
    mosaics: dict[str, Drizzled] = {}
    for name, output in outputs.items():
        root = f"{output}_{suffix}"
        science, weight = folder / f"{root}_sci.fits", folder / f"{root}_wht.fits"
        for kind, path, header in (
            (sciences, science, science_header),
            (weights, weight, weight_header),
        ):
            own = products.completed(header, headers_of, output, chips.version)
            own = products.with_mean_sky(own, skies[name].recorded)
            kind[name] = products.ImageFile(path, own, (rows, columns))
        if final["context"]:
            header = fits.getheader(folder / "headers_ctx.fits")
            planes = planes_of(len(keys))
            contexts[name] = products.ImageFile(
                folder / f"{root}_ctx.fits",
                products.completed(header, headers_of, output, chips.version),
                (rows, columns) if planes == 1 else (planes, rows, columns),
                bitpix=32,
            )
        mosaics[name] = Drizzled(
            science, weight, skies[name].values, [], chips.peak_memory, skies[name].differences
        )
    exposure_time = sum(exposure.exptime for exposure in exposures)
    summed = bands(
        grid.shape,
        chips.cut_outs,
        lambda cut_out: _load(folder, cut_out),
        {name: skies[name].subtracted for name in outputs},
        scale=exposure_time if final["units"] == "counts" else 1.0,
        fill=_fill(final),
        context=final["context"],
        tilts=next((skies[name].tilts for name in outputs if skies[name].tilts), ()),
        tilted=[name for name in outputs if skies[name].tilts],
    )
    for band in summed:
        for name in outputs:
            sciences[name].write(band.first, band.mosaics[name])
            weights[name].write(band.first, band.weight)
            if band.context is not None:
                contexts[name].write(band.first, band.context)
    for name in outputs:
        recorded = dict(zip(keys, skies[name].recorded, strict=True))
        sciences[name].finish([products.with_sky(table, recorded)])
        weights[name].finish()
        if name in contexts:
            contexts[name].finish()
    return mosaics


def _load(folder: Path, cut_out: CutOut) -> tuple[Singles, Singles]:
    science, weight = (
        np.load(folder / f"{cut_out.number}_{kind}.npy", mmap_mode="r") for kind in ("sci", "wht")
    )
    return science, weight


def _fill(final: Mapping[str, Any]) -> float | None:
    """Return what AstroDrizzle puts where there is no weight; None: it leaves what is there."""
    value = final["fillval"]
    return None if value is None or str(value).strip().upper() in ("", "INDEF") else float(value)
