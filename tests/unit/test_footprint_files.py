"""Footprints for other programs, read back by parsers that are not this project's."""

from __future__ import annotations

import re
from pathlib import Path

import mocpy
import numpy as np
import pytest
import regions
from astropy import units

from skymosaic.drizzle.grid import Grid
from skymosaic.report.footprint_files import as_regions, coverage_of, write_footprints
from skymosaic.sky.outline import Outline, trace

SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
CHIPS = {
    "ibxl01aaq": [SQUARE / 60 + (85.25, -2.45)],
    "ja01aaq": [SQUARE, SQUARE + np.array([3.0, 0.0])],
}


def outline(ra: float, dec: float) -> Outline:
    """A square of 4 arcmin with a hole of 2, and an island of 1 in it."""

    def ring(side: float) -> np.ndarray:
        corners = SQUARE * side / 120 / (np.cos(np.radians(dec)), 1.0) + (ra, dec)
        corners[:, 0] %= 360.0
        return np.asarray(corners)

    return Outline((ring(1.0), ring(4.0)), (ring(2.0)[::-1],))


def parse(text: str) -> list[tuple[bool, np.ndarray, str]]:
    """Read polygons as DS9's manual describes them: include, corners, text."""
    lines = text.splitlines()
    assert lines[0] == "# Region file format: DS9 version 4.1"
    assert lines[1].startswith("global ")
    assert lines[2] == "icrs"
    found = []
    for line in lines[3:]:
        match = re.fullmatch(r"(-?)polygon\(([-0-9.,]+)\) # .*text=\{([^}]*)\}.*", line)
        assert match is not None, line
        corners = np.array(match[2].split(","), dtype=float).reshape(-1, 2)
        found.append((match[1] == "", corners, match[3]))
    return found


def test_regions_hold_each_chip_and_the_mosaic() -> None:
    found = parse(as_regions(CHIPS, outline(85.25, -2.45)))
    assert [(include, text) for include, _, text in found] == [
        (True, "ibxl01aaq"),
        (True, "ja01aaq, chip 1 of 2"),
        (True, "ja01aaq, chip 2 of 2"),
        (True, "mosaic"),
        (True, "mosaic"),
        (False, "mosaic"),
    ]
    np.testing.assert_allclose(found[0][1], CHIPS["ibxl01aaq"][0], atol=1e-8)
    np.testing.assert_allclose(found[2][1], CHIPS["ja01aaq"][1], atol=1e-8)


def test_the_regions_package_reads_them() -> None:
    parsed = regions.Regions.parse(as_regions(CHIPS, outline(85.25, -2.45)), format="ds9")
    assert len(parsed) == 6
    assert all(type(one).__name__ == "PolygonSkyRegion" for one in parsed)
    assert parsed[0].vertices.frame.name == "icrs"
    np.testing.assert_allclose(parsed[0].vertices.ra.deg, CHIPS["ibxl01aaq"][0][:, 0], atol=1e-8)


@pytest.mark.parametrize(("ra", "dec"), [(85.25, -2.45), (0.005, 30.0), (200.0, 88.0)])
def test_the_moc_covers_the_mosaic_and_leaves_its_hole_out(
    tmp_path: Path, ra: float, dec: float
) -> None:
    written = write_footprints(tmp_path, CHIPS, outline(ra, dec))
    assert [path.name for path in written] == ["footprints.reg", "footprints.moc.fits"]
    moc = mocpy.MOC.load(written[1], format="fits")
    # From the middle to the north: island, hole, mosaic, nothing.
    offsets = np.array([0.2, 0.7, 1.5, 2.3]) / 60
    inside = moc.contains_lonlat(np.full(4, ra) * units.deg, (dec + offsets) * units.deg)
    assert inside.tolist() == [True, False, True, False]
    area = moc.sky_fraction * 4 * np.pi * np.degrees(1.0) ** 2 * 3600  # arcmin^2
    assert area == pytest.approx(4.0**2 - 2.0**2 + 1.0**2, rel=0.03)  # and the cells at the edges


def test_without_a_mosaic_there_are_regions_of_the_exposures(tmp_path: Path) -> None:
    [written] = write_footprints(tmp_path, CHIPS, None)
    assert len(parse(written.read_text())) == 3


def test_the_same_mosaic_has_the_same_files(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        write_footprints(folder, CHIPS, outline(85.25, -2.45))
    one, other = ({path.name: path.read_bytes() for path in f.iterdir()} for f in folders)
    assert one == other


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 0.0), (0.0, 90.0), (45.0, -90.0)])
def test_an_island_in_a_hole_is_covered_at_the_poles_too(ra: float, dec: float) -> None:
    mask = np.zeros((400, 400), dtype=bool)
    mask[20:380, 20:380] = True
    mask[100:200, 100:300] = False
    mask[130:170, 150:200] = True
    wcs = Grid((ra, dec), (200.5, 200.5), 1.0, 33.0, (400, 400)).wcs()
    y, x = np.mgrid[0:400:7, 0:400:7]
    lon, lat = np.array(wcs.wcs_pix2world(x.ravel(), y.ravel(), 0)) * units.deg
    covered = coverage_of(trace(mask, wcs)).contains_lonlat(lon, lat)
    assert (covered == mask[y.ravel(), x.ravel()]).all()
