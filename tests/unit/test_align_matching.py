"""Catalogues that are shifted and rolled against each other, and what chance makes of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skymosaic.align.matching import Match, Search, match

SEARCH = Search(reach=3.0, roll=math.radians(0.5), tolerance=0.1)
MOST = 1e-4


def pair(
    seed: int,
    stars: int,
    shift: tuple[float, float] = (0.9, -1.4),
    roll: float = 0.3,
    false: float = 0.2,
    side: float = 120.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return places of stars in two images, the first `stars` of each the same, and false ones."""
    random = np.random.default_rng(seed)
    places = random.uniform(-side / 2, side / 2, (stars, 2))
    angle = math.radians(roll)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = places @ turn.T + shift
    extra = round(stars * false / (1 - false))
    return tuple(
        np.concatenate(
            [
                true + random.normal(0, 0.005, true.shape),
                random.uniform(-side / 2, side / 2, (extra, 2)),
            ]
        )
        for true in (places, moved)
    )


@pytest.mark.parametrize("stars", [5, 20, 300])
@pytest.mark.parametrize("seed", range(3))
def test_a_shift_and_a_roll_are_found(seed: int, stars: int) -> None:
    a, b = pair(seed, stars)
    found = match(a, b, SEARCH)
    assert isinstance(found, Match)
    assert found.chance < MOST < found.rival
    right = (found.first == found.second) & (found.first < stars)
    assert right.sum() >= 0.95 * stars
    assert math.degrees(found.roll) == pytest.approx(0.3, abs=0.02)
    assert np.median(np.abs(found.apply(a[:stars]) - b[:stars])) < 0.01


def test_twenty_arcsec_are_found_over_a_wide_reach() -> None:
    a, b = pair(1, 60, shift=(16.0, -12.0))
    near = match(a, b, SEARCH)
    assert near is None or near.chance > MOST
    wide = match(a, b, Search(40.0, SEARCH.roll, SEARCH.tolerance))
    assert wide is not None
    assert wide.chance < MOST
    assert len(wide) >= 50


def test_fields_with_nothing_in_common_are_called_chance() -> None:
    for seed in range(15):
        random = np.random.default_rng(seed)
        count = int(random.integers(4, 200))
        a, b = random.uniform(-60, 60, (2, count, 2))
        found = match(a, b, SEARCH)
        assert found is None or found.chance > MOST


def test_a_field_whose_sources_are_all_there_twice_is_in_doubt() -> None:
    a, b = pair(2, 50)
    ghosts = np.concatenate([a, a + 0.7])
    found = match(ghosts, b, SEARCH)
    assert found is not None
    assert found.rival < MOST


def test_sources_that_are_split_are_no_doubt() -> None:
    a, b = pair(3, 50)
    random = np.random.default_rng(0)
    split = np.concatenate([a, a[:10] + random.normal(0, 0.15, (10, 2))])
    found = match(split, b, SEARCH)
    assert found is not None
    assert found.chance < MOST < found.rival
    assert len(set(found.second)) == len(found.second)


def test_too_few_sources_match_nothing() -> None:
    a, b = pair(4, 20)
    assert match(a[:2], b, SEARCH) is None
    assert match(a, b[:0], SEARCH) is None
    assert match(a + 1000.0, b, SEARCH) is None
