"""The chips of a one-pass run, each drizzled alone and without its sky on one grid."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.frames import Frames
from skymosaic.drizzle.onepass.sums import CutOut, Singles
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import DrizzlepacError
from skymosaic.errors import DrizzleError
from skymosaic.hst.exposure import Exposure

_BATCH = 4  # exposures a call: starting one costs some hundredths of a second


@dataclass(frozen=True)
class DrizzledChips:
    """Chips on one grid.

    Parameters
    ----------
    folder : Path
        Holds their pixels.
    cut_outs : list of CutOut
        Where each lies on the grid, by number.
    version : str
        Of the resampler; empty where no chip meets the grid.
    peak_memory : int
        Of the processes that drizzled them, bytes.
    """

    folder: Path
    cut_outs: list[CutOut]
    version: str
    peak_memory: int

    def load(self, cut_out: CutOut) -> tuple[Singles, Singles]:
        """Return data and weights of a cut-out, mapped from their files."""
        return self.load_plane(cut_out, "sci"), self.load_plane(cut_out, "wht")

    def load_plane(self, cut_out: CutOut, word: str) -> Singles:
        """Return a plane of a cut-out, mapped: ``sci``, ``wht``, or ``var`` where there is one."""
        pixels: Singles = np.load(self.path_of(cut_out, word), mmap_mode="r")
        left, below = cut_out.skipped
        return pixels[below : below + cut_out.rows, left : left + cut_out.columns]

    def path_of(self, cut_out: CutOut, word: str) -> Path:
        """Return the file of a plane of a cut-out."""
        return self.folder / f"{cut_out.number}_{word}.npy"

    def within(self, corner: tuple[int, int], shape: tuple[int, int], count: int) -> DrizzledChips:
        """Return the first chips on a part of their grid.

        Parameters
        ----------
        corner : (int, int)
            Column and row of its first pixel, from 0.
        shape : (int, int)
            Its columns and rows.
        count : int
            How many chips.
        """
        parts = [one.within(corner, shape) for one in self.cut_outs[:count]]
        return replace(self, cut_outs=parts)

    def remove(self) -> None:
        """Remove the files of the pixels, when the mosaics are made."""
        for path in self.folder.glob("[0-9]*_[swv][cha][itr].npy"):
            path.unlink()


def drizzle_variances(
    frames: Frames, grid: Grid, processes: int = 1, corner: tuple[int, int] = (0, 0)
) -> dict[int, float]:
    """Drizzle the variances of each chip, once 1/W of the mosaic is in ``inverse.npy``.

    Parameters
    ----------
    frames, grid, processes
        As for `drizzling`.
    corner : (int, int)
        Column and row of the grid, from 0, at which ``inverse.npy`` begins.

    Returns
    -------
    dict of int to float
        By number the error of a typical pixel of each chip that meets the grid, in its data units.

    Raises
    ------
    DrizzleError
        drizzlepac failed.
    """
    work = partial(_drizzle, frames, grid, function="onepass_variances", corner=corner)
    with ThreadPoolExecutor(max(processes, 1)) as pool:
        running = [pool.submit(work, *one) for one in _batches(frames.exposures)]
        found = [future.result().value for future in running]
    return {int(number): value for one in found for number, value in one.items()}


@contextmanager
def drizzling(
    frames: Frames, grid: Grid, processes: int = 1
) -> Iterator[Callable[[], DrizzledChips]]:
    """Drizzle each chip of the frames, while the caller does something else.

    Parameters
    ----------
    frames : Frames
        What to drizzle.
    grid : Grid
        Where to.
    processes : int
        How many calls at once.

    Yields
    ------
    callable
        Waits for the chips, and returns them; raises DrizzleError where drizzlepac failed.
    """
    with ThreadPoolExecutor(max(processes, 1)) as pool:
        running = [
            pool.submit(_drizzle, frames, grid, first, batch)
            for first, batch in _batches(frames.exposures)
        ]

        @functools.cache
        def chips() -> DrizzledChips:
            return _collect(frames, [future.result() for future in running])

        try:
            yield chips
        except BaseException:
            for future in running:
                future.cancel()
            raise


def call_drizzlepac(
    function: str, frames: Frames, grid: Grid, exposures: Sequence[Exposure], **arguments: Any
) -> Any:
    """Call a function of `drizzlepac_calls.functions` in the frames' folder.

    Parameters
    ----------
    function : str
        Which.
    frames, grid
        As for `drizzling`.
    exposures : sequence of Exposure
        Those of the frames that the call is about.
    arguments
        What the function takes beside their files, the grid and the parameters.

    Raises
    ------
    DrizzleError
        It failed.
    """
    given = {
        "files": [exposure.name for exposure in exposures],
        "grid": _grid_parameters(grid),
        "parameters": dict(frames.final),
        **arguments,
    }
    try:
        return process.call(function, frames.folder, given, frames.log)
    except DrizzlepacError as error:
        raise DrizzleError(f"onepass: {error}") from None


def _drizzle(
    frames: Frames,
    grid: Grid,
    first: int,
    batch: Sequence[Exposure],
    function: str = "onepass_chips",
    **arguments: Any,
) -> Any:
    masks = frames.masks.of(batch)
    return call_drizzlepac(function, frames, grid, batch, first=first, **masks, **arguments)


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


def _collect(frames: Frames, calls: Sequence[Any]) -> DrizzledChips:
    found = sorted((chip for call in calls for chip in call.value), key=lambda chip: chip["number"])
    owners = [(exposure, chip) for exposure in frames.exposures for chip in exposure.chips]
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
    peak_memory = max((call.peak_memory for call in calls), default=0)
    return DrizzledChips(frames.folder, cut_outs, version, peak_memory)
