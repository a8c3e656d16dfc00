"""Noise through the real resampler: what is known of its correlation, and what sums scatter by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from skymosaic.drizzlepac_calls.noise_functions import kernel_matrix, window_factors
from skymosaic.drizzlepac_calls.variance_functions import mean_under
from tests.frames import Frame, write_frames, write_two_chip_frames
from tests.noise_frames import measure


@pytest.mark.parametrize(("ratio", "pixfrac"), [(1.0, 1.0), (1.0, 0.8), (0.6, 1.0)])
def test_many_dithers_have_the_correlation_of_the_papers(ratio: float, pixfrac: float) -> None:
    """Casertano et al. (2000), A20; Fruchter & Hook (2002), 10: exposures at all fractions."""
    side = int(70 * ratio) + 8
    chips = []
    for x, y in np.ndindex(5, 5):
        shift = -3 - (np.array([x, y]) + 0.3) / (5 * ratio)
        affine = np.array([[1 / ratio, 0, shift[0]], [0, 1 / ratio, shift[1]]])
        shares = kernel_matrix(affine, (side, side), ratio, kernel="square", pixfrac=pixfrac)
        assert shares.max() <= 1.0
        chips.append((shares, 1.0, 1.0))
    correlation, *factors = window_factors(chips)
    r = pixfrac / ratio
    expected = r / (1 - 1 / (3 * r)) if r >= 1 else 1 / (1 - r / 3)
    assert correlation == pytest.approx(expected, rel=0.025)
    assert factors == sorted(factors)
    assert factors[-1] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("kernel", ["square", "point", "turbo", "gaussian"])
def test_each_pixel_is_shared_out_whole(kernel: str) -> None:
    affine = np.array([[1.2, 0.3, 3.3], [-0.3, 1.2, 20.6]])
    shares = kernel_matrix(affine, (30, 30), 0.8, kernel=kernel, pixfrac=0.9)
    total = np.asarray(shares.sum(axis=1)).reshape(30, 30)[5:25, 5:25]
    np.testing.assert_allclose(total, 1.0, rtol=0.1 if kernel == "gaussian" else 1e-4)
    y, x = np.divmod(np.arange(67**2), 67)
    pixel = 12 * 30 + 17
    middle = [(shares[pixel] @ axis)[0] / shares[pixel].sum() + 1 for axis in (x, y)]
    np.testing.assert_allclose(middle, affine @ (18, 13, 1), atol=0.5)


@pytest.mark.parametrize(
    ("kernel", "most"), [("square", 0.02), ("turbo", 0.04), ("gaussian", 1e-4)]
)
def test_the_mean_under_a_pixel_is_what_its_shares_give(kernel: str, most: float) -> None:
    affine = np.array([[1.2, 0.3, 3.37], [-0.3, 1.2, 20.61]])
    ratio = 1 / np.hypot(1.2, 0.3)
    shares = kernel_matrix(affine, (30, 30), ratio, kernel=kernel, pixfrac=0.9)
    image = np.random.default_rng(5).uniform(1, 3, (67, 67))

    def mapping(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return affine[:, :2] @ np.stack([x, y]) + affine[:, 2:]

    found = mean_under(image, mapping, 0, (30, 30), ratio, {"kernel": kernel, "pixfrac": 0.9})
    exact = (shares @ image.ravel()).reshape(30, 30)
    off = (found / exact - 1)[4:26, 4:26]
    assert np.sqrt(np.mean(off**2)) < most
    assert abs(off.mean()) < 0.1 * most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "parameters"),
    [
        (write_frames, {"final_scale": 0.08, "final_pixfrac": 0.8}),
        (write_frames, {"final_scale": 0.1, "final_wht_type": "ERR", "final_units": "counts"}),
        # Two chips, in electrons.
        (write_two_chip_frames, {"final_scale": 0.1}),
        (write_two_chip_frames, {"final_scale": 0.08, "final_units": "counts"}),
    ],
)
def test_sums_in_apertures_scatter_as_stated(
    tmp_path: Path, write: Callable[..., list[str]], parameters: dict[str, object]
) -> None:
    layout = [(0, 0, 0, 500), (8.3, 3.7, 0, 300), (-5.6, 9.4, 12, 500), (90.2, 80.7, 12, 400)]
    frames = [Frame(x, y, roll, 1.0, pixels=192, exptime=time) for x, y, roll, time in layout]
    names = write(tmp_path, frames)
    found, header = measure(tmp_path, names, parameters, realisations=80, apertures=40)
    assert header["NOISCORR"] > 1.2
    for one in found:
        assert one.ratio == pytest.approx(1.0, abs=0.05 + 2 * one.error), one
    assert found[0].uncorrected < found[0].ratio - 0.03
