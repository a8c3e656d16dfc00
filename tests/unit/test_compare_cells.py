"""The level of an exposure in cells of the sky."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS

from skymosaic.archive.simulated.headers import distorted_wcs
from skymosaic.archive.simulated.pointing import plan_exposure
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.evidence.cells import CellGrid, ChipImage, cell_side, measure_cells
from skymosaic.evidence.mosaic import combined, in_cells


def frame_wcs(crval: tuple[float, float] = (85.0, -2.4), scale: float = 0.13) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = crval
    wcs.wcs.crpix = [64.5, 64.5]
    wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
    return wcs


def grid_for(wcs: WCS, side: int = 8, cells: int = 20) -> CellGrid:
    reference = wcs.deepcopy()
    reference.wcs.crpix = [cells * side / 2 + 0.5, cells * side / 2 + 0.5]
    return CellGrid(reference, side, (cells, cells))


def measured(science: np.ndarray, good: np.ndarray | None = None, factor: float = 1.0):
    wcs = frame_wcs()
    valid = np.ones(science.shape, dtype=bool) if good is None else good
    chip = ChipImage(science.astype(np.float32), valid, wcs, factor)
    return measure_cells("a", [chip], grid_for(wcs), 700.0)


def test_a_cell_is_the_median_of_its_pixels() -> None:
    science = np.random.default_rng(0).normal(0.0, 1.0, (128, 128)).astype(np.float32)
    cells = measured(science)
    # 128 pixels on 8 x 8: the frame lies on cells 2 to 17 exactly.
    assert cells.corner == (2, 2)
    blocks = science.reshape(16, 8, 16, 8).swapaxes(1, 2).reshape(16, 16, 64)
    np.testing.assert_allclose(cells.level, np.median(blocks, axis=2), rtol=1e-6)
    assert (cells.count == 64).all()
    assert cells.noise == pytest.approx(1.0, rel=0.05)


def test_bad_pixels_and_cosmic_rays_do_not_count() -> None:
    science = np.full((128, 128), 2.0)
    good = np.ones(science.shape, dtype=bool)
    science[5, :] = 1e6
    good[5, :] = False
    science[40:43, 40:43] = 1e4  # unflagged, 9 of the 64 pixels of a cell at most
    cells = measured(science, good, factor=0.5)
    assert np.isfinite(cells.level).all()
    np.testing.assert_allclose(cells.level, 1.0)
    assert cells.count[0, 0] == 56


def test_cells_that_are_not_full_have_no_level_but_are_covered() -> None:
    good = np.ones((128, 128), dtype=bool)
    good[:6, :8] = False
    cells = measured(np.ones((128, 128)), good)
    assert np.isnan(cells.level[0, 0])
    assert np.isfinite(cells.level).sum() == 255
    assert cells.covered.all()


def test_an_exposure_without_valid_pixels_or_off_the_grid_has_no_cells() -> None:
    science = np.ones((128, 128), dtype=np.float32)
    wcs = frame_wcs()
    away = CellGrid(frame_wcs((86.0, -2.4)), 8, (20, 20))
    assert measured(science, np.zeros(science.shape, dtype=bool)) is None
    assert measure_cells("a", [ChipImage(science, science > 0, wcs, 1.0)], away, 1.0) is None


def test_two_chips_of_an_exposure_are_one() -> None:
    wcs = frame_wcs()
    upper = wcs.deepcopy()
    upper.wcs.crpix = [64.5, 0.5]  # rows 64 to 127 of the frame
    chips = [
        ChipImage(np.full((64, 128), value, np.float32), np.ones((64, 128), bool), one, 1.0)
        for value, one in ((1.0, wcs), (3.0, upper))
    ]
    cells = measure_cells("a", chips, grid_for(wcs), 1.0)
    np.testing.assert_array_equal(np.unique(cells.level[:8]), [1.0])
    np.testing.assert_array_equal(np.unique(cells.level[8:]), [3.0])


def test_distorted_exposures_see_one_sky_at_one_place() -> None:
    simulation = Simulation(size="small")
    levels = []
    for visit, dither in (("ibxl54", 0), ("ibxl54", 1)):
        wcs = distorted_wcs(plan_exposure(simulation, visit, dither).true_wcs)
        y, x = np.mgrid[0:256, 0:256].astype(float)
        ra, dec = wcs.all_pix2world(x.ravel(), y.ravel(), 0)
        scene = ((ra - 85.25) * 300 + (dec + 2.45) * 500).reshape(256, 256)
        chip = ChipImage(scene.astype(np.float32), np.ones(scene.shape, bool), wcs, 1.0)
        centre = frame_wcs((85.2547, -2.4540), 0.128)
        levels.append(measure_cells(visit, [chip], grid_for(centre, 4, 90), 1.0))
    images = [combined([one], np.zeros(1), (90, 90))[0] for one in levels]
    both = np.isfinite(images[0]) & np.isfinite(images[1])
    assert both.sum() > 1000
    # A cell is 0.5 arcsec, over which the scene changes by 0.08.
    assert np.abs(images[0] - images[1])[both].max() < 0.03
    assert np.ptp(images[0][both]) > 3.0


def test_the_side_of_a_cell_is_a_multiple_of_the_previews_blocks() -> None:
    assert cell_side(0.12825, 0.12825, 1014, 3) == 9
    assert cell_side(0.12825, 0.12825, 256, 1) == 4
    assert cell_side(0.05, 0.05, 4096, 5) % 5 == 0


def test_a_preview_in_cells_is_the_median_of_its_blocks() -> None:
    preview = np.arange(36.0).reshape(6, 6)
    preview[0, 0] = np.nan
    image = in_cells(preview, 3, (2, 3))
    assert np.isnan(image[0, 0])
    assert image[1, 1] == 28.0
    assert np.isnan(image[:, 2]).all()
