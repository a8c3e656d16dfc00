"""The exposures of HST proposal 12812 as published: what simulations of WFC3/IR follow."""

from __future__ import annotations

import csv
import functools
import importlib.resources

import numpy as np

from skymosaic.archive.simulated.plane import FloatArray

REFERENCE_TILE = "54"
"""The one that the others are aligned to."""


@functools.cache
def _published() -> tuple[dict[str, str], ...]:
    source = (
        importlib.resources.files("skymosaic.archive.simulated") / "data" / "proposal_12812.csv"
    )
    lines = source.read_text(encoding="ascii").splitlines()
    return tuple(csv.DictReader(line for line in lines if not line.startswith("#")))


@functools.cache
def tiles_of_proposal() -> tuple[str, ...]:
    """Return the proposal's nine tiles, by the last two characters of the visit."""
    return tuple(dict.fromkeys(row["rootname"][4:6] for row in _published()))


def rows_of(tile: str) -> list[dict[str, str]]:
    """Return the rows of a tile's exposures: all columns, as text."""
    return [row for row in _published() if row["rootname"][4:6] == tile]


def crval_of(row: dict[str, str]) -> tuple[float, float]:
    """Return CRVAL of an exposure, degrees."""
    return float(row["crval1"]), float(row["crval2"])


def field_center() -> tuple[float, float]:
    """Return (ra, dec) in degrees of the reference tile: the origin of the scene."""
    return crval_of(rows_of(REFERENCE_TILE)[0])


def cd_of(row: dict[str, str]) -> FloatArray:
    """Return the CD matrix of an exposure, shape (2, 2), degrees a pixel."""
    return np.array([[float(row[f"cd{i}_{j}"]) for j in (1, 2)] for i in (1, 2)])
