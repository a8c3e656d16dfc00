"""How sources are found by default: noise, threshold, width, and what the user sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.align.finding import (
    SAFE,
    WANTED,
    FinderSettings,
    PeakCounts,
    advice,
    choose_finding,
    common_level,
    count_above,
    count_peaks,
    counts_of,
    matched_filter,
    measure_noise,
    noise,
    read_pixels,
)
from skymosaic.align.order import overlap_shares
from skymosaic.errors import AlignmentError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from tests.unit.small_fits import write_drizzled

SIDE, SIGMA = 400, 0.02


def sky(peaks: np.ndarray, seed: int = 0, slope: float = 0.0) -> np.ndarray:
    """Return stars of some peaks (in sigmas) on a grid, on noise and a slope of light."""
    random = np.random.default_rng(seed)
    image = random.normal(0.0, SIGMA, (SIDE, SIDE)) + slope * np.arange(SIDE) / SIDE
    y, x = np.mgrid[:SIDE, :SIDE]
    places = np.stack(np.meshgrid(np.arange(15, SIDE - 15, 15), np.arange(15, SIDE - 15, 15)))
    places = places.reshape(2, -1).T[: len(peaks)]
    assert len(places) == len(peaks)
    for (column, row), peak in zip(places, peaks, strict=True):
        part = np.s_[row - 6 : row + 7, column - 6 : column + 7]
        away = (x[part] - column) ** 2 + (y[part] - row) ** 2
        image[part] += peak * SIGMA * np.exp(-4 * np.log(2) * away / 2.5**2)
    return image.astype(np.float32)


def counted(
    paths: dict[str, Path], exposures: list[Exposure], given: dict | None = None
) -> PeakCounts:
    """Count the sources of images as the tasks of a campaign do."""
    level = common_level([measure_noise(paths[e.rootname], e) for e in exposures], given or {})
    return counts_of(level, {name: count_peaks(path, level) for name, path in paths.items()})


def chosen_for(
    paths: dict[str, Path], exposures: list[Exposure], shares: dict[str, float], given: dict
) -> FinderSettings:
    return choose_finding(counted(paths, exposures, given), shares, given)


@pytest.fixture
def tile(tmp_path: Path):
    """Return a function that writes a drizzled image, and gives what is known of it."""

    def tile(name: str, pixels: np.ndarray) -> tuple[Path, Exposure]:
        path = write_drizzled(tmp_path / f"{name}_drz.fits")
        with fits.open(path, mode="update") as hdus:
            hdus["SCI"].data = pixels
        return path, replace(read_exposure(path), instrument="WFC3", detector="UNKNOWN")

    return tile


@pytest.mark.parametrize("slope", [0.0, 5.0])
def test_the_noise_is_measured_on_light_and_stars(slope: float) -> None:
    image = sky(np.full(100, 500.0), slope=slope)
    image[:, :40] = np.nan
    # 5 e-/s over the image, 0.1 over 8 pixels, are five sigmas: a slope is told from noise badly
    # where it is so steep, and then the noise is said to be larger, not smaller.
    expected = SIGMA if slope == 0 else np.hypot(SIGMA, 0.1 / np.sqrt(2) * 1.4826)
    assert noise(image) == pytest.approx(expected, rel=0.1)
    assert noise(np.full((20, 20), np.nan, dtype=np.float32)) == 0


def test_the_filter_gives_the_height_of_a_star_of_its_width_and_no_background() -> None:
    image = np.full((61, 61), 7.0, dtype=np.float32)
    y, x = np.mgrid[:61, :61]
    star = 3.0 * np.exp(-4 * np.log(2) * ((x - 30) ** 2 + (y - 30) ** 2) / 3.5**2)
    heights = matched_filter((image + star).astype(np.float32), 3.5)
    assert heights[30, 30] == pytest.approx(3.0, rel=1e-3)
    assert abs(heights[10, 10]) < 1e-4
    assert count_above(heights, 1.0) == 1


def test_the_rim_of_the_data_is_no_source() -> None:
    image = np.full((61, 61), 7.0, dtype=np.float32)
    image[:, :20] = np.nan
    assert count_above(matched_filter(image, 3.5), 0.1) == 0


@pytest.mark.parametrize(
    ("stars", "peak", "threshold"),
    [(400, 200.0, 100.0), (400, 60.0, 50.0), (400, 14.0, 10.0), (30, 200.0, 10.0)],
)
def test_the_threshold_is_the_highest_that_gives_enough(tile, stars, peak, threshold) -> None:
    path, exposure = tile("a", sky(np.full(stars, peak)))
    chosen = chosen_for({"a": path}, [replace(exposure, rootname="a")], {"a": 0.9}, {})
    enough = stars * 0.9 >= WANTED
    assert chosen.parameters["threshold"] == (threshold if enough else SAFE)
    assert chosen.parameters["computesig"] is False
    # Stars cover a quarter of this image.
    assert chosen.parameters["skysigma"] == pytest.approx(SIGMA, rel=0.3)
    assert chosen.found[f"{chosen.parameters['threshold']:g}"]["a"] == stars
    assert f"threshold {chosen.parameters['threshold']:g}" in chosen.why


def test_where_an_overlap_has_few_sources_a_shift_is_fitted_alone(tile) -> None:
    path, exposure = tile("a", sky(np.full(150, 200.0)))
    exposures = [replace(exposure, rootname="a")]
    few = chosen_for({"a": path}, exposures, {"a": 0.1}, {})
    many = chosen_for({"a": path}, exposures, {"a": 0.9}, {})
    assert few.tweakreg == {"fitgeometry": "shift"}
    assert many.tweakreg == {"fitgeometry": "rscale"}


def test_an_empty_image_or_one_that_overlaps_nothing_decides_nothing(tile) -> None:
    path, exposure = tile("a", sky(np.full(400, 200.0)))
    empty, _ = tile("b", sky(np.zeros(0), seed=1))
    alone, _ = tile("c", sky(np.full(3, 200.0), seed=2))
    exposures = [replace(exposure, rootname=name) for name in "abc"]
    shares = {"a": 0.9, "b": 0.9, "c": 0.0}
    chosen = chosen_for({"a": path, "b": empty, "c": alone}, exposures, shares, {})
    assert chosen.parameters["threshold"] == 100.0


@pytest.mark.parametrize("given", [{"threshold": 5}, {"computesig": True}, {"skysigma": 0.3}])
def test_what_the_user_sets_of_the_noise_is_left_to_tweakreg(tile, given) -> None:
    path, exposure = tile("a", sky(np.full(400, 200.0)))
    chosen = chosen_for({"a": path}, [replace(exposure, rootname="a")], {"a": 0.5}, given)
    assert chosen.parameters == {"threshold": 10.0, "conv_width": 3.5, **given}
    assert chosen.tweakreg == {}


def test_other_parameters_of_the_user_are_kept(tile) -> None:
    path, exposure = tile("a", sky(np.full(400, 200.0)))
    given = {"conv_width": 4.5, "peakmax": 100.0}
    chosen = chosen_for({"a": path}, [replace(exposure, rootname="a")], {"a": 0.5}, given)
    assert chosen.parameters.items() >= given.items()
    assert chosen.parameters["computesig"] is False


def test_the_width_follows_the_scale_of_the_drizzled_image(tile) -> None:
    path, exposure = tile("a", sky(np.full(400, 200.0)))
    [scale] = {abs(float(fits.getheader(path, "SCI")["CD2_2"])) * 3600}
    for detector, native in (("IR", 0.12825), ("UVIS", 0.0396)):
        one = replace(exposure, rootname="a", detector=detector)
        chosen = chosen_for({"a": path}, [one], {"a": 0.9}, {})
        expected = max(2.0, 3.5 * native / scale)
        assert chosen.parameters["conv_width"] == pytest.approx(expected, abs=0.06)


def test_images_without_data_are_refused(tile) -> None:
    path, exposure = tile("a", np.zeros((50, 50), dtype=np.float32))
    assert np.isnan(read_pixels(path)).all()
    with pytest.raises(AlignmentError, match="no pixels with data"):
        chosen_for({"a": path}, [replace(exposure, rootname="a")], {"a": 0.9}, {})


def test_the_advice_names_values_that_find_more(tile) -> None:
    peaks = np.concatenate([np.full(20, 200.0), np.full(100, 16.0)])
    path, exposure = tile("a", sky(peaks))
    exposures = [replace(exposure, rootname="a")]
    theirs = chosen_for({"a": path}, exposures, {"a": 0.5}, {"threshold": 900})
    counts = counted({"a": path}, exposures)
    sentence = advice(theirs, counts, ["a"])
    assert "20 at 100" in sentence
    assert "120 at 10" in sentence
    assert "threshold: 10, conv_width: 3.5}" in sentence
    nothing_more = chosen_for({"a": path}, exposures, {"a": 0.9}, {})
    assert "searchrad: 3" in advice(nothing_more, counts, ["a"])


def test_shares_of_overlap() -> None:
    def square(east: float) -> list[np.ndarray]:
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 50 / 3600
        return [corners + np.array([10.0 + east / 3600, 0.0])]

    shares = overlap_shares({"a": square(0), "b": square(80), "c": square(500)}, ["b", "a", "c"])
    assert shares == pytest.approx({"b": 0.2, "a": 0.2, "c": 0.0}, abs=1e-3)
