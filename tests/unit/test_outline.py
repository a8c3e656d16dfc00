"""The outline of a mosaic, against the pixels that it is drawn around."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.drizzle.grid import Grid
from skymosaic.sky.outline import Outline, any_in_blocks, trace

GRID = Grid((85.25, -2.45), (200.5, 150.5), 0.1283, 30.0, (400, 300))


def fields() -> np.ndarray:
    """A turned rectangle with a hole, a second part, and bad pixels."""
    y, x = np.mgrid[:300, :400]
    mask = np.abs((x - 150) * 0.8 + (y - 120) * 0.6) < 70
    mask &= np.abs((y - 120) * 0.8 - (x - 150) * 0.6) < 60
    mask[130:150, 140:170] = False
    mask[200:260, 300:380] = True
    mask[220, 330] = False
    mask[5, 5] = True
    return np.asarray(mask)


def covered(outline: Outline) -> np.ndarray:
    """Return which pixel centres lie in an odd number of polygons."""
    y, x = np.mgrid[:300, :400]
    inside = np.zeros((300, 400), dtype=int)
    for ring in outline.outer + outline.holes:
        px, py = GRID.wcs().all_world2pix(ring, 0).T
        for x0, y0, x1, y1 in zip(px, py, np.roll(px, -1), np.roll(py, -1), strict=True):
            if y0 != y1:
                crosses = (y0 > y) != (y1 > y)
                inside += crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside % 2 == 1


def test_the_polygons_hold_what_the_mask_holds_but_single_pixels() -> None:
    mask = fields()
    outline = trace(mask, GRID.wcs())
    assert (len(outline.outer), len(outline.holes)) == (2, 1)
    off = covered(outline) != mask
    edge = np.zeros_like(mask)  # within two pixels of a change
    for axis in (0, 1):
        for shift in (-2, -1, 1, 2):
            edge |= np.roll(mask, shift, axis) != mask
    assert off[edge].mean() < 0.15
    assert off[~edge].sum() == 0
    assert len(outline.outer[0]) == 4  # a rectangle stays one


def test_s_region_is_closed_and_runs_counter_clockwise() -> None:
    outline = trace(fields(), GRID.wcs())
    words = outline.s_region().split("POLYGON ICRS ")
    assert words[0] == ""
    assert len(words) == 3
    for text in words[1:]:
        ring = np.array(text.split(), dtype=float).reshape(-1, 2)
        np.testing.assert_array_equal(ring[0], ring[-1])
        x, y = GRID.wcs().all_world2pix(ring, 0).T
        assert np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0
        assert np.argmax(y) in (0, len(y) - 1)


@pytest.mark.parametrize("block", [3, 7])
def test_an_outline_from_blocks_holds_all_pixels(block: int) -> None:
    mask = fields()
    small = any_in_blocks((mask[first : first + block] for first in range(0, 300, block)), block)
    assert small.shape == (-(-300 // block), -(-400 // block))
    outline = trace(small, GRID.wcs(), block)
    for part, true in zip(outline.outer, trace(mask, GRID.wcs()).outer, strict=True):
        x, y = GRID.wcs().all_world2pix(part, 0).T
        x0, y0 = GRID.wcs().all_world2pix(true, 0).T
        for ours, exact in ((x, x0), (y, y0)):
            assert ours.min() == pytest.approx(exact.min(), abs=2 * block)
            assert ours.max() == pytest.approx(exact.max(), abs=2 * block)


def test_a_ragged_edge_has_few_corners() -> None:
    random = np.random.default_rng(1)
    mask = np.zeros((300, 400), dtype=bool)
    for row in range(20, 280):
        mask[row, 40 + random.integers(30) : 360 - random.integers(30)] = True
    assert sum(map(len, trace(mask, GRID.wcs()).outer)) <= 120


def test_nothing_has_no_outline() -> None:
    outline = trace(np.zeros((30, 40), dtype=bool), GRID.wcs())
    assert (outline.outer, outline.s_region()) == ((), "")


def test_a_mosaic_of_few_pixels_has_an_outline() -> None:
    mask = np.zeros((30, 40), dtype=bool)
    mask[10:13, 10:13] = True
    assert len(trace(mask, GRID.wcs()).outer) == 1


def test_every_part_of_a_survey_is_in_s_region() -> None:
    """More parts than corners that all of them may have together."""
    mask = np.zeros((300, 400), dtype=bool)
    for row in range(0, 300, 50):
        for column in range(0, 400, 50):
            mask[row + 5 : row + 35, column + 5 : column + 35] = True
    outline = trace(mask, GRID.wcs())
    assert len(outline.outer) == 48
    assert outline.s_region().count("POLYGON ICRS") == 48
    assert (covered(outline) != mask).mean() < 0.05


def test_a_single_pixel_has_an_outline() -> None:
    mask = np.zeros((300, 400), dtype=bool)
    mask[150, 200] = True
    assert len(trace(mask, GRID.wcs()).outer) == 1
    assert trace(~(mask | True), GRID.wcs()).outer == ()
