"""What a real detector adds to simulated exposures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.archive.simulated.effects import (
    Effects,
    Frame,
    draw,
    flat_field,
    persistence,
    read_effects,
)
from skymosaic.archive.simulated.exposures import Simulation, simulate_visit
from skymosaic.errors import CampaignError

FRAME = Frame(seed=7, detector="wfc3_ir F160W", rootname="ibxl54bgq", chip=1, shape=(64, 96), sky=2)
UPPER = replace(FRAME, detector="acs_wfc", part=(0.0, 1.0), halves=1)
LOWER = replace(UPPER, chip=2, part=(-1.0, 0.0))


def test_the_flat_has_its_rms_and_is_fixed_to_the_detector() -> None:
    effects = Effects(flat=0.005)
    flat = flat_field(effects, FRAME)
    assert flat.mean() == pytest.approx(1.0, abs=1e-12)
    assert flat.std() == pytest.approx(0.005)
    assert np.array_equal(flat, flat_field(effects, replace(FRAME, rootname="ibxl54blq")))
    assert not np.allclose(flat, flat_field(effects, replace(FRAME, detector="wfc3_ir F110W")))


@pytest.mark.parametrize("order", [1, 12])
def test_the_finest_pattern_of_the_flat_has_as_many_half_waves_as_its_order(order) -> None:
    flat = flat_field(Effects(flat=0.01, flat_order=order), FRAME)
    from scipy.fft import dctn

    weights = np.abs(dctn(flat - 1.0, norm="ortho"))
    i, j = np.indices(weights.shape)
    # The cosines are those of the ends of the frame, a half pixel from those of the transform.
    assert weights[i + j <= order].sum() > 20 * weights[i + j > order + 2].max()


def test_a_blob_takes_its_depth_away() -> None:
    assert flat_field(Effects(blob=0.1), FRAME).min() == pytest.approx(0.9, abs=0.002)


def test_offsets_of_amplifiers_are_those_of_four_quadrants_without_a_mean() -> None:
    offset = draw(Effects(amplifiers=0.01), FRAME).offset
    quadrants = [offset[:32, :48], offset[:32, 48:], offset[32:, :48], offset[32:, 48:]]
    assert [part.std() for part in quadrants] == pytest.approx([0.0] * 4, abs=1e-15)
    assert len({part[0, 0] for part in quadrants}) == 4
    assert offset.mean() == pytest.approx(0.0, abs=1e-15)
    # Of a chip of a CCD camera two.
    assert len(np.unique(draw(Effects(amplifiers=0.01), UPPER).offset)) == 2


def test_amplifiers_have_the_rms_that_was_asked_for() -> None:
    drawn = [
        draw(Effects(amplifiers=0.01), replace(FRAME, rootname=str(number))).offset[::63, ::95]
        for number in range(400)
    ]
    # Three of four are free: the mean was taken away.
    assert np.std(drawn) == pytest.approx(0.01 * np.sqrt(3 / 4), rel=0.05)


def test_chips_are_apart_by_opposite_offsets_and_their_skies_say_so() -> None:
    upper, lower = (draw(Effects(chips=0.01), frame) for frame in (UPPER, LOWER))
    assert upper.sky == -lower.sky != 0
    assert upper.offset.mean() == pytest.approx(upper.sky)


def test_a_gradient_is_one_plane_over_both_chips() -> None:
    upper, lower = (draw(Effects(gradient=0.1), frame).light for frame in (UPPER, LOWER))
    assert np.allclose(upper[0], lower[-1])
    both = np.concatenate([lower, upper])
    assert both.mean() == pytest.approx(0.0, abs=1e-12)
    assert 0.3 * 0.1 * FRAME.sky <= np.ptp(both) <= 0.1 * FRAME.sky * (1 + 1e-12)


def test_airglow_raises_the_sky_by_its_mean() -> None:
    drawn = draw(Effects(helium=0.2), replace(FRAME, shape=(400, 400)))
    assert 0.3 * 0.2 * FRAME.sky <= drawn.sky <= 0.2 * FRAME.sky
    assert drawn.light.mean() == pytest.approx(drawn.sky, rel=0.01)
    # A quarter of the pixels has the rate of a part of the exposure.
    assert np.mean(drawn.light != drawn.sky) == pytest.approx(0.25, abs=0.01)


def test_stripes_are_offsets_of_rows() -> None:
    offset = draw(Effects(stripes=0.01), replace(FRAME, shape=(2000, 3))).offset
    assert np.all(offset == offset[:, :1])
    assert offset[:, 0].std() == pytest.approx(0.01, rel=0.05)


def test_a_trail_crosses_one_exposure_of_a_visit(tmp_path) -> None:
    simulation = Simulation(size="small", dithers=4, detector=Effects(trail=5.0))
    simulate_visit(simulation, "ibxl51", tmp_path)
    truths = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*_truth.json"))]
    assert [t["detector"]["drawn"].get("trail") for t in truths].count(5.0) == 1


def test_a_full_pixel_leaves_light_in_the_next_exposure() -> None:
    left = persistence(Effects(persistence=0.3), np.array([0.0, 4e4, 6e4, 8e4, 1e6]), 8e4)
    assert left == pytest.approx([0.0, 0.0, 0.15, 0.3, 0.3])


def _pixels(folder: Path, kind: str) -> np.ndarray:
    [path] = folder.glob(f"*bgq_{kind}.fits")
    return fits.getdata(path).astype(float)


def test_the_file_of_an_exposure_has_what_was_drawn(tmp_path) -> None:
    ideal = Simulation(size="small", scene="sparse")
    real = replace(ideal, detector=Effects(flat=0.05, amplifiers=0.5, gradient=0.5))
    for name, simulation in (("ideal", ideal), ("real", real)):
        simulate_visit(simulation, "ibxl54", tmp_path / name)
    truth = json.loads((tmp_path / "real" / "ibxl54bgq_truth.json").read_text())
    assert truth["detector"]["flat"] == 0.05
    before = json.loads((tmp_path / "ideal" / "ibxl54bgq_truth.json").read_text())
    assert "detector" not in before and truth["sky"] == before["sky"]
    frame = Frame(12812, "wfc3_ir F160W", "ibxl54bgq", 1, (256, 256), truth["sky"])
    drawn = draw(real.detector, frame)
    light = _pixels(tmp_path / "ideal", "scene") + before["sky"]
    expected = (light + drawn.light) * drawn.flat + drawn.offset
    error = fits.getdata(tmp_path / "real" / "ibxl54bgq_flt.fits", "ERR").astype(float)
    good = fits.getdata(tmp_path / "real" / "ibxl54bgq_flt.fits", "DQ") == 0
    pulls = ((_pixels(tmp_path / "real", "flt") - expected) / error)[good]
    assert abs(pulls.mean()) < 5 / np.sqrt(pulls.size)
    assert pulls.std() == pytest.approx(1.0, abs=0.02)


def test_an_ideal_detector_is_what_it_was(tmp_path) -> None:
    plain, ordered = (
        Simulation(size="small", detector=effects) for effects in (Effects(), Effects(flat_order=9))
    )
    for name, simulation in (("plain", plain), ("ordered", ordered)):
        simulate_visit(simulation, "ibxl54", tmp_path / name)
    assert np.array_equal(_pixels(tmp_path / "plain", "flt"), _pixels(tmp_path / "ordered", "flt"))


def test_both_chips_of_a_ccd_have_their_own(tmp_path) -> None:
    effects = Effects(chips=0.05, gradient=0.2)
    simulation = Simulation(instrument="acs-wfc", size="small", detector=effects)
    simulate_visit(simulation, "jskm01", tmp_path)
    truth = json.loads((tmp_path / "jskm01a1q_truth.json").read_text())
    first, second = truth["chips"]
    assert first["detector"]["chip"] == -second["detector"]["chip"] != 0
    assert first["detector"]["gradient"] == second["detector"]["gradient"]
    assert truth["sky"] == pytest.approx((first["sky"] + second["sky"]) / 2)


def test_effects_are_read_from_words() -> None:
    assert read_effects(["flat=0.005", "flat_order=4"]) == Effects(flat=0.005, flat_order=4)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("flut=1", "'flut' is unknown"), ("flat", "no number"), ("flat=x", "no number"),
     ("flat=-1", "out of range"), ("flat=nan", "out of range"), ("flat_order=99", "out of range")],
)  # fmt: skip
def test_words_that_are_no_effects_are_refused(word, expected) -> None:
    with pytest.raises(CampaignError, match=expected):
        read_effects([word])


@pytest.mark.parametrize(("instrument", "name"), [("wfc3-ir", "chips"), ("acs-wfc", "helium")])
def test_what_a_detector_does_not_do_is_refused(instrument, name) -> None:
    with pytest.raises(CampaignError, match=f"{name} is not for {instrument}"):
        Simulation(instrument=instrument, detector=Effects(**{name: 0.1}))
