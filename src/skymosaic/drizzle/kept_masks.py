"""The pixels that a one-pass run left out beside those that DQ flags, kept for who checks it.

AstroDrizzle's static mask is that of all exposures, and cosmic rays are looked for once for all
methods: neither can be had from the few exposures of a sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skymosaic.drizzle import parameters as pars
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.flagging import flag_copies, free_flag
from skymosaic.hst.opened import opened_chips

_COLUMNS = "_columns"


def save_masks(
    path: Path,
    folder: Path,
    exposures: Sequence[Exposure],
    low: Mapping[str, str],
    hits: Mapping[str, str],
) -> None:
    """Write which pixels of some exposures were left out: a bit a pixel, compressed.

    Parameters
    ----------
    path : Path
        The new file, ``.npz``. Of each chip ``ROOTNAME_EXTVER``, its rows packed into bytes, and
        ``ROOTNAME_EXTVER_columns``, how many pixels these have.
    folder : Path
        Holds the exposures and the masks.
    exposures : sequence of Exposure
        Which.
    low, hits : mapping of str to str
        As for `drizzlepac_calls.onepass_functions.onepass_chips`.
    """
    packed: dict[str, NDArray[Any]] = {}
    for exposure, chip, hdus in opened_chips(folder, exposures):
        out = np.zeros(hdus["SCI", chip.extver].shape, dtype=bool)
        key = f"{exposure.name}_{chip.extver}"
        if key in low:
            out |= np.load(folder / low[key])
        if key in hits:
            out |= fits.getdata(folder / hits[key]) == 0
        name = f"{exposure.rootname}_{chip.extver}"
        packed |= {name: np.packbits(out, axis=1), name + _COLUMNS: np.array(out.shape[1])}
    # numpy knows arguments of these names only by their type; they are rootnames and signs.
    arrays: Mapping[str, NDArray[Any]] = packed
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_masks(path: Path, exposures: Sequence[Exposure]) -> dict[str, NDArray[np.bool_]]:
    """Return what `save_masks` wrote, by file name and number of the chip: ``NAME_EXTVER``.

    Of a FITS file, too, in which older versions kept masks: an image of each chip.
    """
    chips = [(e, chip.extver) for e in exposures for chip in e.chips]
    if path.suffix == ".fits":
        with fits.open(path) as hdus:
            return {f"{e.name}_{n}": hdus[e.rootname, n].data.astype(bool) for e, n in chips}
    with np.load(path, allow_pickle=False) as arrays:
        return {f"{e.name}_{n}": _unpacked(arrays, f"{e.rootname}_{n}") for e, n in chips}


def _unpacked(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.bool_]:
    columns = int(arrays[name + _COLUMNS])
    return np.unpackbits(arrays[name], axis=1, count=columns).view(np.bool_)


def flag_kept(
    folder: Path,
    exposures: Sequence[Exposure],
    masks: Mapping[str, NDArray[np.bool_]],
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """Mark pixels as bad in DQ of the exposures in a folder.

    Parameters
    ----------
    folder : Path
        Holds private copies of the exposures.
    exposures, masks
        As from `read_masks`.
    parameters : mapping
        AstroDrizzle's of the run.

    Returns
    -------
    dict
        Those parameters with which AstroDrizzle leaves out just what the run left out: these
        pixels, and those whose flags it did not ignore. Nothing else is masked: the steps that do
        are off.
    """
    ignored = pars.flags(parameters.get("final_bits", "0"))
    cleared = pars.flags(parameters.get("resetbits", "4096")) or 0
    free = None if ignored is None else free_flag(ignored | cleared)
    plain, bad = dict(parameters), free or 1
    if free is None:  # every flag is ignored: what DQ says is of no use
        plain |= {"final_bits": "0", "resetbits": "0"}

    def mask_of(exposure: Exposure, extver: int, _: fits.Header) -> NDArray[np.bool_]:
        return masks[f"{exposure.name}_{extver}"]

    flag_copies(folder, exposures, mask_of, bad, clear=free is None)
    return {**plain, **dict.fromkeys((*pars.CR_STEPS, "static"), False)}
