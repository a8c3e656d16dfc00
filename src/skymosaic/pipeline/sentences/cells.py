"""What is told of the cells of a campaign: their table, their list, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from astropy.table import Table

from skymosaic.config.grid import CellLayout
from skymosaic.drizzle.cells import Cell, largest_cell, times_drizzled
from skymosaic.drizzle.grid import Grid
from skymosaic.host.counting import counted
from skymosaic.pipeline.results import CellResult
from skymosaic.report.sheet import Columns, sheet
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place

_PLANE = 4  # bytes of a pixel, float32
_COLUMNS: Columns = {
    "cell": (str, None, "name of the cell"),
    "ra": (float, "deg", "right ascension of its middle"),
    "dec": (float, "deg", "declination of its middle"),
    "columns": (int, "pixel", "columns of its mosaics"),
    "rows": (int, "pixel", "rows of its mosaics"),
    "scale": (float, "arcsec", "size of a pixel"),
    "covered": (float, None, "share of its pixels that have weight"),
    "exposures": (int, None, "exposures that touch it"),
    "folder": (str, None, "where its files are, below the campaign's folder"),
    "bytes": (int, "byte", "size of its files"),
}


def cells_sheet(place: Place, cells: Sequence[Finished[CellResult]]) -> Table:
    """Return the table of the cells that have mosaics."""
    rows = []
    for one in cells:
        if not one.result.mosaics:
            continue
        grid = one.result.cell.grid
        rows.append(
            (
                one.result.cell.name,
                *grid.centre,
                *grid.shape,
                grid.scale,
                one.result.covered,
                len(one.result.cell.exposures),
                one.step,
                sum(product.size for product in one.products.values()),
            )
        )
    return sheet("The mosaics of cells", _COLUMNS, rows)


def cells_document(
    place: Place, common: Grid, cells: Sequence[Finished[CellResult]]
) -> dict[str, Any]:
    """Return the list of cells as plain values: of each its WCS, footprint, exposures and files."""
    return {
        "campaign": place.campaign,
        "cells": [_entry(place, one) for one in cells if one.result.mosaics],
        "empty": [one.result.cell.name for one in cells if not one.result.mosaics],
        "cells_an_exposure": times_drizzled([one.result.cell for one in cells]),
        "common_grid": common.to_dict(),
    }


def _entry(place: Place, one: Finished[CellResult]) -> dict[str, Any]:
    cell = one.result.cell
    part = cell.part
    sky_cell = {}
    if part is not None:
        sky_cell = {"scale": part.scale, "whole": part.whole.to_dict(), "corner": part.corner}
    return {
        "name": cell.name,
        "wcs": {
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            **{name: float(value) for name, value in cell.grid.header_keywords().items()},
            "NAXIS1": cell.grid.shape[0],
            "NAXIS2": cell.grid.shape[1],
        },
        **sky_cell,
        "footprint": cell.grid.pixels.corners.tolist(),
        "covered": one.result.covered,
        "exposures": cell.exposures,
        "mosaics": {
            name: {
                kind: one.products[file].key.removeprefix(place.key(""))
                for kind, file in vars(files).items()
                if file is not None
            }
            for name, files in one.result.mosaics.items()
        },
    }


def empty_warnings(cells: Sequence[Finished[CellResult]]) -> list[str]:
    """Return which cells are left out, a sentence."""
    empty = [one.result.cell.name for one in cells if not one.result.mosaics]
    if not empty:
        return []
    return [
        f"{counted(len(empty), 'cell')} left out, because the masks leave no pixel there: "
        f"{', '.join(empty)}."
    ]


def cells_lines(cells: Sequence[Finished[CellResult]]) -> list[str]:
    """Return how many cells have mosaics, for a terminal; nothing where there are none to be."""
    kept = [one for one in cells if one.result.mosaics]
    if not cells:
        return []
    every = [one.result.cell for one in cells]
    return [
        f"cells: {counted(len(kept), 'cell')} with mosaics, listed in cells/cells.json; an "
        f"exposure lies in {times_drizzled(every):.2f} of them in the mean"
    ]


def planned_cells(cells: Sequence[Cell]) -> str:
    """Return how many cells there are, how large, and how often an exposure is drizzled."""
    if not cells:
        return "cells: none is touched"
    sizes = [one.grid.shape[0] * one.grid.shape[1] for one in cells]
    largest = max(cells, key=lambda one: one.grid.shape[0] * one.grid.shape[1])
    columns, rows = largest.grid.shape
    return (
        f"cells: {counted(len(cells), 'cell')}, {sum(sizes) / 1e6:.3g} megapixels in all; the "
        f"largest, {largest.name}, has {columns} x {rows} pixels "
        f"({columns * rows * _PLANE / 1e6:.3g} MB a plane). An exposure lies in "
        f"{times_drizzled(cells):.2f} of them in the mean, and is drizzled once for "
        "each of them, beside once for the common grid"
    )


def layout_lines(layout: CellLayout, detectors: Sequence[tuple[str, str]]) -> list[str]:
    """Return which cells there will be, as far as a campaign file tells, a line each."""
    (columns, rows), scale = largest_cell(layout, detectors)
    plane = f"{columns * rows * _PLANE / 1e6:.3g} MB a plane"
    known = "how many there are, plan finds out"
    if layout.layout == "square":
        return [f"cells: squares of it, {columns} x {rows} pixels ({plane}); {known}"]
    part = "the part that exposures touch" if layout.crop else "all of each"
    sure = "" if layout.scale or detectors else " where the detector is not WFC3/IR or WFPC2"
    return [
        f"cells: the sky cells that exposures touch, {part}; a whole one has {columns} x {rows} "
        f"pixels of {scale:g} arcsec ({plane}){sure}; {known}"
    ]
