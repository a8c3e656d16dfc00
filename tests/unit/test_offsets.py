"""Offsets from a middle: what astropy measures on the sphere, at RA 0 and at the poles too."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from skymosaic.sky.offsets import middle_of, north_of, offsets, turned_to_plane

MIDDLES = [(85.25, -2.45), (0.0, 10.0), (359.9999, -35.0), (30.0, 89.9996), (200.0, -89.7)]


def around(middle: tuple[float, float], reach: float) -> tuple[SkyCoord, SkyCoord, np.ndarray]:
    random = np.random.default_rng(3)
    angles, apart = random.uniform(0, 360, 50) * u.deg, random.uniform(0, reach, 50) * u.arcmin
    centre = SkyCoord(*middle, unit="deg")
    places = centre.directional_offset_by(angles, apart)
    return centre, places, np.stack([places.ra.deg, places.dec.deg], axis=1)


@pytest.mark.parametrize("middle", MIDDLES)
@pytest.mark.parametrize("reach", [3.0, 600.0])
def test_distances_and_directions_are_those_on_the_sphere(
    middle: tuple[float, float], reach: float
) -> None:
    centre, places, values = around(middle, reach)
    east, north = offsets(values, middle).T
    assert np.hypot(east, north) == pytest.approx(centre.separation(places).arcmin, rel=1e-7)
    angles = centre.position_angle(places).rad
    assert np.exp(1j * np.arctan2(east, north)) == pytest.approx(np.exp(1j * angles), abs=1e-6)
    assert offsets(np.array([middle]), middle) == pytest.approx(np.zeros((1, 2)), abs=1e-9)


@pytest.mark.parametrize("middle", MIDDLES)
def test_the_middle_of_places(middle: tuple[float, float]) -> None:
    centre = SkyCoord(*middle, unit="deg")
    ring = centre.directional_offset_by(np.arange(0, 360, 30) * u.deg, 2 * u.arcmin)
    found = middle_of([np.stack([ring.ra.deg, ring.dec.deg], axis=1)])
    assert 0 <= found[0] < 360
    assert SkyCoord(*found, unit="deg").separation(centre).arcsec < 1e-6


@pytest.mark.parametrize("middle", MIDDLES)
def test_vectors_are_turned_with_north(middle: tuple[float, float]) -> None:
    """A vector at a place leads to where a step in its direction leads."""
    _, places, values = around(middle, 3.0)
    random = np.random.default_rng(4)
    vectors = random.normal(0, 1, (50, 2))
    angles = np.arctan2(*vectors.T) * u.rad
    length = np.hypot(*vectors.T) * 1e-3 * u.arcmin
    moved = places.directional_offset_by(angles, length)
    ends = offsets(np.stack([moved.ra.deg, moved.dec.deg], axis=1), middle)
    steps = (ends - offsets(values, middle)) / 1e-3
    assert turned_to_plane(vectors, values, middle) == pytest.approx(steps, abs=2e-5)


@pytest.mark.parametrize("crval", [(85.25, -2.45), (0.0, 60.0), (10.0, -85.0), (0.0, 89.999999)])
@pytest.mark.parametrize("rotation", [0.0, 33.0])
@pytest.mark.parametrize("corner", [(0, 0), (20_000, 9_000)])
def test_north_is_that_at_the_middle_of_an_image(
    crval: tuple[float, float], rotation: float, corner: tuple[int, int]
) -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], crval
    wcs.wcs.crpix = 500.5 - np.array(corner)
    angle = np.radians(rotation)
    sin, cos = np.sin(angle), np.cos(angle)
    wcs.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * 0.1 / 3600
    wcs.pixel_shape = (800, 600)
    middle, above = SkyCoord(wcs.wcs_pix2world([[400.5, 300.5], [400.5, 301.5]], 1), unit="deg")
    # Of the y axis, east of north: as much as north is clockwise of up, east being left.
    expected = middle.position_angle(above).rad
    assert np.exp(1j * np.radians(north_of(wcs))) == pytest.approx(np.exp(1j * expected), abs=2e-3)
