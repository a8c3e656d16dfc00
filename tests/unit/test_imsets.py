"""A file of STIS that holds several exposures becomes as many files."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.errors import InputError
from skymosaic.hst.imsets import split_imsets
from skymosaic.hst.reading import read_exposure
from tests.unit.small_fits import write_drizzled, write_exposure

STIS = {"INSTRUME": "STIS", "DETECTOR": "CCD", "FILTER": "Clear", "EXPTIME": None}


def write_stis(path, names=("o4k19ac3q", "o4k19ac4q")):
    science = {"BUNIT": "COUNTS", "IDCSCALE": None, "EXPFLAG": "NORMAL"}
    write_exposure(path, primary=STIS, science=science, chips=len(names))
    with fits.open(path, mode="update") as hdus:
        for version, name in enumerate(names, start=1):
            header = hdus["SCI", version].header
            header["EXPTIME"] = 100.0 * version
            del header["EXPNAME"]
            if name is not None:
                header["EXPNAME"] = name.upper()
            hdus["SCI", version].data += version
            hdus["DQ", version].data[0, 0] = version
    return path


def test_the_time_lies_in_the_extension(tmp_path) -> None:
    exposure = read_exposure(write_stis(tmp_path / "o4k19a010_flt.fits"))
    assert (exposure.exptime, exposure.expflag) == (100.0, "NORMAL")
    assert exposure.chips[0].counts


def test_a_drizzled_image_has_its_time_in_the_primary_header(tmp_path) -> None:
    image = {"INSTRUME": "STIS", "DETECTOR": "CCD", "FILTER": "Clear", "EXPTIME": 300.0}
    assert read_exposure(write_drizzled(tmp_path / "o4k_drz.fits", primary=image)).exptime == 300.0


def test_each_exposure_gets_its_own_file(tmp_path) -> None:
    path = write_stis(tmp_path / "o4k19a010_flt.fits")
    paths = split_imsets(path)
    assert sorted(tmp_path.iterdir()) == paths
    assert [one.name for one in paths] == ["o4k19ac3q_flt.fits", "o4k19ac4q_flt.fits"]
    for version, one in enumerate(paths, start=1):
        exposure = read_exposure(one)
        assert exposure.name == one.name
        assert exposure.exptime == 100.0 * version
        assert [chip.extver for chip in exposure.chips] == [1]
        with fits.open(one) as hdus:
            hdus.verify("exception")
            assert [(hdu.name, hdu.ver) for hdu in hdus[1:]] == [("SCI", 1), ("ERR", 1), ("DQ", 1)]
            assert np.all(hdus["SCI"].data == version)
            assert hdus["DQ"].data[0, 0] == version
            assert hdus[0].header["EXPTIME"] == 100.0 * version
            assert hdus["SCI"].header["ROOTNAME"] == exposure.rootname


def test_a_single_exposure_keeps_its_name(tmp_path) -> None:
    path = write_stis(tmp_path / "o4k19a010_flt.fits", names=("o4k19ac3q",))
    assert split_imsets(path) == [path]
    assert fits.getheader(path)["EXPTIME"] == 100.0
    assert read_exposure(path).rootname == "o4k19a010"


@pytest.mark.parametrize("names", [("o4k19ac3q", None), ("o4k19ac3q", "../x"), ("a", "a")])
def test_exposures_without_names_of_their_own_are_refused(tmp_path, names) -> None:
    path = write_stis(tmp_path / "o4k19a010_flt.fits", names)
    with pytest.raises(InputError, match=r"o4k19a010_flt\.fits"):
        split_imsets(path)
    assert list(tmp_path.iterdir()) == [path]
