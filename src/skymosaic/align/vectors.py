"""Where the matched sources of each drizzled image lie relative to the reference after the fit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS, FITSFixedWarning

VECTORS = "vectors.ecsv"
"""File of the vectors among the products of the alignment."""
# Columns of TweakReg's *_catalog_fit.match, from 0: the source in the image minus where the fit
# expects it, pixels of the reference's frame (linearfit.py: xy - fit(uv)); its fitted RA and Dec.
_RESIDUAL, _SKY = (6, 7), (15, 16)
_COLUMNS = {
    "tile": (str, None, "rootname of the drizzled image"),
    "ra": (float, "deg", "right ascension of the source, as fitted"),
    "dec": (float, "deg", "declination of the source, as fitted"),
    "east": (float, "mas", "its offset from the reference to the east once fitted"),
    "north": (float, "mas", "its offset from the reference to the north once fitted"),
}


def read_vectors(folder: Path, tiles: Sequence[str], wcs: str) -> Table:
    """Return the residuals of the sources that TweakReg matched.

    Parameters
    ----------
    folder : Path
        Where TweakReg worked.
    tiles : sequence of str
        Rootnames of the drizzled images.
    wcs : str
        Name of the file with the WCS of the reference's frame.

    Returns
    -------
    astropy.table.Table
        A row a match: tile, ra, dec (degrees), east, north (mas). None of tiles of which TweakReg
        left no list, as of the reference.
    """
    rows: list[tuple[str, float, float, float, float]] = []
    for tile in tiles:
        path = next(iter(sorted(folder.glob(f"{tile}*_catalog_fit.match"))), None)
        if path is None or not (folder / wcs).exists():
            continue
        values = np.loadtxt(path, usecols=(*_RESIDUAL, *_SKY), ndmin=2)
        apart = values[:, 0:2] @ _pixels_to_mas(folder / wcs).T
        rows += [
            (tile, float(ra), float(dec), float(east), float(north))
            for (ra, dec), (east, north) in zip(values[:, 2:4], apart, strict=True)
        ]
    return residual_table(rows)


def residual_table(rows: Sequence[tuple[str, float, float, float, float]]) -> Table:
    """Return residuals as `read_vectors` does: a row each of tile, ra, dec, east and north."""
    table = Table(
        rows=list(rows) or None,
        names=list(_COLUMNS),
        dtype=[kind for kind, _, _ in _COLUMNS.values()] if not rows else None,
    )
    for name, (_, unit, description) in _COLUMNS.items():
        table[name].unit = unit
        table[name].description = description
    table.meta["title"] = "Residuals of matched sources after the alignment"
    return table


def _pixels_to_mas(path: Path) -> np.ndarray:
    """Return the matrix from offsets in x, y (pixels) to offsets east, north (mas)."""
    with fits.open(path) as hdus, warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        header = next((hdu.header for hdu in hdus if "CRVAL1" in hdu.header), hdus[0].header)
        return WCS(header).pixel_scale_matrix * 3.6e6
