"""Stars of exposures that overlap: planted displacements are found, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from skymosaic.align.positions import (
    AGREE,
    DISPLACED,
    TOO_FEW,
    Displacement,
    ExposureStars,
    choose_pairs,
    compare,
    find_stars,
)
from skymosaic.pipeline.results import PositionsResult
from skymosaic.pipeline.sentences.positions import (
    position_warnings,
    positions_line,
    positions_sheet,
)

SCALE = 0.13  # arcsec
SIDE = 200
CENTRE = np.array([85.0, -2.5])


def image(
    stars: np.ndarray, dither: tuple[float, float], seed: int, width: float = 1.2
) -> np.ndarray:
    """Return an exposure of stars (x, y, flux) with noise of 0.03 and a sky of 1 with a slope."""
    slope = 0.002 * np.arange(SIDE)
    data = 1.0 + slope + np.random.default_rng(seed).normal(0, 0.03, (SIDE, SIDE))
    edges = (np.arange(SIDE + 1) - 0.5)[:, None]
    # What falls on each pixel, along each axis.
    along = [
        np.diff(norm.cdf(edges, stars[:, axis] + dither[axis], width / 2.3548), axis=0)
        for axis in (0, 1)
    ]
    return (data + (along[1] * stars[:, 2]) @ along[0].T).astype(np.float32)


def field(count: int, seed: int = 7) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.column_stack(
        [random.uniform(5, SIDE - 5, (count, 2)), random.lognormal(2.0, 1.0, count) + 3.0]
    )


def stars_of(
    name: str,
    data: np.ndarray,
    dither: tuple[float, float],
    off: tuple[float, float] = (0.0, 0.0),
    bad: np.ndarray | None = None,
) -> ExposureStars:
    """Return the stars with a WCS that knows the dither, and is off by `off` pixels."""
    places, _ = find_stars(data, np.zeros(data.shape, bool) if bad is None else bad)
    step = (places - np.array(dither) + np.array(off)) * SCALE / 3600.0
    sky = CENTRE + np.column_stack([-step[:, 0] / np.cos(np.radians(CENTRE[1])), step[:, 1]])
    return ExposureStars(name, sky, np.column_stack([np.ones(len(places)), places]), SCALE)


DITHER = (10.4, -7.3)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    stars = field(60)
    return image(stars, (0, 0), 1), image(stars, DITHER, 2)


@pytest.mark.parametrize(
    ("off", "state"), [(0.0, AGREE), (0.05, AGREE), (0.3, DISPLACED), (3.0, DISPLACED)]
)
@pytest.mark.parametrize("direction", [(1.0, 0.0), (-0.6, 0.8)])
def test_a_planted_displacement_is_found_and_none_other(pair, off, state, direction) -> None:
    east_west, north = off * direction[0], off * direction[1]
    found = compare(
        stars_of("a", pair[0], (0, 0)), stars_of("b", pair[1], DITHER, (east_west, north))
    )
    assert found.state == state
    assert found.stars >= 30
    assert found.pixels == pytest.approx(off, abs=0.04)
    assert found.arcsec == pytest.approx(found.pixels * SCALE)
    assert found.east == pytest.approx(-east_west * SCALE, abs=0.04 * SCALE)
    assert found.north == pytest.approx(north * SCALE, abs=0.04 * SCALE)


def test_few_stars_do_not_tell() -> None:
    stars = field(4)
    a, b = image(stars, (0, 0), 1), image(stars, DITHER, 2)
    found = compare(stars_of("a", a, (0, 0)), stars_of("b", b, DITHER, (3.0, 0.0)))
    assert (found.state, found.stars, found.pixels) == (TOO_FEW, 0, None)


def test_other_stars_in_each_do_not_tell() -> None:
    # As cosmic rays that pass for stars, several hundred of them.
    for seed in range(5):
        a, b = image(field(300, seed), (0, 0), 1), image(field(300, seed + 50), DITHER, 2)
        found = compare(stars_of("a", a, (0, 0)), stars_of("b", b, DITHER))
        assert (found.state, found.pixels) == (TOO_FEW, None)


def test_a_few_stars_among_many_hits_are_found() -> None:
    stars = field(25)
    a = image(np.vstack([stars, field(150, 1)]), (0, 0), 1)
    b = image(np.vstack([stars, field(150, 2)]), DITHER, 2)
    for off, state in ((0.0, AGREE), (3.0, DISPLACED)):
        found = compare(stars_of("a", a, (0, 0)), stars_of("b", b, DITHER, (off, 0.0)))
        assert found.state == state
        assert found.pixels == pytest.approx(off, abs=0.1)


def test_what_the_detector_has_on_the_same_pixels_is_no_displacement() -> None:
    # More broad defects than stars, which a dither of 4 pixels moves on the sky.
    dither, stars, defects = (4.0, 0.0), field(40), field(90, 11)
    data = [
        image(stars, shift, seed) + image(defects, (0, 0), seed + 10) - 1.0
        for seed, shift in ((1, (0, 0)), (2, dither))
    ]
    found = compare(stars_of("a", data[0], (0, 0)), stars_of("b", data[1], dither))
    assert found.state == AGREE
    assert found.pixels < 0.1


def test_defects_alone_do_not_tell() -> None:
    dither = (4.0, 0.0)
    for count in (12, 90):
        a, b = (image(field(count), (0, 0), seed) for seed in (1, 2))
        here = stars_of("a", a, (0, 0))
        there = replace(stars_of("b", b, dither), postarg=(dither[0] * SCALE, dither[1] * SCALE))
        assert (compare(here, there).state, compare(here, there).stars) == (TOO_FEW, 0)


def test_exposures_without_a_dither_are_compared() -> None:
    stars = field(60)
    a, b = image(stars, (0, 0), 1), image(stars, (0, 0), 2)
    found = compare(stars_of("a", a, (0, 0)), stars_of("b", b, (0, 0), (0.0, 1.5)))
    assert found.state == DISPLACED
    assert found.pixels == pytest.approx(1.5, abs=0.04)


def test_single_hot_pixels_and_flagged_ones_are_no_stars() -> None:
    data = image(np.empty((0, 3)), (0, 0), 1)
    random = np.random.default_rng(3)
    hot = random.integers(5, SIDE - 5, (200, 2))
    data[hot[:, 0], hot[:, 1]] += 5.0
    assert len(find_stars(data, np.zeros(data.shape, bool))[0]) <= 4  # pairs side by side
    bad = np.zeros(data.shape, bool)
    bad[hot[:, 0], hot[:, 1]] = True
    assert len(find_stars(data, bad)[0]) == 0


def test_flagged_pixels_of_any_value_do_not_harm(pair) -> None:
    bad = np.random.default_rng(5).uniform(size=pair[0].shape) < 0.01
    broken = np.where(bad, np.float32(np.nan), pair[0])
    broken[::7][bad[::7]] = 1e9
    found = compare(stars_of("a", broken, (0, 0), bad=bad), stars_of("b", pair[1], DITHER))
    assert found.state == AGREE
    assert found.stars >= 25


@pytest.mark.parametrize("value", [0.0, 3.5, np.nan])
def test_an_empty_chip_has_no_stars(value) -> None:
    data = np.full((50, 60), value, np.float32)
    for bad in (np.zeros(data.shape, bool), np.ones(data.shape, bool)):
        places, heights = find_stars(data, bad)
        assert places.shape == (0, 2) and heights.shape == (0,)


def test_positions_near_the_pole_and_across_ra_zero(pair) -> None:
    a, b = stars_of("a", pair[0], (0, 0)), stars_of("b", pair[1], DITHER, (0.0, 3.0))

    def moved(stars: ExposureStars, ra: float, dec: float) -> ExposureStars:
        offsets = (stars.sky - CENTRE) * np.array([np.cos(np.radians(CENTRE[1])), 1.0])
        sky = np.column_stack(
            [(ra + offsets[:, 0] / np.cos(np.radians(dec))) % 360.0, dec + offsets[:, 1]]
        )
        return replace(stars, sky=sky)

    for ra, dec in ((0.0, 0.0), (359.999, -60.0), (10.0, 85.0)):
        found = compare(moved(a, ra, dec), moved(b, ra, dec))
        assert found.state == DISPLACED
        assert found.pixels == pytest.approx(3.0, abs=0.1)


def test_the_number_of_pairs_grows_with_that_of_exposures() -> None:
    visits = {f"v{i // 10:03d}aa{i % 10}": f"v{i // 10:03d}" for i in range(200)}
    names = list(visits)
    # All on one field: those of one visit overlap most.
    pairs = [
        (a, b, 2.0 if visits[a] == visits[b] else 1.0)
        for k, a in enumerate(names)
        for b in names[k + 1 :]
    ]
    chosen = choose_pairs(pairs, visits)
    assert len(chosen) <= 8 * len(names) < len(pairs) / 10
    assert len(set(chosen)) == len(chosen)
    for name in names:
        neighbours = {(set(pair) - {name}).pop() for pair in chosen if name in pair}
        assert len({visits[one] for one in neighbours} - {visits[name]}) >= 5
        assert any(visits[one] == visits[name] for one in neighbours)
    assert choose_pairs(pairs[::-1], visits) == chosen


def test_few_pairs_are_all_compared() -> None:
    names = ["v01aa1", "v01aa2", "v02aa1", "v02aa2"]
    pairs = [(a, b, 1.0) for k, a in enumerate(names) for b in names[k + 1 :]]
    assert choose_pairs(pairs, {name: name[:3] for name in names}) == [(a, b) for a, b, _ in pairs]
    assert choose_pairs([], {}) == []


def pair_of(a: str, b: str, state: str, pixels: float | None = None) -> Displacement:
    if pixels is None:
        return Displacement(a, b, state, 0)
    return Displacement(a, b, state, 40, pixels, 0.02, pixels * SCALE, pixels * SCALE, 0.0)


def test_what_is_told_of_displacements() -> None:
    apart = [pair_of("ibxl51aaq", f"ibxl5{i}bbq", DISPLACED, 0.2 * i) for i in range(2, 9)]
    rest = [pair_of("x", "y", AGREE, 0.01), pair_of("x", "z", TOO_FEW)]
    [warning] = position_warnings(PositionsResult(12, [*apart, *rest]))
    assert warning.startswith(
        "Positions of stars differ in 7 of 9 overlaps that were compared: by 1.60 +- 0.02 pixels "
        "(0.208 arcsec) between ibxl51aaq and ibxl58bbq (40 stars); also ibxl51aaq and ibxl57bbq "
        "(1.40)"
    )
    assert "ibxl54bbq (0.80), 2 more" in warning
    assert "align.method: tweakreg" in warning
    line = positions_line(PositionsResult(12, [*apart, *rest]))
    assert line == (
        "positions of stars, compared in 9 of 12 overlaps: agree to 0.1 pixel in 1, differ in "
        "7, not enough stars to tell in 1"
    )
    table = positions_sheet(PositionsResult(12, [*apart, *rest]))
    assert len(table) == 9 and table["pixels"].mask[-1]
    assert "9 of 12 overlaps were compared" in table.meta["title"]


def test_within_a_visit_tweakreg_is_no_remedy() -> None:
    pairs = [pair_of("ibxl51aaq", "ibxl51bbq", DISPLACED, 3.0)]
    [warning] = position_warnings(PositionsResult(1, pairs))
    assert "align.method" not in warning
    assert "fetch the exposures from MAST again" in warning


def test_nothing_is_told_where_stars_agree_or_are_too_few() -> None:
    pairs = [pair_of("a", "b", AGREE, 0.05), pair_of("a", "c", TOO_FEW)]
    assert position_warnings(PositionsResult(2, pairs)) == []
    assert "none of 0 overlaps" in positions_line(PositionsResult(0, []))
    assert positions_sheet(PositionsResult(0, [])) is None
