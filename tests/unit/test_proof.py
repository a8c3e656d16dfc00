"""The proof that exposures moved as their drizzled image did."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.align.proof import centre_motion, grid, read_wcs, separation, unlike_motion
from skymosaic.archive.simulated.headers import distorted_wcs
from skymosaic.archive.simulated.pointing import LinearWcs
from tests.unit.small_fits import SCALE, SIDE, wcs_keywords, write_drizzled, write_exposure

DEC = -2.5


def wcs(ra=85.0, dec=DEC, angle=0.0, pixels=256) -> WCS:
    solution = WCS(fits.Header(wcs_keywords(ra, dec, angle, pixels)))
    solution.pixel_shape = (pixels, pixels)
    return solution


def moved(original: WCS, east=0.0, north=0.0, turn=0.0) -> WCS:
    """Return a WCS shifted (arcsec) and turned (degrees) about its reference point."""
    after = original.deepcopy()
    ra, dec = original.wcs.crval
    after.wcs.crval = [ra + east / 3600 / np.cos(np.radians(dec)), dec + north / 3600]
    a = np.radians(turn)
    after.wcs.cd = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) @ original.wcs.cd
    after.wcs.set()
    return after


def follow(exposure: WCS, before: WCS, after: WCS) -> WCS:
    """Return the exposure's WCS moved as a drizzled image moved, by the exact mapping on the sky.

    Its reference point goes where the image puts it, its CD matrix turns with the image's.
    """
    result = exposure.deepcopy()
    pixel = before.wcs_world2pix([exposure.wcs.crval], 0)
    result.wcs.crval = after.wcs_pix2world(pixel, 0)[0]
    result.wcs.cd = after.wcs.cd @ np.linalg.inv(before.wcs.cd) @ exposure.wcs.cd
    result.wcs.set()
    return result


def test_separation_agrees_with_astropy() -> None:
    random = np.random.default_rng(0)
    a = np.stack([random.uniform(0, 360, 50), random.uniform(-89, 89, 50)], axis=1)
    b = a + random.normal(0, 1, size=a.shape) * 10.0 ** random.uniform(-9, 0, size=(50, 1))
    b[:, 1] = np.clip(b[:, 1], -90, 90)
    expected = SkyCoord(*a.T, unit="deg").separation(SkyCoord(*b.T, unit="deg")).arcsec * 1000
    assert separation(a, b) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_separation_across_ra_zero() -> None:
    a, b = np.array([[359.9999, 0.0]]), np.array([[0.0001, 0.0]])
    assert separation(a, b) == pytest.approx([0.0002 * 3.6e6])
    assert separation(a, a).tolist() == [0.0]


def test_the_grid_covers_the_image_corner_to_corner() -> None:
    image = wcs(pixels=256)
    image.pixel_shape = (300, 200)
    x, y = grid(image)
    assert x.shape == y.shape == (25,)
    assert (x.min(), x.max(), y.min(), y.max()) == (0, 299, 0, 199)
    assert len(set(zip(x, y, strict=True))) == 25


@pytest.mark.parametrize(("east", "north", "expected"), [(3, 4, 5), (0, -0.25, 0.25), (0, 0, 0)])
def test_centre_motion_is_the_shift_on_the_sky(east, north, expected) -> None:
    before = wcs()
    assert centre_motion(before, moved(before, east, north)) == pytest.approx(expected, rel=1e-6)


def test_turning_about_the_centre_does_not_move_it() -> None:
    before = wcs()
    assert centre_motion(before, moved(before, turn=0.3)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("turn", [0.0, 0.03, -0.4])
def test_an_exposure_that_moved_alike(turn) -> None:
    drizzled = wcs(pixels=300)
    after = moved(drizzled, 0.7, -0.4, turn)
    exposure = wcs(85.0005, DEC + 0.0007, angle=120.0)
    same = unlike_motion((drizzled, after), (exposure, follow(exposure, drizzled, after)))
    assert same < 0.01  # mas


def test_an_exposure_that_did_not_move_lags_by_the_shift() -> None:
    drizzled = wcs(pixels=300)
    after = moved(drizzled, 0.3, 0.4)
    exposure = wcs(85.0005, DEC + 0.0007, angle=120.0)
    assert unlike_motion((drizzled, after), (exposure, exposure)) == pytest.approx(500, rel=1e-4)


def test_an_exposure_that_moved_alone_leads_by_its_shift() -> None:
    drizzled, exposure = wcs(pixels=300), wcs(angle=50.0)
    found = unlike_motion((drizzled, drizzled), (exposure, moved(exposure, -0.06, 0.08)))
    assert found == pytest.approx(100, rel=1e-4)


def test_a_rotation_that_was_not_followed_shows_at_the_corners() -> None:
    """Here the shift was followed, the turn was not: the centre alone would tell nothing."""
    drizzled, exposure = wcs(pixels=256), wcs(pixels=256)
    turned = moved(drizzled, 0.5, 0.5, turn=0.1)
    only_shifted = moved(exposure, 0.5, 0.5)
    to_corner = np.hypot(127.5, 127.5) * SCALE * 1000  # mas
    expected = to_corner * np.radians(0.1)
    assert unlike_motion((drizzled, turned), (exposure, only_shifted)) == pytest.approx(
        expected, rel=1e-3
    )


def test_with_distortion_the_shift_is_measured_through_it() -> None:
    linear = LinearWcs((85.0, DEC), (507.0, 507.0), ((-3.56e-5, 0.0), (0.0, 3.36e-5)))
    exposure = distorted_wcs(linear)
    exposure.pixel_shape = (1014, 1014)
    drizzled = wcs(pixels=1100)
    after = moved(drizzled, 0.3, -0.4)
    followed = follow(exposure, drizzled, after)
    assert unlike_motion((drizzled, after), (exposure, followed)) < 0.01
    assert unlike_motion((drizzled, after), (exposure, exposure)) == pytest.approx(500, rel=1e-3)


def test_the_wcs_of_each_chip(tmp_path) -> None:
    found = read_wcs(write_exposure(tmp_path / "a_flc.fits", chips=2))
    assert list(found) == [1, 2]
    assert found[1].pixel_shape == (SIDE, SIDE)
    assert found[2].wcs.crval.tolist() == [85.0, -2.5]


@pytest.mark.parametrize("build", [True, False])
def test_the_wcs_of_a_drizzled_image(tmp_path, build) -> None:
    found = read_wcs(write_drizzled(tmp_path / "a_drz.fits", build=build))
    assert list(found) == [1]
    assert found[1].wcs.crval.tolist() == [85.0, -2.5]
