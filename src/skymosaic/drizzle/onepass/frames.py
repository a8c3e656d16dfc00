"""What a one-pass run drizzles, the same on every grid: exposures, and their masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.missing_pixels import fill_missing
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.cosmic_rays import CosmicRays, find_cosmic_rays, method_of
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.sky import Exposures
from skymosaic.drizzle.static_masks import StaticMasks, rule_of, sigma_of
from skymosaic.hst.exposure import Exposure


@dataclass(frozen=True)
class ChipMasks:
    """Files of the masks of each chip in the exposures' folder, by ``NAME_EXTVER``.

    Parameters
    ----------
    low : mapping of str to str
        Static masks, ``.npy``: true where a pixel is left out.
    hits : mapping of str to str
        Masks of cosmic rays as AstroDrizzle writes them, FITS: 0 where one hit.
    """

    low: Mapping[str, str]
    hits: Mapping[str, str]

    def of(self, exposures: Sequence[Exposure]) -> dict[str, dict[str, str]]:
        """Return those of some exposures: of a thousand, not all travel with each call."""
        keys = [_key(exposure, chip.extver) for exposure in exposures for chip in exposure.chips]
        return {
            "low": {key: self.low[key] for key in keys if key in self.low},
            "hits": {key: self.hits[key] for key in keys if key in self.hits},
        }


@dataclass(frozen=True)
class Frames:
    """Exposures that are ready to be drizzled on any grid.

    Parameters
    ----------
    folder : Path
        Holds private copies of the exposures and the masks, and gets what is made of them.
    log : Path
        File for what drizzlepac prints.
    exposures : sequence of Exposure
        What to drizzle. Their chips are numbered from 0 in this order.
    final : mapping
        How to drizzle, as from `parameters.final_of`.
    masks : ChipMasks
        The pixels that are left out beside those that DQ flags.
    """

    folder: Path
    log: Path
    exposures: Sequence[Exposure]
    final: Mapping[str, Any]
    masks: ChipMasks


@dataclass(frozen=True)
class Prepared:
    """The frames of a run, and what was found in them.

    Parameters
    ----------
    frames : Frames
        What to drizzle.
    pixels : Exposures
        The exposures as they are read for their skies: once, where memory allows.
    static : StaticMasks
        The static masks.
    cosmic_rays : CosmicRays
        Where cosmic rays were looked for, what was found.
    """

    frames: Frames
    pixels: Exposures
    static: StaticMasks
    cosmic_rays: CosmicRays


def prepare(
    folder: Path,
    log: Path,
    exposures: Sequence[Exposure],
    choices: Mapping[str, SkyChoice],
    grid: Grid,
    parameters: Mapping[str, Any],
    *,
    swapped_footprints: bool = False,
) -> Prepared:
    """Give pixels that are no numbers a value, and find the static masks and cosmic rays.

    Parameters
    ----------
    folder, log, exposures, swapped_footprints
        As for `run.drizzle_all`.
    choices : mapping of str to SkyChoice
        Where the skies of the mosaics will come from: cosmic rays are looked for with one of them.
    grid : Grid
        Where cosmic rays are looked for.
    parameters : mapping
        AstroDrizzle's, as from `parameters.resolve`.

    Raises
    ------
    DrizzleError
        AstroDrizzle failed when it looked for cosmic rays.
    InputError
        An exposure has pixels that are no numbers and would be used; or it is of an instrument
        whose data are not in electrons.
    SkyError
        A static mask would leave out more than half of a chip.
    """
    variants = [choice.parameters for choice in choices.values() if choice.method is not None]
    fill_missing(folder, exposures, parameters, variants)
    final = final_of(parameters)
    pixels = Exposures(
        folder, exposures, int(final["resetbits"]), swapped_footprints=swapped_footprints
    )
    static = pixels.static_masks(rule_of(parameters), sigma_of(parameters))
    found = find_cosmic_rays(folder, log, exposures, method_of(choices), grid, parameters, static)
    masks = ChipMasks(_save_static(folder, pixels, static), found.masks)
    return Prepared(Frames(folder, log, exposures, final, masks), pixels, static, found)


def _save_static(folder: Path, pixels: Exposures, static: StaticMasks) -> dict[str, str]:
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
