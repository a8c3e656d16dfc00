"""How many fits are expected by chance: against random fields, where every match is one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skymosaic.align.chance import count_pairs, expected_by_chance, read_positions

CENTRE = np.array([85.0, -2.5])


def field(random: np.random.Generator, sources: int, side: float = 60.0) -> np.ndarray:
    """Return RA, Dec (degrees) of sources at random in a square (arcsec)."""
    offsets = random.uniform(-side / 2, side / 2, (sources, 2)) / 3600.0
    return CENTRE + offsets / [math.cos(math.radians(CENTRE[1])), 1.0]


def test_pairs_of_random_fields_are_as_many_as_their_density_says() -> None:
    random = np.random.default_rng(3)
    tile, reference = field(random, 1000), field(random, 800)
    expected = 1000 * 800 * math.pi * 1.0**2 / 60.0**2
    # The rim has a few percent fewer.
    assert count_pairs(tile, [reference], 1.0) == pytest.approx(expected, rel=0.1)
    assert count_pairs(tile, [reference, reference], 1.0) == 2 * count_pairs(tile, [reference], 1.0)


def test_pairs_across_ra_zero_and_none() -> None:
    tile, reference = np.array([[359.99999, 0.0]]), np.array([[0.00001, 0.0]])
    assert count_pairs(tile, [reference], 0.1) == 1
    assert count_pairs(tile, [reference], 0.05) == 0
    assert count_pairs(np.empty((0, 2)), [reference], 1.0) == 0
    assert count_pairs(tile, [], 1.0) == 0


def test_what_chance_gives_is_not_called_a_fit() -> None:
    """In fields with nothing in common the best of many shifts is never called a fit."""
    random = np.random.default_rng(5)
    for _ in range(20):
        tile, reference = field(random, 60, 30.0), field(random, 60, 30.0)
        pairs = count_pairs(tile, [reference], 1.0)
        offsets = (tile[:, None, :] - reference[None, :, :]).reshape(-1, 2) * 3600.0
        offsets = offsets[np.hypot(*offsets.T) < 1.0]
        for shift in offsets:
            apart = offsets[np.hypot(*(offsets - shift).T) < 0.05] - shift
            rms = float(np.sqrt(np.mean(apart**2, axis=0)).max())
            assert expected_by_chance(pairs, 1.0, len(apart), rms) > 1e-4


@pytest.mark.parametrize(("matches", "rms"), [(4, 0.004), (9, 0.006), (100, 0.03)])
def test_a_true_fit_passes(matches: int, rms: float) -> None:
    assert expected_by_chance(matches + 3, 1.0, matches, rms) < 1e-4


def test_more_matches_and_smaller_residuals_are_less_by_chance() -> None:
    by_matches = [expected_by_chance(30, 1.0, n, 0.02) for n in (3, 4, 6, 8, 12)]
    by_rms = [expected_by_chance(30, 1.0, 8, rms) for rms in (0.1, 0.05, 0.02, 0.01)]
    assert by_matches == sorted(by_matches, reverse=True)
    assert by_rms == sorted(by_rms, reverse=True)


def test_two_sources_say_nothing() -> None:
    assert expected_by_chance(2, 1.0, 2, 0.0) == math.inf


def test_positions_without_a_number_are_left_out(tmp_path) -> None:
    file = tmp_path / "a_sky_catalog.coo"
    file.write_text("# RA Dec flux id\n85.0 -2.5 10 1\nnan nan 10 2\n85.1 -2.4 10 3\n")
    assert read_positions(file).tolist() == [[85.0, -2.5], [85.1, -2.4]]
