"""Overlaps of footprints: exact cases, an independent calculation, and the groups."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from spherical_geometry.polygon import SphericalPolygon

from skymosaic.sky.overlaps import groups, overlap_area, overlaps, unit_vectors

ARCSEC2 = np.degrees(1.0) ** 2 * 3600.0**2


def rectangle(ra, dec, width, height, angle=0.0):
    """Return a rectangle of great-circle arcs around (ra, dec): arcsec, degrees."""
    turn = np.radians(angle)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width / 2, height / 2]
    rotated = corners @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    x, y = np.radians(rotated / 3600.0).T
    ra0, dec0 = np.radians([ra, dec])
    centre = np.array([np.cos(dec0) * np.cos(ra0), np.cos(dec0) * np.sin(ra0), np.sin(dec0)])
    east = np.array([-np.sin(ra0), np.cos(ra0), 0.0])
    north = np.cross(centre, east)
    sky = centre + x[:, None] * east + y[:, None] * north
    sky /= np.linalg.norm(sky, axis=1)[:, None]
    lon, lat = np.arctan2(sky[:, 1], sky[:, 0]), np.arcsin(sky[:, 2])
    return np.degrees(np.stack([lon % (2 * np.pi), lat], axis=1))


def square(east, north, side=100.0):
    """Return a square near the equator whose centre is offset by arcsec from RA 10, Dec 0."""
    half = side / 7200.0
    ra, dec = 10.0 + east / 3600.0, north / 3600.0
    return np.array(
        [
            [ra - half, dec - half],
            [ra + half, dec - half],
            [ra + half, dec + half],
            [ra - half, dec + half],
        ]
    )


def spherical_overlap(a, b):
    """Return the shared solid angle by spherical_geometry, arcsec^2."""
    one, two = (
        SphericalPolygon.from_lonlat(*np.vstack([p, p[:1]]).T, center=tuple(_centre(p)))
        for p in (a, b)
    )
    return one.intersection(two).area() * ARCSEC2


def _centre(polygon):
    x, y, z = unit_vectors(polygon).mean(axis=0)
    return np.degrees([np.arctan2(y, x) % (2 * np.pi), np.arctan2(z, np.hypot(x, y))])


def test_unit_vectors() -> None:
    found = unit_vectors(np.array([[0.0, 0.0], [90.0, 0.0], [123.0, 90.0], [180.0, -45.0]]))
    expected = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-np.sqrt(0.5), 0, -np.sqrt(0.5)]]
    assert found == pytest.approx(np.array(expected), abs=1e-15)


def test_identical_squares_share_all() -> None:
    assert overlap_area(square(0, 0), square(0, 0)) == pytest.approx(1e4, rel=1e-6)


@pytest.mark.parametrize(
    ("east", "north", "expected"),
    [(50, 0, 5e3), (-50, 0, 5e3), (0, 50, 5e3), (75, 75, 625.0), (99, 99, 1.0), (0, 99.9, 10.0)],
)
def test_shifted_squares(east, north, expected) -> None:
    assert overlap_area(square(0, 0), square(east, north)) == pytest.approx(expected, rel=1e-4)


def test_one_within_the_other_shares_the_smaller() -> None:
    small, large = square(10, -10, side=20), square(0, 0)
    assert overlap_area(small, large) == pytest.approx(400.0, rel=1e-6)
    assert overlap_area(large, small) == pytest.approx(400.0, rel=1e-6)


def test_the_order_of_the_corners_does_not_matter() -> None:
    a, b = square(0, 0), square(30, 40)
    expected = overlap_area(a, b)
    assert overlap_area(a[::-1], b) == pytest.approx(expected)
    assert overlap_area(a, b[::-1]) == pytest.approx(expected)
    assert overlap_area(np.roll(a, 1, axis=0), np.roll(b, 2, axis=0)) == pytest.approx(expected)


@pytest.mark.parametrize(("east", "north"), [(101, 0), (0, -101), (5000, 0), (100.01, 100.01)])
def test_squares_apart_share_nothing(east, north) -> None:
    assert overlap_area(square(0, 0), square(east, north)) == 0.0


@pytest.mark.parametrize("dec", [0.0, 33.3, -60.0])
@pytest.mark.parametrize("angle", [0.0, 30.0, 257.0])
def test_touching_rectangles_do_not_count_as_overlapping(dec, angle) -> None:
    """Two that have one edge in common, as neighbouring chips may."""
    both = rectangle(85.0, dec, 200.0, 100.0, angle)
    west, east = (both[0] + both[1]) / 2, (both[2] + both[3]) / 2
    # The midpoint of a short arc in RA and Dec is close enough: both use the same corners.
    left = np.array([both[0], west, east, both[3]])
    right = np.array([west, both[1], both[2], east])
    assert overlap_area(left, right) == pytest.approx(0.0, abs=1e-4)
    assert overlaps({"left": [left], "right": [right]}) == {}
    assert groups(["left", "right"], overlaps({"left": [left], "right": [right]})) == [
        ["left"],
        ["right"],
    ]


@pytest.mark.parametrize("angle", [0.0, 20.0, 75.0])
def test_across_ra_zero(angle) -> None:
    a = rectangle(359.999, -2.5, 136.0, 123.0, angle)
    b = rectangle(0.004, -2.51, 136.0, 123.0, angle + 10)
    # The same a hundred degrees on, where RA does not wrap.
    turned = [np.stack([(p[:, 0] + 100.0) % 360.0, p[:, 1]], axis=1) for p in (a, b)]
    assert overlap_area(a, b) == pytest.approx(overlap_area(*turned), rel=1e-9)
    assert overlap_area(a, b) > 5000
    assert list(overlaps({"a": [a], "b": [b]})) == [("a", "b")]


@pytest.mark.parametrize("dec", [90.0, -90.0, 89.995, -89.99])
def test_near_a_pole(dec) -> None:
    a, b = (rectangle(ra, dec, 136.0, 123.0) for ra in (0.0, 90.0))
    # At the pole the second is the first turned by 90 degrees; RA says little of where it lies.
    assert overlap_area(a, b) == pytest.approx(spherical_overlap(a, b), rel=1e-5, abs=1e-3)
    if abs(dec) == 90.0:
        assert overlap_area(a, b) == pytest.approx(123.0**2, rel=1e-6)


@pytest.mark.parametrize(("ra", "dec"), [(190.0, 0.0), (10.0, 89.0), (100.0, -5.0), (190.0, 45.0)])
def test_the_other_side_of_the_sky_shares_nothing(ra, dec) -> None:
    near, far = rectangle(10.0, 0.0, 100, 100), rectangle(ra, dec, 100, 100)
    assert overlap_area(near, far) == overlap_area(far, near) == 0.0
    assert overlaps({"near": [near], "far": [far]}) == {}


def test_against_an_independent_calculation() -> None:
    """Random rectangles of the size of WFC3/IR frames, by intersection on the sphere."""
    random = np.random.default_rng(12812)
    shared = 0
    for _ in range(60):
        ra, dec = random.uniform(0, 360), random.uniform(-88, 88)
        offset = random.uniform(-110, 110, size=2) / 3600
        sizes = random.uniform(60, 160, size=(2, 2))
        a = rectangle(ra, dec, *sizes[0], random.uniform(0, 360))
        b = rectangle(
            ra + offset[0] / np.cos(np.radians(dec)),
            dec + offset[1],
            *sizes[1],
            random.uniform(0, 360),
        )
        area = overlap_area(a, b)
        assert overlap_area(b, a) == pytest.approx(area, rel=1e-6, abs=1e-3)
        assert area == pytest.approx(spherical_overlap(a, b), rel=1e-5, abs=1e-2)
        shared += area > 0
    assert shared > 30


def test_against_counting_random_points() -> None:
    random = np.random.default_rng(1)
    a, b = square(0, 0), rectangle(10.005, 0.01, 120.0, 40.0, 30.0)
    points = random.uniform(-50, 50, size=(200_000, 2))  # arcsec, uniform in a

    def inside(polygon):
        # The footprints lie within an arcminute of the equator: flat to 1e-7.
        corners = (polygon - [10.0, 0.0]) * 3600
        signs = []
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            edge, to = end - start, points - start
            signs.append(np.sign(edge[0] * to[:, 1] - edge[1] * to[:, 0]))
        return np.abs(np.sum(signs, axis=0)) == len(corners)

    share = inside(b).mean()
    error = np.sqrt(share * (1 - share) / len(points))
    assert overlap_area(a, b) / 1e4 == pytest.approx(share, abs=4 * error)


def test_overlaps_add_the_chips_and_leave_out_what_shares_nothing() -> None:
    two_chips = [square(0, 0), square(0, 110)]
    found = overlaps({"c": [square(50, 55)], "a": two_chips, "z": [square(900, 0)]})
    assert list(found) == [("c", "a")]
    assert found["c", "a"] == pytest.approx(2 * 50 * 45, rel=1e-6)


def test_chips_of_one_exposure_are_no_pair() -> None:
    assert overlaps({"a": [square(0, 0), square(10, 0)]}) == {}
    assert overlaps({}) == {}


def test_two_groups_and_one_alone_largest_first() -> None:
    places = {
        "b1": (0, 0),
        "b2": (60, 0),
        "b3": (120, 0),
        "a1": (0, 999),
        "a2": (0, 930),
        "l": (999, 0),
    }
    names = ["l", "a2", "b3", "a1", "b1", "b2"]
    pairs = overlaps({name: [square(*places[name])] for name in names})
    assert {frozenset(pair) for pair in pairs} == {
        frozenset(pair) for pair in [("b1", "b2"), ("b2", "b3"), ("a1", "a2")]
    }
    assert groups(names, pairs) == [["b1", "b2", "b3"], ["a1", "a2"], ["l"]]


def test_groups_of_equal_size_are_sorted_by_name() -> None:
    assert groups(["d", "a", "c", "b"], {("c", "d"): 1.0, ("b", "a"): 1.0}) == [
        ["a", "b"],
        ["c", "d"],
    ]
    assert groups([], {}) == []


def test_groups_do_not_depend_on_the_order_of_the_pairs() -> None:
    names = list("abcdefgh")
    pairs = [("a", "b"), ("c", "d"), ("b", "c"), ("e", "f"), ("g", "f"), ("a", "d")]
    random = np.random.default_rng(3)
    for _ in range(20):
        shuffled = {pairs[i]: 1.0 for i in random.permutation(len(pairs))}
        assert groups(names, shuffled) == [["a", "b", "c", "d"], ["e", "f", "g"], ["h"]]


def test_each_exposure_is_in_exactly_one_group() -> None:
    random = np.random.default_rng(5)
    footprints = {f"e{i:02d}": [square(*random.uniform(-600, 600, size=2))] for i in range(40)}
    pairs = overlaps(footprints)
    found = groups(list(footprints), pairs)
    assert sorted(name for group in found for name in group) == sorted(footprints)
    of = {name: i for i, group in enumerate(found) for name in group}
    for a, b in combinations(footprints, 2):
        if overlap_area(footprints[a][0], footprints[b][0]) > 0:
            assert of[a] == of[b]


@pytest.mark.parametrize("middle", [(150.0, 2.0), (0.0, 0.0), (30.0, 89.99), (10.0, -89.99)])
def test_pairs_found_by_neighbourhood_are_those_of_all_pairs_in_their_order(middle) -> None:
    random = np.random.default_rng(8)
    footprints = {}
    for i in range(60):
        east, north, turn = random.uniform([-700, -700, 0], [700, 700, 360])
        ra, dec = rectangle(*middle, abs(2 * east), abs(2 * north), turn)[0]
        # One in ten has a footprint much larger than the others, as a wrong WCS has.
        side = 130.0 * (10.0 if i % 10 == 5 else 1.0)
        footprints[f"e{random.integers(10**6)}"] = [rectangle(ra, dec, side, 90.0, turn)]
    every = {
        (a, b): overlap_area(footprints[a][0], footprints[b][0])
        for a, b in combinations(footprints, 2)
    }
    assert list(overlaps(footprints).items()) == [(k, v) for k, v in every.items() if v > 0]
    assert 40 < len(overlaps(footprints)) < len(every) / 2


def test_a_chain_of_thousands_is_one_group() -> None:
    names = [f"e{i:04d}" for i in range(5000)]
    pairs = {(names[i + 1], names[i]): 1.0 for i in range(4999)}
    assert groups(names, pairs) == [names]
    assert groups(names, dict(reversed(pairs.items()))) == [names]
