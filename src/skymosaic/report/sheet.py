"""A table whose columns tell their units and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table

Columns = Mapping[str, tuple[type, str | None, str]]
"""By name: type, unit and description."""


def sheet(title: str, columns: Columns, rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table with units and descriptions.

    Parameters
    ----------
    title : str
        What the table holds, a sentence.
    columns : mapping of str to (type, str or None, str)
        By name: type, unit and description.
    rows : iterable of sequences
        The values; None where there is none.

    Returns
    -------
    astropy.table.Table
        A column that lacks values is masked there.
    """
    filled = list(rows)
    table = Table(masked=False)
    for number, (name, (kind, unit, description)) in enumerate(columns.items()):
        values = [row[number] for row in filled]
        missing = [value is None or value != value for value in values]
        data = np.array(
            [kind() if lost else kind(value) for value, lost in zip(values, missing, strict=True)],
            dtype=None if kind is str and filled else kind,
        )
        table[name] = MaskedColumn(data, mask=missing) if any(missing) else data
        table[name].unit = unit
        table[name].description = description
    table.meta["title"] = title
    return table
