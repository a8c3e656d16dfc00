"""The skies of all chips by all methods, as a FITS file: what tasks and readers take their part of.

The first table has a row for each chip: ROOTNAME, EXTVER and BRIGHTNESS, the factor from its data
to electron/s/arcsec^2. After it stands a table for each method and variant, of the same rows: VALUE
as published and its ERROR, what is SUBTRACTED from the pixels and what is RECORDED as MDRIZSKY, in
the chip's data units, NaN where there is none; and where planes are subtracted, TILT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skymosaic.drizzle.onepass.skies import AppliedSky
from skymosaic.drizzle.onepass.sums import Tilt
from skymosaic.sky.values import SkyValue

Floats = NDArray[np.float64]
_NAME = "SKYNAME"
"""Card with the name of a method or variant: longer and freer than an EXTNAME should be."""


@dataclass(frozen=True)
class SkyTable:
    """What `write_skies` wrote.

    Parameters
    ----------
    rootnames : list of str
        Of the exposure of each chip.
    extvers : list of int
        Of each chip.
    brightness : array, shape (chips,)
        Factors from data units to electron/s/arcsec^2.
    columns : mapping of str to mapping of str to array
        By method and variant, then by column.
    """

    rootnames: list[str]
    extvers: list[int]
    brightness: Floats
    columns: Mapping[str, Mapping[str, Floats]]

    def rows(self, rootnames: Sequence[str]) -> list[int]:
        """Return the rows of the chips of some exposures, in the exposures' order.

        Raises
        ------
        KeyError
            One of them is not in the table.
        """
        return [row for name in rootnames for row in self._of_exposures[name]]

    @cached_property
    def _of_exposures(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, name in enumerate(self.rootnames):
            found.setdefault(name, []).append(row)
        return found

    def values(self, name: str, rows: Sequence[int]) -> list[SkyValue]:
        """Return what is published of a method or variant for some chips."""
        columns = self.columns[name]
        return [
            SkyValue(
                self.rootnames[row],
                self.extvers[row],
                _known(columns["VALUE"][row]),
                float(self.brightness[row]),
                _known(columns["ERROR"][row]),
            )
            for row in rows
        ]

    def applied(self, name: str, rows: Sequence[int]) -> AppliedSky:
        """Return the sky of some chips in one mosaic; what the differences tell is not in it."""
        columns = self.columns[name]
        tilts = columns.get("TILT")
        return AppliedSky(
            self.values(name, rows),
            tuple(float(columns["SUBTRACTED"][row]) for row in rows),
            tuple(_known(columns["RECORDED"][row]) for row in rows),
            () if tilts is None else tuple(Tilt(*tilts[row].tolist()) for row in rows),
        )


def write_skies(path: Path, skies: Mapping[str, AppliedSky]) -> None:
    """Write the skies of all chips; all methods have the same chips.

    Parameters
    ----------
    path : Path
        The new file.
    skies : mapping of str to AppliedSky
        By method and variant.
    """
    first = next(iter(skies.values())).values
    chips = fits.BinTableHDU.from_columns(
        [
            fits.Column(
                "ROOTNAME",
                _text([one.rootname for one in first]),
                array=[one.rootname for one in first],
            ),
            fits.Column("EXTVER", "J", array=[one.chip for one in first]),
            fits.Column("BRIGHTNESS", "D", array=[one.brightness_factor for one in first]),
        ],
        name="CHIPS",
    )
    hdus = fits.HDUList([fits.PrimaryHDU(), chips])
    for number, (name, sky) in enumerate(skies.items(), 1):
        columns = {
            "VALUE": [one.mdrizsky for one in sky.values],
            "ERROR": [one.error for one in sky.values],
            "SUBTRACTED": sky.subtracted,
            "RECORDED": sky.recorded,
        }
        table = [
            fits.Column(column, "D", array=np.array(values, dtype=np.float64))
            for column, values in columns.items()
        ]
        if sky.tilts:
            planes = [(tilt.x, tilt.y, tilt.slope_x, tilt.slope_y) for tilt in sky.tilts]
            table.append(fits.Column("TILT", "4D", array=np.array(planes)))
        hdus.append(fits.BinTableHDU.from_columns(table, name="SKY", ver=number))
        hdus[-1].header[_NAME] = (name, "sky method or variant")
    hdus.writeto(path)


def read_skies(file: IO[bytes] | Path) -> SkyTable:
    """Return what `write_skies` wrote."""
    with fits.open(file, memmap=False) as hdus:
        chips = hdus["CHIPS"].data
        columns = {
            hdu.header[_NAME]: {
                column: np.array(hdu.data[column], dtype=np.float64) for column in hdu.columns.names
            }
            for hdu in hdus[2:]
        }
        return SkyTable(
            [str(name) for name in chips["ROOTNAME"]],
            [int(number) for number in chips["EXTVER"]],
            np.array(chips["BRIGHTNESS"], dtype=np.float64),
            columns,
        )


def _text(names: Sequence[str]) -> str:
    return f"{max(map(len, names), default=1)}A"


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
