"""FLT and FLC of one exposure are the same photons."""

from __future__ import annotations

from skymosaic.archive.twins import uncorrected_twins


def test_what_is_there_corrected_is_left_out() -> None:
    names = ["a_flt.fits", "a_flc.fits", "b_flt.fits", "c_drz.fits", "c_drc.fits", "d_flc.fits"]
    assert uncorrected_twins(names) == {"a_flt.fits", "c_drz.fits"}


def test_an_infrared_exposure_has_no_other() -> None:
    assert uncorrected_twins(["ibxl54bgq_flt.fits", "ibxl54030_drz.fits"]) == set()
