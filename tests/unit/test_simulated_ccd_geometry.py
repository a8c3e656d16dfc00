"""Where the chips of the simulated CCD cameras lie: the gap, the dithers, one rigid body."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from skymosaic.archive.simulated.ccd import scene
from skymosaic.archive.simulated.ccd.cameras import camera_of, shrink_of
from skymosaic.archive.simulated.ccd.geometry import reference_scale, width
from skymosaic.archive.simulated.ccd.headers import distorted_wcs
from skymosaic.archive.simulated.ccd.pointing import CcdExposure, plan_exposure, visits_of
from skymosaic.archive.simulated.names import CCDS
from skymosaic.archive.simulated.plane import project
from skymosaic.archive.simulated.pointing import LinearWcs
from skymosaic.archive.simulated.proposal import field_center
from skymosaic.archive.simulated.scene import Stars
from skymosaic.archive.simulated.simulation import Simulation

GAPS = {"acs-wfc": (45.0, 60.0), "wfc3-uvis": (25.0, 40.0)}  # pixels: about 50, and 35


@pytest.fixture(params=CCDS)
def small(request: pytest.FixtureRequest) -> Simulation:
    return Simulation(instrument=request.param, size="small")


def plan(simulation: Simulation, visit: int, dither: int) -> CcdExposure:
    return plan_exposure(simulation, visits_of(simulation)[visit], dither)


def true_wcs(exposure: CcdExposure) -> list[WCS]:
    return [distorted_wcs(view.chip, view.true_wcs) for view in exposure.views]


def test_chip_1_lies_above_chip_2_beyond_a_gap(small: Simulation) -> None:
    lower, upper = true_wcs(plan(small, 0, 0))
    x = np.linspace(10.0, 500.0, 7)
    seen = lower.all_world2pix(*upper.all_pix2world(x, np.full(7, -0.5), 0), 0)
    gap = seen[1] - 255.5
    least, most = GAPS[small.instrument]
    assert (least < gap).all() and (gap < most).all()
    assert np.abs(seen[0] - x).max() < 6  # columns go on


def test_a_small_frame_is_a_part_of_the_full_one(small: Simulation) -> None:
    full = plan(Simulation(instrument=small.instrument), 0, 0)
    part = plan(small, 0, 0)
    x, y = np.meshgrid(np.linspace(0.0, 511.0, 23), np.linspace(0.0, 255.0, 19))
    for view, cut, whole in zip(part.views, true_wcs(part), true_wcs(full), strict=True):
        here = np.array(cut.all_pix2world(x, y, 0))
        there = np.array(whole.all_pix2world(x + view.chip.corner[0], y + view.chip.corner[1], 0))
        assert np.abs(here - there).max() < 1e-11


def test_the_tables_matter_as_much_as_real_ones(small: Simulation) -> None:
    for view in plan(Simulation(instrument=small.instrument), 0, 0).views:
        wcs = distorted_wcs(view.chip, view.true_wcs)
        plain = distorted_wcs(view.chip, view.true_wcs)
        plain.det2im1 = plain.det2im2 = plain.cpdis1 = plain.cpdis2 = None
        x, y = np.meshgrid(np.linspace(0.0, 4095.0, 65), np.linspace(0.0, 2047.0, 33))
        moved = np.array(wcs.all_pix2world(x, y, 0)) - np.array(plain.all_pix2world(x, y, 0))
        pixels = moved * 3600.0 / reference_scale(view.chip)
        assert 0.02 < pixels.std() < 0.08
        assert np.abs(pixels).max() < 0.25


def test_a_dither_steps_over_the_gap_and_by_a_part_of_a_pixel(small: Simulation) -> None:
    first = true_wcs(plan(small, 0, 0))
    middle = np.mean([wcs.all_pix2world([[255.5, y]], 0)[0] for wcs, y in zip(
        first, (255.5, -0.5), strict=True)], axis=0)  # fmt: skip
    assert not any(_inside(wcs, middle) for wcs in first)
    for dither in (1, 2):
        assert any(_inside(wcs, middle) for wcs in true_wcs(plan(small, 0, dither)))
    x, y = camera_of(small).dither
    assert all(0.2 < step % 1.0 < 0.8 for step in (x, y))


def _inside(wcs: WCS, position: Sequence[float]) -> bool:
    x, y = wcs.all_world2pix([position], 0, quiet=True)[0]
    return bool(-0.5 < x < 511.5 and -0.5 < y < 255.5)


def test_the_visits_share_half_of_their_field_and_are_turned(small: Simulation) -> None:
    first, second = (plan(small, visit, 0) for visit in (0, 1))
    size = width(camera_of(small)) * shrink_of(small)
    apart = project(*np.array(second.center), field_center()) - project(
        *np.array(first.center), field_center()
    )
    assert np.hypot(*apart) == pytest.approx(0.5 * size, rel=0.05)
    assert 2.0 < second.orientation - second.error.roll - first.orientation < 5.0


def test_the_pointing_error_moves_both_chips_as_one_rigid_body(small: Simulation) -> None:
    exposure = plan(small, 1, 2)
    assert np.hypot(exposure.error.dra, exposure.error.ddec) > 0.01
    true, header = (
        [getattr(view, name) for view in exposure.views] for name in ("true_wcs", "header_wcs")
    )
    assert _apart(*header) == pytest.approx(_apart(*true), abs=1e-7)
    turned = [h.orientation - t.orientation for h, t in zip(header, true, strict=True)]
    assert turned == pytest.approx([exposure.error.roll] * 2, abs=1e-4)
    # To a rigid body belongs that the chips keep their angle to the line that joins them.
    assert _angle(*header) == pytest.approx(_angle(*true), abs=1e-7)
    other = plan(small, 1, 0)
    assert other.error == exposure.error


def _apart(first: LinearWcs, second: LinearWcs) -> float:
    """Return the distance of two chips, arcsec."""
    a, b = (SkyCoord(*wcs.crval, unit="deg") for wcs in (first, second))
    return float(a.separation(b).arcsec)


def _angle(first: LinearWcs, second: LinearWcs) -> float:
    """Return the angle at the first chip from its y axis to the second chip, degrees."""
    a, b = (SkyCoord(*wcs.crval, unit="deg") for wcs in (first, second))
    return float((a.position_angle(b).deg - first.orientation + 180.0) % 360.0 - 180.0)


def test_the_reference_tile_has_no_pointing_error(small: Simulation) -> None:
    for dither in range(3):
        for view in plan(small, 0, dither).views:
            assert view.header_wcs == view.true_wcs


def test_a_displaced_tile_moves_on_the_sky_by_what_was_asked(small: Simulation) -> None:
    moved = Simulation(instrument=small.instrument, size="small", displace={"01": (3.0, -2.0)})
    here, there = plan(small, 0, 0), plan(moved, 0, 0)
    shift = project(*np.array(there.center), field_center()) - project(
        *np.array(here.center), field_center()
    )
    assert shift == pytest.approx([3.0, -2.0], abs=1e-6)


def test_a_star_lies_where_the_whole_distortion_puts_it(small: Simulation) -> None:
    view = plan(small, 0, 0).views[0]
    wcs = distorted_wcs(view.chip, view.true_wcs)
    x, y = 300.3, 80.6
    ra, dec = wcs.all_pix2world([x], [y], 0)
    image = np.zeros(view.chip.shape)
    scene.add_stars(image, Stars(ra, dec, np.array([1000.0])), view, wcs)
    rows, columns = np.indices(image.shape)
    assert (image * columns).sum() / image.sum() == pytest.approx(x, abs=1e-3)
    assert (image * rows).sum() / image.sum() == pytest.approx(y, abs=1e-3)
    # Drizzling multiplies a pixel by its area over that of IDCSCALE: then the flux is right.
    area = scene.pixel_area(wcs, np.array([x]), np.array([y]))[0]
    assert image.sum() * area / reference_scale(view.chip) ** 2 == pytest.approx(1000.0, rel=1e-6)
    assert area / reference_scale(view.chip) ** 2 == pytest.approx(1.0, abs=0.08)


def test_diffuse_light_is_the_same_sky_in_both_visits(small: Simulation) -> None:
    lit = Simulation(instrument=small.instrument, size="small", scene="nebula", seed=4)
    values = []
    center = None
    for visit in (0, 1):
        exposure = plan(lit, visit, 0)
        if center is None:
            center = true_wcs(exposure)[1].all_pix2world([[430.0, 60.0]], 0)[0]
        for view, wcs in zip(exposure.views, true_wcs(exposure), strict=True):
            x, y = wcs.all_world2pix([center], 0, quiet=True)[0]
            if 20 < x < 490 and 20 < y < 235:
                image = scene.render(lit, view, wcs)
                near = image[round(y) - 15 : round(y) + 16, round(x) - 15 : round(x) + 16]
                values.append(float(np.percentile(near, 20)))  # between the stars
    assert len(values) >= 1
    assert max(values) == pytest.approx(min(values), rel=0.02)
    assert values[0] > 0.01
