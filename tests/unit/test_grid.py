"""The output grid: what AstroDrizzle is asked for, what its mosaic must be, and how large."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from skymosaic.config.drizzlepac_parameters import known_parameters
from skymosaic.drizzle.grid import Grid, bound_output
from skymosaic.errors import DrizzleError
from skymosaic.hst.reading import read_exposure
from tests.unit.small_fits import wcs_keywords, write_exposure

GRID = Grid(crval=(85.25, -2.45), crpix=(2200.5, 1800.5), scale=0.12, rot=257.0, shape=(4400, 3600))


def wcs_of(grid: Grid) -> WCS:
    keywords = {**grid.header_keywords(), "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}
    return WCS(fits.Header({k: v for k, v in keywords.items() if not k.startswith("NAXIS")}))


def position_angle(start, end) -> float:
    """Return the angle of a short step on the sky, degrees east of north."""
    east = (end[0] - start[0]) * np.cos(np.radians(start[1]))
    return float(np.degrees(np.arctan2(east, end[1] - start[1])) % 360)


def test_it_is_what_the_call_returned() -> None:
    values = {
        "crval": [85.25, -2.45],
        "crpix": [2200.5, 1800.5],
        "cd": [[0.0, 0.0], [0.0, 0.0]],
        "scale": 0.12,
        "rot": 257.0,
        "shape": [4400, 3600],
    }
    assert Grid.from_call(values) == GRID


@pytest.mark.parametrize("rot", [0.0, 30.0, 90.0, 180.0, 257.0, -45.0])
def test_the_header_is_that_wcs(rot) -> None:
    grid = Grid((85.25, -2.45), (100.0, 50.0), 0.12, rot, (200, 100))
    wcs = wcs_of(grid)
    assert wcs.wcs_pix2world([[100.0, 50.0]], 1)[0] == pytest.approx([85.25, -2.45])
    assert proj_plane_pixel_scales(wcs) * 3600 == pytest.approx([0.12, 0.12])
    start, right, up = wcs.wcs_pix2world([[100, 50], [101, 50], [100, 51]], 1)
    assert position_angle(start, up) == pytest.approx(rot % 360, abs=1e-3)
    # East is to the left of north, as on the sky.
    assert position_angle(start, right) == pytest.approx((rot - 90) % 360, abs=1e-3)
    assert np.linalg.det(wcs.wcs.cd) < 0
    keywords = grid.header_keywords()
    assert (keywords["NAXIS1"], keywords["NAXIS2"]) == (200, 100)


def test_astrodrizzle_is_asked_for_the_same_grid() -> None:
    parameters = GRID.final_parameters()
    header = GRID.header_keywords()
    # Without final_wcs AstroDrizzle ignores all the others.
    assert parameters.pop("final_wcs") is True
    assert parameters == {
        "final_ra": header["CRVAL1"],
        "final_dec": header["CRVAL2"],
        "final_crpix1": header["CRPIX1"],
        "final_crpix2": header["CRPIX2"],
        "final_outnx": header["NAXIS1"],
        "final_outny": header["NAXIS2"],
        "final_scale": proj_plane_pixel_scales(wcs_of(GRID))[0] * 3600,
        "final_rot": 257.0,
    } | {"final_scale": 0.12}


def test_astrodrizzle_knows_all_that_it_is_asked() -> None:
    assert set(GRID.final_parameters()) <= set(known_parameters("astrodrizzle"))


@pytest.fixture
def exposures(tmp_path):
    """Four exposures within an arcminute, and one whose WCS is a degree off."""
    places = {"a": (0, 0), "stray": (3600, 0), "b": (30, 0), "c": (0, 30), "d": (30, 30)}
    return [
        read_exposure(
            write_exposure(
                tmp_path / f"{name}_flt.fits",
                wcs=wcs_keywords(85.0 + east / 3600, -2.5 + north / 3600),
            )
        )
        for name, (east, north) in places.items()
    ]


def sized(columns: int, rows: int) -> Grid:
    return Grid((85.0, -2.5), (1.0, 1.0), 0.13, 0.0, (columns, rows))


def test_a_grid_within_the_limit_passes(exposures) -> None:
    assert bound_output(exposures, sized(1000, 1000), 1.0) is None


def test_a_grid_beyond_it_names_the_farthest_exposure(exposures) -> None:
    with pytest.raises(DrizzleError, match=r"stray_flt\.fits") as caught:
        bound_output(exposures, sized(28000, 500), 10.0)
    message = str(caught.value)
    assert "28000 x 500 = 14 megapixels" in message
    assert "drizzle.max_output_megapixels = 10" in message
    # An exposure's centre in the row of four lies about 20 arcsec from their middle.
    assert float(message.split(" lies ")[1].split(" arcmin")[0]) == pytest.approx(59.7, abs=0.5)
    assert not any(f"{name}_flt.fits" in message for name in "abcd")


def test_where_the_bad_wcs_stands_in_the_list_does_not_matter(exposures) -> None:
    for turn in range(len(exposures)):
        turned = exposures[turn:] + exposures[:turn]
        with pytest.raises(DrizzleError, match=r"stray_flt\.fits"):
            bound_output(turned, sized(28000, 500), 10.0)


def test_one_exposure_alone(exposures) -> None:
    with pytest.raises(DrizzleError, match=r"a_flt\.fits"):
        bound_output(exposures[:1], sized(28000, 500), 10.0)


def test_a_grid_grows_by_whole_pixels_until_it_holds_footprints() -> None:
    grid = Grid((85.25, -2.45), (50.5, 25.5), 0.12, 30.0, (100, 50))
    corners = np.array([[-3.2, 10.0], [80.0, 10.0], [80.0, 61.7], [-3.2, 61.7]])
    edge = grid.wcs().wcs_pix2world([[0.5, 0.5], [100.5, 50.5]], 1)
    larger = grid.holding([edge, grid.wcs().wcs_pix2world(corners, 1)])
    # From -3.2 to 0.5 there are four pixels, from 50.5 to 61.7 there are twelve.
    assert (larger.shape, larger.crpix) == ((104, 62), (54.5, 25.5))
    assert (larger.crval, larger.scale, larger.rot) == (grid.crval, grid.scale, grid.rot)
    assert grid.holding([edge]) == grid
    with pytest.raises(DrizzleError, match="on the other side of the sky"):
        grid.holding([np.array([[265.25, 2.45]])])
