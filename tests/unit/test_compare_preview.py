from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from skymosaic.errors import SkyError
from skymosaic.evidence.reduction import reduce_image
from skymosaic.report.difference_images import difference, reference_method
from skymosaic.report.preview import blink, common_stretch, preview, stretch


def mosaics():
    rng = np.random.default_rng(3)
    base = 0.02 * rng.normal(size=(120, 90)) + np.linspace(0, 0.4, 90)
    base[:10] = np.nan
    return {
        "match": (base + 1.2).astype(np.float32),
        "localmin": base.astype(np.float32),
        "globalmin+match": (base + 0.4).astype(np.float32),
    }


def test_blocks_are_means_of_their_valid_pixels():
    image = np.arange(12.0).reshape(3, 4)
    image[0, 0] = np.nan
    weight = np.ones((3, 4))
    weight[1, 1] = 0
    weight[0:2, 2:4] = 0
    reduced = reduce_image(image, weight, max_side=2)
    assert reduced.shape == (2, 2)
    assert reduced.dtype == np.float32
    assert reduced[0, 0] == pytest.approx((1 + 4) / 2)  # 0 is not finite, 5 has no weight
    assert np.isnan(reduced[0, 1])
    assert reduced[1].tolist() == [8.5, 10.5]  # an edge block has fewer pixels


@pytest.mark.parametrize(
    ("shape", "side"), [((7, 11), 5), ((100, 3), 10), ((5, 5), 5), ((9, 2), 1)]
)
def test_the_longest_side_is_bounded_and_the_mean_is_kept(shape, side):
    image = np.random.default_rng(0).normal(size=shape)
    reduced = reduce_image(image, max_side=side)
    assert max(reduced.shape) <= side
    block = -(-max(shape) // side)
    expected = [
        image[y : y + block, x : x + block].mean()
        for y in range(0, shape[0], block)
        for x in range(0, shape[1], block)
    ]
    np.testing.assert_allclose(reduced.ravel(), expected, rtol=1e-6, atol=1e-6)


def test_image_and_weight_must_be_on_one_grid():
    with pytest.raises(SkyError, match=r"\(3, 4\)"):
        reduce_image(np.ones((3, 4)), np.ones((4, 3)))


def test_one_stretch_shows_methods_of_unlike_levels_without_saturating_any():
    images = mosaics()
    vmin, vmax = common_stretch(images)
    for image in images.values():
        valid = image[np.isfinite(image)]
        assert np.mean((valid < vmin) | (valid > vmax)) < 0.02
        shown = stretch(valid, vmin, vmax)
        assert np.percentile(shown, 95) - np.percentile(shown, 5) > 0.05
    assert stretch(np.array([vmin, vmax]), vmin, vmax).tolist() == [0.0, 1.0]


def test_stretch_refuses_empty_mosaics_and_unlike_grids():
    with pytest.raises(SkyError, match="match: the mosaic has no valid pixel"):
        common_stretch({"match": np.full((4, 4), np.nan)})
    with pytest.raises(SkyError, match="not on one grid"):
        common_stretch({"match": np.ones((4, 4)), "localmin": np.ones((4, 5))})
    low, high = common_stretch({"match": np.ones((4, 4))})
    assert low < 1.0 < high


def test_a_preview_draws_north_up_names_its_method_and_marks_missing_pixels():
    image = np.zeros((40, 600), np.float32)
    image[:20] = 1.0
    image[30:, :300] = np.nan
    drawn = preview(image, "match", (0.0, 1.0))
    other = preview(image, "localmin", (0.0, 1.0))
    pixels = np.asarray(drawn.convert("RGB")).astype(int)
    bar = (pixels.shape[0] - 40) // 2
    picture = pixels[bar : bar + 40]
    assert (picture[20:] == 254).all()  # the first rows of the array are at the bottom
    assert (picture[:10, 300:] == 0).all()
    missing = picture[:10, :300]
    assert (missing[..., 2] > missing[..., 0] + 20).all()
    assert (np.asarray(drawn)[:bar] != np.asarray(other)[:bar]).any()
    assert (np.asarray(drawn)[bar:] == np.asarray(other)[bar:]).all()


def test_the_gif_shows_every_method_in_order_and_loops(tmp_path):
    images = mosaics()
    path = blink(images, tmp_path / "blink.gif")
    limits = common_stretch(images)
    with Image.open(path) as gif:
        assert gif.n_frames == 3
        assert gif.info["loop"] == 0
        for number, method in enumerate(["localmin", "match", "globalmin+match"]):
            gif.seek(number)
            assert gif.info["duration"] == 1000
            expected = preview(images[method], method, limits).convert("RGB")
            assert (np.asarray(gif.convert("RGB")) == np.asarray(expected)).all()


def test_differences_are_taken_from_match_and_lose_their_median():
    images = mosaics()
    assert reference_method(images) == "match"
    figure = difference(images)
    panels = [axes for axes in figure.axes if axes.get_images()]
    assert [axes.get_title().split("\n")[0] for axes in panels] == [
        "localmin - match",
        "globalmin+match - match",
    ]
    assert "median -1.2" in panels[0].get_title()
    assert np.nanmax(np.abs(panels[0].get_images()[0].get_array())) < 1e-6
    low, high = panels[0].get_images()[0].get_clim()
    assert low == -high


def test_rounding_is_not_stretched_into_structure():
    images = mosaics()
    images["localmin"] = images["localmin"] + np.linspace(0, 1, 90, dtype=np.float32)
    panels = [axes for axes in difference(images).axes if axes.get_images()]
    wide, narrow = (axes.get_images()[0].get_clim()[1] for axes in panels)
    assert narrow == pytest.approx(wide / 50)


def test_a_difference_needs_two_methods_with_common_pixels():
    with pytest.raises(SkyError, match="two methods"):
        difference({"match": np.ones((3, 3))})
    left, right = np.ones((2, 2)), np.ones((2, 2))
    left[:, 0], right[:, 1] = np.nan, np.nan
    with pytest.raises(SkyError, match="no valid pixel in common"):
        difference({"match": left, "localmin": right})
