"""Whole mosaics at RA 0 and around a pole: what is made, and what is said of where it lies."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from matplotlib.path import Path as Ring
from mocpy import MOC
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import center_of_mass

from skymosaic.archive.simulated.plane import deproject
from tests.conftest import write_campaign
from tests.first_steps import comparison_of
from tests.frames import CENTRE, SCALE, Frame, lights, write_frames

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

FRAMES = (Frame(0, 0), Frame(50, 15, 5.0, 1.2), Frame(20, 60, 30.0, 1.1))
WHOLE = """
import json, sys
from skymosaic.drizzlepac_calls.skypac_polygons import give_back
give_back()
from drizzlepac.haputils.cell_utils import SkyCell
for name in sys.argv[1:]:
    wcs = SkyCell.from_name(name, scale="coarse").wcs
    own = {key: getattr(wcs.wcs, key).tolist() for key in ("crval", "crpix", "cd")}
    print(json.dumps({**own, "ctype": list(wcs.wcs.ctype), "shape": list(wcs.pixel_shape)}))
"""
PLACES = {"zero": (359.9995, 10.0), "north": (30.0, 89.9996), "south": (200.0, -89.7)}
"""In the first one RA 0 lies within the mosaic, in the second one the pole."""


def made(folder: Path, centre: tuple[float, float], engine: str, grid: dict[str, Any]) -> Path:
    """Make a campaign of frames around a centre; return its folder in the store."""
    (folder / "data").mkdir(parents=True)
    write_frames(folder / "data", FRAMES, centre=centre)
    return comparison_of(
        write_campaign(
            folder / "field.yaml",
            source={"kind": "directory", "path": "data"},
            align="none",
            store={"uri": "store"},
            sky={"methods": ["match"]},
            drizzle={"engine": engine, "grid": grid},
        )
    )


def around(centre: tuple[float, float]) -> dict[str, Any]:
    ra, dec = centre
    return {"ra": ra, "dec": dec, "columns": 260, "rows": 240, "rotation": 20.0, "scale": SCALE}


def planes(folder: Path, part: str = "runs") -> tuple[fits.Header, NDArray, NDArray]:
    """Return header, science and weights of the mosaic."""
    [science] = (folder / part).rglob("*_match_drz_sci.fits")
    weight = str(science).replace("_sci", "_wht")
    return fits.getheader(science), fits.getdata(science), fits.getdata(weight)


@pytest.mark.parametrize("engine", ["astrodrizzle", "onepass"])
def test_a_field_is_the_same_wherever_on_the_sky_it_lies(tmp_path: Path, engine: str) -> None:
    """The frames lie on one tangent plane, and so does the mosaic: its pixels are the same."""
    _, science, weight = planes(made(tmp_path / "usual", CENTRE, engine, around(CENTRE)))
    for name in ("zero", "north"):
        centre = PLACES[name]
        folder = made(tmp_path / name, centre, engine, around(centre))
        header, other, its_weight = planes(folder)
        assert (header["CRVAL1"], header["CRVAL2"]) == centre
        np.testing.assert_allclose(its_weight, weight, rtol=1e-6, atol=1e-3)
        np.testing.assert_allclose(other, science, rtol=1e-6, atol=2e-6)
        require_what_is_said(folder)


@pytest.mark.parametrize("name", list(PLACES))
def test_the_smallest_grid_and_sky_cells(tmp_path: Path, name: str) -> None:
    centre = PLACES[name]
    folder = made(tmp_path, centre, "onepass", {"cells": {"layout": "skycells"}})
    require_what_is_said(folder)
    cells = sorted(path.name for path in (folder / "cells").iterdir() if path.is_dir())
    assert cells
    require_parts_of_drizzlepacs_cells(folder, cells)
    for part in ("runs", *(f"cells/{cell}" for cell in cells)):
        apart = displacements(*planes(folder, part)[:2], centre)
        if part == "runs" or len(apart):
            assert len(apart) > 3
            assert np.abs(np.median(apart, axis=0)).max() < 0.06  # pixels, of a rough centroid


def require_parts_of_drizzlepacs_cells(folder: Path, cells: Sequence[str]) -> None:
    """The pixels of a part lie where drizzlepac has the same pixels of the whole cell."""
    asked = subprocess.run(
        [sys.executable, "-c", WHOLE, *cells], capture_output=True, text=True, timeout=600
    )
    assert asked.returncode == 0, asked.stderr
    for name, line in zip(cells, asked.stdout.splitlines(), strict=True):
        keywords = json.loads(line)
        header = planes(folder, f"cells/{name}")[0]
        size = header["NAXIS1"], header["NAXIS2"]
        before = header["CELLX0"], header["CELLY0"]
        assert header["CELLNAME"] == name
        assert [header["CELLNX"], header["CELLNY"]] == keywords.pop("shape")
        assert [header["CELLPIX1"], header["CELLPIX2"]] == keywords["crpix"]
        whole = WCS(naxis=2)
        for key, value in keywords.items():
            setattr(whole.wcs, key, value)
        pixels = np.array([(1, 1), (size[0], 1), size, (1, size[1])], dtype=float)
        here = SkyCoord(WCS(header).wcs_pix2world(pixels, 1), unit="deg")
        there = SkyCoord(whole.wcs_pix2world(pixels + before, 1), unit="deg")
        assert here.separation(there).deg.max() < 1e-9


def displacements(
    header: fits.Header, image: NDArray, centre: tuple[float, float]
) -> NDArray[np.float64]:
    """Return how far stars lie from where they are on the sky, pixels, shape (n, 2)."""
    stars = lights()
    places = np.transpose(deproject(stars[:, :2].T * SCALE, centre))
    found = []
    for number, (x, y) in enumerate(WCS(header).wcs_world2pix(places, 0)):
        column, row = round(x), round(y)
        part = image[max(0, row - 3) : row + 4, max(0, column - 3) : column + 4]
        others = np.hypot(*(stars[:, :2] - stars[number, :2]).T)
        alone = np.sort(others)[1] > 7 and stars[number, 2] > 8
        if alone and part.shape == (7, 7) and np.isfinite(part).all() and (part != 0).all():
            star = np.clip(part - np.median(part), 0, None)
            below, along = center_of_mass(star)
            found.append((along - 3 - (x - column), below - 3 - (y - row)))
    return np.array(found)


def require_what_is_said(folder: Path) -> None:
    """Compare S_REGION, the regions and the MOC with the weights; look at the figures."""
    header, _, weight = planes(folder)
    wcs, covered = WCS(header), weight > 0
    edge = 8 * np.sqrt(covered.sum())  # pixels along the edge, and more
    drawn = np.zeros_like(covered)
    for ring in header["S_REGION"].split("POLYGON ICRS")[1:]:
        drawn ^= inside(wcs, covered.shape, numbers(ring))
    assert (drawn != covered).sum() < edge / 2
    moc = MOC.load(folder / "comparison" / "footprints.moc.fits", format="fits")
    rows, columns = np.indices(covered.shape)
    places = wcs.wcs_pix2world(np.stack([columns.ravel(), rows.ravel()], axis=1), 0)
    held = moc.contains_skycoords(SkyCoord(places, unit="deg")).reshape(covered.shape)
    assert held[covered].all()
    assert (held & ~covered).sum() < 4 * edge  # its cells have six pixels a side
    text = (folder / "comparison" / "footprints.reg").read_text()
    chips = re.findall(r"^polygon\(([^)]*)\) .*tag=\{exposure\}", text, re.MULTILINE)
    assert len(chips) == len(FRAMES)
    union = np.logical_or.reduce([inside(wcs, covered.shape, numbers(chip)) for chip in chips])
    assert (union != covered).sum() < edge
    # A map that is a line, as RA and Dec would be around a pole, has no height.
    with Image.open(folder / "comparison" / "footprints.png") as image:
        assert image.height > 0.5 * image.width
    assert "offset north of Dec" in (folder / "comparison" / "report.html").read_text()


def numbers(text: str) -> NDArray[np.float64]:
    return np.array(re.findall(r"[-+.\deE]+", text), dtype=float).reshape(-1, 2)


def inside(wcs: WCS, shape: tuple[int, int], ring: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which pixels have their middle within a ring on the sky."""
    rows, columns = np.indices(shape)
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)
    return Ring(wcs.wcs_world2pix(ring, 0)).contains_points(pixels).reshape(shape)
