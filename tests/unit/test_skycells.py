"""MAST's sky cells: the tessellation, names, what is touched, the part that is kept."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from click.testing import CliRunner

from skymosaic.cli.main import main
from skymosaic.config.drizzlepac_parameters import parameters_folder
from skymosaic.config.skycell_table import read_tessellation, tessellation
from skymosaic.errors import InstallationError
from skymosaic.hst.chip_outlines import wcs_outline
from skymosaic.sky.clipping import overlap
from skymosaic.sky.overlaps import overlap_area, unit_vectors
from skymosaic.sky.pixel_grid import PixelGrid
from skymosaic.sky.projection_cells import SCALES, CellGrids, Scale
from skymosaic.sky.skycell_names import (
    HapMosaic,
    SkyCellName,
    default_scale,
    hap_filter,
    hap_name,
)
from skymosaic.sky.skycells import cell, cells_at, cells_touched, crop
from tests.imager_files import CENTRE, write_hrc

TABLE = tessellation()
PLACES = [
    *((0.0, 0.0), (359.9999, 0.3), (0.0001, -0.3), (358.2, 2.0), (0.0, 66.0)),
    *((0.0, 90.0), (123.0, 89.9), (200.0, -89.5), (300.0, -90.0), (77.0, 88.4), (10.0, 41.0)),
]


def square(ra: float, dec: float, side: float, roll: float = 0.0) -> np.ndarray:
    """Return the corners of a square chip as unit vectors; side in arcsec, roll in degrees."""
    a, d, turn = np.radians([ra, dec, roll])
    up = np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    east = np.array([-np.sin(a), np.cos(a), 0.0])
    north = np.cross(up, east)
    x, y = np.cos(turn) * east - np.sin(turn) * north, np.sin(turn) * east + np.cos(turn) * north
    half = np.radians(side / 7200.0)
    corners = up + half * np.array([-x - y, x - y, x + y, -x + y])
    return np.asarray(corners / np.linalg.norm(corners, axis=1)[:, None])


def wcs_of(grid: PixelGrid) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cd = grid.crval, grid.crpix, grid.cd
    return wcs


def touched_names(chips: list[np.ndarray], scale: Scale = "fine") -> list[str]:
    return [one.cell.name for one in cells_touched([chips], scale, TABLE)]


def names_one_by_one(chip: np.ndarray, scale: Scale = "fine") -> list[str]:
    """Return the cells a chip shares an area with, by astropy's WCS and another clipping."""
    ra = np.degrees(np.arctan2(chip[:, 1], chip[:, 0])) % 360.0
    polygon = np.stack([ra, np.degrees(np.arcsin(chip[:, 2]))], axis=1)
    centres = unit_vectors(TABLE.centres)
    found = []
    for number in np.flatnonzero(centres @ chip.mean(axis=0) > np.cos(np.radians(4.0))):
        for x in range(1, TABLE.cells_a_side + 1):
            for y in range(1, TABLE.cells_a_side + 1):
                name = str(SkyCellName(int(number), x, y))
                grid = CellGrids(TABLE, scale).grid_of(int(number), x, y)
                edge = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * grid.shape + 0.5
                corners = wcs_of(grid).wcs_pix2world(edge, 1)
                middle = unit_vectors(corners).mean(axis=0)
                if middle @ chip.mean(axis=0) > np.cos(np.radians(0.5)) and (
                    overlap_area(corners, polygon) > 0.0
                ):
                    found.append(name)
    return sorted(found)


def test_the_projection_cells_cover_the_sky() -> None:
    random = np.random.default_rng(3)
    places = random.normal(size=(3000, 3))
    chips = [[square(ra, dec, 1.0)] for ra, dec in PLACES]
    chips += [[np.eye(3)[[0, 0, 0]] * 0 + one + 1e-9 * np.eye(3)] for one in
              places / np.linalg.norm(places, axis=1)[:, None]]  # fmt: skip
    touched = cells_touched(chips, "fine", TABLE)
    assert {i for one in touched for i in one.exposures} == set(range(len(chips)))


@pytest.mark.parametrize("number", [0, 1322, 1889, 2643])
def test_cells_tile_their_projection_cell_with_the_right_overlap(number: int) -> None:
    first = [
        CellGrids(TABLE, "fine").grid_of(number, x, x) for x in range(1, TABLE.cells_a_side + 1)
    ]
    columns = np.array([grid.shape[0] for grid in first])
    starts = first[0].crpix[0] - np.array([grid.crpix[0] for grid in first])
    assert np.all(starts == np.rint(starts))  # one pixel grid
    shared = starts[:-1] + columns[:-1] - starts[1:]
    assert np.all(shared == 2 * TABLE.overlap)
    size = TABLE.shapes[number][0]
    assert starts[0] == 0
    assert starts[-1] < size <= starts[-1] + columns[-1]
    assert first[0].crpix == (size / 2 + 0.5, size / 2 + 0.5)
    assert len({grid.crval for grid in first}) == 1


def test_coarse_cells_have_three_times_larger_pixels_and_no_common_grid() -> None:
    fine, coarse = (cell("skycell-p1889x08y19", scale, TABLE).grid for scale in SCALES)
    assert (fine.scale, coarse.scale) == (0.04, 0.12)
    assert (fine.shape, coarse.shape) == ((21954, 21954), (7318, 7318))
    next_ = cell("skycell-p1889x09y19", "coarse", TABLE).grid
    assert coarse.crpix[0] - next_.crpix[0] == pytest.approx(21442 / 3)  # not whole
    # FITS counts from the middle of a pixel: multiplying CRPIX moves the edge by a third.
    apart = coarse.to_pixels(unit_vectors(fine.to_sky(np.array([[0.5, 0.5]]))))
    assert apart[0] == pytest.approx([0.5 / 3, 0.5 / 3], abs=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["skycell-p0000x11y11", "skycell-p2643x21y01",
                                  "skycell-p1322x01y21", "skycell-p1889x07y19"])  # fmt: skip
def test_positions_are_those_of_astropy(name: str, scale: Scale) -> None:
    grid = cell(name, scale, TABLE).grid
    pixels = np.random.default_rng(1).uniform(0.5, grid.shape[0], (50, 2))
    sky = wcs_of(grid).wcs_pix2world(pixels, 1)
    assert np.abs(unit_vectors(grid.to_sky(pixels)) - unit_vectors(sky)).max() < 1e-14
    assert np.abs(grid.to_pixels(unit_vectors(sky)) - pixels).max() < 1e-5


def test_a_turned_grid_has_the_positions_of_astropy() -> None:
    grid = PixelGrid((359.9, 66.0), (120.25, -40.0), 0.08, 257.0, (300, 200))
    pixels = np.array([[1.0, 1.0], [300.0, 200.0], [17.5, 180.25]])
    sky = wcs_of(grid).wcs_pix2world(pixels, 1)
    assert np.abs(grid.to_sky(pixels) - sky).max() < 1e-11
    assert np.abs(grid.to_pixels(unit_vectors(sky)) - pixels).max() < 1e-6


def test_what_lies_behind_the_plane_has_no_pixel() -> None:
    grid = PixelGrid((10.0, 20.0), (1.0, 1.0), 1.0, 0.0, (5, 5))
    behind = unit_vectors(np.array([[190.0, -20.0], [100.0, -20.1], [10.0, 20.0]]))
    assert np.isfinite(grid.to_pixels(behind)).all(axis=1).tolist() == [False, False, True]


@pytest.mark.parametrize(
    "name", ["skycell-p0000x01y01", "skycell-p2643x21y21", "skycell-p0081x14y15"]
)
def test_names_come_back(name: str) -> None:
    assert str(SkyCellName.parse(name, TABLE)) == name
    assert cell(name, "fine", TABLE).name == name


@pytest.mark.parametrize(
    "name",
    ["", "p1889x07y19", "skycell-p2644x01y01", "skycell-p0000x00y01", "skycell-p0000x01y22",
     "skycell-p1889x07y19 ", "skycell-p1889x7y19", "SKYCELL-P1889X07Y19",
     "skycell-p١889x07y19"],
)  # fmt: skip
def test_a_name_of_no_cell_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="skycell-p1889x07y19, from p0000 to p2643, x01 to x21"):
        cell(name, "fine", TABLE)


@pytest.mark.parametrize("place", PLACES)
def test_cells_are_those_that_another_clipping_finds(place: tuple[float, float]) -> None:
    chip = square(*place, 200.0, 33.0)
    assert touched_names([chip]) == names_one_by_one(chip) != []


def test_cells_of_random_chips_are_those_that_another_clipping_finds() -> None:
    random = np.random.default_rng(7)
    for _ in range(6):
        dec = np.degrees(np.arcsin(random.uniform(-1, 1)))
        chip = square(random.uniform(0, 360), dec, random.uniform(10, 1500), random.uniform(0, 90))
        assert touched_names([chip], "coarse") == names_one_by_one(chip, "coarse") != []


def test_ra_beside_zero_makes_no_difference() -> None:
    """The tessellation of the band at 2 degrees is the same every 4 degrees of RA."""
    moved = [touched_names([square(ra, 2.0, 150.0)]) for ra in (1.8, 181.8)]
    west = [touched_names([square(ra, 2.0, 150.0)]) for ra in (358.2, 178.2)]
    for here, there in (moved, west):
        assert len(here) == len(there) > 1
        assert [name[-6:] for name in sorted(here, key=lambda n: n[-6:])] == [
            name[-6:] for name in sorted(there, key=lambda n: n[-6:])
        ]
    assert {name[9:13] for name in west[0]} == {"1322", "1411"}  # the last one of the band, too


def test_a_chip_larger_than_a_cell_touches_the_cells_inside_of_it() -> None:
    chip = square(182.0, 27.0, 4000.0)
    names = touched_names([chip])
    assert len(names) > 16
    middle = [one.name for one in cells_at(182.0, 27.0, "fine", TABLE)]
    assert set(middle) <= set(names)


def test_a_chip_on_the_border_touches_the_next_cell_by_a_thousandth_of_a_pixel() -> None:
    grid = cell("skycell-p1889x07y19", "fine", TABLE).grid
    names = {}
    for beyond in (-1e-3, 1e-3):
        edge = grid.shape[0] + 0.5 - beyond
        pixels = np.array([[edge, 9000], [edge + 500, 9000], [edge + 500, 9900], [edge, 9900]])
        names[beyond] = touched_names([unit_vectors(grid.to_sky(pixels))])
    assert "skycell-p1889x07y19" in names[1e-3]
    assert "skycell-p1889x07y19" not in names[-1e-3]
    assert "skycell-p1889x08y19" in names[-1e-3]


def test_reach_makes_cells_larger() -> None:
    grid = cell("skycell-p1889x07y19", "fine", TABLE).grid
    edge = grid.shape[0] + 0.5 + 20.0  # pixels: 0.8 arcsec
    pixels = np.array([[edge, 9000], [edge + 50, 9000], [edge + 50, 9900]])
    chip = unit_vectors(grid.to_sky(pixels))
    found = {
        reach: {one.cell.name for one in cells_touched([[chip]], "fine", TABLE, reach=reach)}
        for reach in (0.0, 0.79, 0.81)
    }
    assert "skycell-p1889x07y19" in found[0.81]
    assert "skycell-p1889x07y19" not in found[0.79] | found[0.0]


def test_each_cell_knows_its_exposures() -> None:
    here, there = square(0.0, 2.0, 100.0), square(120.0, -60.0, 100.0)
    touched = cells_touched([[here], [there, square(0.001, 2.0, 5.0)], []], "fine", TABLE)
    members = {one.cell.name: one.exposures for one in touched}
    assert set(members.values()) == {(0, 1), (1,)}
    assert {name for name, own in members.items() if 0 in own} == set(touched_names([here]))
    assert [one.cell.name for one in touched] == sorted(members)


def test_angles_and_vectors_of_any_number_of_corners_give_the_same() -> None:
    chip = square(0.01, 0.2, 900.0, 20.0)
    angles = np.stack(
        [np.degrees(np.arctan2(chip[:, 1], chip[:, 0])), np.degrees(np.arcsin(chip[:, 2]))], axis=1
    )
    triangles = [chip[[0, 1, 2]], chip[[2, 3, 0]]]
    assert touched_names([angles]) == touched_names([chip]) == touched_names([*triangles, chip])


def test_no_exposures_touch_nothing() -> None:
    assert cells_touched([], "fine", TABLE) == cells_touched([[]], "fine", TABLE) == []


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        (np.zeros((2, 2)), r"exposure 1 has the shape \(2, 2\)"),
        (np.zeros((4, 4)), r"exposure 1 has the shape \(4, 4\)"),
        (np.array([[1.0, 2.0], [np.nan, 2.0], [1.0, 3.0]]), "exposure 1 has a corner"),
    ],
)
def test_what_is_no_polygon_is_refused(polygon: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cells_touched([[square(1, 2, 3)], [polygon]], "fine", TABLE)


def test_ten_thousand_exposures_are_found_as_a_few_are() -> None:
    random = np.random.default_rng(2)
    ra, roll = random.uniform(0, 360, (2, 10_000))
    dec = np.degrees(np.arcsin(random.uniform(-1, 1, 10_000)))
    chips = [
        [square(*values)] for values in zip(ra, dec, np.full(10_000, 150.0), roll, strict=True)
    ]
    touched = cells_touched(chips, "fine", TABLE)
    assert {i for one in touched for i in one.exposures} == set(range(10_000))
    for i in (0, 4321, 9999):
        assert [one.cell.name for one in touched if i in one.exposures] == touched_names(chips[i])


@pytest.mark.parametrize("place", PLACES)
def test_a_crop_is_whole_pixels_and_holds_all_of_a_chip(place: tuple[float, float]) -> None:
    chip = square(*place, 120.0, 33.0)
    for touched in cells_touched([[chip]], "fine", TABLE):
        whole = touched.cell.grid
        part = crop(whole, [[chip]])
        assert part is not None
        assert part.grid.crpix == (whole.crpix[0] - part.corner[0], whole.crpix[1] - part.corner[1])
        assert (part.grid.crval, part.grid.scale, part.grid.rot) == (whole.crval, 0.04, 0.0)
        assert all(isinstance(value, int) for value in (*part.corner, *part.grid.shape))
        for corner, size, all_ in zip(part.corner, part.grid.shape, whole.shape, strict=True):
            assert 0 <= corner < corner + size <= all_
        # Every border of it touches the chip: without its outermost pixels, something is lost.
        columns, rows = part.grid.shape
        strips = [((0.5, 0.5), (1.5, rows + 0.5)), ((0.5, 0.5), (columns + 0.5, 1.5)),
                  ((columns - 0.5, 0.5), (columns + 0.5, rows + 0.5)),
                  ((0.5, rows - 0.5), (columns + 0.5, rows + 0.5))]  # fmt: skip
        pixels = part.grid.to_pixels(chip)[None]
        for low, high in strips:
            assert overlap(pixels, np.array(low), np.array(high)).all()
        # And what lies on the cell lies on its part: pixels drawn inside of the chip.
        random = np.random.default_rng(1)
        weights = random.dirichlet(np.ones(4), 500) @ chip
        inside = weights / np.linalg.norm(weights, axis=1)[:, None]
        on_whole = np.all(np.abs(whole.to_pixels(inside) - 0.5 - np.array(whole.shape) / 2)
                          < np.array(whole.shape) / 2, axis=1)  # fmt: skip
        on_part = np.all(np.abs(part.grid.to_pixels(inside) - 0.5 - np.array(part.grid.shape) / 2)
                         <= np.array(part.grid.shape) / 2, axis=1)  # fmt: skip
        assert np.array_equal(on_whole, on_part)


def test_a_margin_is_kept_within_the_cell() -> None:
    grid = cell("skycell-p1889x07y19", "fine", TABLE).grid
    pixels = np.array([[3.0, 10_000.0], [1000.0, 10_000.0], [1000.0, 11_000.0], [3.0, 11_000.0]])
    chip = unit_vectors(grid.to_sky(pixels))
    part, larger = crop(grid, [[chip]]), crop(grid, [[chip]], margin=40)
    assert part is not None
    assert larger is not None
    assert larger.corner == (0, part.corner[1] - 40)
    assert larger.grid.shape == (
        part.corner[0] + part.grid.shape[0] + 40,
        part.grid.shape[1] + 80,
    )


def test_a_chip_that_holds_the_grid_leaves_all_of_it_and_one_beside_it_nothing() -> None:
    grid = PixelGrid((359.9, 66.0), (120.25, -40.0), 0.08, 257.0, (300, 200))
    whole = crop(grid, [[square(359.9, 66.0, 600.0)]])
    assert whole is not None
    assert (whole.corner, whole.grid) == ((0, 0), grid)
    assert crop(grid, [[square(0.5, 66.0, 60.0)], [square(179.9, -66.0, 60.0)]]) is None


def test_an_outline_follows_distortion() -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    header = wcs_of(PixelGrid((10.0, 20.0), (50.5, 50.5), 0.05, 0.0, (100, 100))).to_header()
    header.update({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "NAXIS1": 100,
                   "NAXIS2": 100, "A_ORDER": 2, "B_ORDER": 2, "B_2_0": 1e-3})  # fmt: skip
    outline = wcs_outline(WCS(header), 4)
    assert outline.shape == (16, 2)
    corners, middle = outline[[0, 4]], outline[2]
    # The bottom edge bends by 50^2 * 1e-3 = 2.5 pixels of 0.05 arcsec.
    assert (corners[:, 1].mean() - middle[1]) * 3600 == pytest.approx(0.125, abs=1e-3)


@pytest.mark.parametrize(
    ("facts", "rootname", "name"),
    [
        (("skycell-p0081x14y15", "WFC3", "IR", "F128N", "coarse", "drz"), None,
         "hst_skycell-p0081x14y15_wfc3_ir_f128n_coarse-all_drz.fits"),
        (("skycell-p0081x14y15", "WFC3", "IR", "F128N", "fine", "drz"), None,
         "hst_skycell-p0081x14y15_wfc3_ir_f128n_all_drz.fits"),
        (("skycell-p0081x14y15", "WFC3", "IR", "F128N", "coarse", "drz"), "ibp505mfq",
         "hst_skycell-p0081x14y15_wfc3_ir_f128n_coarse-all-ibp505mf_drz.fits"),
        (("skycell-p1253x05y09", "ACS", "WFC", "F658N", "fine", "drc"), None,
         "hst_skycell-p1253x05y09_acs_wfc_f658n_all_drc.fits"),
        (("skycell-p1253x05y09", "WFPC2", "1", "F555W", "coarse", "drw"), None,
         "hst_skycell-p1253x05y09_wfpc2_pc_f555w_coarse-all_drw.fits"),
    ],
)  # fmt: skip
def test_names_of_products(
    facts: tuple[str, str, str, str, Scale, str], rootname: str | None, name: str
) -> None:
    """Those of MAST that drizzlepac's hapcut_utils.py quotes, and one of WFPC2."""
    assert hap_name(HapMosaic(*facts), rootname) == name


@pytest.mark.parametrize(
    ("filters", "name"),
    [("F814W", "f814w"), ("CLEAR", "clear"), ("POL60V+F606W", "f606w-pol60v"),
     ("F606W+POL60V", "f606w-pol60v"), ("F555W+F658N", "f555w-f658n"), ("CLEAR2S+F606W", "f606w"),
     ("F140LP+N/A+F140LP", "f140lp")],
)  # fmt: skip
def test_names_of_filters(filters: str, name: str) -> None:
    assert hap_filter(filters) == name


@pytest.mark.parametrize(
    ("instrument", "detector", "scale"),
    [("WFC3", "IR", "coarse"), ("WFC3", "UVIS", "fine"), ("ACS", "WFC", "fine"),
     ("ACS", "HRC", "fine"), ("WFPC2", "PC", "coarse"), ("WFPC2", "1", "coarse"),
     ("STIS", "CCD", "fine")],
)  # fmt: skip
def test_the_scale_of_a_detector(instrument: str, detector: str, scale: str) -> None:
    assert default_scale(instrument, detector) == scale


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "allsky_cells.fits"
    with pytest.raises(InstallationError, match=r"allsky_cells.fits: cannot be read.*install"):
        read_tessellation(path)
    shutil.copy(parameters_folder() / "allsky_cells.fits", path)
    assert read_tessellation(path) == TABLE
    with fits.open(path, mode="update") as hdus:
        hdus[1].data["NBAND"][3] += 1
    with pytest.raises(InstallationError, match="not numbered in order"):
        read_tessellation(path)
    fits.delval(path, "SC_OLAP")
    with pytest.raises(InstallationError, match="SC_OLAP"):
        read_tessellation(path)


def _printed(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["skycells", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_the_command_lists_the_cells_of_files(tmp_path: Path) -> None:
    path = write_hrc(tmp_path, "j8bt07oyq", 0.0, 1.0)
    found = json.loads(_printed(str(path), str(path), "--format", "json"))
    assert {one["name"] for one in found} >= {c.name for c in cells_at(*CENTRE, "fine", TABLE)}
    one = found[0]
    grid = cell(one["name"], "fine", TABLE).grid
    assert (one["crval"], one["crpix"], one["shape"]) == (
        list(grid.crval), list(grid.crpix), list(grid.shape))  # fmt: skip
    assert one["files"] == [str(path)] * 2
    assert one["part"]["shape"] == pytest.approx([160 * 0.0265 / 0.04] * 2, abs=2)
    rows = _printed(str(path)).splitlines()
    assert rows[0].split()[:2] == ["cell", "scale"]
    assert [row.split()[0] for row in rows[1:]] == [one["name"] for one in found]
    assert "coarse" in _printed(str(path), "--scale", "coarse")


@pytest.mark.filterwarnings("error")
def test_the_command_reads_packed_files(tmp_path: Path) -> None:
    path = write_hrc(tmp_path, "j8bt07oyq", 0.0, 1.0)
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    plain, found = (json.loads(_printed(str(one), "--format", "json")) for one in (path, packed))
    assert [one.pop("files") for one in found] == [[str(packed)]] * len(found)
    assert [one | {"files": [str(path)]} for one in found] == plain


def test_the_command_lists_the_cells_of_a_position_and_one_by_name() -> None:
    found = json.loads(_printed("--ra", "359.99", "--dec", "0.2", "--format", "json"))
    names = [one["name"] for one in found]
    assert names == [one.name for one in cells_at(359.99, 0.2, "fine", TABLE)]
    assert "files" not in found[0]
    assert _printed("--cell", names[0], "--scale", "coarse").count(names[0]) == 1


def test_the_command_tells_of_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a_flt.fits"
    path.write_bytes(b"nonsense")
    result = CliRunner().invoke(main, ["skycells", str(path)])
    assert result.exit_code == 4
    assert str(path) in result.stderr
    assert result.stdout == ""


def test_the_command_says_what_a_name_looks_like() -> None:
    result = CliRunner().invoke(main, ["skycells", "--cell", "skycell-p9999x01y01"])
    assert result.exit_code == 2
    assert "a name looks like skycell-p1889x07y19" in " ".join(result.stderr.split())
