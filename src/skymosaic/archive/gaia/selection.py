"""Which stars of the Gaia catalogue are wanted, as ADQL and as a test of a table's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skymosaic.archive.gaia.circles import Circle, within
from skymosaic.errors import InputError

COLUMNS = (
    *("source_id", "ra", "dec", "ref_epoch", "ra_error", "dec_error", "pmra", "pmdec"),
    *("pmra_error", "pmdec_error", "parallax", "parallax_error", "phot_g_mean_mag", "ruwe"),
)
"""What is taken of the catalogue."""


@dataclass(frozen=True)
class Selection:
    """Which stars are wanted; None: no limit."""

    circles: tuple[Circle, ...]
    min_mag: float | None = None
    """G magnitude of the brightest."""
    max_mag: float | None = None
    """G magnitude of the faintest."""
    max_ruwe: float | None = None
    """Stars that have no RUWE are taken."""
    need_motion: bool = False
    """Whether stars without proper motion are left out."""
    max_rows: int = 500_000
    """Most stars; of more none are taken."""

    def queries(self, table: str) -> list[str]:
        """Return the ADQL of each circle; an answer of more than `max_rows` rows is a cut one."""
        return [self._query(table, circle) for circle in self.circles]

    def _query(self, table: str, circle: Circle) -> str:
        conditions = [
            "1 = CONTAINS(POINT('ICRS', ra, dec), "
            f"CIRCLE('ICRS', {circle.ra!r}, {circle.dec!r}, {circle.radius!r}))"
        ]
        if self.min_mag is not None:
            conditions.append(f"phot_g_mean_mag >= {self.min_mag!r}")
        if self.max_mag is not None:
            conditions.append(f"phot_g_mean_mag <= {self.max_mag!r}")
        if self.max_ruwe is not None:
            conditions.append(f"(ruwe <= {self.max_ruwe!r} OR ruwe IS NULL)")
        if self.need_motion:
            conditions.append("pmra IS NOT NULL")
        columns, limits = ", ".join(COLUMNS), " AND ".join(conditions)
        # The name of the table is one word: the campaign file takes no other.
        return f"SELECT TOP {self.max_rows + 1} {columns} FROM {table} WHERE {limits}"  # noqa: S608

    def holds(self, table: Table) -> NDArray[np.bool_]:
        """Tell which rows of a table with the columns of `COLUMNS` are wanted."""
        fine = within(self.circles, _numbers(table, "ra"), _numbers(table, "dec"))
        mag, ruwe = _numbers(table, "phot_g_mean_mag"), _numbers(table, "ruwe")
        with np.errstate(invalid="ignore"):
            if self.min_mag is not None:
                fine &= mag >= self.min_mag
            if self.max_mag is not None:
                fine &= mag <= self.max_mag
            if self.max_ruwe is not None:
                fine &= ~(ruwe > self.max_ruwe)
        if self.need_motion:
            fine &= np.isfinite(_numbers(table, "pmra"))
        return fine

    def require_few(self, rows: int, title: str) -> None:
        """Refuse more stars than are allowed.

        Raises
        ------
        InputError
            There are more than `max_rows`.
        """
        if rows > self.max_rows:
            raise InputError(
                f"{title} has more than {self.max_rows} stars in the field "
                "(align.reference.max_rows): set align.reference.max_mag to a brighter magnitude "
                f"than {'none' if self.max_mag is None else format(self.max_mag, 'g')}, or allow "
                "more rows"
            )


def distinct(tables: Sequence[Table]) -> Table:
    """Return the rows of several tables, each star once, in the order of `source_id`."""
    columns = {
        name: np.ma.concatenate([np.ma.asarray(table[name]) for table in tables])
        for name in COLUMNS
    }
    _, first = np.unique(np.asarray(columns["source_id"]), return_index=True)
    table = Table({name: values[first] for name, values in columns.items()})
    for name in COLUMNS:  # those of a server are its own
        table[name].unit = tables[0][name].unit
    return table


def _numbers(table: Table, name: str) -> NDArray[np.float64]:
    return np.asarray(np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan))
