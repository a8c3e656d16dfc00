"""A colour picture: north up, a scale bar, and what it tells of itself."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from skymosaic.report.colour import MOST_PIXELS, finish, most_pixels, png, small_jpeg
from skymosaic.report.colour_facts import Channel, ColourFacts

FACTS = ColourFacts(
    field="M 16",
    channels=(
        Channel("red", "M 16/F160W", "F160W", "match", 0.1, 20, "electrons/s"),
        Channel("blue", "M 16/F110W", "F110W", "localmin", 0.2, 30, "electrons/s"),
    ),
    stretch="lupton",
    linear_to=0.05,
    q=8,
    percentiles=(25, 99.7),
    columns=800,
    rows=600,
    pixel_scale=0.1,
    north=0.0,
)


def test_the_words_name_filters_methods_limits_and_stretch() -> None:
    text = " ".join(FACTS.sentences)
    for part in (
        *("Red: M 16/F160W (filter F160W, sky method match), from 0.1 to 20 electrons/s",),
        *("Green: the mean of red and blue", "percentiles 25 and 99.7", "Lupton et al. 2004"),
        *("stretch 0.05", "Q 8", "has no data, the picture is grey"),
    ):
        assert part in text
    assert FACTS.alt == (
        "Colour picture of M 16: F160W in red, F110W in blue. The mosaics are 80 by 60 arcsec. "
        "North is up, east is left."
    )


def test_the_png_says_what_it_shows() -> None:
    picture = finish(np.zeros((300, 400, 3), dtype=np.uint8), FACTS)
    texts = Image.open(io.BytesIO(png(picture, FACTS))).text
    assert texts["Title"] == "M 16 in F160W, F110W"
    assert texts["Description"] == FACTS.alt
    assert texts["Comment"] == " ".join(FACTS.sentences)
    assert max(Image.open(io.BytesIO(small_jpeg(picture))).size) <= 480


def test_the_first_row_is_the_lowest() -> None:
    pixels = np.zeros((80, 80, 3), dtype=np.uint8)  # too small for a bar
    pixels[0, 79] = (255, 0, 0)
    assert finish(pixels, FACTS).getpixel((79, 79)) == (255, 0, 0)


@pytest.mark.parametrize("columns", [800, 400])
def test_the_bar_is_as_long_as_it_says(columns: int) -> None:
    pixels = np.zeros((columns * 3 // 4, columns, 3), dtype=np.uint8)
    drawn = np.asarray(finish(pixels, FACTS))[..., 0]
    left = drawn[:, : columns // 2]
    longest = max((row == 255).sum() for row in left)
    # 10 arcsec, the largest round number within a quarter of 60 arcsec
    assert longest == pytest.approx(10 / 0.1 * columns / 800, abs=3)


def test_north_is_turned_up() -> None:
    facts = replace(FACTS, north=30.0)  # clockwise from up: to the right
    side = most_pixels(facts)
    assert side < MOST_PIXELS
    pixels = np.zeros((400, 400, 3), dtype=np.uint8)
    centre, reach = 200, 150
    x = centre + reach * np.sin(np.radians(30.0))
    y = centre + reach * np.cos(np.radians(30.0))
    pixels[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3] = (0, 255, 0)
    picture = np.asarray(finish(pixels, facts)).astype(int)
    greenest = picture[..., 1] - picture[..., 0]
    row, column = np.unravel_index(greenest.argmax(), greenest.shape)
    assert column == pytest.approx(picture.shape[1] / 2, abs=4)
    assert row == pytest.approx(picture.shape[0] / 2 - reach, abs=4)
    assert "turned by 30.00 degrees" in " ".join(facts.sentences)
    assert "North is 30.0 degrees" in facts.tiled_alt
    assert max(finish(np.zeros((side, side, 3), dtype=np.uint8), facts).size) <= MOST_PIXELS + 4
