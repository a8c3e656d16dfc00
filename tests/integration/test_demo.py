"""The demo campaign, small and at its full size, against the truth that the simulator wrote."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from skymosaic.align.proof import grid, separation
from tests.conftest import REPOSITORY, skymosaic


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("small", marks=pytest.mark.campaign),
        pytest.param("full", marks=pytest.mark.slow),
    ],
)
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "small":
        return request.getfixturevalue("small")
    store = tmp_path_factory.mktemp("demo")
    ended = skymosaic("run", REPOSITORY / "configs" / "horsehead-demo.yaml", "--store", store)
    assert ended.code == 0, ended.err
    return store / "horsehead-demo"


def truth(demo: Path, rootname: str) -> dict:
    return json.loads((demo / "pristine" / f"{rootname}_truth.json").read_text())


def test_match_recovers_the_simulated_sky(demo: Path) -> None:
    table = Table.read(demo / "comparison" / "mdrizsky.ecsv")
    true = np.array([truth(demo, rootname)["sky"] for rootname in table["rootname"]])
    error = table["match"] - true
    assert np.ptp(error) < 0.003  # e-/s between any two exposures
    # The test can fail: the nebula makes localmin wrong by far more.
    assert np.ptp(table["localmin"] - true) > 0.1


def test_invariants_of_the_four_methods(demo: Path) -> None:
    table = Table.read(demo / "comparison" / "mdrizsky.ecsv")
    np.testing.assert_allclose(table["globalmin"], table["localmin"].min(), rtol=0, atol=1e-6)
    constant = table["globalmin_match"] - table["match"]
    assert np.ptp(constant) < 1e-6
    assert abs(constant[0] - (table["localmin"] - table["match"]).min()) < 1e-6


def test_aligned_exposures_agree_with_the_true_pointing(demo: Path) -> None:
    paths = sorted((demo / "aligned").glob("*_flt.fits"))
    assert len(paths) == 18
    before, after = [], []
    for path in paths:
        pristine = demo / "pristine" / path.name
        after.append(offset_from_truth(demo, path))
        before.append(offset_from_truth(demo, pristine))
    assert max(after) < 15.0  # mas, at any corner of any exposure
    assert max(before) > 100.0  # the pointing errors were there


def offset_from_truth(demo: Path, path: Path) -> float:
    """Largest offset on the sky from the true WCS; that of the reference tile is exact (mas)."""
    true = truth(demo, path.name[:9])["true_wcs"]
    with fits.open(path) as hdus:
        wcs = WCS(hdus["SCI", 1].header)
    expected = wcs.deepcopy()
    expected.wcs.crval, expected.wcs.crpix, expected.wcs.cd = (
        true["crval"],
        true["crpix"],
        true["cd"],
    )
    pixels = np.stack(grid(wcs), axis=1)
    return float(separation(wcs.all_pix2world(pixels, 0), expected.all_pix2world(pixels, 0)).max())
