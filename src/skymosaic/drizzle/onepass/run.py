"""A one-pass run: the mosaics of all skies from one drizzle of each chip, in a folder.

First the frames are prepared (`frames`) and their skies are solved, which is done once. Then, on a
grid, each chip is drizzled (`drizzling`), and the mosaics are summed and written (`mosaics`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.drizzling import DrizzledChips, drizzling
from skymosaic.drizzle.onepass.errors import add_errors, require_errors
from skymosaic.drizzle.onepass.frames import Prepared, prepare
from skymosaic.drizzle.onepass.grid_differences import OnGrid, matched_on_grid
from skymosaic.drizzle.onepass.limits import require_linear
from skymosaic.drizzle.onepass.mosaics import (
    Headers,
    add_sky_keyword,
    make_headers,
    read_headers,
    write_mosaics,
)
from skymosaic.drizzle.onepass.skies import AppliedSky, find_skies
from skymosaic.drizzle.onepass.source_mask import sources_on_grid
from skymosaic.drizzle.onepass.sums import CutOut, Load
from skymosaic.drizzle.parameters import CR_STEPS, has_cr_steps
from skymosaic.drizzle.summaries import SwappedFootprints
from skymosaic.errors import DrizzleError, InputError
from skymosaic.hst.exposure import Exposure
from skymosaic.sky.chip_models import PerChip


@dataclass(frozen=True)
class Options:
    """How a run works, beside AstroDrizzle's parameters.

    Parameters
    ----------
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
    errors : bool
        Whether each mosaic gets an error plane.
    """

    processes: int = 1
    planes: bool = False
    mask_sources: bool = False
    swapped_footprints: bool = False
    per_chip: PerChip = "auto"
    errors: bool = False


PLAIN = Options()


def drizzle_all(
    folder: Path,
    log: Path,
    exposures: Sequence[Exposure],
    outputs: Mapping[str, str],
    choices: Mapping[str, SkyChoice],
    grid: Grid,
    parameters: Mapping[str, Any],
    options: Options = PLAIN,
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
    options : Options
        How to work.

    Returns
    -------
    dict of str to Drizzled
        The products of each mosaic.

    Raises
    ------
    DrizzleError
        A parameter asks for what is no sum over chips, or drizzlepac failed.
    InputError
        An exposure has no time, or pixels that are no numbers and would be used, or no errors where
        these are needed; or it is of an instrument whose data are not in electrons.
    SkyError
        A method finds no sky.
    """
    _require_possible(folder, exposures, parameters, options)
    swapped = options.swapped_footprints
    prepared = prepare(
        folder, log, exposures, choices, grid, parameters, swapped_footprints=swapped
    )
    frames = prepared.frames
    add_sky_keyword(frames)
    with drizzling(frames, grid, options.processes) as wait:

        @functools.cache
        def drizzled() -> tuple[Headers, DrizzledChips]:
            # The headers are made while the last chips are drizzled.
            root = next(iter(outputs.values()))
            make_headers(frames, grid, root)
            return read_headers(frames.folder, root), wait()

        skies = solve_skies(
            prepared, choices, grid, parameters, lambda: drizzled()[1], options=options
        )
        headers, chips = drizzled()
    with log.open("a") as file:
        file.write(_log_text(exposures, skies))
    mosaics = write_mosaics(frames, grid, chips, skies, outputs, headers)
    if options.errors:
        mosaics = add_errors(frames, grid, chips, mosaics, options.processes)
    chips.remove()
    return _with_findings(mosaics, prepared, prepared.pixels.swapped_by_name() if swapped else None)


def _require_possible(
    folder: Path, exposures: Sequence[Exposure], parameters: Mapping[str, Any], options: Options
) -> None:
    """Refuse what `drizzle_all` cannot do; errors as there."""
    require_linear(parameters)
    for exposure in exposures:
        if not exposure.exptime > 0:
            raise InputError(f"{exposure.name} has no exposure time; leave it out")
        if options.errors or parameters.get("final_wht_type") == "ERR":
            require_errors(folder / exposure.name, exposure)


def solve_skies(
    prepared: Prepared,
    choices: Mapping[str, SkyChoice],
    grid: Grid,
    parameters: Mapping[str, Any],
    drizzled: Callable[[], DrizzledChips],
    options: Options = PLAIN,
) -> dict[str, AppliedSky]:
    """Return the sky of every mosaic.

    Parameters
    ----------
    prepared : Prepared
        The frames of the run.
    choices : mapping of str to SkyChoice
        By the mosaics' names.
    grid : Grid
        Where exposures are compared, by what needs them on a common grid.
    parameters : mapping
        AstroDrizzle's, of the run.
    drizzled : callable
        Gives the chips on this grid; called where they are needed.
    options : Options
        How to work.

    Raises
    ------
    CampaignError, SkyError, InputError
        As from `skies.find_skies`.
    """
    exposures, per_chip = prepared.frames.exposures, options.per_chip
    sources = None
    if options.mask_sources:
        chips = drizzled()
        sources = sources_on_grid(grid, chips.cut_outs, chips.load, exposures, per_chip)

    def match_on_grid() -> OnGrid:
        chips = drizzled()
        return matched_on_grid(
            grid,
            chips.cut_outs,
            chips.load,
            exposures,
            mask=None if sources is None else sources.mask,
            planes=options.planes,
            per_chip=per_chip,
        )

    return find_skies(
        *(prepared.frames.folder, exposures, choices, parameters),
        *(prepared.pixels, match_on_grid, sources),
    )


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
    prepared = prepare(folder, log, exposures, {}, grid, parameters)
    with drizzling(prepared.frames, grid, processes) as wait:
        chips = wait()
    return chips.cut_outs, chips.load


def _log_text(exposures: Sequence[Exposure], skies: Mapping[str, AppliedSky]) -> str:
    lines = []
    chips = [f"{e.name}[sci,{chip.extver}]" for e in exposures for chip in e.chips]
    for name, sky in skies.items():
        lines += [
            f"{name}: sky value of {value:.6f} for {chip}"
            for value, chip in zip(sky.subtracted, chips, strict=True)
        ]
    return "\n".join(["", "===== onepass =====", *lines, ""])


def _with_findings(
    mosaics: Mapping[str, Drizzled], prepared: Prepared, footprints: SwappedFootprints | None
) -> dict[str, Drizzled]:
    """Return the products with what was found in the frames, which is the same for all."""
    found = prepared.cosmic_rays
    static = prepared.static.summaries()
    return {
        name: replace(
            one,
            peak_memory=max(one.peak_memory, found.peak_memory),
            footprints=footprints,
            cosmic_rays=found.summary,
            static=static,
        )
        for name, one in mosaics.items()
    }
