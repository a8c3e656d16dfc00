"""Brightness as colour: limits, stretches, what filters lack."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from skymosaic.errors import DrizzleError
from skymosaic.report.colour_tone import ColourPlane, Limits, Measured, Tone, measure, paint

UNIT = [Limits(0, 1)] * 3
LUPTON = Tone("lupton", 0.1, 8)
TONES = [LUPTON, Tone("linear", 1, 8), Tone("log", 0.01, 8), Tone("asinh", 0.1, 8)]


def levels(*values: float) -> list[np.ndarray]:
    """Return a pixel of each filter."""
    return [np.full((1, 1), value) for value in values]


@pytest.mark.parametrize("tone", TONES, ids=lambda tone: tone.stretch)
def test_a_brighter_pixel_is_brighter_and_limits_are_black_and_bright(tone: Tone) -> None:
    steps = np.linspace(0, 1, 21)[None, :]
    picture = paint([steps] * 3, UNIT, tone)
    assert (np.ptp(picture, axis=2) == 0).all()  # equal levels are grey
    assert (np.diff(picture[0, :, 0].astype(int)) >= 0).all()
    assert picture[0, 0, 0] == 0
    assert picture[0, -1, 0] > 150


def test_a_filters_limits_are_its_white_balance() -> None:
    limits = [Limits(10, 20), Limits(-5, 5), Limits(100, 101)]
    picture = paint(levels(15, 0, 100.5), limits, LUPTON)
    assert np.ptp(picture) == 0
    assert picture[0, 0, 0] > 0


def test_lupton_keeps_the_colour_of_what_is_bright() -> None:
    for bright in (0.05, 0.5, 50.0):
        red, green, blue = paint(levels(2 * bright, bright, bright / 2), UNIT, LUPTON)[0, 0]
        assert (green / red, blue / red) == pytest.approx((0.5, 0.25), abs=0.03)
    assert len(set(paint(levels(100, 50, 25), UNIT, Tone("linear", 1, 8))[0, 0])) == 1  # white


def test_green_is_the_mean_of_two_filters() -> None:
    picture = paint(levels(0.4, 0.2), UNIT[:2], Tone("linear", 1, 8))
    assert picture[0, 0].tolist() == pytest.approx([102, 76.5, 51], abs=1)


@pytest.mark.parametrize("tone", TONES, ids=lambda tone: tone.stretch)
def test_what_a_filter_lacks_is_grey_and_what_all_lack_is_black(tone: Tone) -> None:
    nan, inf = np.nan, np.inf
    red = np.array([[0.8, nan, nan, inf]])
    green = np.array([[0.4, 0.4, nan, nan]])
    blue = np.array([[0.2, 0.2, 0.2, -inf]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole, two, one, none = paint([red, green, blue], UNIT, tone)[0].tolist()
    assert len(set(whole)) == 3
    assert two == paint(levels(0.3, 0.3, 0.3), UNIT, tone)[0, 0].tolist()
    assert one == paint(levels(0.2, 0.2, 0.2), UNIT, tone)[0, 0].tolist()
    assert none == [0, 0, 0]


def planes(rows: int = 200, columns: int = 100) -> list[ColourPlane]:
    rng = np.random.default_rng(1)
    found = []
    for sky, noise in ((10, 1.0), (-3, 2.0)):
        values = rng.normal(sky, noise, (rows, columns)).astype(np.float32)
        values[:, :3] = sky + 100 * noise  # stars
        found.append(ColourPlane(values, np.ones((rows, columns), dtype=np.float32)))
    return found


def test_limits_are_percentiles_and_the_noise_is_the_skys() -> None:
    measured = measure(planes(), (50, 98))
    for limit, sky, noise in zip(measured.limits, (10, -3), (1, 2), strict=True):
        assert limit.low == pytest.approx(sky, abs=0.1 * noise)
        assert limit.high == pytest.approx(sky + 100 * noise, rel=0.01)
    assert measured.noise == pytest.approx(0.01, rel=0.05)
    assert measured.linear_to("lupton") == pytest.approx(0.1, rel=0.05)
    assert Measured(measured.limits, 5.0).linear_to("lupton") == 0.15
    assert Measured(measured.limits, 0.0).linear_to("log") > 0


def test_pixels_that_a_filter_lacks_do_not_count() -> None:
    red, blue = planes()
    red.science[:100] = 1e6
    red.weight[:100] = 0
    blue.science[:100] = np.nan
    measured = measure([red, blue], (50, 98))
    assert measured.limits[0].high < 200
    assert np.isnan(red.read(slice(0, 100))).all()
    assert np.isfinite(red.read(slice(100, 200))).all()


def test_filters_without_a_common_pixel_are_refused() -> None:
    red, blue = planes()
    red.weight[:100] = 0
    blue.weight[100:] = 0
    with pytest.raises(DrizzleError, match=r"no pixel in common.*choose groups that overlap"):
        measure([red, blue], (25, 99.7))


def test_a_mosaic_that_is_the_same_everywhere_is_refused() -> None:
    flat = ColourPlane(np.ones((9, 9)), np.ones((9, 9)))
    with pytest.raises(DrizzleError, match=r"percentiles 25 and 99.7 .* both 1"):
        measure([flat, flat], (25, 99.7))
