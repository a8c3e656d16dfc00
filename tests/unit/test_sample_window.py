"""Which part of a mosaic AstroDrizzle makes again: covered by some exposures, reached by few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from skymosaic.drizzle.checks.sample_window import Window, choose_window
from skymosaic.drizzle.grid import Grid
from skymosaic.errors import DrizzleError
from skymosaic.hst.exposure import Chip, Exposure
from skymosaic.sky.overlaps import overlaps

GRID = Grid((85.0, -2.0), (1000.5, 1000.5), 0.1, 0.0, (2000, 2000))
SIDE = 400  # pixels


def exposure(
    name: str, x: float, y: float, turned: float = 0.0, chips: int = 1, side: float = SIDE
) -> Exposure:
    """Return an exposure whose middle is at a pixel of the grid."""
    cos, sin = np.cos(np.radians(turned)), np.sin(np.radians(turned))
    found = []
    for chip in range(chips):
        low, high = -side / 2 + chip * side / chips, -side / 2 + (chip + 1) * side / chips
        box = np.array([(-side / 2, low), (side / 2, low), (side / 2, high), (-side / 2, high)])
        corners = GRID.wcs().all_pix2world(box @ [[cos, sin], [-sin, cos]] + [x, y], 0)
        found.append(Chip(chip + 1, tuple(map(tuple, corners.tolist())), "", 0.0, 0.1, False))
    return Exposure(
        name, "_flt", "", "WFC3", "IR", "F160W", 500.0, 0.0, 0.0, tuple(found)
    )  # fmt: skip


def chosen(exposures: Sequence[Exposure]) -> Window:
    shared = overlaps({e.rootname: e.polygons for e in exposures})
    window = choose_window(exposures, GRID, [(a, b, area) for (a, b), area in shared.items()])
    return window


def reaching(exposures: Sequence[Exposure], window: Window, margin: float) -> set[str]:
    """Return who has a point within a distance of the window, found by trying many points."""
    found = set()
    for one in exposures:
        for polygon in one.polygons:
            corners = GRID.wcs().all_world2pix(polygon, 0)
            u, v = (grid.ravel()[:, None] for grid in np.meshgrid(*[np.linspace(0, 1, 81)] * 2))
            points = (
                corners[0] * (1 - u) * (1 - v)
                + corners[1] * u * (1 - v)
                + corners[2] * u * v
                + corners[3] * (1 - u) * v
            )
            low = np.array([window.x, window.y]) - margin
            high = np.array([window.x + window.columns, window.y + window.rows]) + margin - 1
            if ((points >= low) & (points <= high)).all(axis=1).any():
                found.add(one.rootname)
    return found


def test_of_two_places_with_two_exposures_those_that_share_least_are_taken() -> None:
    near = [exposure("a", 500, 500), exposure("b", 510, 505)]
    far = [exposure("c", 1000, 1000), exposure("d", 1310, 1010)]
    window = chosen([*near, *far])
    assert window.whole
    assert window.exposures == ("c", "d")
    assert window.columns == window.rows == pytest.approx(SIDE / 8, abs=1)


def test_no_other_exposure_reaches_the_window() -> None:
    random = np.random.default_rng(3)
    for chips in (1, 2):
        field = [
            exposure(f"e{i:02d}", *random.uniform(300, 1700, 2), random.uniform(0, 360), chips)
            for i in range(30)
        ]
        window = chosen(field)
        assert window.whole
        assert 2 <= len(window.exposures) <= 4
        assert reaching(field, window, 0.0) <= set(window.exposures)
        assert reaching(field, window, 14.0) <= set(window.exposures)
        assert len(reaching(field, window, 0.0)) >= 2


def test_where_each_place_has_more_more_are_taken_up_to_a_limit() -> None:
    def stack(count: int) -> list[Exposure]:
        return [exposure(f"e{i:02d}", 1000 + i % 3, 1000 + i // 3) for i in range(count)]

    window = chosen(stack(8))
    assert window.whole and len(window.exposures) == 8
    window = chosen(stack(40))
    assert not window.whole
    assert len(window.exposures) == 4


def test_exposures_that_do_not_overlap_are_seen_alone() -> None:
    window = chosen([exposure("a", 500, 500), exposure("b", 1500, 1500)])
    assert window.whole
    assert len(window.exposures) == 1


def test_a_thousand_exposures_cost_no_more_than_a_few() -> None:
    random = np.random.default_rng(4)
    field = [exposure(f"e{i:04d}", *random.uniform(300, 1700, 2), 30.0) for i in range(1000)]
    assert len(choose_window(field, GRID, []).exposures) <= 12


def test_the_window_is_a_grid_of_its_own() -> None:
    window = chosen([exposure("a", 500, 500), exposure("b", 800, 510)])
    part = window.of(GRID)
    assert part.shape == (window.columns, window.rows)
    np.testing.assert_allclose(
        part.wcs().all_pix2world([[3.0, 4.0]], 0),
        GRID.wcs().all_pix2world([[window.x + 3.0, window.y + 4.0]], 0),
    )


def test_a_grid_without_exposures_is_refused() -> None:
    with pytest.raises(DrizzleError, match="no exposure covers the output grid"):
        chosen([exposure("a", 5000, 5000)])


@pytest.mark.parametrize("side", [5, 16, 22])
def test_chips_of_few_large_pixels_have_a_smaller_window(side) -> None:
    window = chosen(
        [exposure(name, 500, 500 + y, 45.0, side=side) for name, y in (("a", 0), ("b", 2))]
    )
    assert window.whole
    assert window.exposures == ("a", "b")
    assert 1 <= window.columns < 16


def test_a_grid_that_has_a_corner_of_an_exposure_has_a_smaller_window() -> None:
    corner = replace(GRID, crpix=(GRID.crpix[0] - 690, GRID.crpix[1] - 690), shape=(100, 100))
    window = choose_window([exposure("a", 500, 500)], corner, [])
    assert window.x + window.columns <= 11 and window.y + window.rows <= 11
