"""Cells: which there are, what touches them, and planes on their grids."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from skymosaic.config import load_campaign_text
from skymosaic.config.grid import CellLayout
from skymosaic.config.skycell_table import tessellation
from skymosaic.drizzle.cells import (
    Cell,
    bound_cells,
    cut,
    largest_cell,
    noise_margin,
    require_one_filter,
    times_drizzled,
    with_surroundings,
)
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.cells import tilts_on
from skymosaic.drizzle.onepass.sums import Tilt
from skymosaic.errors import CampaignError, DrizzleError, InputError
from skymosaic.pipeline.cells import product_roots
from skymosaic.sky.skycells import cell as sky_cell
from skymosaic.sky.skycells import cells_at

GRID = Grid((85.25, -2.45), (120.3, 80.7), 0.1, 20.0, (250, 170))
FILE = "campaign: {name: f}\nsource: {kind: directory, path: d}\n"


def exposure(number: int, detector: str = "IR", filter_: str = "F160W") -> Any:
    return SimpleNamespace(
        rootname=f"ib{number}", instrument="WFC3", detector=detector, filter=filter_, chips=()
    )


def box(grid: Grid, x: float, y: float, columns: float, rows: float) -> np.ndarray:
    """Return the outline of a rectangle of pixels (counted from 1) on the sky."""
    corners = np.array([[x, y], [x + columns, y], [x + columns, y + rows], [x, y + rows]])
    return grid.wcs().wcs_pix2world(corners, 1)


def around(ra: float, dec: float, size: float = 20.0) -> np.ndarray:
    """Return the outline of a square on the sky, arcsec a side."""
    grid = Grid((ra, dec), (0.5, 0.5), size, 0.0, (1, 1))
    return box(grid, 0, 0, 1, 1)


def test_squares_tile_the_grid_and_know_what_touches_them() -> None:
    outlines = [
        [box(GRID, 5, 5, 80, 60)],  # in the first alone, by 10 pixels and more
        [box(GRID, 20, 20, 180, 60), box(GRID, 201.5, 100, 40, 60)],
        [box(GRID, 60, 98.9, 10, 30)],  # its edge is less than a pixel below the second row
    ]
    layout = CellLayout(layout="square", size=100)
    exposures = [exposure(number) for number in range(3)]
    cells = cut(layout, GRID, exposures, outlines)
    assert {cell.name: cell.exposures for cell in cells} == {
        "x01y01": ["ib0", "ib1", "ib2"],
        "x01y02": ["ib2"],
        "x02y01": ["ib1"],
        # The kernels' boxes may stand out of a chip by less than a pixel.
        "x03y01": ["ib1"],
        "x03y02": ["ib1"],
    }
    shapes = {cell.name: cell.grid.shape for cell in cells}
    assert shapes["x01y01"] == (100, 100)
    assert shapes["x03y02"] == (50, 70)  # what is left at the edges
    for cell in cells:
        x, y = int(cell.name[1:3]) - 1, int(cell.name[4:6]) - 1
        sky = cell.grid.wcs().wcs_pix2world([[1, 1]], 1)
        place = GRID.wcs().wcs_world2pix(sky, 1)[0]
        assert place == pytest.approx([100 * x + 1, 100 * y + 1], abs=1e-6)
    assert times_drizzled(cells) == pytest.approx(7 / 3)
    far = cut(layout, GRID, exposures, outlines, kernel="gaussian")
    assert {cell.name for cell in far} >= {cell.name for cell in cells}
    assert "ib0" in next(cell for cell in far if cell.name == "x01y01").exposures


def test_who_shares_noise_with_a_square_is_known() -> None:
    exposures = [exposure(number) for number in range(3)]
    # The second ends 1.5 pixels beside the first cell, the third 20.
    outlines = [
        [box(GRID, 1, 1, 90, 90)],
        [box(GRID, 101.9, 1, 90, 90)],
        [box(GRID, 121, 1, 90, 90)],
    ]
    layout = CellLayout(layout="square", size=(100, 100))
    plain = {cell.name: cell for cell in cut(layout, GRID, exposures, outlines)}
    told = {cell.name: cell for cell in cut(layout, GRID, exposures, outlines, errors=True)}
    assert noise_margin("square", GRID, exposures) == 3
    assert noise_margin("point", GRID, exposures) == 0
    assert (plain["x01y01"].exposures, plain["x01y01"].near) == (["ib0"], None)
    assert (told["x01y01"].exposures, told["x01y01"].near) == (["ib0"], ["ib1"])
    assert {name: cell.exposures for name, cell in told.items()} == {
        name: cell.exposures for name, cell in plain.items()
    }


def test_surroundings_end_where_the_common_grid_does() -> None:
    cells = {
        cell.name: cell.grid
        for cell in cut(
            CellLayout(layout="square", size=(100, 100)),
            GRID,
            [exposure(0)],
            [[box(GRID, 1, 1, 240, 160)]],
        )
    }
    expected = {
        "x01y01": ((103, 103), (0, 0)),
        "x02y01": ((106, 103), (3, 0)),
        "x03y02": ((53, 73), (3, 3)),
    }
    for name, (shape, before) in expected.items():
        around, corner = with_surroundings(cells[name], GRID, 3)
        assert (around.shape, corner) == (shape, before)
        here, there = np.array([[1.0, 1.0]]), np.array([[1.0 + before[0], 1.0 + before[1]]])
        np.testing.assert_allclose(
            around.pixels.to_sky(there), cells[name].pixels.to_sky(here), rtol=0, atol=1e-12
        )


def test_a_rectangle_is_columns_and_rows() -> None:
    layout = CellLayout.model_validate({"layout": "square", "size": [250, 50]})
    cells = cut(layout, GRID, [exposure(0)], [[box(GRID, 1, 1, 240, 160)]])
    assert [cell.name for cell in cells] == ["x01y01", "x01y02", "x01y03", "x01y04"]
    assert [cell.grid.shape for cell in cells] == [(250, 50)] * 3 + [(250, 20)]


@pytest.mark.parametrize(
    "place", [(85.25, -2.45), (0.0, 0.0), (359.9999, 40.0), (77.0, 89.97), (200.0, -89.4)]
)
@pytest.mark.parametrize("crop", [True, False])
def test_sky_cells_are_those_of_mast_shifted_by_whole_pixels(
    place: tuple[float, float], crop: bool
) -> None:
    outlines = [[around(*place)], [around(place[0], place[1] - 0.02)]]
    layout = CellLayout(layout="skycells", crop=crop)
    cells = cut(layout, GRID, [exposure(0), exposure(1)], outlines)
    assert {one.name for one in cells_at(*place, "coarse", tessellation())} <= {
        cell.name for cell in cells
    }
    for cell in cells:
        whole = sky_cell(cell.name, "coarse", tessellation()).grid
        assert cell.part is not None
        assert cell.part.whole.crpix == whole.crpix
        assert (cell.grid.crval, cell.grid.scale) == (whole.crval, whole.scale)
        shift = np.subtract(whole.crpix, cell.grid.crpix)
        assert tuple(shift) == cell.part.corner
        if not crop:
            assert cell.grid.shape == whole.shape
            continue
        # 20 arcsec of 0.12, turned at worst, and a pixel around it; or two of them in one cell.
        assert max(cell.grid.shape) < 1200
        assert all(c >= 0 and c + n <= w for c, n, w in
                   zip(cell.part.corner, cell.grid.shape, whole.shape, strict=True))  # fmt: skip


def test_exposures_lie_in_cells_of_each_projection_cell() -> None:
    """RA 0, Dec 0 is at the limit of two bands of projection cells."""
    layout = CellLayout(layout="skycells")
    cells = cut(layout, GRID, [exposure(0)], [[around(0.0, 0.0)]])
    assert len({cell.name[:14] for cell in cells}) > 1
    assert times_drizzled(cells) == len(cells)


def test_the_scale_is_masts_for_the_detector() -> None:
    fine, coarse = CellLayout(layout="skycells", scale="fine"), CellLayout(layout="skycells")
    outline = [[around(85.25, -2.45)]]
    assert cut(coarse, GRID, [exposure(0)], outline)[0].grid.scale == pytest.approx(0.12)
    assert cut(coarse, GRID, [exposure(0, "UVIS")], outline)[0].grid.scale == pytest.approx(0.04)
    assert cut(fine, GRID, [exposure(0)], outline)[0].grid.scale == pytest.approx(0.04)
    assert largest_cell(coarse, [("WFC3", "IR")]) == ((7318, 7318), pytest.approx(0.12))
    assert largest_cell(fine, []) == ((21954, 21954), pytest.approx(0.04))
    assert largest_cell(CellLayout(layout="square", size=(7, 9)), []) == ((7, 9), None)


def test_cells_that_are_too_large_are_refused_by_name() -> None:
    cells = [Cell("a", GRID, []), Cell("b", Grid((1, 2), (1, 1), 0.1, 0, (3000, 1000)), [])]
    bound_cells(cells, 3.0)
    bound_cells([], 1.0)
    with pytest.raises(DrizzleError, match="cell b would have 3000 x 1000 = 3 megapixels, more"):
        bound_cells(cells, 2.9)


def test_cells_that_are_too_many_are_refused_before_they_are_made() -> None:
    wide = replace(GRID, shape=(1_000_000, 1_000_000))
    layout = CellLayout(layout="square", size=(1, 1))
    with pytest.raises(DrizzleError, match=r"1 x 1 pixels cut .* 1000000000000 cells, more than"):
        cut(layout, wide, [exposure(0)], [[box(wide, 1, 1, 240, 160)]])


def test_names_of_hap_need_one_filter() -> None:
    require_one_filter([exposure(0), exposure(1)])
    with pytest.raises(InputError, match=r"WFC3/IR F110W, WFC3/IR F160W: make a mosaic of each"):
        require_one_filter([exposure(0), exposure(1, filter_="F110W")])


def test_planes_are_the_same_on_another_grid() -> None:
    """Places and areas by astropy's WCS."""
    other = Grid((85.6, -2.2), (9000.0, -4000.0), 0.04, 0.0, (300, 200))
    tilt = Tilt(100.0, 60.0, 2e-3, -1e-3)
    (moved,) = tilts_on([tilt], GRID, other)
    rows, columns = slice(10, 14), slice(20, 25)
    y, x = np.mgrid[rows, columns]
    sky = other.wcs().wcs_pix2world(x.ravel(), y.ravel(), 0)
    there = np.array(GRID.wcs().wcs_world2pix(*sky, 0)).reshape(2, *x.shape)
    plane = tilt.slope_x * (there[0] - tilt.x) + tilt.slope_y * (there[1] - tilt.y)
    np.testing.assert_allclose(moved.over(rows, columns), plane * 0.4**2, rtol=1e-7)
    # On a part of the same grid they are shifted.
    part = Grid(GRID.crval, (20.3, 30.7), 0.1, 20.0, (50, 50))
    (shifted,) = tilts_on([tilt], GRID, part)
    np.testing.assert_allclose(
        shifted.over(slice(0, 5), slice(0, 5)),
        tilt.over(slice(50, 55), slice(100, 105)),
        rtol=1e-12,
    )


@pytest.mark.parametrize(
    ("drizzle", "said"),
    [
        ("{grid: {cells: {layout: skycells}}}", "grid.cells needs engine: onepass"),
        (
            "{engine: onepass, grid: {cells: {layout: square}}}",
            "layout: square needs size: the columns and rows",
        ),
        (
            "{engine: onepass, grid: {cells: {layout: skycells, size: 10}}}",
            "size is of layout: square",
        ),
        (
            "{engine: onepass, grid: {cells: {layout: square, size: 10, names: hap}}}",
            "names: hap is of layout: skycells",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(drizzle: str, said: str) -> None:
    with pytest.raises(CampaignError) as caught:
        load_campaign_text(f"{FILE}drizzle: {drizzle}\n", "f.yaml", {})
    assert said in str(caught.value)


def test_names_are_the_campaigns_or_those_of_hap() -> None:
    one = SimpleNamespace(**vars(exposure(0)), suffix="_flt")
    [cell] = cut(CellLayout(layout="skycells"), GRID, [one], [[around(85.25, -2.45)]])
    place: Any = SimpleNamespace(campaign="P/12812/M_16")
    drizzle = "{engine: onepass, grid: {cells: {layout: skycells, names: NAMES}}}"

    def names(word: str, mosaics: list[str]) -> list[str]:
        text = f"{FILE}drizzle: {drizzle.replace('NAMES', word)}\n"
        campaign = load_campaign_text(text, "f.yaml", {})
        return list(product_roots(campaign, place, cell, [one], mosaics).values())

    assert cell.name == "skycell-p1253x06y09"
    assert names("campaign", ["globalmin+match", "variant:A"]) == [
        "p_12812_m_16_skycell-p1253x06y09_globalmin_match",
        "p_12812_m_16_skycell-p1253x06y09_variant_a",
    ]
    root = "hst_skycell-p1253x06y09_wfc3_ir_f160w_coarse-all"
    assert names("hap", ["match"]) == [root]
    assert names("hap", ["match", "globalmin+match"]) == [
        f"{root}-match",
        f"{root}-globalmin_match",
    ]
