"""How many exposures cover the output, from footprints."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.drizzle.depth import Depth, depth_of
from skymosaic.drizzle.grid import Grid

SCALE = 0.05  # arcsec
GRID = Grid(crval=(150.0, 60.0), crpix=(1500.5, 1000.5), scale=SCALE, rot=30.0, shape=(3000, 2000))


def box(x: float, y: float, width: float, height: float) -> np.ndarray:
    """Return a rectangle of the grid, in pixels, as corners on the sky."""
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    return GRID.wcs().all_pix2world(np.array(corners), 0)


def test_one_exposure() -> None:
    depth = depth_of([[box(100, 100, 2000, 1000)]], GRID)
    assert depth.median == 1
    assert depth.share(1, 1) == 1.0
    assert depth.share(2) == 0.0


def test_shares_are_those_of_the_areas() -> None:
    # 1000 columns alone, 1000 shared by two, 200 of them by three.
    depth = depth_of(
        [[box(100, 100, 1500, 1000)], [box(600, 100, 1500, 1000)], [box(700, 100, 200, 1000)]],
        GRID,
    )
    assert depth.share(1, 1) == pytest.approx(0.5, abs=0.02)
    assert depth.share(2, 2) == pytest.approx(0.4, abs=0.02)
    assert depth.share(3) == pytest.approx(0.1, abs=0.02)


def test_chips_of_one_exposure_count_once_and_their_gap_does_not() -> None:
    touching = [box(100, 100, 2000, 600), box(100, 600, 2000, 600)]
    apart = [box(100, 100, 2000, 500), box(100, 700, 2000, 500)]
    assert depth_of([touching], GRID).share(2) == 0.0
    depth = depth_of([touching, apart], GRID)
    assert depth.share(1, 1) == pytest.approx(100 / 1100, abs=0.03)
    assert depth.median == 2


def test_it_is_counted_on_a_coarse_grid_whatever_the_orientation_of_a_chip() -> None:
    turned = GRID.wcs().all_pix2world(
        np.array([(1500, 500), (2000, 1000), (1500, 1500), (1000, 1000)], dtype=float), 0
    )
    depth = depth_of([[turned], [box(1000, 500, 1000, 1000)]], GRID)
    assert depth.share(2) == pytest.approx(0.5, abs=0.03)
    # 32 points across a side of 707 pixels, in an area of 1000 x 1000.
    assert sum(points for _, points in depth.points) == pytest.approx(
        (1000 / 707 * 32) ** 2, rel=0.1
    )


def test_what_lies_outside_of_the_grid_does_not_count() -> None:
    depth = depth_of([[box(-900, 100, 1000, 1000)], [box(-5000, -5000, 1000, 1000)]], GRID)
    assert [n for n, _ in depth.points] == [1]
    assert sum(points for _, points in depth.points) < 0.15 * 32**2


@pytest.mark.parametrize(
    ("points", "median"),
    [
        (((1, 60), (2, 40)), 1),
        (((1, 50), (2, 50)), 2),
        (((1, 10), (2, 41), (5, 49)), 2),
        (((1, 10), (2, 40), (5, 50)), 5),
        ((), 0),
    ],
)
def test_the_median_is_what_half_of_the_area_has(
    points: tuple[tuple[int, int], ...], median: int
) -> None:
    assert Depth(points).median == median
