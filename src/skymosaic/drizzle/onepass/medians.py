"""The median of separate images in a rectangle of their grid, as AstroDrizzle makes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.separate import Separated, with_defaults
from skymosaic.drizzle.onepass.stored import Box
from skymosaic.drizzle.onepass.sums import Piece
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import Call, DrizzlepacError
from skymosaic.errors import DrizzleError
from skymosaic.hst.exposure import Exposure

_BUFFER = 1024 * 1024  # bytes of AstroDrizzle's sections of an image
_ITEM = 4  # bytes of a pixel
_MASKED = ("minmed", "median", "mean", "minimum")
"""Ways to combine by which an exposure without weight changes nothing."""
_USED = ("combine_type", "combine_nlow", "combine_nhigh", "combine_nsigma", "median_newmasks")


@dataclass(frozen=True)
class Combination:
    """How separate images are combined: all that depends on the whole of them.

    Parameters
    ----------
    parameters : mapping
        AstroDrizzle's of this step.
    grow : int
        ``combine_grow`` as AstroDrizzle applies it, pixels.
    lower, upper : float or None
        Limits of the values that count.
    double : bool
        Whether backgrounds are in double precision.
    least : int
        Planes that a stack has at least: how many exposures there are decides how they are
        combined, wherever they lie.
    share : float
        Of its mean weight what a pixel of an exposure needs to count.
    blank : float
        What a separate image has where nothing fell.
    everywhere : bool
        Whether each exposure counts everywhere, seen there or not.
    """

    parameters: Mapping[str, Any]
    grow: int
    lower: float | None
    upper: float | None
    double: bool
    least: int
    share: float
    blank: float
    everywhere: bool

    @classmethod
    def of(
        cls,
        parameters: Mapping[str, Any],
        exposures: Sequence[Exposure],
        grid: Grid,
        *,
        double: bool,
    ) -> Combination:
        """Return how the separate images of some exposures are combined.

        Parameters
        ----------
        parameters : mapping
            AstroDrizzle's, as from `parameters.resolve`.
        exposures : sequence of Exposure
            All.
        grid : Grid
            Of the separate images.
        double : bool
            As above.
        """
        given = with_defaults("median", parameters)
        kind = str(given["combine_type"]).lower()
        plain = "minmed" not in kind
        count = len(exposures)
        rejected = int(given["combine_nlow"]) + int(given["combine_nhigh"]) if plain else 1
        rates = parameters.get("proc_unit", "native") == "native"

        def limit(name: str) -> float | None:
            if not plain or given[name] is None:
                return None
            value = float(given[name])
            for one in exposures if rates else ():
                # As createMedian does it: a factor for each exposure in rates.
                value *= 1.0 if one.chips[0].counts else one.exptime
            return value

        return cls(
            {name: given[name] for name in _USED},
            0 if plain else _grown(int(given["combine_grow"]), grid, given["combine_bufsize"]),
            limit("combine_lthresh"),
            limit("combine_hthresh"),
            double,
            min(count, max(3, rejected + 1)),
            float(given["combine_maskpt"]),
            blank_of(parameters),
            not given["median_newmasks"] or kind not in _MASKED,
        )

    @property
    def margin(self) -> int:
        """Pixels around a rectangle that its median depends on."""
        return 2 * self.grow + 1

    def around(self, box: Box, grid: Grid) -> Box:
        """Return a rectangle of the grid with what its median depends on."""
        x, y = max(box.x - self.margin, 0), max(box.y - self.margin, 0)
        right = min(box.right + self.margin, grid.shape[0])
        bottom = min(box.bottom + self.margin, grid.shape[1])
        return Box(x, y, right - x, bottom - y)

    def counts_everywhere(self, one: Separated) -> bool:
        """Tell whether an exposure counts where it is not seen, too."""
        return self.everywhere or not one.mean_weight * self.share > 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: a part of the keys of steps."""
        return {**asdict(self), "parameters": dict(self.parameters)}


def blank_of(parameters: Mapping[str, Any]) -> float:
    """Return what separate images have where nothing fell."""
    given = parameters.get("driz_sep_fillval")
    named = None if given is None else str(given).strip().upper()
    return 0.0 if named in (None, "", "NONE", "INDEF") else float(str(given))


def _grown(grow: int, grid: Grid, megabytes: float | None) -> int:
    """Return the pixels that AstroDrizzle grows by: fewer where its sections have few rows."""
    columns, rows = grid.shape
    size = _BUFFER if megabytes is None else _BUFFER * megabytes
    section = max(min(rows, int(size / (columns * _ITEM))), 1)
    return grow if section > 2 * grow else (section - 1) // 2


def find_median(
    folder: Path,
    log: Path,
    output: str,
    box: Box,
    around: Box,
    members: Sequence[tuple[Separated, Iterable[Piece]]],
    how: Combination,
) -> Call:
    """Write the median in a rectangle of the grid.

    Parameters
    ----------
    folder : Path
        Scratch, and gets the result.
    log : Path
        File that everything drizzlepac prints is appended to.
    output : str
        Name of the result, ``.npy``: float32, shape (rows, columns) of the rectangle.
    box, around : Box
        The rectangle, without and with what its median depends on.
    members : sequence of (Separated, iterable of Piece)
        The exposures that count there, in the campaign's order, and their pixels in `around`.
    how : Combination
        How.

    Raises
    ------
    DrizzleError
        drizzlepac failed.
    """
    planes: list[dict[str, float | None]] = [
        {
            "limit": one.mean_weight * how.share,
            "readnoise": one.readnoise,
            "background": one.background,
        }
        for one, _ in members
    ]
    missing = max(how.least - len(planes), 0)
    planes += [{"limit": None, "readnoise": 0.0, "background": 0.0}] * missing
    _write_stack(folder, around, [pieces for _, pieces in members], missing, how.blank)
    top, left = box.y - around.y, box.x - around.x
    arguments = {
        "output": output,
        "inner": [top, top + box.rows, left, left + box.columns],
        "members": planes,
        "parameters": dict(how.parameters),
        "combine": {
            "grow": how.grow,
            "lower": how.lower,
            "upper": how.upper,
            "double": how.double,
        },
    }
    try:
        return process.call("median_of_stack", folder, arguments, log)
    except DrizzlepacError as error:
        raise DrizzleError(f"onepass, cosmic rays: {error}") from None


def _write_stack(
    folder: Path, box: Box, members: Sequence[Iterable[Piece]], missing: int, blank: float
) -> None:
    """Write the pixels of exposures in a rectangle, plane by plane; the missing ones are blank."""
    shape = (len(members) + missing, box.rows, box.columns)
    with (folder / "stack_sci.npy").open("wb") as sci, (folder / "stack_wht.npy").open("wb") as wht:
        for file in (sci, wht):
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
        for pieces in (*members, *[()] * missing):
            science = np.full(shape[1:], blank, dtype="<f4")
            weight = np.zeros(shape[1:], dtype="<f4")
            for piece in pieces:
                rows, columns = piece.science.shape
                here = (slice(piece.y, piece.y + rows), slice(piece.x, piece.x + columns))
                science[here], weight[here] = piece.science, piece.weight
            sci.write(science.data)
            wht.write(weight.data)
