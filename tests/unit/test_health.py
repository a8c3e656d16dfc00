"""What is seen in the pixels of an exposure, and what is refused for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle.order import flags_ignored
from skymosaic.errors import InputError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.health import Ignored, why_unmeasurable
from skymosaic.hst.reading import read_exposure, with_health
from skymosaic.hst.usable import warnings_of
from skymosaic.pipeline.exposure_table import inspection_table
from skymosaic.pipeline.rules import Rules, judge
from skymosaic.steps.results import as_plain, from_plain
from tests.unit.small_fits import SIDE, write_drizzled, write_exposure

UVIS = {"INSTRUME": "WFC3", "DETECTOR": "UVIS"}


def write_healthy(path: Path, chips: int = 1, **keywords) -> Path:
    """Write an exposure with a sky of 2, noise, and two pixels flagged with 4 in each chip."""
    write_exposure(path, chips=chips, **keywords)
    with fits.open(path, mode="update") as hdus:
        for extver in range(1, chips + 1):
            random = np.random.default_rng(extver)
            hdus["SCI", extver].data[:] = random.normal(2.0, 0.1, (SIDE, SIDE))
            hdus["DQ", extver].data[0, :2] = 4
    return path


def seen(path: Path, ignored: Ignored | None = None) -> Exposure:
    return with_health(read_exposure(path), path, ignored or Ignored())


def change(path: Path, kind: str, extver: int, pixels, value) -> None:
    with fits.open(path, mode="update") as hdus:
        hdus[kind, extver].data[pixels] = value


def test_what_is_seen(tmp_path) -> None:
    path = write_healthy(tmp_path / "a_flc.fits", chips=2, primary=UVIS)
    change(path, "SCI", 2, (0, 0), np.nan)
    change(path, "SCI", 2, (5, 5), 90.0)
    change(path, "SCI", 2, (6, 6), -7.0)
    one, two = seen(path).health
    assert (one.extver, two.extver) == (1, 2)
    assert one.pixels == two.pixels == SIDE**2
    assert one.good == two.good == SIDE**2 - 2
    assert (one.missing, one.flagged_missing) == (0, 0)
    assert (two.missing, two.flagged_missing) == (0, 1)
    assert (two.lowest, two.highest) == (-7.0, 90.0)
    assert why_unmeasurable((one, two), "a_flc.fits") is None


@pytest.mark.parametrize("extver", [1, 2])
@pytest.mark.parametrize(
    ("kind", "pixels", "value", "reason"),
    [
        ("DQ", np.s_[:], 4, "DQ flags every pixel"),
        ("SCI", np.s_[:], 0.0, "every good pixel is 0"),
        ("SCI", np.s_[:], 3.5, "every good pixel is 3.5"),
        ("SCI", np.s_[3, 3], np.nan, "1 pixel that DQ does not mask is not a number"),
        ("SCI", np.s_[3, 3:6], np.inf, "3 pixels that DQ does not mask are not numbers"),
        ("SCI", np.s_[:], np.nan, "254 pixels that DQ does not mask are not numbers"),
    ],
)
def test_a_chip_that_cannot_be_measured_is_refused_or_left_out(
    tmp_path, kind, pixels, value, reason, extver
) -> None:
    path = write_healthy(tmp_path / "a_flc.fits", chips=2, primary=UVIS)
    change(path, kind, extver, pixels, value)
    bad, good = seen(path), seen(write_healthy(tmp_path / "b_flc.fits", chips=2, primary=UVIS))
    refused = judge([bad, good], Rules()).refused
    assert refused is not None
    assert f"a_flc.fits[SCI,{extver}]" in str(refused) and reason in str(refused)
    assert "on_bad_file: leave_out" in str(refused)
    verdict = judge([bad, good], Rules(leave_out=True))
    assert verdict.refused is None
    assert verdict.taken == [good]
    [line] = verdict.left_out
    assert f"a_flc.fits[SCI,{extver}]" in line and reason in line


def test_where_all_are_left_out_nothing_is_left_to_do(tmp_path) -> None:
    path = write_healthy(tmp_path / "a_flt.fits")
    change(path, "SCI", 1, np.s_[:], 0.0)
    refused = judge([seen(path)], Rules(leave_out=True)).refused
    assert refused is not None and "every exposure was left out" in str(refused)
    assert "a_flt.fits[SCI,1]: every good pixel is 0" in str(refused)


def test_the_remedy_for_pixels_without_a_number_works(tmp_path) -> None:
    path = write_healthy(tmp_path / "a_flt.fits")
    change(path, "SCI", 1, (3, 3), np.nan)
    reason = why_unmeasurable(seen(path).health, "a_flt.fits")
    assert reason is not None and "add flag 4 to DQ where SCI is not finite" in reason
    with fits.open(path, mode="update") as hdus:
        hdus["DQ"].data[~np.isfinite(hdus["SCI"].data)] |= 4
    assert why_unmeasurable(seen(path).health, "a_flt.fits") is None
    # Where that flag does not count, another one is named.
    reason = why_unmeasurable(seen(path, Ignored(4, 4)).health, "a_flt.fits")
    assert reason is not None and "add flag 1 to DQ" in reason
    reason = why_unmeasurable(seen(path, Ignored(None, 0)).health, "a_flt.fits")
    assert reason is not None and "set sky_bits and final_bits" in reason


def test_a_pixel_that_only_the_mosaic_would_use_is_no_better(tmp_path) -> None:
    """WFC3/IR: the sky is measured without warm pixels (64), the mosaic is made with them."""
    path = write_healthy(tmp_path / "a_flt.fits")
    change(path, "SCI", 1, (3, 3), np.nan)
    change(path, "DQ", 1, (3, 3), 64)
    ignored = flags_ignored(("WFC3", "IR"), {})
    assert ignored == Ignored(0, 64)
    [health] = seen(path, ignored).health
    assert (health.missing, health.flagged_missing) == (1, 0)
    [health] = seen(path, flags_ignored(("WFC3", "IR"), {"final_bits": 0})).health
    assert (health.missing, health.flagged_missing) == (0, 1)


@pytest.mark.parametrize(
    ("detector", "given", "sky", "mosaic"),
    [
        (("WFC3", "IR"), {"sky_bits": 64}, 64, 64),
        (("WFC3", "IR"), {"sky_bits": None}, None, 64),
        (("WFC3", "IR"), {"resetbits": 4096}, 4096, 4096 + 64),
        # The flags of cosmic rays are cleared where they are looked for.
        (("ACS", "WFC"), {}, 4096 + 80, 4096 + 336),
        (("ACS", "WFC"), {"driz_cr": False}, 80, 336),
        # Before and after the flash, whichever it will be.
        (("WFC3", "UVIS"), {}, 4096 + 112, 4096 + 368),
        (("STIS", "CCD"), {}, 4096, 4096),
    ],
)
def test_flags_that_do_not_matter_are_those_of_the_detector(detector, given, sky, mosaic) -> None:
    assert flags_ignored(detector, given) == Ignored(sky, mosaic)


def test_drizzled_images_have_no_data_quality_and_are_not_looked_at(tmp_path) -> None:
    path = write_drizzled(tmp_path / "a_drz.fits")
    change(path, "SCI", 1, np.s_[:], np.nan)
    assert seen(path).health == ()


def test_what_is_seen_is_in_the_table(tmp_path) -> None:
    path = write_healthy(tmp_path / "a_flt.fits")
    change(path, "SCI", 1, (0, 1), np.nan)
    change(path, "SCI", 1, (5, 5), 90.0)
    first, second = seen(path), seen(write_healthy(tmp_path / "b_flt.fits"))
    table = inspection_table([second, first, replace(second, rootname="c", health=())])
    assert list(table["rootname"]) == ["a", "b", "c"]
    assert table["good"][0] == pytest.approx(254 / 256)
    assert list(table["nan_flagged"][:2]) == [1, 0]
    assert table["highest"][0] == 90.0
    assert table["lowest"][1] == first.health[0].lowest
    assert all(table[name].mask[2] for name in ("good", "nan_good", "lowest", "highest"))
    assert "good" not in inspection_table([replace(second, health=())]).colnames


def test_flagged_pixels_without_a_number_are_told(tmp_path) -> None:
    path = write_healthy(tmp_path / "a_flt.fits")
    change(path, "SCI", 1, (0, slice(0, 2)), np.nan)
    [line] = warnings_of([seen(path)])
    assert "a_flt.fits" in line and "2 pixels" in line and "median" in line
    assert warnings_of([seen(write_healthy(tmp_path / "b_flt.fits"))]) == []


def test_what_was_seen_survives_a_manifest(tmp_path) -> None:
    exposure = seen(write_healthy(tmp_path / "a_flt.fits"))
    plain = as_plain(exposure, Exposure)
    assert from_plain(plain, Exposure, "here") == exposure
    del plain["health"]
    assert from_plain(plain, Exposure, "here").health == ()


def test_flags_scaled_to_fractions_are_no_whole_numbers(tmp_path) -> None:
    path = write_healthy(tmp_path / "a_flt.fits")
    with fits.open(path, mode="update") as hdus:
        hdus["DQ"].header["BSCALE"] = 0.5
    with pytest.raises(InputError, match=r"a_flt\.fits.*no array of whole numbers"):
        seen(path)
