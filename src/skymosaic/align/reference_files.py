"""Catalogues in files: which format, and the file that a fetched reference is kept in."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from astropy import units as u
from astropy.table import Table
from astropy.units import UnitsWarning

from skymosaic.align.reference import COLUMNS, Reference, reference_of
from skymosaic.archive.votables import own_data
from skymosaic.errors import InputError

FILE = "reference.ecsv"
"""File of the stars that images are aligned to, among the products of a step."""
SUFFIXES: Mapping[str, str] = {
    **dict.fromkeys((".fits", ".fit", ".fts", ".fits.gz", ".fit.gz"), "fits"),
    **dict.fromkeys((".vot", ".xml", ".votable", ".vot.gz", ".xml.gz"), "votable"),
    ".ecsv": "ascii.ecsv",
    ".csv": "ascii.csv",
    ".tsv": "ascii.tab",
    **dict.fromkeys((".txt", ".dat", ".cat", ".coo", ".tab"), "ascii"),
}
"""How a file is read, by how its name ends."""
_UNITS = {
    **dict.fromkeys(("ra", "dec"), u.deg),
    "epoch": u.yr,
    **dict.fromkeys(("ra_error", "dec_error", "parallax", "parallax_error"), u.mas),
    **dict.fromkeys(("pmra", "pmdec", "pmra_error", "pmdec_error"), u.mas / u.yr),
    "mag": u.mag,
}
_DIGITS = {"ra": 12, "dec": 12}


def format_of(name: str, key: str = "align.reference.path") -> str:
    """Return astropy's name of the format of a file; `key`: what a message says that named it.

    Raises
    ------
    InputError
        No catalogue is called so.
    """
    lower = name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if lower.endswith(suffix):
            return SUFFIXES[suffix]
    raise InputError(
        f"{key}: the name of {name} does not tell what it is; a catalogue's ends in "
        f"{', '.join(SUFFIXES)}"
    )


def read_table(file: Path | IO[bytes], name: str) -> Table:
    """Return the table in a file.

    Parameters
    ----------
    file : Path or binary file
    name : str
        What people call it; its end tells the format.

    Raises
    ------
    InputError
        It cannot be read as what its name says.
    """
    from astropy.io.votable.exceptions import VOWarning  # takes long to import, and few need it

    kind = format_of(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnitsWarning)
            warnings.simplefilter("ignore", VOWarning)
            table = _read(file, kind)
    except InputError:
        raise
    except Exception as error:  # astropy's readers raise of all kinds
        first = str(error).strip().split("\n")[0][:200]
        raise InputError(
            f"{name} cannot be read as {kind} ({type(error).__name__}: {first}): correct the file, "
            "or give it the ending of what it is"
        ) from None
    if not len(table):
        raise InputError(f"{name} has no rows: name another catalogue")
    return table


def _read(file: Path | IO[bytes], kind: str) -> Table:
    if kind == "ascii":
        return _read_text(file)
    if kind != "votable":
        return Table.read(file, format=kind)
    if isinstance(file, Path):
        with file.open("rb") as stream:
            return _read(stream, kind)
    return Table.read(io.BytesIO(own_data(file)), format=kind)


def _read_text(file: Path | IO[bytes]) -> Table:
    """Return a table of text: names in its first line, with or without ``#``, or none."""
    text = (file.read_bytes() if isinstance(file, Path) else file.read()).decode("utf-8-sig")
    first = next((line for line in text.splitlines() if line.strip()), "")
    kind = "ascii.commented_header" if first.lstrip().startswith("#") else "ascii.basic"
    table = Table.read(text, format=kind, guess=False)
    if all(map(_is_number, table.colnames)):
        return Table.read(text, format="ascii.no_header", guess=False)
    return table


def _is_number(name: str) -> bool:
    """Tell whether a name is a value of a table without names; equal ones get ``_1`` behind."""
    try:
        float(name.partition("_")[0])
    except ValueError:
        return False
    return True


def write_reference(path: Path, reference: Reference, about: Mapping[str, Any]) -> None:
    """Write a reference as ECSV.

    Parameters
    ----------
    path : Path
        Is replaced.
    reference : Reference
    about : mapping
        What is known of where it is from; plain values.
    """
    table = Table({name: getattr(reference, name) for name in COLUMNS})
    for name, unit in _UNITS.items():
        table[name].unit = unit
        table[name].info.format = f".{_DIGITS.get(name, 7)}g" if name not in _DIGITS else ".12f"
    table.meta.update(
        {"name": reference.name, "count": len(reference), **json.loads(json.dumps(about))}
    )
    table.write(path, format="ascii.ecsv", overwrite=True)


def read_reference(path: Path) -> Reference:
    """Return what `write_reference` wrote."""
    table = Table.read(path, format="ascii.ecsv")
    columns = {
        name: np.asarray(np.ma.filled(table[name].astype(float), np.nan)) for name in COLUMNS
    }
    return reference_of(str(table.meta["name"]), **columns)
