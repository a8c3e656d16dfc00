"""Which exposures are refused and which are warned of, by small files with the telling keywords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from skymosaic.errors import InputError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.hst.usable import (
    Allowed,
    left_out,
    require_engine,
    require_usable,
    warnings_of,
    why_refused,
)
from tests.unit.small_fits import write_drizzled, write_exposure

NOTHING = Allowed()


def exposure_of(
    folder: Path, science: dict[str, Any] | None = None, chips: int = 1, **primary: Any
) -> Exposure:
    """Return an exposure with these keywords over those of a WFC3/IR exposure in F160W."""
    name = f"i{len(list(folder.iterdir()))}_flt.fits"
    path = write_exposure(folder / name, primary=primary, science=science, chips=chips)
    return read_exposure(path)


def of(instrument: str, detector: str) -> dict[str, Any]:
    return {"INSTRUME": instrument, "DETECTOR": detector}


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"OBSTYPE": "IMAGING", "IMAGETYP": "EXT", "EXPFLAG": "NORMAL", "QUALITY": ""},
        of("WFC3", "UVIS"),
        of("ACS", "WFC"),
        of("ACS", "HRC"),
        of("STIS", "CCD"),
        {**of("WFPC2", "PC"), "NPOLFILE": "N/A", "DGEOFILE": "uref$s8f1222cu_dxy.fits"},
        {**of("WFPC2", "PC"), "DGEOFILE": "N/A"},
        {"FILTER": None, "FILTER1": "F606W", "FILTER2": "CLEAR2L"},
    ],
)
def test_images_of_imagers_that_were_tried_are_taken(tmp_path, keywords) -> None:
    in_science = {"EXPTIME": 150.0} if keywords.get("INSTRUME") == "STIS" else {}
    image = exposure_of(tmp_path, in_science, **keywords)
    assert why_refused(image, NOTHING) is None
    assert image.expflag in ("", "NORMAL")


@pytest.mark.parametrize(
    "imager", [("ACS", "SBC"), ("STIS", "NUV-MAMA"), ("STIS", "FUV-MAMA")], ids="/".join
)
def test_an_untried_imager_is_refused_with_the_key_that_allows_it(tmp_path, imager) -> None:
    image = exposure_of(tmp_path, {"EXPTIME": 10.0}, **of(*imager))
    why = why_refused(image, NOTHING)
    assert why is not None and image.name in why and "/".join(imager) in why
    assert "source.allow_untried: true" in why
    assert why_refused(image, Allowed(untried=True)) is None
    assert any("/".join(imager) in line and "never tested" in line for line in warnings_of([image]))


def test_the_cameras_of_nicmos(tmp_path) -> None:
    image = exposure_of(tmp_path, INSTRUME="NICMOS", DETECTOR=None, CAMERA=2)
    assert image.detector == "NIC2"
    assert "NICMOS/NIC2" in (why_refused(image, NOTHING) or "")
    assert why_refused(image, Allowed(untried=True)) is None


def test_what_astrodrizzle_does_not_know_is_refused_always(tmp_path) -> None:
    image = exposure_of(tmp_path, **of("FOC", "F/96"))
    assert "AstroDrizzle does not know" in (why_refused(image, Allowed(True, True)) or "")


@pytest.mark.parametrize(
    ("keywords", "value"),
    [
        ({"FILTER": "G141", "OBSTYPE": "SPECTROSCOPIC"}, "SPECTROSCOPIC"),
        ({"FILTER": "G102"}, "G102"),
        ({**of("WFC3", "UVIS"), "FILTER": "G280"}, "G280"),
        ({**of("ACS", "WFC"), "FILTER": None, "FILTER1": "G800L", "FILTER2": "CLEAR2L"}, "G800L"),
        ({**of("ACS", "HRC"), "FILTER": None, "FILTER1": "CLEAR1S", "FILTER2": "PR200L"}, "PR200L"),
        ({**of("ACS", "WFC"), "FILTER": None, "FILTER1": "CLEAR1L", "FILTER2": "FR914M"}, "FR914M"),
        ({**of("WFPC2", "PC"), "FILTNAM1": "FR533P15", "FILTNAM2": ""}, "FR533P15"),
        ({"OBSTYPE": "INTERNAL"}, "INTERNAL"),
        ({"IMAGETYP": "DARK"}, "DARK"),
    ],
)
def test_what_is_no_image_is_refused_with_the_key_that_allows_it(tmp_path, keywords, value) -> None:
    image = exposure_of(tmp_path, **keywords)
    why = why_refused(image, NOTHING)
    assert why is not None and image.name in why and value in why
    assert "source.allow_non_imaging: true" in why
    assert why_refused(image, Allowed(non_imaging=True)) is None
    assert any(value in line for line in warnings_of([image]))


def test_a_drizzled_spectrum_is_refused_too(tmp_path) -> None:
    path = write_drizzled(tmp_path / "ibxl54030_drz.fits", primary={"FILTER": "G141"})
    assert "G141" in (why_refused(read_exposure(path), NOTHING) or "")


@pytest.mark.parametrize(
    ("keywords", "value"),
    [
        ({**of("ACS", "WFC"), "FILTER": None, "FILTER1": "F606W", "FILTER2": "POL60V"}, "POL60V"),
        ({**of("WFC3", "UVIS"), "FILTER": "FQ437N"}, "FQ437N"),
        ({"OBSTYPE": "CORONAGRAPHIC"}, "CORONAGRAPHIC"),
        ({"EXPFLAG": "INTERRUPTED"}, "EXPFLAG: INTERRUPTED"),
        ({"QUALITY": "LOCKLOST"}, "QUALITY: LOCKLOST"),
    ],
)
def test_what_is_only_warned_of(tmp_path, keywords, value) -> None:
    image, other = exposure_of(tmp_path, **keywords), exposure_of(tmp_path, **keywords)
    assert why_refused(image, NOTHING) is None
    [line] = warnings_of([image, other])
    assert value in line and image.name in line and other.name in line


def test_nothing_is_warned_of_where_all_is_well(tmp_path) -> None:
    assert (
        warnings_of([exposure_of(tmp_path, EXPFLAG="NORMAL", QUALITY="OK", OBSTYPE="IMAGING")])
        == []
    )


def test_a_model_without_its_scale_is_refused_and_no_model_warned_of(tmp_path) -> None:
    without = exposure_of(tmp_path, {"IDCSCALE": None, "IDCV2REF": 1.0, "IDCV3REF": 0.5})
    assert why_refused(without, NOTHING) == (
        "i0_flt.fits[SCI,1] has no IDCSCALE; recalibrate or fetch it again"
    )
    old = exposure_of(tmp_path, {"IDCSCALE": None}, **of("ACS", "HRC"))
    assert why_refused(old, NOTHING) is None
    assert any("CD matrix" in line for line in warnings_of([old]))


def test_pixels_of_unknown_unit_are_refused(tmp_path) -> None:
    image = exposure_of(tmp_path, {"BUNIT": None}, **of("WFPC2", "PC"))
    assert "[SCI,1] has no BUNIT" in (why_refused(image, NOTHING) or "")
    assert "'COUNTS'" in (why_refused(image, NOTHING) or "")


@pytest.mark.parametrize("imager", [("ACS", "WFC"), ("WFC3", "UVIS"), ("WFC3", "IR")], ids="/".join)
def test_rates_of_a_ccd_are_refused_as_their_noise_would_be_mistaken(tmp_path, imager) -> None:
    image = exposure_of(tmp_path, {"BUNIT": "ELECTRONS/S"}, **of(*imager))
    why = why_refused(image, NOTHING)
    if imager == ("WFC3", "IR"):
        assert why is None
        return
    assert why is not None and "i0_flt.fits[SCI,1] has BUNIT 'ELECTRONS/S'" in why
    assert "EXPTIME" in why and "'ELECTRONS'" in why


def test_the_question_that_astrodrizzle_would_ask_is_answered_before(tmp_path) -> None:
    image = exposure_of(tmp_path, **of("WFPC2", "PC"), DGEOFILE="uref$s8f1222cu_dxy.fits")
    why = why_refused(image, NOTHING)
    assert why is not None and "uref$s8f1222cu_dxy.fits" in why and "NPOLFILE" in why


@pytest.mark.parametrize(
    ("imager", "chips", "refused"),
    [
        (("WFC3", "IR"), 2, True),
        (("ACS", "WFC"), 2, False),
        (("ACS", "WFC"), 3, True),
        (("WFPC2", "PC"), 4, False),
        (("STIS", "CCD"), 3, False),  # it will be taken apart
    ],
)
def test_more_chips_than_the_imager_has(tmp_path, imager, chips, refused) -> None:
    image = exposure_of(tmp_path, {"EXPTIME": 10.0}, chips=chips, **of(*imager))
    why = why_refused(image, NOTHING)
    assert (why is not None and f"{chips} SCI extensions" in why) is refused


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_an_exposure_without_time_is_refused(tmp_path, seconds) -> None:
    why = why_refused(exposure_of(tmp_path, EXPTIME=seconds), NOTHING)
    assert why is not None and f"i0_flt.fits: EXPTIME is {seconds:g} s" in why
    assert "leave it out" in why


@pytest.mark.parametrize(
    ("imager", "keyword"),
    [
        *((("WFC3", "IR"), name) for name in ("EXPEND", "ATODGNC", "READNSEA")),
        *((("ACS", "WFC"), name) for name in ("EXPEND", "ATODGND", "READNSEB")),
        *((("WFC3", "UVIS"), name) for name in ("EXPEND", "ATODGNA", "READNSED")),
        *((("ACS", "HRC"), name) for name in ("EXPEND", "CCDAMP", "READNSED")),
        *((("STIS", "CCD"), name) for name in ("OBSTYPE", "ATODGAIN", "READNSE")),
    ],
)
def test_a_keyword_that_the_drizzle_of_a_detector_needs(tmp_path, imager, keyword) -> None:
    in_science = {"EXPTIME": 10.0}
    assert why_refused(exposure_of(tmp_path, in_science, **of(*imager)), NOTHING) is None
    why = why_refused(exposure_of(tmp_path, in_science, **of(*imager), **{keyword: None}), NOTHING)
    assert why is not None and f"i1_flt.fits has no {keyword}, and AstroDrizzle" in why
    assert "/".join(imager) in why


@pytest.mark.parametrize("keyword", ["EXPNAME", "NGOODPIX", "MEANDARK"])
def test_a_keyword_that_each_chip_needs(tmp_path, keyword) -> None:
    path = write_exposure(tmp_path / "j1_flc.fits", primary=of("ACS", "WFC"), chips=2)
    assert why_refused(read_exposure(path), NOTHING) is None
    with fits.open(path, mode="update") as hdus:
        del hdus["SCI", 2].header[keyword]
    why = why_refused(read_exposure(path), NOTHING)
    assert why is not None and f"j1_flc.fits has no {keyword} of SCI,2," in why


def test_what_one_detector_needs_another_does_without(tmp_path) -> None:
    stis = exposure_of(
        tmp_path, {"MEANDARK": None}, READNSEA=None, CCDAMP=None, **of("STIS", "CCD")
    )
    assert why_refused(stis, NOTHING) is None
    assert why_refused(exposure_of(tmp_path, CCDAMP=None, READNSE=None), NOTHING) is None


@pytest.mark.parametrize("keyword", ["CRVAL1", "CRPIX2"])
def test_a_place_on_the_sky_that_would_be_taken_for_0(tmp_path, keyword) -> None:
    why = why_refused(exposure_of(tmp_path, {keyword: None}), NOTHING)
    assert why is not None and f"i0_flt.fits has no {keyword} of SCI,1" in why


def test_a_distortion_model_needs_the_angle_of_the_telescope(tmp_path) -> None:
    model = {"IDCV2REF": 1.0, "IDCV3REF": 2.0}
    assert why_refused(exposure_of(tmp_path, model), NOTHING) is None
    assert why_refused(exposure_of(tmp_path, PA_V3=None), NOTHING) is None
    assert "has no PA_V3," in (why_refused(exposure_of(tmp_path, model, PA_V3=None), NOTHING) or "")
    without = exposure_of(tmp_path, {"IDCV2REF": 1.0})
    assert "has no IDCV3REF of SCI,1" in (why_refused(without, NOTHING) or "")


@pytest.mark.parametrize("scale", [0.0, -0.13])
def test_pixels_of_no_size_are_refused(tmp_path, scale) -> None:
    why = why_refused(exposure_of(tmp_path, {"IDCSCALE": scale}), NOTHING)
    assert why is not None and "i0_flt.fits[SCI,1]: the scale of its pixels" in why


def test_chips_that_are_not_numbered_from_1_are_refused(tmp_path) -> None:
    without = [(kind, 1) for kind in ("SCI", "ERR", "DQ")]
    path = tmp_path / "j1_flc.fits"
    write_exposure(path, primary=of("ACS", "WFC"), chips=2, without=without)
    why = why_refused(read_exposure(path), NOTHING)
    assert why is not None and "j1_flc.fits has SCI,2, and AstroDrizzle looks for SCI,1" in why
    assert "EXTVER" in why


def test_all_that_is_refused_is_named(tmp_path) -> None:
    images = [exposure_of(tmp_path, FILTER="G141") for _ in range(3)]
    require_usable(images[:0], NOTHING)
    names = r"i0_flt\.fits.*The same holds for i1_flt\.fits, i2_flt\.fits"
    with pytest.raises(InputError, match=names):
        require_usable(images, NOTHING)


@pytest.mark.parametrize("imager", [("WFPC2", "PC"), ("STIS", "CCD"), ("ACS", "SBC")], ids="/".join)
def test_the_one_pass_engine_refuses_others_by_name(tmp_path, imager) -> None:
    image = exposure_of(tmp_path, {"EXPTIME": 10.0}, **of(*imager))
    require_engine([image], None)
    with pytest.raises(InputError, match=r"drizzle\.engine: onepass") as caught:
        require_engine([exposure_of(tmp_path), image], "drizzle.engine: onepass")
    assert image.name in str(caught.value)
    assert "drizzle.engine: astrodrizzle" in str(caught.value)


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("a: of no use; leave it out", "a: of no use"),
        ("a: not tried; leave it out, or set k: true to try", "a: not tried; set k: true to try"),
        (
            "a: a grism; leave it out (source.filter and the like choose), or set k: true",
            "a: a grism; set k: true",
        ),
        ("a: 3 chips; take it apart, or leave it out", "a: 3 chips; take it apart"),
        (
            "a: flagged; leave the file out, fetch it again, or tell",
            "a: flagged; fetch it again, or tell",
        ),
        ("a: cut off; fetch it again", "a: cut off; fetch it again"),
    ],
)
def test_of_what_was_left_out_it_is_not_said_that_it_can_be(why: str, said: str) -> None:
    assert left_out(why) == f"Left out: {said}."


@pytest.mark.parametrize("flag", [True, "T", "TRUE"])
def test_exposures_of_a_moving_target_are_for_astrodrizzle_alone(tmp_path, flag) -> None:
    moving = [exposure_of(tmp_path, MTFLAG=flag) for _ in range(2)]
    others = [exposure_of(tmp_path, MTFLAG=value) for value in (False, "F", "", " ", None)]
    assert [image.moving for image in (*moving, *others)] == [True] * 2 + [False] * 5
    require_engine(moving, None)
    require_engine([moving[0], *others], "drizzle.engine: onepass")  # its place is that of none
    with pytest.raises(InputError, match=r"i0_flt\.fits, i1_flt\.fits are of a moving target"):
        require_engine([*others, *moving], "drizzle.engine: onepass")
    assert any("moving target" in line for line in warnings_of(moving))
    assert not any("moving target" in line for line in warnings_of(others))
