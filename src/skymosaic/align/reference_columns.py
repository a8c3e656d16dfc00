"""A table of stars as a `Reference`: its columns found by their names, its units by the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle, Latitude
from astropy.table import MaskedColumn, Table
from astropy.time import Time

from skymosaic.align.reference import COLUMNS, Numbers, Reference, reference_of
from skymosaic.errors import InputError
from skymosaic.evidence.wording import some
from skymosaic.host.counting import counted
from skymosaic.hst.epochs import MJD_OF_J2000

# Lower case, the best first. Those of Gaia's archive, of VizieR, of SExtractor, Pan-STARRS and the
# Hubble Source Catalog. J2000 in them is the equinox of the axes: it says nothing of the epoch.
NAMES: Mapping[str, tuple[str, ...]] = {
    "ra": (
        *("ra", "_raj2000", "raj2000", "ra_icrs", "_ra.icrs", "_ra_icrs", "_ra", "ra_deg"),
        *("radeg", "ra_j2000", "ramean", "alpha_j2000", "alphawin_j2000", "alpha", "matchra"),
        "right_ascension",
    ),
    "dec": (
        *("dec", "_dej2000", "dej2000", "de_icrs", "_de.icrs", "_de_icrs", "_de", "dec_deg"),
        *("decdeg", "dec_j2000", "decmean", "delta_j2000", "deltawin_j2000", "delta", "matchdec"),
        *("decl", "declination", "dec_icrs", "decj2000", "_decj2000"),
    ),
    "epoch": ("ref_epoch", "epoch", "refepoch", "ep"),
    "ra_error": ("ra_error", "e_raj2000", "e_ra_icrs", "e_ra", "ra_err", "raerr", "sigra"),
    "dec_error": (
        *("dec_error", "e_dej2000", "e_de_icrs", "e_de", "e_dec", "dec_err", "decerr", "sigdec"),
    ),
    "pmra": ("pmra", "pm_ra", "pmra_cosdec", "pm_ra_cosdec", "mura", "pm_ra_masyr"),
    "pmdec": ("pmdec", "pmde", "pm_dec", "mudec", "pm_dec_masyr"),
    "pmra_error": ("pmra_error", "e_pmra", "pm_ra_error", "pmra_err", "pm_ra_cosdec_error"),
    "pmdec_error": ("pmdec_error", "e_pmde", "e_pmdec", "pm_dec_error", "pmdec_err"),
    "parallax": ("parallax", "plx"),
    "parallax_error": ("parallax_error", "e_plx", "parallax_err"),
    "mag": ("phot_g_mean_mag", "gmag", "mag", "magnitude", "mag_auto", "rmag", "vmag"),
}
"""Usual names of each column of a `Reference`."""
_UNITS: Mapping[str, u.UnitBase] = {
    **dict.fromkeys(("ra", "dec"), u.deg),
    **dict.fromkeys(("ra_error", "dec_error", "parallax", "parallax_error"), u.mas),
    **dict.fromkeys(("pmra", "pmdec", "pmra_error", "pmdec_error"), u.mas / u.yr),
}
"""What a `Reference` has, and what is taken where a table does not tell."""
_ERRORS = tuple(name for name in COLUMNS if name.endswith("_error"))
_EPOCHS = (1800.0, 2200.0)
# More than any star has, whatever the noise: no unit is told, or it is a wrong one.
_FASTEST = 20_000.0  # mas/yr; Barnard's star moves by 10,393
_NEAREST = 2_000.0  # mas; Proxima Centauri has 768
_MAGNITUDES = (-30.0, 60.0)  # others stand for none, such as 99 or -999


@dataclass(frozen=True)
class Read:
    """What a table of stars gives."""

    reference: Reference
    columns: Mapping[str, str]
    """Which column of the table each was."""
    left_out: int
    """Rows without a position."""


def read_columns(
    table: Table,
    name: str,
    title: str,
    named: Mapping[str, str] | None = None,
    epoch: float | None = None,
) -> Read:
    """Return the stars of a table.

    Parameters
    ----------
    table : Table
        Its columns have units, or those of Gaia are taken: degrees, mas, mas/yr. Text is read as
        sexagesimal, right ascensions as hours unless the unit is degrees.
    name : str
        What the catalogue is called.
    title : str
        What messages call it: its file.
    named : mapping of str to str or None
        Names of columns, by those of a `Reference`; of the others the usual ones are looked for.
    epoch : float or None
        Julian year, where no column tells the epochs; None: they are unknown.

    Raises
    ------
    InputError
        There is no such column, or a row whose values are no position; it names them.
    """
    found = _found(table.colnames, title, named or {})
    columns = {one: _values(table[column], one, title) for one, column in found.items()}
    there = np.isfinite(columns["ra"]) & np.isfinite(columns["dec"])
    _require_whole(columns, table, found, title)
    _require_sense(columns, table, found, title)
    if epoch is not None and "epoch" not in columns:
        columns["epoch"] = np.full(len(table), epoch)
    for one in _ERRORS:
        if one in columns:  # an error of 0, or without end, is one that nobody measured
            measured = (columns[one] > 0) & np.isfinite(columns[one])
            columns[one] = np.where(measured, columns[one], np.nan)
    if "mag" in columns:
        columns["mag"] = _within(columns["mag"], *_MAGNITUDES)
    reference = reference_of(name, **columns)
    moving = bool(np.any(reference.has_motion & ~np.isfinite(reference.epoch) & there))
    if moving:
        raise InputError(
            f"{title}: stars have proper motions, and no epoch of their positions: name the column "
            f"in align.reference.columns.epoch (there are {_listed(table.colnames)}), or give "
            "align.reference.epoch, such as 2016.0"
        )
    return Read(reference.select(there), found, int(np.sum(~there)))


def _found(present: list[str], title: str, named: Mapping[str, str]) -> dict[str, str]:
    """Return the name that each column has in a table."""
    found = {}
    # Spreadsheets put a byte order mark before the first name.
    lower = {name.lower().lstrip("\ufeff"): name for name in reversed(present)}
    for column, usual in NAMES.items():
        given = named.get(column)
        if given is not None:
            actual = given if given in present else lower.get(given.lower())
            if actual is None:
                raise InputError(
                    f"{title}: there is no column {given!r} (align.reference.columns.{column}); "
                    f"there are {_listed(present)}"
                )
            found[column] = actual
        elif known := next((lower[name] for name in usual if name in lower), None):
            found[column] = known
    for column in ("ra", "dec"):
        if column not in found:
            raise InputError(
                f"{title}: no column is known as {column}: name it in "
                f"align.reference.columns.{column}; there are {_listed(present)}"
            )
    # Half of a motion is none.
    for pair in (("pmra", "pmdec"), ("pmra_error", "pmdec_error"), ("ra_error", "dec_error")):
        if len(found.keys() & set(pair)) == 1:
            [one] = found.keys() & set(pair)
            if one in named:
                raise InputError(
                    f"{title}: align.reference.columns.{one} needs "
                    f"{next(other for other in pair if other != one)} beside it"
                )
            del found[one]
    return found


def _values(column: Any, what: str, title: str) -> Numbers:
    """Return a column as numbers in the units of a `Reference`, NaN where it has no value."""
    if len(column.shape) != 1:
        size = counted(int(np.prod(column.shape[1:])), "value")
        raise InputError(
            f"{title}: column {column.info.name} has {size} in each row, and {what} is one number: "
            f"name another column in align.reference.columns.{what}"
        )
    if isinstance(column, Time):
        return _filled(column.jyear)
    if isinstance(column, Angle | Latitude) or hasattr(column, "to_value"):
        return _filled(_converted(column.value, column.unit, what, title))
    if column.dtype.kind in "US":
        return _of_text(column, what, title)
    if column.dtype.kind not in "fiu":
        raise InputError(f"{title}: column {column.name} has no numbers ({column.dtype})")
    values = _filled(column)
    if what == "epoch" and column.unit is not None and column.unit == u.d:
        return 2000.0 + (values - MJD_OF_J2000) / u.yr.to(u.d)
    return _converted(values, column.unit, what, title)


def _within(values: Numbers, least: float, most: float) -> Numbers:
    with np.errstate(invalid="ignore"):
        return np.where((values >= least) & (values <= most), values, np.nan)


def _filled(values: Any) -> Numbers:
    if isinstance(values, MaskedColumn | np.ma.MaskedArray):
        return np.asarray(np.ma.filled(values.astype(float), np.nan), dtype=float)
    if hasattr(values, "unmasked"):  # astropy's Masked
        return np.where(np.asarray(values.mask), np.nan, np.asarray(values.unmasked, dtype=float))
    return np.array(values, dtype=float)


def _converted(values: Any, unit: Any, what: str, title: str) -> Any:
    wanted = _UNITS.get(what)
    if unit is None or wanted is None or str(unit) == "":
        return values
    try:
        # VizieR and Gaia's archive write mas/yr with a dot, or quotes, now and then.
        known = unit if isinstance(unit, u.UnitBase) else u.Unit(str(unit).replace("'", ""))
        if known == u.dimensionless_unscaled or isinstance(known, u.UnrecognizedUnit):
            raise ValueError("it is no unit")
        return values * known.to(wanted)
    except (ValueError, TypeError, u.UnitsError) as error:
        raise InputError(
            f"{title}: the unit of the column for {what} is {str(unit)!r}, which is not one like "
            f"{wanted} ({error}): correct the file"
        ) from None


def _of_text(column: Any, what: str, title: str) -> Numbers:
    """Return numbers that are written as text, angles as hours or degrees, minutes, seconds."""
    masked = np.ma.getmaskarray(np.ma.asarray(column)) if hasattr(column, "mask") else None
    texts = [str(value).strip() for value in np.asarray(column)]
    unit = column.unit if column.unit is not None else None
    values, wrong = np.full(len(texts), np.nan), []
    for row, text in enumerate(texts):
        if not text or (masked is not None and masked[row]) or text.lower() in ("nan", "null"):
            continue
        try:
            values[row] = _number(text, what, unit)
        except ValueError:
            wrong.append(row)
    if wrong:
        _refuse(wrong, [texts[row] for row in wrong], what, column.name, title)
    return values


def _number(text: str, what: str, unit: Any) -> float:
    if what == "epoch":
        return float(text.lstrip("Jj"))
    if what not in ("ra", "dec"):
        return float(text) * (
            float(u.Unit(unit).to(_UNITS[what])) if unit and what in _UNITS else 1
        )
    try:
        plain = float(text)
        return plain * float(u.Unit(unit).to(u.deg)) if unit else plain
    except ValueError:
        hours = what == "ra" and (unit is None or u.Unit(unit) != u.deg)
        # "05h40m59s" and "85d12m" say themselves what they are.
        return float(Angle(text, unit=u.hourangle if hours else u.deg).deg)


def _require_whole(
    columns: Mapping[str, Numbers], table: Table, found: Mapping[str, str], title: str
) -> None:
    """Refuse rows with one half of a position."""
    for one, other in (("ra", "dec"), ("dec", "ra")):
        wrong = np.flatnonzero(np.isfinite(columns[other]) & ~np.isfinite(columns[one]))
        if len(wrong):
            shown = [table[found[one]][row] for row in wrong[:3]]
            _refuse(wrong, shown, one, found[one], title)


def _require_sense(
    columns: Mapping[str, Numbers], table: Table, found: Mapping[str, str], title: str
) -> None:
    """Refuse values that none can be."""
    tests = {
        "ra": lambda values: (values >= -360) & (values <= 720),
        "dec": lambda values: np.abs(values) <= 90,
        "epoch": lambda values: (values >= _EPOCHS[0]) & (values <= _EPOCHS[1]),
        **dict.fromkeys(("pmra", "pmdec"), lambda values: np.abs(values) <= _FASTEST),
        "parallax": lambda values: np.abs(values) <= _NEAREST,
        **{name: lambda values: values >= 0 for name in _ERRORS},
    }
    for name, holds in tests.items():
        if name not in columns:
            continue
        values = columns[name]
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero(~(holds(values) | np.isnan(values)))
        if len(wrong):
            shown = [table[found[name]][row] for row in wrong[:3]]
            _refuse(wrong, shown, name, found[name], title)


def _refuse(rows: Iterable[int], values: list[Any], what: str, column: str, title: str) -> None:
    rows = [int(row) + 1 for row in rows]
    listed = "; ".join(f"row {row}: {value}" for row, value in zip(rows, values, strict=False))
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    raise InputError(
        f"{title}: {counted(len(rows), 'row')} of column {column} cannot be {what}: "
        f"{'; '.join(listed.split('; ')[:3])}{more} (rows count from 1, without the heading); "
        "correct them, or leave them out"
    )


def _listed(names: list[str]) -> str:
    return some(names) if names else "none"
