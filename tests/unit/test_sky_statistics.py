from __future__ import annotations

import contextlib
import io
from itertools import product

import numpy as np
import pytest
from stsci.imagestats import ImageStats

from skymosaic.sky.measuring import good_pixels
from skymosaic.sky.samples import Sample
from skymosaic.sky.static_mask import static_threshold, too_low
from skymosaic.sky.statistics import NOTHING, Statistic, measure


def imagestats(values: np.ndarray, statistic: Statistic) -> tuple[float | None, int]:
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its errors
            found = ImageStats(
                values,
                fields=f"npix,{statistic.skystat}",
                lower=statistic.skylower,
                upper=statistic.skyupper,
                nclip=statistic.skyclip,
                lsig=statistic.skylsigma,
                usig=statistic.skyusigma,
                binwidth=statistic.skywidth,
            )
    except ValueError:
        return None, 0
    return getattr(found, statistic.skystat), found.npix


def pixels(random: np.random.Generator, count: int) -> np.ndarray:
    values = random.normal(0.9, 0.03, count)
    values[::9] += random.exponential(0.5, len(values[::9]))
    return values.astype(np.float32)


@pytest.mark.parametrize("skystat", ["median", "mode", "mean"])
def test_statistics_are_those_of_imagestats(skystat: str) -> None:
    random = np.random.default_rng(1)
    counts, lowest, highest, clips = (1, 3, 50, 4000), (None, 0.5, 0.9, 2), (None, 1.5, 0.1), (0, 5)
    for count, lower, upper, clip in product(counts, lowest, highest, clips):
        values = pixels(random, count)
        statistic = Statistic(
            skystat, skylower=lower, skyupper=upper, skyclip=clip, skylsigma=3, skyusigma=2.5
        )
        value, number = imagestats(values, statistic)
        found = measure(values, statistic)
        if value is None or np.isnan(value):  # one pixel has no mode
            assert found == NOTHING
        else:
            assert (found.value, found.pixels) == (value, number), statistic


@pytest.mark.parametrize("skystat", ["median", "mode", "mean"])
def test_equal_pixels_have_a_sky(skystat: str) -> None:
    values = np.full(100, 2.5, dtype=np.float32)
    assert measure(values, Statistic(skystat)).value == 2.5


def test_no_pixel_and_not_a_number_have_no_sky() -> None:
    assert measure(np.zeros(0, dtype=np.float32), Statistic()) == NOTHING
    assert measure(np.array([1.0, np.nan, 2.0], dtype=np.float32), Statistic()) == NOTHING


@pytest.mark.parametrize("factor", [1.0, 500.0])
@pytest.mark.parametrize("limits", [{}, {"skylower": 0.85, "skyupper": 1.0, "skyusigma": 2.0}])
def test_a_part_of_many_pixels_has_the_same_sky_as_its_pixels(
    factor: float, limits: dict[str, float]
) -> None:
    """The bins must change nothing."""
    random = np.random.default_rng(2)
    image = (pixels(random, 90_000) * factor).reshape(300, 300).astype(np.float32)
    good = random.uniform(size=image.shape) > 0.1
    scaled = {k: v if k == "skyusigma" else v * factor for k, v in limits.items()}
    statistic = Statistic(**scaled)
    sample = Sample(image, good)
    for region in (
        [(row, 0, 300) for row in range(300)],
        [(row, row // 10, 290) for row in range(10, 290)],
        [(row, 5, 30) for row in range(7, 20)],
    ):
        inside = np.concatenate([image[y, a:b][good[y, a:b]] for y, a, b in region])
        value, number = imagestats(inside, statistic)
        found = sample.part(np.array(region), statistic)
        assert (found.value, found.pixels) == (value, number)
    assert sample.part(np.zeros((0, 3), dtype=int), statistic) == NOTHING


def test_good_pixels_follow_flags_static_and_user_mask() -> None:
    flags = np.array([[0, 4, 64, 68]], dtype=np.int16)
    low = np.array([[True, False, False, False]])
    user = np.array([[True, True, False, True]])
    shape = flags.shape
    assert good_pixels(flags, 0, shape=shape).tolist() == [[True, False, False, False]]
    assert good_pixels(flags, 64, shape=shape).tolist() == [[True, False, True, False]]
    assert good_pixels(flags, None, shape=shape).all()
    assert good_pixels(flags, None, low, user, shape=shape).tolist() == [[False, True, False, True]]


def test_static_mask_takes_out_what_is_far_too_low() -> None:
    random = np.random.default_rng(3)
    image = random.normal(1.0, 0.03, (100, 100)).astype(np.float32)
    image[50, 50] = -1.0
    threshold = static_threshold(image, 4.0)
    with contextlib.redirect_stdout(io.StringIO()):
        stats = ImageStats(image, nclip=3, fields="mode", lower=image.min(), upper=image.max())
    assert threshold == pytest.approx(float(stats.mode - 4.0 * stats.stddev), abs=1e-12)
    assert too_low(image, 4.0)[50, 50]
    assert too_low(image, 4.0).sum() < 5
    assert not too_low(np.ones((9, 9), dtype=np.float32), 4.0).any()


def test_a_wrong_statistic_is_refused() -> None:
    with pytest.raises(ValueError, match="median, mode, mean"):
        Statistic("midpt")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="skyclip"):
        Statistic(skyclip=-1)
