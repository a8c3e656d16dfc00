"""How a mosaic of onepass is compared with AstroDrizzle's, and how it gets its masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle.checks.sampled import Pixels, require_same
from skymosaic.drizzle.kept_masks import flag_kept, read_masks, save_masks
from skymosaic.drizzle.parameters import flags as bits
from skymosaic.errors import SkyError
from skymosaic.hst.exposure import Chip, Exposure

SHAPE = (60, 80)


def pixels(noise: float, level: float = 0.0) -> Pixels:
    random = np.random.default_rng(8)
    image = (level + random.normal(0.0, noise, SHAPE)).astype(np.float32)
    return image, np.full(SHAPE, 1000.0, dtype=np.float32)


def compared(ours: Pixels, theirs: Pixels, sky: float = 1.0) -> Any:
    return require_same(ours, theirs, largest_sky=sky, corner=(100, 200), what="x_sci.fits (match)")


@pytest.mark.parametrize("noise", [0.01, 5.0, 100.0])
def test_a_constant_of_a_ten_thousandth_is_found_whatever_the_noise(noise: float) -> None:
    theirs = pixels(noise)
    wrong = (theirs[0] + np.float32(1e-4), theirs[1])
    with pytest.raises(SkyError, match=r"x_sci\.fits \(match\): its pixels .* e-/s in the median"):
        compared(wrong, theirs)
    assert compared(theirs, theirs).largest == 0.0


def test_rounding_is_no_error() -> None:
    theirs = pixels(0.02, level=300.0)
    rounded = (np.nextafter(theirs[0], np.float32(0)), theirs[1])
    found = compared(rounded, theirs)
    assert 0 < found.largest < 1e-4
    assert found.pixels == SHAPE[0] * SHAPE[1]


def test_the_rounding_of_a_sky_is_no_error_where_there_is_no_noise() -> None:
    sky = np.float32(100.0)
    theirs = (np.array([[1e-3]], dtype=np.float32), np.ones((1, 1), dtype=np.float32))
    rounded = (theirs[0] + np.spacing(sky), theirs[1])
    assert compared(rounded, theirs, sky=float(sky)).pixels == 1
    with pytest.raises(SkyError):
        compared((theirs[0] + 1e-4, theirs[1]), theirs, sky=float(sky))


def test_where_neighbours_are_alike_a_sky_is_rounded_all_the_same() -> None:
    # Pixels of the mosaic that are far smaller than those of the exposures.
    step = np.repeat(np.random.default_rng(3).normal(0.0, 0.02, 20), 240).reshape(SHAPE)
    weight = np.full(SHAPE, 1000.0, dtype=np.float32)
    theirs = step.astype(np.float32)
    ours = (theirs + np.float32(5.2)).astype(np.float64) - 5.2  # drizzled with its sky
    assert 0 < compared((ours.astype(np.float32), weight), (theirs, weight), sky=5.2).largest < 1e-6
    with pytest.raises(SkyError, match="its pixels are not those"):
        compared(((ours + 1e-4).astype(np.float32), weight), (theirs, weight), sky=5.2)


def test_a_mean_of_many_pixels_is_rounded_often() -> None:
    theirs = pixels(0.02, level=2700.0)
    off = (theirs[0] + 4 * np.spacing(np.float32(2700.0)), theirs[1])
    many: dict[str, Any] = {"largest_sky": 1.0, "corner": (0, 0), "what": "x"}
    assert require_same(off, theirs, averaged=500.0, **many).pixels == 4800
    with pytest.raises(SkyError, match="in the median"):
        require_same(off, theirs, **many)


@pytest.mark.parametrize("value", [0.01, np.nan, np.inf])
def test_one_pixel_is_named_by_its_place_in_the_mosaic(value: float) -> None:
    theirs = pixels(0.02)
    image = theirs[0].copy()
    image[7, 11] += value
    with pytest.raises(SkyError, match=r"in 1 of 4800 pixels .* column 112, row 208 of the mosaic"):
        compared((image, theirs[1]), theirs)


def test_other_weights_are_other_pixels() -> None:
    theirs = pixels(0.02)
    weight = theirs[1].copy()
    weight[3, 4] = 0.0
    with pytest.raises(SkyError, match=r"its weights are not .* column 105, row 204 of the mosaic"):
        compared((theirs[0], weight), theirs)


def test_where_nothing_is_seen_nothing_is_compared() -> None:
    theirs = pixels(0.02)
    ours = theirs[0].copy()
    theirs[1][:, :5] = 0.0
    ours[:, :5], theirs[0][:, :5] = np.nan, 7.0
    assert compared((ours, theirs[1]), theirs).pixels == 60 * 75


@pytest.mark.parametrize(
    ("final_bits", "resetbits"),
    [("64", 0), (None, 0), ("64,32", "4096"), (65535, 0), ("~4", "4096"), (0, 32767)],
)
def test_masks_become_flags_that_count(tmp_path: Path, final_bits: Any, resetbits: Any) -> None:
    random = np.random.default_rng(2)
    flags = random.choice(np.array([0, 4, 64, 4096, 68], dtype=np.int16), (2, *SHAPE))
    chips = tuple(Chip(n, (), "", 0.0, 0.1, False) for n in (1, 2))
    one = Exposure("abc", "_flc", "", "ACS", "WFC", "F606W", 500.0, 0.0, 0.0, chips)
    science = [fits.ImageHDU(np.zeros(SHAPE, "f4"), name="SCI", ver=n) for n in (1, 2)]
    quality = [fits.ImageHDU(flags[n - 1], name="DQ", ver=n) for n in (1, 2)]
    fits.HDUList([fits.PrimaryHDU(), *science, *quality]).writeto(tmp_path / one.name)
    low, hit = random.uniform(size=(2, *SHAPE)) < 0.1
    np.save(tmp_path / "static.npy", low)
    fits.writeto(tmp_path / "hit.fits", 1 - hit.astype(np.uint8))
    static = {f"abc_flc.fits_{n}": "static.npy" for n in (1, 2)}
    save_masks(tmp_path / "masks.npz", tmp_path, [one], static, {"abc_flc.fits_2": "hit.fits"})
    masks = read_masks(tmp_path / "masks.npz", [one])
    np.testing.assert_array_equal(masks["abc_flc.fits_1"], low)
    np.testing.assert_array_equal(masks["abc_flc.fits_2"], low | hit)
    older = fits.HDUList([fits.PrimaryHDU()])
    for n in (1, 2):
        mask = masks[f"{one.name}_{n}"].astype(np.uint8)
        older.append(fits.CompImageHDU(mask, name=one.rootname, compression_type="RICE_1"))
        older[-1].ver = n
    older.writeto(tmp_path / "masks.fits")
    np.testing.assert_equal(read_masks(tmp_path / "masks.fits", [one]), masks)
    parameters = {"final_bits": final_bits, "resetbits": resetbits, "driz_cr": True, "static": True}
    plain = flag_kept(tmp_path, [one], masks, parameters)
    assert not plain["driz_cr"] and not plain["static"] and not plain["median"]

    def good(dq: np.ndarray, parameters: dict[str, Any]) -> np.ndarray:
        ignored, cleared = bits(parameters["final_bits"]), bits(parameters["resetbits"]) or 0
        kept = dq.astype(np.int32) & ~cleared
        return np.ones(SHAPE, bool) if ignored is None else (kept & ~ignored) == 0

    with fits.open(tmp_path / one.name) as hdus:
        for n, out in ((1, low), (2, low | hit)):
            before = good(flags[n - 1], parameters) & ~out
            np.testing.assert_array_equal(good(hdus["DQ", n].data, plain), before)
