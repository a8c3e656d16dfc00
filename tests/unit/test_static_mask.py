"""When a pixel is masked in all exposures of a detector, and what is left of a thousand of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from skymosaic.sky.static_mask import LowPixels, needed, too_low
from skymosaic.sky.static_rule import first_rule

BAD = (7, 11)


def counted(exposures: int, share: float, side: int, seed: int = 1) -> LowPixels:
    """Count exposures of noise with random low pixels, and one pixel that is low in all."""
    random, pixels = np.random.default_rng(seed), LowPixels((side, side))
    for _ in range(exposures):
        image = random.normal(1.0, 0.03, (side, side)).astype(np.float32)
        image[random.uniform(size=image.shape) < share] = -3.0
        image[BAD] = 0.5
        pixels.add(too_low(image, 4.0))
    return pixels


def test_a_thousand_exposures_with_random_low_pixels_lose_the_pixel_that_is_low_in_all() -> None:
    pixels = counted(1000, 0.01, 64)
    once, repeated = pixels.mask("once"), pixels.mask("repeated")
    assert once.share > 0.999
    assert np.argwhere(repeated.low).tolist() == [list(BAD)]
    assert (repeated.exposures, repeated.masked) == (1000, 1)


@pytest.mark.parametrize("share", [0.0, 0.003, 0.03, 0.1])
@pytest.mark.parametrize("exposures", [20, 50, 200])
def test_more_random_low_pixels_ask_for_more_exposures(exposures: int, share: float) -> None:
    mask = counted(exposures, share, 48, seed=exposures).mask("repeated")
    assert np.argwhere(mask.low).tolist() == [list(BAD)]
    assert mask.needed == needed(exposures, 48 * 48, 0.01) or share > 0.01


def test_noise_alone_is_masked_in_one_exposure_and_not_in_several() -> None:
    pixels = counted(300, 0.0, 100)
    assert 0.002 < pixels.mask("once").share < 0.05
    assert pixels.mask("repeated").masked == 1


def test_a_pixel_that_is_low_now_and_then_is_found() -> None:
    random, pixels = np.random.default_rng(2), LowPixels((40, 40))
    for _ in range(400):
        low = random.uniform(size=(40, 40)) < 0.01
        low[BAD] = random.uniform() < 0.2
        pixels.add(low)
    assert np.argwhere(pixels.mask("repeated").low).tolist() == [list(BAD)]


@pytest.mark.parametrize("exposures", [2, 3, 10, 50, 1000, 70_000])
@pytest.mark.parametrize("share", [0.01, 0.2])
def test_it_is_the_fewest_exposures_that_chance_does_not_reach(
    exposures: int, share: float
) -> None:
    pixels = 1014 * 1014
    least = needed(exposures, pixels, share)
    assert least >= 2
    expected = pixels * binom.sf([least - 1, least - 2], exposures, share)
    assert expected[0] <= 0.01 or least == exposures
    assert expected[1] > 0.01


def test_the_rule_of_a_wfc3_ir_exposure_is_that_of_the_documentation() -> None:
    assert [needed(n, 1024 * 1024) for n in (10, 50, 125, 1000)] == [6, 9, 12, 33]


def test_different_shares_in_the_exposures_mask_no_more_than_their_mean_allows() -> None:
    random, pixels = np.random.default_rng(3), LowPixels((200, 200))
    for index in range(200):
        pixels.add(random.uniform(size=(200, 200)) < (0.2 if index % 4 == 0 else 0.001))
    mask = pixels.mask("repeated")
    assert mask.masked == 0
    assert mask.needed > needed(200, 200 * 200, 0.05) - 2


def test_pixels_that_are_low_in_all_exposures_do_not_raise_the_bar_for_others() -> None:
    random, pixels = np.random.default_rng(4), LowPixels((50, 50))
    always = random.uniform(size=(50, 50)) < 0.2  # as flagged pixels that hold 0
    for _ in range(60):
        pixels.add(always | (random.uniform(size=(50, 50)) < 0.005))
    mask = pixels.mask("repeated")
    np.testing.assert_array_equal(mask.low, always)
    assert mask.needed == needed(60, 2500, 0.01)


def test_the_mask_is_a_part_of_that_of_astrodrizzle() -> None:
    pixels = counted(12, 0.05, 32)
    once, repeated = pixels.mask("once"), pixels.mask("repeated")
    assert not (repeated.low & ~once.low).any()
    assert once.needed == 1


def test_of_few_exposures_all_must_be_low_and_one_repeats_nothing() -> None:
    for exposures in (1, 2, 3):
        mask = counted(exposures, 0.01, 256).mask("repeated")
        assert mask.low[BAD] == (exposures > 1)
        assert mask.share < 0.001


def test_what_is_counted_does_not_overflow() -> None:
    pixels = LowPixels((1, 2))
    for _ in range(65_540):
        pixels.add(np.array([[True, False]]))
    assert pixels.mask("repeated").low.tolist() == [[True, False]]


def test_campaigns_begin_with_astrodrizzles_rule_below_fifty_exposures() -> None:
    assert [first_rule(n) for n in (1, 49, 50, 1000)] == ["once", "once", "repeated", "repeated"]
