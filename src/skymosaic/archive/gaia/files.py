"""Stars of a catalogue in HATS layout: the few columns and row groups that a field needs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from skymosaic.archive.gaia.circles import Circle
from skymosaic.archive.gaia.layout import Catalogue, overlap, ranges_of
from skymosaic.archive.gaia.selection import COLUMNS, Selection, distinct
from skymosaic.errors import InputError, InstallationError

_BUFFER = 1 << 16  # bytes; larger reads go past it
_PLACES = ("_healpix_29", "_hipscat_index")
"""Columns with the number of each row's place, by which the rows are in order."""


def read_stars(catalogue: Catalogue, selection: Selection) -> Table:
    """Return the stars that are wanted, each once.

    Of each partition that the field touches the footer is read, and then, of the groups of rows
    whose places (or declinations) the field touches, the columns that are needed.

    Raises
    ------
    InputError
        A file is not there or is no such table, or there are too many stars.
    InstallationError
        pyarrow is not installed.
    """
    ranges = ranges_of(selection.circles)
    tables, count = [], 0
    for partition in catalogue.touched_by(ranges):
        for name in catalogue.files_of(partition):
            table = _read_file(catalogue, name, selection.circles, ranges)
            table = table[selection.holds(table)]
            count += len(table)
            selection.require_few(count, catalogue.folder.title)
            tables.append(table)
    return distinct(tables) if tables else _empty()


def _read_file(
    catalogue: Catalogue, name: str, circles: Sequence[Circle], ranges: NDArray[np.uint64]
) -> Table:
    parquet = _parquet()
    title = f"{catalogue.folder.title}/{name}"
    stream = catalogue.folder.open(name)
    if stream is None:
        raise InputError(f"{title} is not there, though its list names it; fetch it again")
    # pyarrow takes a short read for the end of a file; what is buffered reads all that is asked.
    with io.BufferedReader(stream, _BUFFER) as whole:
        try:
            file = parquet.ParquetFile(whole, pre_buffer=False)
            there = {one.lower(): one for one in file.schema_arrow.names}
            columns = _columns(catalogue, there, title)
            groups = _groups(file.metadata, catalogue, circles, ranges)
            if not groups:
                return _empty()
            # In the order of the file: threads would read the same blocks twice.
            wanted = sorted(set(columns.values()))
            rows = file.read_row_groups(groups, columns=wanted, use_threads=False)
        except (OSError, ValueError, KeyError) as error:  # those of pyarrow are among them
            first = str(error).strip().split("\n")[0][:200]
            raise InputError(
                f"{title} cannot be read as Parquet ({first}); fetch it again"
            ) from None
    return _as_table(rows, columns)


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise InstallationError(
            "a copy of the Gaia catalogue in files needs pyarrow: pip install 'skymosaic[gaia]', "
            "or leave align.reference.path out, so that the server is asked"
        ) from None
    return parquet


def _columns(catalogue: Catalogue, there: dict[str, str], title: str) -> dict[str, str]:
    """Return the names that columns have in a file, by those of Gaia's archive."""
    named = {"ra": catalogue.ra.lower(), "dec": catalogue.dec.lower()}
    wanted = {name: named.get(name, name) for name in COLUMNS}
    for name in ("source_id", "ra", "dec", "ref_epoch"):
        if wanted[name] not in there:
            raise InputError(
                f"{title} has no column {wanted[name]}: it is no copy of Gaia's table of sources"
            )
    return {name: there[one] for name, one in wanted.items() if one in there}


def _groups(
    metadata: Any, catalogue: Catalogue, circles: Sequence[Circle], ranges: NDArray[np.uint64]
) -> list[int]:
    """Return the groups of rows that may hold stars of the field, by their statistics."""
    return [
        group
        for group in range(metadata.num_row_groups)
        if _may_hold(_limits(metadata.row_group(group)), catalogue, circles, ranges)
    ]


def _limits(group: Any) -> dict[str, tuple[Any, Any]]:
    """Return smallest and largest value of each column that has them."""
    found = {}
    for number in range(group.num_columns):
        column = group.column(number)
        statistics = column.statistics
        if statistics is not None and statistics.has_min_max:
            found[column.path_in_schema.lower()] = (statistics.min, statistics.max)
    return found


def _may_hold(
    limits: dict[str, tuple[Any, Any]],
    catalogue: Catalogue,
    circles: Sequence[Circle],
    ranges: NDArray[np.uint64],
) -> bool:
    for name in _PLACES:
        if name in limits:
            first, last = (np.array([int(one)]).astype(np.uint64) for one in limits[name])
            return bool(overlap(first, last + np.uint64(1), ranges)[0])
    if (dec := limits.get(catalogue.dec.lower())) is None:
        return True
    return any(dec[0] <= one.dec + one.radius and dec[1] >= one.dec - one.radius for one in circles)


def _as_table(rows: Any, columns: dict[str, str]) -> Table:
    table = Table()
    for name in COLUMNS:
        if name == "source_id":
            table[name] = np.asarray(rows.column(columns[name]).to_numpy(), dtype=np.int64)
            continue
        there = name in columns
        values = rows.column(columns[name]).to_numpy() if there else np.full(len(rows), np.nan)
        numbers = np.asarray(values, dtype=float)
        table[name] = MaskedColumn(numbers, mask=np.isnan(numbers))
    return table


def _empty() -> Table:
    types = [np.int64 if name == "source_id" else float for name in COLUMNS]
    return Table(names=COLUMNS, dtype=types)
