"""The empty sky of a mosaic."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.evidence.background import darkest, empty_sky

SHAPE = (120, 120)
NOISE = 0.05  # of a pixel
CELL = 0.008  # of a cell
VARIANCE = np.full(SHAPE, CELL**2)


def sky(seed: int = 0) -> np.ndarray:
    return CELL * np.random.default_rng(seed).standard_normal(SHAPE)


def test_the_darkest_level_is_not_that_of_the_lowest_noise() -> None:
    off = []
    for seed in range(20):
        found = darkest(0.3 + sky(seed), VARIANCE, NOISE)
        off.append((found.level - 0.3) / found.error)
        assert found.error < 0.002
        assert found.share > 0.95
    assert abs(np.mean(off)) < 0.6


def test_emission_leaves_the_level_of_the_parts_without_it() -> None:
    _, column = np.indices(SHAPE)
    image = 0.3 + sky() + np.clip((column - 30) / 60.0, 0.0, None)
    found = darkest(image, VARIANCE, NOISE)
    assert found.level == pytest.approx(0.3, abs=4 * found.error)
    assert found.share == pytest.approx(0.27, abs=0.04)
    assert np.median(image) > 0.7


def test_a_mosaic_of_few_cells_has_no_darkest_part() -> None:
    assert darkest(sky()[:4, :16], VARIANCE[:4, :16], NOISE) is None
    assert darkest(np.full(SHAPE, np.nan), VARIANCE, NOISE) is None


def test_flatness_and_what_lies_below_zero() -> None:
    _, column = np.indices(SHAPE)
    empty = darkest(sky(), VARIANCE, NOISE).empty
    flat = empty_sky(sky(1), VARIANCE, empty)
    assert flat.flatness < 0.002
    assert flat.negative_share < 0.02
    halves = np.where(column < 60, -0.03, 0.03)
    stepped = empty_sky(sky(1) + halves, VARIANCE, empty)
    assert stepped.flatness > 0.02
    assert stepped.negative_share == pytest.approx(0.5, abs=0.05)
    assert empty_sky(sky(), VARIANCE, np.zeros(empty.shape, dtype=bool)) is None
