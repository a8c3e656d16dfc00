"""Cosmic rays for the one-pass engine: AstroDrizzle looks for them once, for all methods."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.astrodrizzle import forget_sky
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.sky_record import require_no_fallback
from skymosaic.drizzle.static_masks import StaticMasks, flag_repeated
from skymosaic.drizzle.summaries import CosmicRaySearch, MaskedChip
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import DrizzlepacError
from skymosaic.errors import DrizzleError
from skymosaic.hst.exposure import Exposure
from skymosaic.methods import OWN

if TYPE_CHECKING:
    from skymosaic.drizzle.onepass.choice import SkyChoice

_PREFERRED = ("globalmin+match", "match", "localmin", "globalmin")
"""Medians need exposures that are matched, and the noise model the true sky."""
_STANDS_FOR = {method: method.removesuffix("-differences") for method in OWN}


@dataclass(frozen=True)
class CosmicRays:
    """Which pixels cosmic rays hit.

    Parameters
    ----------
    masks : mapping of str to str
        Names of FITS files in the folder of the exposures, 0 where one hit, by the file's name and
        number of the chip as ``NAME_EXTVER``.
    peak_memory : int
        Of the run that looked for them, bytes.
    summary : CosmicRaySearch or None
        For the report; None where none were looked for.
    """

    masks: Mapping[str, str]
    peak_memory: int
    summary: CosmicRaySearch | None = None


def method_of(choices: Mapping[str, SkyChoice]) -> str:
    """Return the sky method under which cosmic rays are looked for: the best for it of a run's.

    AstroDrizzle looks for them, so it is one of its own. A method of this project stands for the
    one that it is a variant of: its skies are known only after drizzling.
    """
    wanted = {choice.method for choice in choices.values()}
    methods = {_STANDS_FOR.get(method, method) for method in wanted if method}
    return next((method for method in _PREFERRED if method in methods), "localmin")


def find_cosmic_rays(
    folder: Path,
    log: Path,
    exposures: Sequence[Exposure],
    method: str,
    grid: Grid,
    parameters: Mapping[str, Any],
    static: StaticMasks,
) -> CosmicRays:
    """Run AstroDrizzle's steps from the sky to ``driz_cr`` on copies; none where they are off.

    Parameters
    ----------
    folder : Path
        Holds the exposures, which stay as they are; gets the masks.
    log : Path
        File that everything drizzlepac prints is appended to.
    exposures : sequence of Exposure
        Which.
    method : str
        The sky method.
    grid : Grid
        The output grid.
    parameters : mapping
        AstroDrizzle's, as from `parameters.resolve`.
    static : StaticMasks
        Of the exposures.

    Raises
    ------
    DrizzleError
        AstroDrizzle failed.
    SkyError
        It took another sky method than it was asked for.
    """
    if not pars.has_cr_steps(parameters):
        return CosmicRays({}, 0)
    work = folder / "cosmic_rays"
    work.mkdir()
    for exposure in exposures:
        forget_sky(Path(shutil.copy(folder / exposure.name, work / exposure.name)))
    known = flag_repeated(work, exposures, static, parameters)
    arguments = pars.for_method(known, grid.final_parameters(), method)
    try:
        call = process.call(
            "astrodrizzle",
            work,
            {
                "files": [exposure.name for exposure in exposures],
                "output": "cosmic_rays",
                # The masks are removed by `clean`, and asked for by no parameter.
                "parameters": {**arguments, "driz_combine": False, "clean": False},
            },
            log,
        )
    except DrizzlepacError as error:
        raise DrizzleError(f"onepass, cosmic rays: {error}") from None
    with log.open("a") as printed:
        printed.write("\n===== cosmic rays: astrodrizzle.log =====\n")
        printed.write((work / arguments["runfile"]).read_text())
    require_no_fallback(method, log.read_text())
    masks, chips = _take_masks(work, folder, exposures)
    shutil.rmtree(work)
    return CosmicRays(masks, call.peak_memory, CosmicRaySearch(method, chips))


def _take_masks(
    work: Path, folder: Path, exposures: Sequence[Exposure]
) -> tuple[dict[str, str], list[MaskedChip]]:
    """Move AstroDrizzle's masks out of its folder; return them by chip, and what they mask."""
    masks, chips = {}, []
    for exposure in exposures:
        for chip in exposure.chips:
            name = f"{exposure.name.rsplit('_', 1)[0]}_sci{chip.extver}_crmask.fits"
            hit, pixels = None, None
            if (work / name).exists():  # not where one exposure is alone
                (work / name).rename(folder / name)
                masks[f"{exposure.name}_{chip.extver}"] = name
                mask = fits.getdata(folder / name)
                hit, pixels = int(np.count_nonzero(mask == 0)), int(mask.size)
            chips.append(MaskedChip(exposure.rootname, chip.extver, pixels, hit))
    return masks, chips


def save_hits(path: Path, hit: NDArray[np.bool_]) -> None:
    """Write which pixels of a chip cosmic rays hit, a bit a pixel, compressed; ``.npz``."""
    with path.open("wb") as file:
        np.savez_compressed(file, hit=np.packbits(hit), shape=np.array(hit.shape))


def read_hits(file: IO[bytes]) -> NDArray[np.bool_]:
    """Return what `save_hits` wrote, shape (rows, columns)."""
    with np.load(file, allow_pickle=False) as arrays:
        rows, columns = (int(size) for size in arrays["shape"])
        bits = np.unpackbits(arrays["hit"], count=rows * columns)
    return bits.reshape(rows, columns).view(np.bool_)
