"""The error plane of onepass on arrays: its sums, and where its correlation is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.config import Campaign
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.errors import PLACES, CorrelatedNoise, choose_places, error_bands
from skymosaic.drizzle.onepass.run import Options, drizzle_all
from skymosaic.drizzle.onepass.sums import CutOut, Pieces, pieces_of
from skymosaic.drizzlepac_calls.noise_functions import RADII, window_factors
from skymosaic.errors import InputError
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline.comparison import result_settings
from tests.frames import Frame, write_frames

SHAPE = (30, 20)
CUT_OUTS = [CutOut(0, 0, 0, 20, 20, 1.0), CutOut(1, 10, 5, 20, 10, 1.0)]


class Planes:
    """Weights and variances of two chips, as the resampler gives them."""

    def __init__(self) -> None:
        random = np.random.default_rng(4)
        self.planes: dict[tuple[int, str], np.ndarray] = {}
        for one in CUT_OUTS:
            shape = (one.rows, one.columns)
            self.planes[one.number, "wht"] = random.uniform(1, 2, shape).astype(np.float32)
            self.planes[one.number, "var"] = random.uniform(3, 4, shape).astype(np.float32)

    def __call__(self, cut_out: CutOut, word: str) -> np.ndarray:
        return self.planes[cut_out.number, word]

    @property
    def pieces(self) -> Pieces:
        return pieces_of(lambda one: (self(one, "var"), self(one, "wht")))


def plane(planes: Planes, rows: int, scale: float = 1.0) -> np.ndarray:
    bands = list(error_bands(SHAPE, CUT_OUTS, planes.pieces, rows=rows, scale=scale))
    assert [first for first, _ in bands] == list(range(0, SHAPE[1], rows))
    return np.concatenate([band for _, band in bands])


@pytest.mark.parametrize("rows", [3, 64])
def test_the_plane_is_the_error_of_the_mean_by_weight(rows: int) -> None:
    planes = Planes()
    error = plane(planes, rows)
    weight, total = np.zeros(SHAPE[::-1]), np.zeros(SHAPE[::-1])
    for one in CUT_OUTS:
        here = np.s_[one.y : one.y + one.rows, one.x : one.x + one.columns]
        weight[here] += planes(one, "wht")
        total[here] += planes(one, "wht").astype(float) * planes(one, "var")
    seen = weight > 0
    np.testing.assert_allclose(error[seen], np.sqrt(total[seen] / weight[seen]), rtol=1e-6)
    assert np.isnan(error[~seen]).all()
    assert (~seen).any()
    np.testing.assert_allclose(plane(planes, rows, 500.0), 500 * error, rtol=1e-6)


def test_equal_exposures_have_the_error_of_their_mean() -> None:
    """Of n exposures of time t and variance v per pixel the mean has the variance v / n."""
    cut_outs = [CutOut(n, 0, 0, *SHAPE, 1.0) for n in range(4)]
    values = {"wht": np.full(SHAPE[::-1], 100.0), "var": np.full(SHAPE[::-1], 100 * 0.09 / 400)}
    pieces = pieces_of(lambda _: (values["var"], values["wht"]))
    [(_, error)] = error_bands(SHAPE, cut_outs, pieces)
    np.testing.assert_allclose(error, np.sqrt(0.09 / 4), rtol=1e-6)


def test_a_pixel_that_is_used_and_has_no_error_is_marked_one_that_is_not_used_does_no_harm() -> (
    None
):
    planes = Planes()
    planes.planes[0, "var"][2, 3] = np.nan
    planes.planes[0, "var"][4, 5], planes.planes[0, "wht"][4, 5] = np.nan, 0.0
    planes.planes[1, "var"][2, 2], planes.planes[1, "wht"][2, 2] = np.nan, 0.0
    error = plane(planes, 64)
    assert np.isnan(error[2, 3])
    assert np.isnan(error[4, 5])  # no other chip is there
    assert np.isfinite(error[7, 12])  # another one is


def test_places_have_weight_and_the_chips_around_them() -> None:
    planes = Planes()
    planes.planes[1, "wht"][:] = 0.0
    places = choose_places(CUT_OUTS, planes, SHAPE)
    assert len(places) == PLACES
    assert all(place.column < 20 for place in places)
    assert all(list(place.chips) == [0, 1] for place in places)
    assert choose_places(CUT_OUTS, planes, SHAPE) == places
    assert choose_places([], planes, SHAPE) == []


def test_many_chips_in_a_place_are_looked_at_in_part() -> None:
    cut_outs = [CutOut(n, 0, 0, 20, 20, 1.0) for n in range(40)]
    ones = np.ones((20, 20), dtype=np.float32)
    for place in choose_places(cut_outs, lambda *_: ones, SHAPE):
        assert len(place.chips) == len(set(place.chips)) == 16


def test_without_correlation_there_is_no_factor() -> None:
    from scipy import sparse

    found = window_factors([(sparse.identity(67**2, format="csr"), 500.0, 0.01)] * 3)
    assert found == pytest.approx([1.0] * (1 + len(RADII)))


def test_all_numbers_are_in_the_header() -> None:
    cards = CorrelatedNoise(1.5, RADII, (0.8, 0.92, 0.98, 0.99)).cards()
    values = {name: value for name, value, _ in cards}
    assert values["NOISCORR"] == 1.5
    assert [values[f"NOISRAD{n}"] for n in range(1, 5)] == list(RADII)
    assert values["NOISFAC3"] == 0.98
    assert all(len(name) <= 8 and len(comment) < 47 for name, _, comment in cards)


def campaign(**drizzle: object) -> Campaign:
    return Campaign.model_validate(
        {"campaign": {"name": "x"}, "source": {"kind": "simulated"}, "drizzle": drizzle}
    )


def test_the_reference_engine_makes_no_error_plane() -> None:
    assert campaign(engine="onepass", products=["err"]).drizzle.products == ("err",)
    with pytest.raises(ValueError, match=r"products: err needs engine: onepass"):
        campaign(products=["err"])


def test_campaigns_without_error_planes_ask_for_what_they_always_did() -> None:
    """Their comparisons, whose key this is a part of, stay finished."""
    assert "products" not in result_settings(campaign(engine="onepass"))["drizzle"]
    given = result_settings(campaign(engine="onepass", products=["err"]))["drizzle"]
    assert given["products"] == ["err"]


@pytest.mark.parametrize(("parameters", "errors"), [({}, True), ({"final_wht_type": "ERR"}, False)])
def test_an_exposure_without_errors_is_refused_before_anything_is_drizzled(
    tmp_path: Path, parameters: dict[str, Any], errors: bool
) -> None:
    (name,) = write_frames(tmp_path, [Frame(0, 0)], stars=0)
    exposure = read_exposure(tmp_path / name)
    with fits.open(tmp_path / name, mode="update") as hdus:
        hdus["ERR", 1].data = None  # as the archive has it where all errors are the same
    with pytest.raises(InputError) as caught:
        drizzle_all(
            *(tmp_path, tmp_path / "log", [exposure], {}, {}),
            *(Grid((0, 0), (1, 1), 0.1, 0.0, (9, 9)), pars.resolve(parameters)),
            options=Options(errors=errors),
        )
    assert f"{name}[ERR,1] has 0 x 0 pixels, and SCI 96 x 96" in str(caught.value)
    assert not (tmp_path / "log").exists()
