"""FLT and FLC of one exposure are the same photons."""

from __future__ import annotations

from skymosaic.archive.mast.files import file_name
from skymosaic.archive.twins import KINDS, uncorrected_twins
from skymosaic.hst.exposure import DRIZZLED_SUFFIXES, EXPOSURE_SUFFIXES


def test_what_is_there_corrected_is_left_out() -> None:
    names = ["a_flt.fits", "a_flc.fits", "b_flt.fits", "c_drz.fits", "c_drc.fits", "d_flc.fits"]
    assert uncorrected_twins(names) == {"a_flt.fits", "c_drz.fits"}


def test_an_infrared_exposure_has_no_other() -> None:
    assert uncorrected_twins(["ibxl54bgq_flt.fits", "ibxl54030_drz.fits"]) == set()


def test_all_kinds_that_are_read_can_be_asked_for() -> None:
    suffixes = [f"_{kind.lower()}" for kind in KINDS]
    assert sorted(suffixes) == sorted(EXPOSURE_SUFFIXES + DRIZZLED_SUFFIXES)
    for suffix in suffixes:
        name = f"u40x0101m{suffix}.fits"
        assert file_name(f"mast:HST/product/{name}") == name
