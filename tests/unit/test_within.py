"""Exposures that are off within their association, or trailed, among cosmic rays."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.align.plane import from_plane
from skymosaic.align.positions import ExposureStars
from skymosaic.align.shapes import measure_stars
from skymosaic.align.within import (
    AGREES,
    OFF,
    TOO_FEW,
    UNDECIDED,
    Member,
    StarList,
    compare_within,
)

SCALE = 0.05  # arcsec
CENTRE = np.array([150.0, 60.0])
ROUND = (1.0, 1.0, 0.0)


def star_list(
    name: str,
    number: int,
    *,
    association: str = "a",
    off: tuple[float, float] = (0.0, 0.0),
    stars: int = 30,
    cosmic_rays: int = 200,
    moments: tuple[float, float, float] = ROUND,
    spread: float = 40.0,
) -> StarList:
    """Return the sources of an exposure that is `off` (mas): stars of all, and cosmic rays."""
    sky = np.random.default_rng(7)
    own = np.random.default_rng([number, *name.encode()])
    places = sky.uniform(-spread, spread, (100, 2))[:stars]
    places = places + np.array(off) / 1000.0 + own.normal(0, 0.1 * SCALE, places.shape)
    hits = own.uniform(-spread, spread, (cosmic_rays, 2))
    dither = np.array([4.3, -2.6]) * number  # pixels
    both = np.concatenate([places, hits])
    shapes = np.concatenate(
        [
            np.array(moments) + own.normal(0, 0.1, (stars, 3)),
            np.array([3.0, 1.0, 0.0]) + own.normal(0, 0.5, (cosmic_rays, 3)),
        ]
    )
    pixels = both / SCALE + 1000.0 + dither
    return StarList(
        association,
        "ACS/WFC F606W",
        ExposureStars(
            name,
            from_plane(both, CENTRE),
            np.column_stack([np.ones(len(both)), pixels]),
            SCALE,
            (0.215 * number, -0.13 * number),
        ),
        shapes,
    )


def found(lists: list[StarList], **limits: float) -> dict[str, Member]:
    limits = {"max_offset": 20.0, "max_elongation": 1.25, **limits}
    return {one.rootname: one for one in compare_within(lists, **limits)}


def test_an_exposure_that_is_off_is_found_among_cosmic_rays() -> None:
    lists = [star_list(name, n) for n, name in enumerate("wxyz")]
    lists[2] = star_list("y", 2, off=(60.0, -35.0))
    members = found(lists)
    assert {name: one.state for name, one in members.items()} == {
        **dict.fromkeys("wxz", AGREES),
        "y": OFF,
    }
    off = members["y"]
    assert off.offset == pytest.approx(np.hypot(60, 35), abs=5)
    assert (off.east, off.north) == (pytest.approx(60, abs=5), pytest.approx(-35, abs=5))
    assert 0 < off.error < 5
    # Of 230 sources about 30 are stars: the rest does not coincide.
    assert all(28 <= one.stars <= 45 for one in members.values())
    assert found(lists, max_offset=90.0)["y"].state == AGREES


def test_of_two_nobody_knows_which_is_off() -> None:
    lists = [star_list("w", 0), star_list("x", 1, off=(80.0, 0.0))]
    assert [one.state for one in found(lists).values()] == [UNDECIDED] * 2
    assert found(lists)["x"].east == pytest.approx(40.0, abs=5)
    lists = [star_list("w", 0), star_list("x", 1, off=(5.0, 0.0))]
    assert [one.state for one in found(lists).values()] == [AGREES] * 2


def test_two_against_two_is_no_majority() -> None:
    lists = [star_list(name, n, off=(60.0 * (n > 1), 0.0)) for n, name in enumerate("wxyz")]
    assert {one.state for one in found(lists).values()} == {UNDECIDED}


@pytest.mark.parametrize("off", [2, 9])
def test_large_associations_are_compared_by_neighbours(off: int) -> None:
    lists = [
        star_list(f"e{n:02d}", n, off=(0.0, 45.0 * (n == off)), cosmic_rays=50) for n in range(12)
    ]
    members = found(lists)
    assert [name for name, one in members.items() if one.state == OFF] == [f"e{off:02d}"]
    assert members[f"e{off:02d}"].north == pytest.approx(45.0, abs=5)


def test_without_common_stars_nothing_is_known() -> None:
    lists = [star_list(name, n, stars=0) for n, name in enumerate("wxy")]
    lists.append(star_list("v", 9, association="b"))
    members = found(lists)
    assert {one.state for one in members.values()} == {TOO_FEW}
    assert members["v"].elongation is members["v"].east is None


def test_exposures_without_a_dither_are_compared_in_a_dense_field() -> None:
    # Most pairs of sources are chance ones: they do not hide that the stars are on one pixel.
    lists = [star_list(name, 0, stars=100, cosmic_rays=400, spread=8.0) for name in "wxy"]
    lists[1] = star_list("x", 0, stars=100, cosmic_rays=400, spread=8.0, off=(60.0, 0.0))
    members = found(lists)
    assert {name: one.state for name, one in members.items()} == {
        "w": AGREES,
        "x": OFF,
        "y": AGREES,
    }


def test_associations_do_not_know_each_other() -> None:
    lists = [star_list(name, n) for n, name in enumerate("wx")]
    lists += [star_list(name, n, association="b", off=(0, 500.0)) for n, name in enumerate("yz")]
    assert {one.state for one in found(lists).values()} == {AGREES}


def test_a_trailed_exposure_is_named_and_cosmic_rays_make_none() -> None:
    lists = [star_list(name, n) for n, name in enumerate("wxy")]
    lists.append(star_list("z", 3, moments=(1.4, 1.4, 0.8)))
    members = found(lists)
    assert [name for name, one in members.items() if one.trailed] == ["z"]
    assert members["z"].elongation == pytest.approx(np.sqrt(2.2 / 0.6), rel=0.1)
    assert members["z"].usual == pytest.approx(1.0, abs=0.1)
    assert not found(lists, max_elongation=2.5)["z"].trailed


def image(trail: float = 0.0, angle: float = 0.6, stars: int = 60) -> np.ndarray:
    """Return a chip with stars, 1.3 pixels wide, over noise of 1; trailed by so many pixels."""
    random = np.random.default_rng(3)
    light, steps = random.normal(0, 1, (256, 256)), max(1, int(4 * trail))
    y, x = np.mgrid[0:17, 0:17]
    for _ in range(stars):
        (px, py), flux = random.uniform(20, 230, 2), 10 ** random.uniform(2.5, 4)
        corner = np.array([int(px) - 8, int(py) - 8])
        for along in np.linspace(-0.5, 0.5, steps) * trail if trail else [0.0]:
            cx, cy = np.array([px, py]) - corner + along * np.array([np.cos(angle), np.sin(angle)])
            spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 0.55**2)) / (2 * np.pi * 0.55**2)
            light[corner[1] : corner[1] + 17, corner[0] : corner[0] + 17] += flux / steps * spot
    return light.astype(np.float32)


@pytest.mark.parametrize(("trail", "low", "high"), [(0.0, 1.0, 1.1), (2.0, 1.4, 2.5), (6.0, 3, 6)])
def test_moments_tell_how_long_stars_are(trail: float, low: float, high: float) -> None:
    pixels = image(trail)
    found = measure_stars(pixels, np.zeros(pixels.shape, dtype=bool))
    assert len(found) >= 40
    xx, yy, xy = np.median(found[:, 3:], axis=0)
    large, small = np.linalg.eigvalsh([[xx, xy], [xy, yy]])[::-1]
    assert low <= np.sqrt(large / small) <= high


def test_an_empty_chip_has_no_stars() -> None:
    flat = np.zeros((64, 64), dtype=np.float32)
    assert measure_stars(flat, flat > 0).shape == (0, 6)
    assert measure_stars(flat, flat == 0).shape == (0, 6)
    assert measure_stars(image(), np.ones((256, 256), dtype=bool)).shape == (0, 6)
