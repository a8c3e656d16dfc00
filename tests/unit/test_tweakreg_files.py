"""What TweakReg's files say: shifts, the order in fact used, and the names of WCSs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from astropy.io import fits

from skymosaic.align.proof import read_wcs
from skymosaic.align.tweakreg_files import (
    free_name,
    name_original,
    order_used,
    read_shifts,
    tile_fit,
    wcs_names,
)
from skymosaic.hst.reading import read_exposure
from tests.unit.small_fits import write_drizzled, write_exposure

PUBLISHED = (
    Path(__file__).parents[3]
    / "shared"
    / "data"
    / "horsehead-12812"
    / "published_shifts_2019-01.txt"
)


def test_the_published_shifts() -> None:
    if not PUBLISHED.exists():
        pytest.skip(f"the published shift file {PUBLISHED} is not there")
    shifts = read_shifts(PUBLISHED.read_text())
    assert len(shifts) == 9
    assert shifts["ibxl54030_drz.fits"] == [0, 0, 0, 1, 0, 0]
    assert shifts["ibxl53030_drz.fits"] == [
        -4.205766,
        0.323166,
        359.978461,
        1.000371,
        0.110504,
        0.169984,
    ]


def test_a_tile_that_was_not_aligned_has_nan() -> None:
    text = (
        "# frame: output\n"
        "# form: delta\n"
        "\n"
        "a_drz.fits    0.000000  0.000000    0.000000     1.000000   0.000000  0.000000\n"
        "b_drz.fits    nan  nan    nan     nan   nan  nan\n"
    )
    shifts = read_shifts(text)
    assert list(shifts) == ["a_drz.fits", "b_drz.fits"]
    assert all(map(math.isnan, shifts["b_drz.fits"]))
    assert len(shifts["b_drz.fits"]) == 6
    assert read_shifts("# frame: output\n") == {}


def test_the_order_in_fact_used() -> None:
    log = (
        "Performing fit for: b_drz.fits\n\nFound 20 matches\n"
        "Performing fit for: c_drz.fits\n\nNot enough matches\n"
        "Performing fit for: d_drz.fits\n"
        "  not at the start: Performing fit for: x_drz.fits\n"
    )
    assert order_used(log) == ["b_drz.fits", "c_drz.fits", "d_drz.fits"]


def test_a_tile_that_was_tried_again_counts_where_it_was_tried_last() -> None:
    names = ["b", "c", "d", "c", "b"]
    log = "".join(f"Performing fit for: {name}_drz.fits\n\n" for name in names)
    assert order_used(log) == ["d_drz.fits", "c_drz.fits", "b_drz.fits"]
    assert order_used("nothing was fitted") == []


def set_names(path: Path, **keywords: str) -> Path:
    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].header.update(keywords)
    return path


@pytest.fixture
def drz(tmp_path) -> Path:
    return set_names(write_drizzled(tmp_path / "ibxl54030_drz.fits"), WCSNAME="DRZWCS")


def test_all_names_of_all_files(drz, tmp_path) -> None:
    flt = set_names(
        write_exposure(tmp_path / "a_flt.fits"), WCSNAME="IDC_w3m", WCSNAMEO="OPUS", WCSNAMEA=" X "
    )
    assert wcs_names([drz, flt]) >= {"DRZWCS", "IDC_w3m", "OPUS", "X"}


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({}, "TWEAK"),
        ({"WCSNAME": "TWEAK"}, "TWEAK_2"),
        ({"WCSNAMEB": "tweak"}, "TWEAK_2"),
        ({"WCSNAME": "TWEAK", "WCSNAMEA": "TWEAK_2"}, "TWEAK_3"),
        ({"WCSNAME": "TWEAKED"}, "TWEAK"),
    ],
)
def test_an_unused_name(drz, tmp_path, present, expected) -> None:
    flt = set_names(write_exposure(tmp_path / "a_flt.fits"), **present)
    assert free_name("TWEAK", wcs_names([drz, flt])) == expected


def test_the_name_of_the_original_is_kept_where_it_is_the_only_one(drz) -> None:
    set_names(drz, WCSNAME="DRZWCS", WCSNAMEO="OPUS")
    assert name_original(drz) == "DRZWCS"
    assert fits.getheader(drz, "SCI")["WCSNAME"] == "DRZWCS"


@pytest.mark.parametrize(
    "names",
    [
        {"WCSNAME": ""},
        {"WCSNAME": "DRZWCS", "WCSNAMEA": "DRZWCS"},
        {"WCSNAME": "DRZWCS", "WCSNAMEA": "DRZWCS", "WCSNAMEB": "PRE-TWEAKREG"},
        {"WCSNAME": "PRE-TWEAKREG", "WCSNAMEB": "PRE-TWEAKREG"},
    ],
)
def test_the_original_gets_a_name_that_no_other_wcs_has(drz, names) -> None:
    set_names(drz, **names)
    name = name_original(drz)
    header = fits.getheader(drz, "SCI")
    assert header["WCSNAME"] == name
    others = [value for key, value in header["WCSNAME?"].items() if key != "WCSNAME"]
    assert name not in ["", *others]


def test_the_original_without_a_name_gets_one(drz) -> None:
    with fits.open(drz, mode="update") as hdus:
        del hdus["SCI"].header["WCSNAME"]
    name = name_original(drz)
    assert name
    assert fits.getheader(drz, "SCI")["WCSNAME"] == name


def test_the_original_without_extensions(tmp_path) -> None:
    path = write_drizzled(tmp_path / "ibxl54030_drz.fits", build=False)
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["WCSNAMEA"] = hdus[0].header["WCSNAME"]
    name = name_original(path)
    assert fits.getheader(path)["WCSNAME"] == name != "IDC_test"


@pytest.fixture
def fitted(tmp_path, drz):
    """Return a function that makes the tile's fit after changing the aligned file's header."""
    tile = read_exposure(drz)
    reference = read_exposure(write_drizzled(tmp_path / "ibxl51030_drz.fits"))
    (tmp_path / "tweaked").mkdir()
    aligned = tmp_path / "tweaked" / drz.name
    aligned.write_bytes(drz.read_bytes())

    def fitted(shifts, order, reference=reference, **keywords):
        set_names(aligned, **keywords)
        [before] = read_wcs(drz).values()
        return tile_fit(tile, aligned.parent, before, shifts, order, {tile.rootname: 42}, reference)

    return fitted


def test_a_fitted_tile(fitted) -> None:
    row = [-4.2, 0.3, 359.978461, 1.0003, 0.11, 0.17]
    fit = fitted(
        {"ibxl54030_drz.fits": row},
        ["ibxl50030_drz.fits", "ibxl54030_drz.fits"],
        NMATCH=50,
        RMS_RA=2e-6,
        RMS_DEC=5e-6,
        CRVAL2=-2.5 + 0.5 / 3600,
    )
    assert (fit.tile, fit.place, fit.sources, fit.matches) == ("ibxl54030", 2, 42, 50)
    assert (fit.dx, fit.dy, fit.scale) == (-4.2, 0.3, 1.0003)
    # TweakReg tells angles from 0 to 360.
    assert fit.rotation == pytest.approx(-0.021539)
    assert (fit.rms_ra, fit.rms_dec) == pytest.approx((7.2, 18.0))  # degrees to mas
    assert fit.shift == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("order", "wcstype"),
    [([], "undistorted"), (["ibxl54030_drz.fits"], "undistorted not aligned")],
)
def test_a_tile_that_was_not_fitted_has_no_numbers(fitted, order, wcstype) -> None:
    row = [math.nan] * 6
    fit = fitted(
        {"ibxl54030_drz.fits": row}, order, NMATCH=50, RMS_RA=2e-6, RMS_DEC=5e-6, WCSTYPE=wcstype
    )
    assert fit.place == -1
    assert fit.matches == 0
    assert all(map(math.isnan, (fit.dx, fit.rotation, fit.rms_ra, fit.rms_dec)))


def test_the_reference_is_at_place_zero(fitted, drz) -> None:
    fit = fitted({}, [], reference=read_exposure(drz))
    assert fit.reference
    assert fit.place == 0
