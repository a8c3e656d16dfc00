from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle.chip_cards import ProductHeader
from skymosaic.drizzle.memory import Work, memory_of, planes_of, require_memory
from skymosaic.drizzle.onepass.header_table import HeaderTable
from skymosaic.drizzle.onepass.products import ImageFile
from skymosaic.drizzle.onepass.sums import Band, CutOut, Tilt, bands
from skymosaic.errors import OutOfMemoryError

SHAPE = (20, 15)  # columns, rows


def pieces(chips: int = 3) -> tuple[list[CutOut], dict[int, tuple[np.ndarray, np.ndarray]]]:
    random = np.random.default_rng(1)
    cut_outs, pixels = [], {}
    for number in range(chips):
        x, y = int(random.integers(0, 8)), int(random.integers(0, 6))
        science = random.normal(5, 1, (8, 10)).astype(np.float32)
        weight = random.uniform(0, 700, (8, 10)).astype(np.float32)
        weight[random.uniform(size=weight.shape) < 0.2] = 0.0
        science[0, :3], weight[0, :3] = np.nan, 0.0  # nothing falls here
        cut_outs.append(CutOut(number, x, y, 10, 8, 0.5 + number))
        pixels[number] = science, weight
    return cut_outs, pixels


def assemble(parts: list[Band], name: str) -> np.ndarray:
    return np.concatenate([part.mosaics[name] for part in parts])


def sequential(
    cut_outs: list[CutOut], pixels: dict[int, tuple[np.ndarray, np.ndarray]], sky: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """What the drizzle's code does: average each chip's value into each pixel, in turn."""
    mosaic, weight = np.full(SHAPE[::-1], np.nan), np.zeros(SHAPE[::-1])
    for cut_out in cut_outs:
        science, own = pixels[cut_out.number]
        for row, column in np.ndindex(own.shape):
            y, x = row + cut_out.y, column + cut_out.x
            value = science[row, column] - cut_out.factor * sky[cut_out.number]
            if np.isnan(value):
                continue
            if weight[y, x] == 0:
                mosaic[y, x] = value
            else:
                total = weight[y, x] + own[row, column]
                mosaic[y, x] = (mosaic[y, x] * weight[y, x] + value * own[row, column]) / total
            weight[y, x] += own[row, column]
    return mosaic, weight


@pytest.mark.parametrize("rows", [1, 4, 15, 64])
def test_sums_are_the_averages_of_the_drizzle(rows: int) -> None:
    cut_outs, pixels = pieces()
    skies = {"a": [1.0, 2.0, 3.0], "none": [0.0] * 3, "shifted": [2.0, 7 / 3, 3.2], "b": [0, 0, 1]}
    parts = list(bands(SHAPE, cut_outs, lambda c: pixels[c.number], skies, rows=rows))
    for name, sky in skies.items():
        mosaic, weight = sequential(cut_outs, pixels, list(sky))
        np.testing.assert_allclose(assemble(parts, name), mosaic, rtol=1e-6)
        found = np.concatenate([part.weight for part in parts])
        np.testing.assert_allclose(found, weight, rtol=1e-6)


@pytest.mark.parametrize(
    ("corner", "shape"), [((0, 0), SHAPE), ((3, 4), (9, 7)), ((15, 0), (5, 3))]
)
def test_a_part_of_the_grid_is_that_part_of_the_mosaic(
    corner: tuple[int, int], shape: tuple[int, int]
) -> None:
    cut_outs, pixels = pieces()
    skies = {"a": [1.0, 2.0, 3.0]}

    def load(one: CutOut) -> tuple[np.ndarray, np.ndarray]:
        left, below = one.skipped
        here = np.s_[below : below + one.rows, left : left + one.columns]
        return pixels[one.number][0][here], pixels[one.number][1][here]

    whole = list(bands(SHAPE, cut_outs, load, skies))
    # Twice, as of a part of a part.
    parts = [one.within((1, 0), (19, 15)) for one in cut_outs] if corner[0] else cut_outs
    parts = [one.within((corner[0] - bool(corner[0]), corner[1]), shape) for one in parts]
    found = list(bands(shape, parts, load, skies))
    part = np.s_[corner[1] : corner[1] + shape[1], corner[0] : corner[0] + shape[0]]
    np.testing.assert_array_equal(assemble(found, "a"), assemble(whole, "a")[part])
    weights = [np.concatenate([one.weight for one in several]) for several in (found, whole)]
    np.testing.assert_array_equal(weights[0], weights[1][part])


def test_planes_are_subtracted_from_the_mosaics_that_ask_for_them() -> None:
    cut_outs, pixels = pieces()
    skies = {"plain": [1.0, 2.0, 3.0], "tilted": [1.0, 2.0, 3.0]}
    tilts = [Tilt(3.0, 4.0, 0.1, -0.2), Tilt(0.0, 1.0, 0.0, 0.3), Tilt(5.0, 5.0, -0.1, 0.0)]
    parts = list(
        bands(
            *(SHAPE, cut_outs, lambda c: pixels[c.number], skies),
            rows=4, tilts=tilts, tilted=["tilted"],
        )
    )  # fmt: skip
    total, weight = np.zeros(SHAPE[::-1]), np.zeros(SHAPE[::-1])
    y, x = np.mgrid[: SHAPE[1], : SHAPE[0]]
    for chip, tilt in zip(cut_outs, tilts, strict=True):
        here = (slice(chip.y, chip.y + chip.rows), slice(chip.x, chip.x + chip.columns))
        plane = tilt.slope_x * (x - tilt.x) + tilt.slope_y * (y - tilt.y)
        total[here] += (plane[here] * pixels[chip.number][1]).astype(float)
        weight[here] += pixels[chip.number][1]
    seen = weight > 0
    apart = assemble(parts, "plain") - assemble(parts, "tilted")
    np.testing.assert_allclose(apart[seen], (total[seen] / weight[seen]), atol=2e-6)


def test_counts_and_fill_value() -> None:
    cut_outs, pixels = pieces()
    (rate,) = bands(SHAPE, cut_outs, lambda c: pixels[c.number], {"a": [1, 2, 3]}, rows=99)
    (counts,) = bands(
        SHAPE, cut_outs, lambda c: pixels[c.number], {"a": [1, 2, 3]}, rows=99, scale=500.0, fill=-9
    )
    seen = rate.weight > 0
    np.testing.assert_allclose(counts.mosaics["a"][seen], 500 * rate.mosaics["a"][seen], rtol=1e-6)
    assert (counts.mosaics["a"][~seen] == -9).all()


def test_context_has_a_bit_for_each_chip() -> None:
    cut_outs, pixels = pieces(40)
    (band,) = bands(
        SHAPE, cut_outs, lambda c: pixels[c.number], {"a": [0.0] * 40}, rows=99, context=True
    )
    assert band.context is not None
    assert band.context.shape == (2, 15, 20)
    for number in (0, 31, 32, 39):
        expected = np.zeros((15, 20), dtype=bool)
        cut_out = cut_outs[number]
        inside = pixels[number][1] > 0
        expected[cut_out.y : cut_out.y + 8, cut_out.x : cut_out.x + 10] = inside
        plane = band.context[number // 32].astype(np.uint32)
        np.testing.assert_array_equal((plane >> np.uint32(number % 32)) & 1, expected)
    assert [planes_of(n) for n in (0, 1, 32, 33, 64, 65)] == [1, 1, 1, 2, 2, 3]


def test_a_chip_off_the_grid_adds_nothing() -> None:
    cut_outs, pixels = pieces(1)
    off = CutOut(1, 0, 0, 0, 0, 1.0)
    (one,) = bands(SHAPE, cut_outs, lambda c: pixels[c.number], {"a": [1.0]}, rows=99)
    (two,) = bands(SHAPE, [*cut_outs, off], lambda c: pixels[c.number], {"a": [1.0, 5]}, rows=99)
    np.testing.assert_array_equal(one.mosaics["a"], two.mosaics["a"])


def test_image_file_is_fits(tmp_path: Path) -> None:
    header = fits.PrimaryHDU(np.zeros((1, 1), dtype=np.float32)).header
    header["FILENAME"], header["D001OUDA"], header["D001VER"] = "a_drz_sci.fits", "a_drz.fits", ""
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("ROOTNAME", "9A", array=["ONE      ", "TWO      "]),
            fits.Column("GAIN", "2E", array=[[1.0, 2.0], [3.0, 4.0]]),
            fits.Column("FLAG", "L", array=[True, False]),
            fits.Column("EXTVER", "K", array=[1, 1]),
            fits.Column("MDRIZSKY", "D", array=[9.0, 9.0]),
        ],
        name="HDRTAB",
    )
    image = np.arange(300, dtype=np.float32).reshape(15, 20)
    product = ProductHeader.of(header.tostring()).with_names("a", "bb", "version 1")
    file = ImageFile(tmp_path / "x.fits", product, image.shape)
    file.write(0, image[:4])
    file.write(4, image[4:])
    table.writeto(tmp_path / "table.fits")
    kept_table = HeaderTable.read(tmp_path / "table.fits")
    file.finish(kept_table.with_sky({("one", 1): 0.5, ("two", 1): None}))
    with fits.open(tmp_path / "x.fits") as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus[0].data, image)
        kept = [hdus[0].header[name] for name in ("FILENAME", "D001OUDA", "D001VER")]
        assert kept == ["bb_drz_sci.fits", "bb_drz.fits", "version 1"]
        np.testing.assert_array_equal(hdus["HDRTAB"].data["MDRIZSKY"], [0.5, np.nan])
        for name in ("ROOTNAME", "GAIN", "FLAG", "EXTVER"):
            np.testing.assert_array_equal(hdus["HDRTAB"].data[name], table.data[name])


def test_a_long_name_cuts_the_comment_without_a_word(tmp_path: Path) -> None:
    header = fits.PrimaryHDU(np.zeros((1, 1), dtype=np.float32)).header
    header["D001OUDA"] = ("a_drc.fits", "Drizzle, output data image")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        long = "a" * 40
        product = ProductHeader.of(header.tostring()).with_names("a", long, "1")
        ImageFile(tmp_path / "x.fits", product, (1, 1)).finish()
    written = fits.getheader(tmp_path / "x.fits")
    assert written["D001OUDA"] == f"{long}_drc.fits"
    assert "Drizzle, output data image".startswith(written.comments["D001OUDA"])


def test_memory_is_projected_and_refused() -> None:
    work = Work(200, 200 * 1014**2, 20_000**2, 1014**2, 20_000, mosaics=4, processes=2)

    def parts(**changes: Any) -> Mapping[str, float]:
        return memory_of("onepass", replace(work, **changes)).parts

    small = memory_of("onepass", work)
    assert small.peak < 2 * 2**30
    require_memory(small, 2 * 2**30)
    assert parts(processes=8)["drizzling"] > small.parts["drizzling"]
    assert parts(context=True)["summing"] > small.parts["summing"]
    with pytest.raises(OutOfMemoryError, match=r"onepass would take .* GB .* there are 0\.50 GB"):
        require_memory(small, 0.5e9)
