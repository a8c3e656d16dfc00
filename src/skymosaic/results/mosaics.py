"""Mosaics as they are read from a store: those of sky methods, and those of cells."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.errors import MissingError
from skymosaic.pipeline.results import CellMosaic, CellResult, DrizzleResult
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place
from skymosaic.store import Product


@dataclass(frozen=True)
class Mosaic:
    """The mosaic of one sky method."""

    method: str
    data: NDArray[np.float32]
    """Shape (ny, nx), in `unit`."""
    weight: NDArray[np.float32]
    """Weight map, shape (ny, nx): exposure time, s, unless ``final_wht_type`` says otherwise; 0
    where there is no data."""
    wcs: WCS
    """The same for every method."""
    unit: str
    """Such as ``ELECTRONS/S``."""
    header: fits.Header
    error: NDArray[np.float32] | None = None
    """1 sigma of each pixel were its noise not correlated, in `unit`; None without
    ``drizzle.products: [err]``."""

    def __repr__(self) -> str:
        rows, columns = self.data.shape
        return f"<Mosaic of {self.method}: {columns} x {rows} pixels in {self.unit}>"


def read_mosaic(
    place: Place, method: str, products: Mapping[str, Product], files: DrizzleResult | CellMosaic
) -> Mosaic:
    """Return a mosaic with its weight map and, where made, its error plane.

    Parameters
    ----------
    place : Place
        The campaign's.
    method : str
        Its sky method.
    products : mapping of str to Product
        Of the step that made it.
    files : DrizzleResult or CellMosaic
        What its files are called.
    """
    header = fits.Header()
    data = read_image(place, products[files.science], header)
    return Mosaic(
        method=method,
        data=data,
        weight=read_image(place, products[files.weight]),
        wcs=WCS(header),
        unit=str(header.get("BUNIT", "")),
        header=header,
        error=None if files.error is None else read_image(place, products[files.error]),
    )


def read_image(
    place: Place, product: Product, header: fits.Header | None = None
) -> NDArray[np.float32]:
    """Return the pixels of an image, its checksum verified; its header goes into `header`."""
    with place.store.open(product) as file:
        content = file.read()
    with fits.open(io.BytesIO(content)) as hdus:
        if header is not None:
            header.update(hdus[0].header)
        return np.array(hdus[0].data, dtype=np.float32)


@dataclass(frozen=True)
class StoredCell:
    """The mosaics of one cell."""

    name: str
    """``skycell-p1889x07y19``, or ``x01y03`` of square cells."""
    wcs: WCS
    """Of its mosaics."""
    footprint: NDArray[np.float64]
    """RA, Dec in degrees of the outer corners, shape (4, 2)."""
    exposures: tuple[str, ...]
    """Rootnames of those that touch it."""
    covered: float
    """What of its pixels has weight."""
    files: Mapping[str, Mapping[str, str]]
    """By method and variant, and by kind (science, weight, context, error, preview): where."""
    _place: Place = field(repr=False)
    _step: Finished[CellResult] = field(repr=False)

    @staticmethod
    def of(place: Place, step: Finished[CellResult]) -> StoredCell:
        """Return what a step made."""
        cell = step.result.cell
        files = {
            name: {
                kind: place.store.address(step.products[file].key)
                for kind, file in vars(mosaic).items()
                if file is not None
            }
            for name, mosaic in step.result.mosaics.items()
        }
        wcs = cell.grid.wcs()
        wcs.pixel_shape = cell.grid.shape
        return StoredCell(
            cell.name,
            wcs,
            cell.grid.pixels.corners,
            tuple(cell.exposures),
            step.result.covered,
            files,
            place,
            step,
        )

    def __repr__(self) -> str:
        columns, rows = self.wcs.pixel_shape
        named = ", ".join(self.files)
        return f"<Cell {self.name}: {columns} x {rows} pixels of {named}>"

    def mosaic(self, method: str) -> Mosaic:
        """Return the mosaic of a sky method, or of a variant as ``variant:NAME``.

        Raises
        ------
        MissingError
            The cell has none.
        """
        mosaics = self._step.result.mosaics
        if method not in mosaics:
            raise MissingError(
                f"cell {self.name} has no mosaic of {method!r}; there are: {', '.join(mosaics)}"
            )
        return read_mosaic(self._place, method, self._step.products, mosaics[method])
