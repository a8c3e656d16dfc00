"""The table of MAST's projection cells, read from drizzlepac's wheel without importing drizzlepac.

``drizzlepac/pars/allsky_cells.fits``: bands of declination as rows, and in the primary header the
scale and how a projection cell is cut into sky cells.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from skymosaic.config.drizzlepac_parameters import parameters_folder
from skymosaic.errors import InstallationError
from skymosaic.sky.projection_cells import DeclinationBand, Tessellation

_FILE = "allsky_cells.fits"


@cache
def tessellation() -> Tessellation:
    """Return the tessellation of the installed drizzlepac.

    Raises
    ------
    InstallationError
        drizzlepac is not installed, or its table is missing or unreadable.
    """
    return read_tessellation(parameters_folder() / _FILE)


def read_tessellation(path: Path) -> Tessellation:
    """Read a table of projection cells.

    Raises
    ------
    InstallationError
        It is missing or unreadable, or its projection cells are not numbered in order.
    """
    from astropy.io import fits  # a fifth of a second, which only who names sky cells pays

    try:
        with fits.open(path, memmap=False) as hdus:
            header, rows = hdus[0].header, hdus[1].data
            bands = tuple(
                DeclinationBand(
                    first=int(row["PROJCELL"]),
                    count=int(row["NBAND"]),
                    dec=float(row["DEC"]),
                    shape=(int(row["XCELL"]), int(row["YCELL"])),
                )
                for row in rows
            )
            found = Tessellation(
                bands=bands,
                scale=float(header["PC_SCALE"]),
                overlap=int(header["SC_OLAP"]),
                cells_a_side=int(header["SC_NXY"]),
            )
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InstallationError(
            f"{path}: cannot be read as the table of projection cells ({error}): install "
            "drizzlepac again"
        ) from error
    ends = [0, *(band.first + band.count for band in bands)]
    if len(bands) == 0 or [band.first for band in bands] != ends[:-1]:
        raise InstallationError(
            f"{path}: the projection cells are not numbered in order: install drizzlepac again"
        )
    return found
