"""When exposures were taken, as epochs of stars."""

from __future__ import annotations

from collections.abc import Sequence

from skymosaic.hst.exposure import Exposure

MJD_OF_J2000 = 51544.5
_DAYS_A_YEAR = 365.25
_SECONDS_A_DAY = 86400.0
_FIRST, _LAST = 1800.0, 2200.0  # years: outside of them a date is a number of another kind


def julian_year(mjd: float) -> float:
    """Return a moment as Julian year; UTC for TDB is a minute off, in which no star moves."""
    return 2000.0 + (mjd - MJD_OF_J2000) / _DAYS_A_YEAR


def possible_epoch(year: float) -> float | None:
    """Return a Julian year; None where nobody can have observed then."""
    return year if _FIRST <= year <= _LAST else None


def mjd_of(year: float) -> float:
    """Return a Julian year as MJD (days)."""
    return MJD_OF_J2000 + (year - 2000.0) * _DAYS_A_YEAR


def epoch_of(exposures: Sequence[Exposure]) -> float | None:
    """Return the middle of some exposures, Julian year; None where no record tells their start.

    Each counts by its exposure time, as it does in an image drizzled from them.
    """
    known = [
        (one.extent.started + one.exptime / 2 / _SECONDS_A_DAY, max(one.exptime, 1e-3))
        for one in exposures
        if one.extent is not None and one.extent.started is not None
    ]
    if not known:
        return None
    weight = sum(time for _, time in known)
    return julian_year(sum(middle * time for middle, time in known) / weight)
