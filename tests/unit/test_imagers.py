"""The table of imagers, and the page that is made from it."""

from __future__ import annotations

import pytest

from skymosaic.hst.imagers import (
    IMAGERS,
    PAGE,
    detectors_named,
    imager_of,
    imagers_markdown,
    imagers_named,
    product_suffix,
)
from tests.conftest import REPOSITORY


def test_the_page_is_up_to_date() -> None:
    page = (REPOSITORY / PAGE).read_text(encoding="utf-8")
    assert imagers_markdown() in page, "run scripts/write-instruments"


@pytest.mark.parametrize("imager", IMAGERS, ids=lambda imager: imager.name)
def test_every_imager_is_found_by_its_header_and_by_the_archives_names(imager) -> None:
    for detector in imager.detectors:
        assert imager_of(imager.instrument, detector) is imager
    for name in imager.names:
        assert imager in imagers_named(name.lower())
    assert imager in detectors_named(imager.detectors[0])


def test_only_imagers_that_were_tried_go_through_the_one_pass_engine() -> None:
    assert {imager.name for imager in IMAGERS if "onepass" in imager.engines} == {
        "WFC3/IR", "WFC3/UVIS", "ACS/WFC", "ACS/HRC",
    }  # fmt: skip
    assert all(imager.tried for imager in IMAGERS if "onepass" in imager.engines)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("WFC3/IR", {"WFC3/IR"}),
        ("WFC3", {"WFC3/IR", "WFC3/UVIS"}),
        ("ACS*", {"ACS/WFC", "ACS/HRC", "ACS/SBC"}),
        ("WFPC2/WFC", {"WFPC2/PC"}),
        ("COS/FUV", set()),
    ],
)
def test_names_of_the_archive(pattern, expected) -> None:
    assert {imager.name for imager in imagers_named(pattern)} == expected


def test_an_unknown_imager() -> None:
    assert imager_of("FOC", "F/96") is None
    assert imager_of("WFC3", "") is None


@pytest.mark.parametrize(
    ("instrument", "detector", "exposure", "product"),
    [
        ("WFC3", "IR", "_flt", "drz"),
        ("WFC3", "UVIS", "_flc", "drc"),
        ("ACS", "WFC", "_flt", "drz"),
        ("WFPC2", "PC", "_flt", "drw"),
    ],
)
def test_names_of_mosaics(instrument, detector, exposure, product) -> None:
    assert product_suffix(instrument, detector, exposure) == product
