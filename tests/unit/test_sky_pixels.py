from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS
from spherical_geometry.polygon import SphericalPolygon
from stsci.skypac import region

from skymosaic.archive.simulated.headers import distorted_wcs
from skymosaic.sky.footprints import Footprint, chip_footprint
from skymosaic.sky.pixels import as_mask, filled, united, world_to_pixels
from skymosaic.sky.regions import shared_regions
from tests.frames import Frame, linear_wcs


def chip(frame: Frame, shape: tuple[int, int] | None = None) -> WCS:
    wcs = distorted_wcs(linear_wcs(frame))
    wcs.array_shape = shape or (frame.pixels, frame.pixels)
    return wcs


def random_polygon(random: np.random.Generator, kind: int) -> np.ndarray:
    if kind == 0:  # any star, which crosses itself
        corners = random.integers(-6, 60, (int(random.integers(3, 8)), 2))
    else:  # convex but for the rounding, as overlaps are
        angles = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(3, 9))))
        centre, radii = random.uniform(-5, 60, 2), random.uniform(0.5, 40, 2)
        around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        corners = np.rint(centre + radii * around).astype(int)
    corners = corners[:: random.choice([-1, 1])]
    return np.concatenate([corners, corners[:1]])


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_filled_pixels_are_those_of_skypac(kind: int) -> None:
    random = np.random.default_rng(kind)
    for _ in range(150):
        vertices = random_polygon(random, kind)
        shape = (int(random.integers(3, 60)), int(random.integers(3, 60)))
        expected = region.Polygon(True, [(int(x), int(y)) for x, y in vertices]).scan(
            np.zeros(shape, dtype=bool)
        )
        found = filled(vertices, shape)
        np.testing.assert_array_equal(as_mask(found, shape), expected, str(vertices.tolist()))
        assert (found[:, 2] - found[:, 1]).sum() == expected.sum()  # no pixel twice


def test_regions_are_united() -> None:
    square = np.array([(2, 2), (8, 2), (8, 8), (2, 8), (2, 2)])
    parts = [filled(square, (20, 20)), filled(square + 4, (20, 20))]
    both = as_mask(parts[0], (20, 20)) | as_mask(parts[1], (20, 20))
    np.testing.assert_array_equal(as_mask(united(parts, (20, 20)), (20, 20)), both)


@pytest.mark.parametrize("shape", [(96, 96), (48, 96)])
def test_footprint_is_that_of_spherical_geometry(shape: tuple[int, int]) -> None:
    for roll in (0.0, 40.0, 257.0):
        wcs = chip(Frame(5, -3, roll), shape)
        expected = SphericalPolygon.from_wcs(wcs, steps=1)
        np.testing.assert_array_equal(chip_footprint(wcs).points, next(iter(expected.points)))


def test_polygons_are_transformed_as_if_alone() -> None:
    wcs = chip(Frame(0, 0, 30))
    corners = chip_footprint(wcs).lonlat
    polygons = [corners, 0.3 * corners + 0.7 * corners[:1], 0.9 * corners + 0.1 * corners[2:3]]
    for polygon, found in zip(polygons, world_to_pixels(wcs, polygons), strict=True):
        alone = np.stack(wcs.all_world2pix(polygon[:, 0], polygon[:, 1], 0), axis=1)
        np.testing.assert_array_equal(found, alone)


def test_shared_regions_are_those_of_spherical_geometry() -> None:
    random = np.random.default_rng(4)
    frames = [
        Frame(*random.uniform(-60, 60, 2), roll=float(random.choice([0, 0.001, 30, 77])))
        for _ in range(10)
    ]
    frames += [frames[0], Frame(500, 0)]  # one pointing twice; one that meets no other
    chips = [chip(frame) for frame in frames]
    found = {
        (shared.a, shared.b): shared
        for shared in shared_regions([chip_footprint(wcs) for wcs in chips], range(len(chips)))
    }
    polygons = [SphericalPolygon.from_wcs(wcs, steps=1) for wcs in chips]
    pixel = np.degrees(1e-9)
    for a in range(len(chips)):
        for b in range(a + 1, len(chips)):
            expected = [
                np.stack(polygon.to_lonlat(), axis=1)[:-1]
                for polygon in polygons[a].intersection(polygons[b])
            ]
            same = (a, b) == (0, 10)
            ours = found[a, b].polygons if (a, b) in found else ()
            assert same or len(ours) == len(expected), (a, b)
            for polygon, other in zip(ours, () if same else expected, strict=not same):
                assert len(polygon) == len(other) + 1
                for corner in other:  # in whatever order it begins
                    assert np.abs(polygon - corner).max(axis=1).min() < pixel, (a, b)
    assert not any(11 in pair for pair in found)
    np.testing.assert_array_equal(found[0, 10].polygons[0], chip_footprint(chips[0]).lonlat)


def test_shared_regions_do_not_depend_on_the_place_on_the_sky() -> None:
    areas = []
    for ra, dec in ((0.0, 0.0), (359.99999, 10.0), (120.0, 89.999), (10.0, -90.0)):
        footprints = []
        for shift in (0.0, 40.0):
            wcs = chip(Frame(0, 0, 20))
            wcs.wcs.crval, wcs.wcs.crpix = (ra, dec), wcs.wcs.crpix + shift
            footprints.append(chip_footprint(wcs))
        (shared,) = shared_regions(footprints, [0, 1])
        areas.append(_area(shared.polygons[0]))
        assert isinstance(footprints[0], Footprint)
    np.testing.assert_allclose(areas, areas[0], rtol=1e-4)


def _area(polygon: np.ndarray) -> float:
    return abs(float(SphericalPolygon.from_lonlat(*polygon.T).area()))
