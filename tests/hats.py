"""Writes tables of stars as catalogues in HATS layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Table
from astropy_healpix import HEALPix

DEEPEST = 29


def cells_of(table: Table, order: int) -> np.ndarray:
    """Return the nested HEALPix cell of each star."""
    grid = HEALPix(nside=2**order, order="nested")
    return np.asarray(grid.lonlat_to_healpix(table["ra"] * u.deg, table["dec"] * u.deg))


def write_frame(
    folder: Path, cells: dict[tuple[int, int], int], name: str = "gaia_dr3", info: bool = True
) -> None:
    """Write the properties and the list of partitions, by (order, cell): rows."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = sum(cells.values())
    (folder / "hats.properties").write_text(
        "#HATS catalog\n"
        f"obs_collection={name}\ndataproduct_type=object\nhats_nrows={rows}\n"
        "hats_col_ra=ra\nhats_col_dec=dec\nhats_npix_suffix=.parquet\nhats_version=v1.0\n"
    )
    if info:
        lines = [f"{order},{cell}" for order, cell in cells]
        (folder / "partition_info.csv").write_text("\n".join(["Norder,Npix", *lines]) + "\n")


def path_of(folder: Path, order: int, cell: int, data: str = "dataset/") -> Path:
    """Return the file of a partition."""
    return folder / f"{data}Norder={order}/Dir={cell // 10_000 * 10_000}/Npix={cell}.parquet"


def write_hats(
    folder: Path,
    table: Table,
    order: int = 6,
    *,
    data: str = "dataset/",
    in_folders: bool = False,
    place: bool = True,
    rows: int = 200,
) -> dict[tuple[int, int], int]:
    """Write a table, a cell of one order a partition, in groups of so many rows.

    Parameters
    ----------
    place : bool
        Whether rows are in the order of their places, and have the column of these.
    in_folders : bool
        Whether a partition is a folder with two files.
    """
    import pyarrow as pa
    from pyarrow import parquet

    cells, counts = cells_of(table, order), {}
    for cell in np.unique(cells):
        part = table[cells == cell]
        if place:
            deep = cells_of(part, DEEPEST)
            part = part[np.argsort(deep)]
            part["_healpix_29"] = np.sort(deep)
        columns = {}
        for name in part.colnames:
            mask = np.ma.getmaskarray(np.ma.asarray(part[name]))
            columns[name] = pa.array(np.asarray(part[name]), mask=mask)
        path = path_of(folder, order, int(cell), data)
        halves = (
            [slice(0, len(part) // 2), slice(len(part) // 2, None)] if in_folders else [slice(None)]
        )
        for number, half in enumerate(halves):
            target = path.with_suffix("") / f"part{number}.parquet" if in_folders else path
            target.parent.mkdir(parents=True, exist_ok=True)
            its = pa.table({name: values[half] for name, values in columns.items()})
            parquet.write_table(its, target, row_group_size=rows)
        counts[order, int(cell)] = len(part)
    write_frame(folder, counts)
    return counts
