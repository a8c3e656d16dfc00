"""The simulated sky: the same for all exposures, and photometrically right."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.archive.simulated.headers import distorted_wcs, reference_scale
from skymosaic.archive.simulated.plane import deproject, project
from skymosaic.archive.simulated.pointing import plan_exposure, visits_of
from skymosaic.archive.simulated.proposal import field_center
from skymosaic.archive.simulated.scene import (
    Stars,
    add_stars,
    nebula,
    pixel_area,
    render,
    stars_near,
)
from skymosaic.archive.simulated.simulation import Simulation


def true_wcs(simulation: Simulation, visit: str, dither: int = 0):
    return distorted_wcs(plan_exposure(simulation, visit, dither).true_wcs)


def test_the_tangent_plane_and_back() -> None:
    center = field_center()
    plane = np.array([[0.0, 120.0, -300.0], [0.0, -80.0, 250.0]])
    assert project(*deproject(plane, center), center) == pytest.approx(plane, abs=1e-7)
    north = project(np.array(center[0]), np.array(center[1] + 1 / 3600), center)
    assert north == pytest.approx([0.0, 1.0], abs=1e-6)


def test_pixel_area_is_that_of_the_pixels_corners_on_the_sky() -> None:
    wcs = true_wcs(Simulation(), "ibxl54")
    x, y = np.array([3.0, 500.0, 1005.0]), np.array([10.0, 480.0, 30.0])
    center = field_center()

    def at(dx: float, dy: float) -> np.ndarray:
        return project(*wcs.all_pix2world(x + dx, y + dy, 0), center)

    one, two = at(0.5, 0.5) - at(-0.5, -0.5), at(-0.5, 0.5) - at(0.5, -0.5)
    expected = 0.5 * np.abs(one[0] * two[1] - one[1] * two[0])
    assert pixel_area(wcs, x, y) == pytest.approx(expected, rel=1e-5)


def test_a_star_keeps_its_flux_and_place_whatever_the_pixel_area() -> None:
    wcs = true_wcs(Simulation(), "ibxl54")
    for x0, y0 in ((20.3, 30.8), (500.0, 480.5), (1000.1, 20.4)):
        ra, dec = wcs.all_pix2world([x0], [y0], 0)
        image = np.zeros((1014, 1014))
        add_stars(image, Stars(ra, dec, np.array([100.0])), wcs, reference_scale())
        area = pixel_area(wcs, np.array([x0]), np.array([y0]))[0]
        assert image.sum() * area / reference_scale() ** 2 == pytest.approx(100.0, rel=1e-6)
        y, x = np.indices(image.shape)
        # Pixels as wide as the star leave its centroid uncertain by some 0.005 pixels.
        assert (x * image).sum() / image.sum() == pytest.approx(x0, abs=0.01)
        assert (y * image).sum() / image.sum() == pytest.approx(y0, abs=0.01)


def test_a_star_at_the_edge_leaves_only_its_part() -> None:
    wcs = true_wcs(Simulation(size="small"), "ibxl54")
    ra, dec = wcs.all_pix2world([-0.5, 600.0], [100.0, 100.0], 0)
    image = np.zeros((256, 256))
    add_stars(image, Stars(ra, dec, np.array([100.0, 100.0])), wcs, reference_scale())
    assert image.sum() == pytest.approx(50.0, rel=0.02)
    assert image[:, 10:].sum() == 0.0


def test_two_exposures_see_the_same_diffuse_light_at_the_same_place() -> None:
    simulation = Simulation(size="small")
    first, second = (true_wcs(simulation, visit) for visit in ("ibxl54", "ibxl51"))
    images = [render(simulation, wcs, reference_scale()) for wcs in (first, second)]
    y, x = np.mgrid[0:256, 0:256]
    there = second.all_world2pix(
        *first.all_pix2world(x.ravel(), y.ravel(), 0), 0, quiet=True, tolerance=1e-4
    )
    column, row = (np.rint(axis).astype(int) for axis in there)
    both = (column >= 0) & (column < 256) & (row >= 0) & (row < 256)
    assert 4000 < both.sum() < 20000
    difference = images[0].ravel()[both] - images[1][row[both], column[both]]
    assert abs(np.median(difference)) < 5e-4


def test_the_nebula_differs_from_tile_to_tile_and_with_the_seed() -> None:
    u, v = np.meshgrid([-124.0, 0.0, 124.0], [-110.0, 0.0, 110.0])
    light = nebula(Simulation(), u, v)
    assert light.min() > 0
    assert np.ptp(light) > 0.3
    assert not np.allclose(light, nebula(Simulation(seed=1), u, v))


def test_stars_of_overlapping_exposures_are_the_same_stars() -> None:
    simulation = Simulation(size="small")
    first, second = (
        {(ra, dec): flux for ra, dec, flux in zip(s.ra, s.dec, s.flux, strict=True)}
        for s in (stars_near(simulation, true_wcs(simulation, v)) for v in ("ibxl54", "ibxl51"))
    )
    common = first.keys() & second.keys()
    assert len(common) > 20
    assert all(first[place] == second[place] for place in common)


def inside(simulation: Simulation, visit: str, stars: Stars) -> np.ndarray:
    x, y = true_wcs(simulation, visit).all_world2pix(stars.ra, stars.dec, 0, quiet=True)
    last = simulation.pixels - 1
    return (x > 5) & (x < last - 5) & (y > 5) & (y < last - 5)


@pytest.mark.parametrize("size", ["full", "small"])
def test_every_tile_shares_enough_stars_with_those_aligned_before_it(size: str) -> None:
    simulation = Simulation(size=size)
    order = [f"ibxl{tile}" for tile in ("54", "51", "53", "55", "57", "50", "52", "56", "58")]
    assert set(order) == set(visits_of(simulation))
    for place, visit in enumerate(order[1:], start=1):
        stars = stars_near(simulation, true_wcs(simulation, visit))
        before = np.any([inside(simulation, other, stars) for other in order[:place]], axis=0)
        assert (before & inside(simulation, visit, stars)).sum() >= 20, visit


def test_a_displaced_tile_still_sees_stars() -> None:
    simulation = Simulation(size="small", displace={"52": (500.0, 0.0)})
    stars = stars_near(simulation, true_wcs(simulation, "ibxl52"))
    assert inside(simulation, "ibxl52", stars).sum() > 100
