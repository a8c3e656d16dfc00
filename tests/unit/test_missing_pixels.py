"""Flagged pixels that are no number get a plain one in copies; what would be used is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle.missing_pixels import fill_missing, key_of_missing
from skymosaic.drizzle.static_masks import masks_of_files
from skymosaic.errors import InputError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.health import Ignored
from skymosaic.hst.reading import read_exposure, with_health
from tests.unit.small_fits import write_exposure

OFF = {"driz_cr": False, "resetbits": "0", "sky_bits": "0", "final_bits": "64"}


@pytest.fixture
def copy(tmp_path) -> Path:
    """An exposure of two chips, the second of which has three flagged pixels without a number."""
    path = tmp_path / "a_flc.fits"
    write_exposure(path, chips=2, primary={"INSTRUME": "WFC3", "DETECTOR": "UVIS"})
    with fits.open(path, mode="update") as hdus:
        for extver in (1, 2):
            hdus["SCI", extver].data[:] = np.random.default_rng(extver).normal(2.0, 0.1, (16, 16))
        hdus["SCI", 2].data[3, 3:6] = np.nan, np.inf, -np.inf
        hdus["DQ", 2].data[3, 3:6] = 4, 4 + 64, 4096 + 16
    return path


def exposure(path: Path) -> Exposure:
    return with_health(read_exposure(path), path, Ignored(0, 64))


def test_they_get_the_median_of_their_chip_and_keep_their_flags(copy) -> None:
    before = fits.getdata(copy, ("SCI", 1)), fits.getdata(copy, ("DQ", 2))
    science = fits.getdata(copy, ("SCI", 2))
    median = np.median(science[np.isfinite(science)])
    assert fill_missing(copy.parent, [exposure(copy)], OFF) == 3
    science = fits.getdata(copy, ("SCI", 2))
    assert list(science[3, 3:6]) == [median] * 3
    assert np.isfinite(science).all()
    assert np.array_equal(fits.getdata(copy, ("SCI", 1)), before[0])
    assert np.array_equal(fits.getdata(copy, ("DQ", 2)), before[1])
    assert fill_missing(copy.parent, [exposure(copy)], OFF) == 0


@pytest.mark.parametrize("rule", [True, "repeated"])
def test_no_static_mask_counts_them_as_low(copy, rule) -> None:
    other = copy.with_name("b_flc.fits")
    shutil.copy(copy, other)
    with fits.open(other, mode="update") as hdus:
        hdus["SCI", 2].data[8, 8] = -5.0  # low indeed, in both
    with fits.open(copy, mode="update") as hdus:
        hdus["SCI", 2].data[8, 8] = -5.0
    exposures = [exposure(copy), exposure(other)]
    fill_missing(copy.parent, exposures, OFF)
    masks = masks_of_files(copy.parent, exposures, {"static": rule})
    assert [one.masked for one in masks.summaries()] == [0, 1]


def test_a_chip_without_any_number_gets_0(copy) -> None:
    with fits.open(copy, mode="update") as hdus:
        hdus["SCI", 2].data[:], hdus["DQ", 2].data[:] = np.nan, 4
    assert fill_missing(copy.parent, [read_exposure(copy)], OFF) == 256
    assert not fits.getdata(copy, ("SCI", 2)).any()


def test_what_older_versions_retrieved_is_looked_at_and_told(copy, caplog) -> None:
    assert fill_missing(copy.parent, [read_exposure(copy)], OFF) == 3
    assert "a_flc.fits[SCI,2] (3 pixels)" in caplog.text


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"sky_bits": "4"}, "sky_bits 4"),
        ({"final_bits": "~64"}, "final_bits"),
        ({"final_bits": None}, "final_bits None"),
        # Its only flags are those that are cleared, and that are ignored.
        ({"resetbits": "4096", "final_bits": "16"}, "final_bits 16"),
        ({"driz_cr": True, "driz_sep_bits": "4"}, "driz_sep_bits 4"),
    ],
)
def test_what_would_be_used_is_refused_with_the_parameter(copy, parameters, named) -> None:
    content = copy.read_bytes()
    with pytest.raises(
        InputError, match=r"a_flc\.fits\[SCI,2\].* not (a number|numbers)"
    ) as caught:
        fill_missing(copy.parent, [exposure(copy)], {**OFF, **parameters})
    assert named in str(caught.value)
    assert fits.getdata(copy, ("SCI", 1)).shape == (16, 16)
    assert copy.stat().st_size == len(content)


def test_another_way_to_measure_the_sky_counts_too(copy) -> None:
    with pytest.raises(InputError, match="sky_bits 68"):
        fill_missing(copy.parent, [exposure(copy)], OFF, [{"skystat": "mean"}, {"sky_bits": 68}])


def test_the_key_of_a_drizzle_has_them_and_only_them(copy) -> None:
    assert key_of_missing([exposure(copy)]) == {"missing": 3, "filled": "median"}
    fill_missing(copy.parent, [exposure(copy)], OFF)
    assert key_of_missing([exposure(copy)]) == {}
    assert key_of_missing([read_exposure(copy)]) == {}
