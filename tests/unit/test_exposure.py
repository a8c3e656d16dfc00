"""What is read from an exposure's headers, and which files are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.archive.simulated.exposures import Simulation, simulate_visit
from skymosaic.errors import InputError
from skymosaic.hst.exposure import Exposure, suffix_of
from skymosaic.hst.reading import read_exposure
from skymosaic.steps.results import as_plain, from_plain
from tests.unit.small_fits import SCALE, SIDE, wcs_keywords, write_drizzled, write_exposure

BLOCK = 2880


@pytest.fixture
def flt(tmp_path):
    return write_exposure(tmp_path / "ibxl54aaq_flt.fits")


def test_an_exposure(flt) -> None:
    exposure = read_exposure(flt)
    assert exposure.rootname == "ibxl54aaq"
    assert exposure.name == "ibxl54aaq_flt.fits"
    assert not exposure.drizzled
    assert (exposure.instrument, exposure.detector, exposure.filter) == ("WFC3", "IR", "F160W")
    assert exposure.asn_id == "IBXL54030"
    assert exposure.exptime == 700.0
    assert (exposure.postarg1, exposure.postarg2) == (1.5, -2.5)
    [chip] = exposure.chips
    assert chip.extver == 1
    assert chip.wcsname == "IDC_test"
    assert chip.orientation == pytest.approx(0.0)


def test_the_footprint_is_that_of_the_pixels(flt) -> None:
    [polygon] = read_exposure(flt).polygons
    assert polygon.shape == (4, 2)
    span = np.ptp(polygon, axis=0) * [np.cos(np.radians(2.5)), 1] * 3600
    assert span == pytest.approx([SIDE * SCALE] * 2, rel=1e-4)  # to the edges of the pixels
    assert polygon.mean(axis=0) == pytest.approx([85.0, -2.5], abs=1e-7)


@pytest.mark.parametrize("angle", [0.0, 30.0, 257.0])
def test_orientation_is_the_position_angle_of_the_y_axis(tmp_path, angle) -> None:
    path = write_exposure(tmp_path / "a_flt.fits", wcs=wcs_keywords(angle=angle))
    assert read_exposure(path).chips[0].orientation == pytest.approx(angle)


def test_a_simulated_exposure_says_what_was_simulated(tmp_path) -> None:
    paths = simulate_visit(Simulation(size="small", tiles=("54",), dithers=1), "ibxl54", tmp_path)
    exposure = read_exposure(paths[0])
    assert exposure.name == paths[0].name
    assert exposure.filter == "F160W"
    assert exposure.exptime == 702.9
    assert exposure.chips[0].idcscale == pytest.approx(0.12825, abs=1e-4)
    assert not exposure.chips[0].counts
    assert exposure.chips[0].orientation == pytest.approx(
        fits.getheader(paths[0], "SCI")["ORIENTAT"] % 360, abs=0.5
    )


def test_two_chips(tmp_path) -> None:
    exposure = read_exposure(write_exposure(tmp_path / "j123_flc.fits", chips=2))
    assert [chip.extver for chip in exposure.chips] == [1, 2]
    assert len(exposure.polygons) == 2
    assert exposure.name == "j123_flc.fits"


def test_it_travels_as_plain_json(tmp_path) -> None:
    exposure = read_exposure(write_exposure(tmp_path / "j123_flc.fits", chips=2))
    plain = json.loads(json.dumps(as_plain(exposure, Exposure)))
    assert from_plain(plain, Exposure, "here") == exposure


def test_rootname_decides_the_name(tmp_path) -> None:
    path = write_exposure(tmp_path / "IRG102_icwz15e7q_flt.fits", primary={"ROOTNAME": "IB6O21QMQ"})
    assert read_exposure(path).name == "ib6o21qmq_flt.fits"


@pytest.mark.parametrize("rootname", ["../evil", "", "a b", "a/b", ".hidden"])
def test_a_rootname_that_is_no_name_is_refused(tmp_path, rootname) -> None:
    path = write_exposure(tmp_path / "a_flt.fits", primary={"ROOTNAME": rootname})
    with pytest.raises(InputError, match=r"a_flt\.fits: ROOTNAME"):
        read_exposure(path)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"FILTER": "F814W"}, "F814W"),
        ({"FILTER": None, "FILTER1": "CLEAR1L", "FILTER2": "F606W"}, "F606W"),
        ({"FILTER": None, "FILTER1": "F550M", "FILTER2": "POL60V"}, "F550M+POL60V"),
        ({"FILTER": None, "FILTER1": "CLEAR1L", "FILTER2": "CLEAR2L"}, "CLEAR"),
        ({"FILTER": "Clear"}, "CLEAR"),  # STIS
        (
            {"FILTER": None, "FILTER1": 25, "FILTER2": 0, "FILTNAM1": "F555W", "FILTNAM2": ""},
            "F555W",
        ),  # WFPC2
    ],
)
def test_filter(tmp_path, filters, expected) -> None:
    path = write_exposure(tmp_path / "a_flt.fits", primary=filters)
    assert read_exposure(path).filter == expected


def test_brightness_of_rates_does_not_depend_on_the_exposure_time(tmp_path) -> None:
    path = write_exposure(
        tmp_path / "a_flt.fits", science={"BUNIT": "ELECTRONS/S", "IDCSCALE": 0.5}
    )
    assert read_exposure(path).brightness_factor(1) == 4.0


@pytest.mark.parametrize("unit", ["ELECTRONS", "COUNTS", None])
def test_brightness_of_counts_is_a_rate(tmp_path, unit) -> None:
    path = write_exposure(
        tmp_path / "a_flt.fits",
        primary={"EXPTIME": 200.0},
        science={"BUNIT": unit, "IDCSCALE": 0.5},
    )
    exposure = read_exposure(path)
    assert exposure.chips[0].counts
    assert exposure.brightness_factor(1) == 4.0 / 200.0


def test_brightness_by_a_model_without_its_scale_is_refused(tmp_path) -> None:
    path = write_exposure(tmp_path / "a_flt.fits", science={"IDCSCALE": None, "IDCV2REF": 1.0})
    with pytest.raises(InputError, match=r"a_flt\.fits\[SCI,1\] has no IDCSCALE"):
        read_exposure(path).brightness_factor(1)


@pytest.mark.parametrize(
    ("science", "primary", "scale"),
    [
        ({}, {}, SCALE),  # of the CD matrix
        ({"PAMSCALE": 0.2}, {"PAMSCALE": 0.3}, 0.2),
        ({}, {"PAMSCALE": 0.3, "IDCSCALE": 0.4}, 0.3),
        ({}, {"IDCSCALE": 0.4}, 0.4),
    ],
)
def test_without_a_model_the_scale_is_that_of_skypac(tmp_path, science, primary, scale) -> None:
    path = write_exposure(
        tmp_path / "a_flt.fits", science={"IDCSCALE": None, **science}, primary=primary
    )
    exposure = read_exposure(path)
    assert exposure.chips[0].scale == pytest.approx(scale, rel=1e-9)
    assert exposure.brightness_factor(1) == pytest.approx(1 / scale**2, rel=1e-9)


@pytest.mark.parametrize("build", [True, False])
def test_a_drizzled_image(tmp_path, build) -> None:
    path = write_drizzled(
        tmp_path / "ibxl54030_drz.fits",
        ["ibxl54aaq_flt.fits[sci,1]", "ibxl54bbq_flt.fits[sci,1]", "ibxl54bbq_flt.fits[sci,2]"],
        build=build,
    )
    image = read_exposure(path)
    assert image.drizzled
    # AstroDrizzle's ROOTNAME may be an exposure's: the file's own name is taken.
    assert image.rootname == "ibxl54030"
    assert image.members == ("ibxl54aaq", "ibxl54bbq")
    assert len(image.chips) == 1


@pytest.mark.parametrize("missing", [("ERR", 1), ("DQ", 1), ("DQ", 2)])
def test_a_missing_extension_is_named(tmp_path, missing) -> None:
    path = write_exposure(tmp_path / "a_flc.fits", chips=2, without=[missing])
    with pytest.raises(InputError, match=rf"a_flc\.fits has no {missing[0]},{missing[1]} ext"):
        read_exposure(path)


def test_no_science_extension(tmp_path) -> None:
    path = write_exposure(tmp_path / "a_flt.fits", without=[("SCI", 1)])
    with pytest.raises(InputError, match=r"a_flt\.fits has no SCI extension"):
        read_exposure(path)


@pytest.mark.parametrize("telescope", ["JWST", "", None])
def test_not_hst(tmp_path, telescope) -> None:
    path = write_exposure(tmp_path / "a_flt.fits", primary={"TELESCOP": telescope})
    with pytest.raises(InputError, match=r"a_flt\.fits: TELESCOP is .*not 'HST'"):
        read_exposure(path)


@pytest.mark.parametrize("content", [b"", b"not FITS at all\n" * 400, b"\0" * 9000])
def test_not_fits(tmp_path, content) -> None:
    path = tmp_path / "a_flt.fits"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a_flt\.fits"):
        read_exposure(path)


def test_a_folder_or_nothing_is_not_fits(tmp_path) -> None:
    (tmp_path / "a_flt.fits").mkdir()
    for name in ("a_flt.fits", "none_flt.fits"):
        with pytest.raises(InputError, match=name.replace(".", r"\.")):
            read_exposure(tmp_path / name)


def test_a_wrong_suffix(tmp_path) -> None:
    path = write_exposure(tmp_path / "ibxl54aaq_raw.fits")
    with pytest.raises(InputError, match=r"ibxl54aaq_raw\.fits: the name does not end in _flt"):
        read_exposure(path)


@pytest.mark.parametrize("key", ["ROOTNAME", "INSTRUME", "EXPTIME"])
def test_a_missing_keyword_is_named(tmp_path, key) -> None:
    path = write_exposure(tmp_path / "a_flt.fits", primary={key: None})
    with pytest.raises(InputError, match=rf"a_flt\.fits.*{key}"):
        read_exposure(path)


@pytest.mark.parametrize("value", ["unknown", "", fits.card.Undefined()])
def test_an_exposure_time_that_is_no_number_is_refused(tmp_path, value) -> None:
    path = write_exposure(tmp_path / "a_flt.fits", primary={"EXPTIME": value})
    with pytest.raises(InputError, match=r"a_flt\.fits.*EXPTIME"):
        read_exposure(path)


@pytest.mark.parametrize(
    "wcs",
    [
        {"WCSNAME": "no WCS at all"},
        {**wcs_keywords(), "CTYPE1": "LINEAR", "CTYPE2": "LINEAR"},
        {**wcs_keywords(), "CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"},
    ],
)
def test_without_a_usable_wcs_it_is_refused(tmp_path, wcs) -> None:
    path = write_exposure(tmp_path / "a_flt.fits", wcs=wcs)
    with pytest.raises(InputError, match=r"a_flt\.fits\[SCI,1\].*WCS"):
        read_exposure(path)


def test_a_truncated_file_is_refused_wherever_it_was_cut(tmp_path) -> None:
    """A file of one chip, cut at every half block: every cut must be seen."""
    whole = write_exposure(tmp_path / "whole_flt.fits").read_bytes()
    path = tmp_path / "a_flt.fits"
    accepted = []
    for length in range(BLOCK // 2, len(whole), BLOCK // 2):
        path.write_bytes(whole[:length])
        try:
            read_exposure(path)
            accepted.append(length)
        except InputError as error:
            assert "a_flt.fits" in str(error)
    assert accepted == []


def test_a_second_chip_that_was_cut_in_its_header_is_not_overlooked(tmp_path) -> None:
    path = write_exposure(tmp_path / "a_flc.fits", chips=2)
    with fits.open(path) as hdus:
        second = hdus.fileinfo(hdus.index_of(("SCI", 2)))["hdrLoc"]
    path.write_bytes(path.read_bytes()[: second + 1000])
    with pytest.raises(InputError, match=r"a_flc\.fits is truncated"):
        read_exposure(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_a_truncated_simulated_file_is_refused(tmp_path, share) -> None:
    simulation = Simulation(size="small", tiles=("54",), dithers=1)
    path = simulate_visit(simulation, "ibxl54", tmp_path)[0]
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"truncated|no (ERR|DQ),1"):
        read_exposure(path)


def test_the_footprint_is_that_of_the_whole_headers_wcs(tmp_path) -> None:
    """With the distortion, though only some cards of the header are read."""
    simulation = Simulation(size="small", tiles=("54",), dithers=1)
    path = simulate_visit(simulation, "ibxl54", tmp_path)[0]
    with fits.open(path) as hdus:
        whole = WCS(hdus["SCI"].header, hdus)
        assert whole.sip is not None
        expected = whole.calc_footprint(center=False)
    assert np.array_equal(read_exposure(path).polygons[0], expected)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a_flt.fits", "_flt"),
        ("A_FLC.FITS", "_flc"),
        ("ibxl54030_drz.fits", "_drz"),
        ("x_drc.fits", "_drc"),
        ("x_drw.fits", "_drw"),
        ("a_flt.fits.part", None),
        ("a_raw.fits", None),
        ("truth.json", None),
        ("flt.fits", None),
    ],
)
def test_suffix(name, suffix) -> None:
    assert suffix_of(name) == suffix
