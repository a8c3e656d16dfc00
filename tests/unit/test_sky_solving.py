from __future__ import annotations

import numpy as np
import pytest

from skymosaic.errors import SkyError
from skymosaic.methods import METHODS
from skymosaic.sky.layout import Layout
from skymosaic.sky.matching import compute_skies
from skymosaic.sky.measuring import ChipSky
from skymosaic.sky.solving import Difference, solve
from skymosaic.sky.statistics import NOTHING, ClippedStatistic


def pseudo_inverse(exposures: int, differences: list[Difference]) -> np.ndarray:
    """What skypac does: a dense matrix of all pairs."""
    matrix, free = np.zeros((len(differences), exposures)), np.zeros(len(differences))
    for row, d in enumerate(differences):
        matrix[row, d.a], matrix[row, d.b] = d.weight, -d.weight
        free[row] = d.weight * (d.sky_a - d.sky_b)
    offsets = np.linalg.pinv(matrix, rcond=1e-12) @ free
    offsets[[i for i in range(exposures) if not any(i in (d.a, d.b) for d in differences)]] = np.nan
    return offsets - np.nanmin(offsets, initial=0.0)


def test_offsets_are_those_of_the_pseudo_inverse() -> None:
    random = np.random.default_rng(1)
    for _ in range(20):
        exposures = int(random.integers(2, 30))
        differences = [
            Difference(a, b, *random.normal(60, 5, 2), *random.integers(1, 10**6, 2))
            for a in range(exposures)
            for b in range(a + 1, exposures)
            if random.uniform() < 0.15
        ]
        found = solve(exposures, differences)
        np.testing.assert_allclose(
            found.offsets, pseudo_inverse(exposures, differences), atol=1e-9, rtol=0
        )


SKY = (100.0, 120.0, 105.0, 110.0, 105.0, 115.0)
"""The worked example: two rows of three flat tiles."""
NEIGHBOURS = ((0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5))


def flat(
    skies: tuple[float, ...], pairs: tuple[tuple[int, int], ...]
) -> tuple[Layout, list[ChipSky]]:
    tiles = range(len(skies))
    regions = tuple({pair: [] for pair in pairs if tile in pair} for tile in tiles)
    chips = [
        ChipSky(
            ClippedStatistic(sky, 10_000),
            {pair: ClippedStatistic(sky, 500) for pair in regions[tile]},
        )
        for tile, sky in enumerate(skies)
    ]
    return Layout(tuple(tiles), ((100, 100),) * len(skies), regions), chips


def test_the_worked_example() -> None:
    layout, chips = flat(SKY, NEIGHBOURS)
    skies = compute_skies(layout, chips, [1.0] * 6)
    expected = {
        "localmin": SKY,
        "match": (0, 20, 5, 10, 5, 15),
        "globalmin": (100,) * 6,
        "globalmin+match": SKY,
    }
    for method in METHODS:
        assert skies.methods[method].values == pytest.approx(expected[method], abs=1e-9)
    assert skies.solution.groups == (tuple(range(6)),)


def test_groups_and_undetermined_exposures_are_told() -> None:
    layout, chips = flat((*SKY, 50.0), ((0, 1), (1, 2), (3, 4)))
    skies = compute_skies(layout, chips, [1.0] * 7)
    assert skies.solution.groups == ((0, 1, 2), (3, 4), (5,), (6,))
    assert skies.solution.undetermined == (5, 6)
    match, both = skies.methods["match"], skies.methods["globalmin+match"]
    assert match.values[5:] == (None, None)
    assert match.subtracted[5:] == (0.0, 0.0)
    assert match.values[1] - match.values[0] == pytest.approx(20)  # exact in its group
    # AstroDrizzle subtracts the global minimum from it, which is no measure of its own sky.
    assert both.values[6] is None
    left = [sky - offset for sky, offset in zip((*SKY, 50.0), match.subtracted, strict=True)]
    assert both.subtracted[6] == pytest.approx(min(left))
    assert skies.methods["globalmin"].values == (50.0,) * 7


def test_skies_are_compared_in_brightness() -> None:
    layout, chips = flat((10.0, 40.0), ((0, 1),))
    skies = compute_skies(layout, chips, [4.0, 1.0])  # equal brightness
    assert skies.methods["match"].values == pytest.approx((0.0, 0.0))
    assert skies.methods["globalmin"].values == pytest.approx((10.0, 40.0))


def test_chips_of_an_exposure_get_its_smallest_sky() -> None:
    layout = Layout((0, 0, 1), ((9, 9),) * 3, ({}, {}, {}))
    chips = [ChipSky(ClippedStatistic(sky, 81), {}) for sky in (7.0, 5.0, 6.0)]
    skies = compute_skies(layout, chips, [1.0] * 3, ["localmin", "match"])
    assert skies.methods["localmin"].values == (5.0, 5.0, 6.0)
    assert skies.methods["match"].values == (None, None, None)


def test_an_exposure_without_usable_pixels() -> None:
    layout, chips = flat((1.0, 2.0, 3.0), ((0, 1),))
    chips[2] = ChipSky(NOTHING, {})
    skies = compute_skies(layout, chips, [1.0] * 3, ["localmin"])
    assert skies.methods["localmin"].values == (1.0, 2.0, None)
    with pytest.raises(SkyError, match="no usable pixel"):
        compute_skies(layout, chips, [1.0] * 3, ["globalmin"])


def test_a_chip_without_usable_pixels_loses_the_sky_of_the_others_which_is_not_its_own() -> None:
    layout = Layout((0, 0, 1), ((9, 9),) * 3, ({}, {}, {}))
    chips = [
        ChipSky(ClippedStatistic(7.0, 81), {}),
        ChipSky(NOTHING, {}),
        ChipSky(ClippedStatistic(6.0, 81), {}),
    ]
    localmin = compute_skies(layout, chips, [1.0] * 3, ["localmin"]).methods["localmin"]
    assert localmin.values == (7.0, None, 6.0)
    assert localmin.subtracted == (7.0, 7.0, 6.0)
