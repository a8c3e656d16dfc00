"""Differences in overlaps, the levels they call for, and what a method leaves of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skymosaic.evidence.levels import solve
from skymosaic.evidence.pairs import all_differences, clipped_median, pair_difference
from skymosaic.evidence.quality import residuals
from skymosaic.evidence.residuals import PairDifference
from tests.unit.small_field import NOISE, make, two_by_two

SKIES = {"a": 1.0, "b": 1.2, "c": 1.05, "d": 1.1}


def nebula(row, column):
    return 0.8 * np.exp(-((row - 30) ** 2 + (column - 35) ** 2) / 500.0)


def test_the_difference_is_that_of_the_skies_whatever_is_seen() -> None:
    field = make(two_by_two(), SKIES, nebula)
    for one in all_differences(field.cells).measured:
        assert one.difference == pytest.approx(SKIES[one.a] - SKIES[one.b], abs=4 * one.error)
        assert 0 < one.error < 0.005
        assert one.noise == pytest.approx(NOISE, rel=0.35)


def test_errors_are_as_large_as_they_say() -> None:
    off = []
    for seed in range(40):
        field = make({"a": (0, 0), "b": (0, 30)}, {"a": 1.0, "b": 1.3}, nebula, seed)
        one = pair_difference(*field.cells)
        off.append((one.difference + 0.3) / one.error)
    assert 0.7 < np.std(off) < 1.35
    assert abs(np.mean(off)) < 0.6


def test_a_ghost_in_one_exposure_does_not_move_the_difference() -> None:
    field = make({"a": (0, 0), "b": (0, 30)}, {"a": 1.0, "b": 1.3})
    level = field.cells[0].level.copy()
    level[:14, 30:] += 2.0  # a third of the overlap
    ghostly = replace(field.cells[0], level=level)
    one = pair_difference(ghostly, field.cells[1])
    assert one.difference == pytest.approx(-0.3, abs=5 * one.error)
    assert one.error < 0.003
    assert one.cells < 300


def test_the_faint_wings_of_a_ghost_do_not_move_the_difference_either() -> None:
    row, column = np.mgrid[0:40, 0:40].astype(float)
    wings = 1.0 * np.exp(-0.5 * ((row - 8) ** 2 + (column - 35) ** 2) / 5.0**2)
    off, plain = [], []
    for seed in range(10):
        field = make({"a": (0, 0), "b": (0, 30)}, {"a": 1.0, "b": 1.3}, seed=seed)
        ghostly = replace(field.cells[0], level=(field.cells[0].level + wings).astype(np.float32))
        off.append(pair_difference(ghostly, field.cells[1]).difference + 0.3)
        overlap = ghostly.level[:, 30:] - field.cells[1].level[:, :10]
        plain.append(clipped_median(overlap.ravel().astype(float))[0] + 0.3)
    assert abs(np.mean(off)) < 0.5 * abs(np.mean(plain))
    assert abs(np.mean(off)) < 0.0025  # 5% of the noise of a pixel


def test_a_gradient_in_one_exposure_is_told_and_makes_the_difference_uncertain() -> None:
    flat = make({"a": (0, 0), "b": (0, 10)}, {"a": 1.0, "b": 1.0})
    tilted = replace(flat.cells[0], level=flat.cells[0].level + np.linspace(0, 0.1, 40)[:, None])
    even = pair_difference(*flat.cells)
    uneven = pair_difference(tilted, flat.cells[1])
    assert even.unevenness < 0.002
    assert uneven.unevenness == pytest.approx(0.1 / np.sqrt(12), rel=0.25)
    assert uneven.error > 3 * even.error


def test_exposures_that_share_too_little_have_no_difference() -> None:
    field = make({"a": (0, 0), "b": (0, 60), "c": (39, 38)}, {"a": 1.0, "b": 1.0, "c": 1.0})
    a, b, c = field.cells
    assert pair_difference(a, b) is None
    assert pair_difference(a, c) is None  # two cells


def test_clipping_leaves_a_normal_distribution_alone() -> None:
    values = np.concatenate([np.random.default_rng(0).normal(3, 1, 10000), np.full(500, 100.0)])
    median, scatter, kept = clipped_median(values)
    assert median == pytest.approx(3.0, abs=0.1)
    assert scatter == pytest.approx(1.0, rel=0.05)
    assert not kept[-500:].any()


def difference(a: str, b: str, value: float, error: float = 0.01) -> PairDifference:
    return PairDifference(a, b, value, error, 0.1, 0.05, 0.0, 100, 6400)


def test_a_residual_is_the_difference_less_that_of_the_skies_exactly() -> None:
    skies = {"a": 0.7, "b": 0.3, "c": None}
    pairs = [difference("a", "b", 0.5), difference("b", "c", 0.1)]
    [one] = residuals("match", pairs, skies)
    assert (one.a, one.b) == ("a", "b")
    assert one.residual == pytest.approx(0.1, abs=1e-12)
    assert one.of_noise == pytest.approx(2.0)
    assert one.significance == pytest.approx(10.0)


def test_levels_of_six_tiles_from_their_differences() -> None:
    sky = dict(zip("abcdef", (100.0, 120.0, 105.0, 110.0, 105.0, 115.0), strict=True))
    pairs = ("ab", "bc", "de", "ef", "ad", "be", "cf")
    levels = solve(list(sky), [tuple(sky)], [difference(p, q, sky[p] - sky[q]) for p, q in pairs])
    np.testing.assert_allclose(levels.values - levels.values[0], [0, 20, 5, 10, 5, 15], atol=1e-9)
    assert levels.misfit == pytest.approx(0.0, abs=1e-6)


def test_groups_without_a_link_have_levels_of_their_own() -> None:
    pairs = [difference("a", "b", 1.0), difference("c", "d", 3.0)]
    levels = solve(list("abcd"), [("a", "b"), ("c", "d")], pairs)
    np.testing.assert_allclose(levels.values, [0.5, -0.5, 1.5, -1.5])
    assert levels.covariance[0, 2] == 0.0


def test_a_chain_is_the_less_certain_the_longer_it_is() -> None:
    pairs = [difference("a", "b", 0.0), difference("b", "c", 0.0), difference("c", "d", 0.0)]
    levels = solve(list("abcd"), [tuple("abcd")], pairs)

    def variance(i: int, j: int) -> float:
        v = levels.covariance
        return v[i, i] + v[j, j] - 2 * v[i, j]

    assert variance(0, 1) == pytest.approx(0.01**2)
    assert variance(0, 3) == pytest.approx(3 * 0.01**2)


def test_differences_that_contradict_each_other_make_all_levels_less_certain() -> None:
    def levels(last: float):
        pairs = [difference("a", "b", 0.0), difference("b", "c", 0.0), difference("a", "c", last)]
        return solve(list("abc"), [tuple("abc")], pairs)

    assert levels(0.1).misfit == pytest.approx(10 / np.sqrt(3))
    assert levels(0.1).covariance[0, 0] > 30 * levels(0.0).covariance[0, 0]
