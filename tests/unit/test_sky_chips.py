"""A sky for each chip: on arrays of two-chip exposures whose truth and noise are known."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.drizzle.onepass.chips import match_beside_planes
from skymosaic.drizzle.onepass.grid_differences import boxes_of
from skymosaic.hst.exposure import Chip, Exposure
from skymosaic.sky.chips import ChipSkies
from tests.unit.ccd_field import NOISE, STAYING, CcdField

STEP = 0.01


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def tried(seeds: int, per_chip: object = "auto", **field: object) -> tuple[float, float, list]:
    """Return the rms error of chips' skies, of the pulls, and what was found."""
    off, pulls, found = [], [], []
    for seed in range(seeds):
        one = CcdField(seed, **field)
        found.append(one.matched(per_chip))
        off.append(one.errors(found[-1]))
        pulls.append(off[-1] / found[-1].matched.errors)
    return rms(np.array(off)), rms(np.array(pulls)), found


@pytest.fixture(scope="module")
def stepped() -> tuple[float, float, list[ChipSkies]]:
    return tried(2, step=STEP, hits=0.02)


def test_a_step_between_chips_is_taken_out_within_the_errors(
    stepped: tuple[float, float, list[ChipSkies]],
) -> None:
    error, pulls, found = stepped
    assert [one.used for one in found] == ["step"] * 2
    assert error < 0.0002
    assert 0.7 < pulls < 1.4  # 24 numbers; over 20 seeds benchmarks/chips.py has 0.9 to 1.2


def test_one_sky_an_exposure_is_wrong_there() -> None:
    """What the others are measured against: without a sky a chip the truth is missed."""
    error, pulls, _ = tried(1, False, step=STEP)
    assert error > 0.0004
    assert pulls > 3.0


def test_the_step_is_told_with_its_size_and_its_error(
    stepped: tuple[float, float, list[ChipSkies]],
) -> None:
    for one in stepped[2]:
        assert one.found.model == "step"
        assert one.found.known and one.found.undetermined == ()
        assert one.found.chance_step < 1e-12
        assert one.found.chance_chips > 1e-4
        pairs = [(2 * e + 1, 2 * e, 1.0) for e in range(6)]
        step, error = one.found.mean_step(pairs)
        assert step == pytest.approx(STEP * np.mean(CcdField().skies), abs=4 * error)
        assert step > 8 * error
        value, its = one.found.relative[0]
        assert value == pytest.approx(STEP, abs=4 * its)


def test_without_a_step_chips_have_one_sky() -> None:
    error, pulls, found = tried(2)
    assert [one.used for one in found] == ["exposures"] * 2
    assert error < 0.0002
    assert 0.5 < pulls < 1.5
    plain = CcdField(0).matched(False).matched
    np.testing.assert_array_equal(found[0].matched.offsets, plain.offsets)
    assert np.all(found[0].matched.errors >= plain.errors)


def test_each_exposure_may_have_a_step_of_its_own() -> None:
    steps = (0.002, -0.001, 0.0, 0.0015, -0.002, 0.001)
    error, pulls, found = tried(1, steps=steps)
    assert [one.used for one in found] == ["chips"]
    assert error < 0.0002
    assert pulls < 1.6
    assert found[0].found.between(1, 0)[0] == pytest.approx(0.002, abs=0.0006)


def test_a_sky_a_chip_can_be_asked_for_and_refused() -> None:
    one = CcdField(3, step=STEP)
    apart = np.diff(one.matched(True).matched.offsets.reshape(6, 2), axis=1)[:, 0]
    assert apart == pytest.approx(STEP * np.array(one.skies), abs=0.0006)
    assert len(set(np.round(apart, 9))) == 6
    alike = one.matched(False).matched.offsets.reshape(6, 2)
    np.testing.assert_array_equal(alike[:, 0], alike[:, 1])


def unrelated(step: float) -> CcdField:
    """Dithers of which no one crosses the gap, in both visits at one place."""
    field = CcdField(2, step=step, roll=False, dithers=STAYING)
    field.shift = (100, 2)
    return field


def test_a_step_that_no_overlap_tells_is_not_invented() -> None:
    one = unrelated(STEP)
    found = one.matched("auto")
    assert not found.found.known
    assert found.found.undetermined == (0, 1, 2, 3, 4, 5)
    # What is assumed, is said: half of a step for either chip.
    assert found.matched.assumed == pytest.approx(np.full(12, 0.5))
    shared = one.matched(True)
    assert shared.matched.assumed == pytest.approx(np.full(12, 0.5))
    steps = np.diff(shared.matched.offsets.reshape(6, 2), axis=1)
    assert steps.mean() == pytest.approx(0.0, abs=1e-12)  # the mean step is that of no exposure
    assert one.matched(False).matched.assumed is None


def exposures() -> list[Exposure]:
    corners = ((0.0, 0.0),) * 4
    chips = tuple(Chip(extver, corners, "", 0.0, 0.05, True) for extver in (1, 2))
    return [
        Exposure(f"j{n}", "_flc", "", "ACS", "WFC", "F606W", 500.0, 0.0, 0.0, chips)
        for n in range(6)
    ]


def beside_planes(field: CcdField):
    cut_outs, _ = field.chips()
    boxes = boxes_of(cut_outs, field.owners, 6)
    return match_beside_planes(exposures(), field.owners, *field.measured, "auto", *boxes)


def test_a_step_is_no_gradient() -> None:
    found = beside_planes(CcdField(1, step=0.02))
    assert found.chips.used == "step"
    assert found.planes is not None
    assert not found.planes.significant


def test_a_gradient_is_no_step() -> None:
    found = beside_planes(CcdField(1, gradient=0.02))
    assert found.planes is not None and found.planes.significant
    assert found.chips.used == found.chips.found.model == "exposures"


def test_the_noise_of_the_field_is_that_of_its_exposures() -> None:
    _, loaded = CcdField().chips()
    data, weight = loaded[0]
    scatter = np.diff(data[weight > 0])
    usual = 1.4826 * np.median(np.abs(scatter)) / np.sqrt(2.0)
    assert 0.35 * NOISE < usual < NOISE  # resampling smooths it
