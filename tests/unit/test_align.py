"""What an alignment refuses before pixels are looked at, and which exposures follow which image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from skymosaic.align.members import members_of_all
from skymosaic.config import Align
from skymosaic.errors import AlignmentError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline.results import InspectionResult
from skymosaic.pipeline.tiles import list_tiles
from skymosaic.steps.step import Finished, Place
from skymosaic.store import LocalStore
from tests.unit.small_fits import write_drizzled, write_exposure


@pytest.fixture
def visit(tmp_path: Path) -> tuple[Exposure, Exposure]:
    """An exposure, and its drizzled image."""
    exposure = read_exposure(write_exposure(tmp_path / "ibxl54aaq_flt.fits"))
    return exposure, read_exposure(write_drizzled(tmp_path / "ibxl54030_drz.fits"))


def test_one_visit_alone_is_told_that_there_is_nothing_to_align_it_with(
    visit: tuple[Exposure, Exposure], tmp_path: Path
) -> None:
    exposure, drizzled = visit
    place = Place(LocalStore(tmp_path / "store"), "field", tmp_path)
    files = {
        one.name: place.store.put(tmp_path / one.name, f"field/pristine/{one.name}")
        for one in visit
    }
    inspected = Finished(
        "inspection", "1", files, InspectionResult([exposure], [drizzled]), 0.0, 0, reused=False
    )
    with pytest.raises(AlignmentError, match=r"only drizzled image.*align: none") as caught:
        list_tiles(place, Align(), False, inspected)
    assert drizzled.name in str(caught.value)
    alone = list_tiles(place, Align(), True, inspected).result
    assert (alone.order, alone.shares) == ([drizzled.rootname], {drizzled.rootname: 1.0})


def test_exposures_follow_the_image_that_names_them(visit: tuple[Exposure, Exposure]) -> None:
    exposure, drizzled = visit
    named = replace(drizzled, rootname="a", members=("one",), asn_id="")
    by_association = replace(drizzled, rootname="b", members=(), asn_id="ib02")
    exposures = [
        replace(exposure, rootname="one", asn_id="ib01"),
        replace(exposure, rootname="two", asn_id="ib02"),
        replace(exposure, rootname="three", asn_id="ib02"),
    ]
    followed = members_of_all([named, by_association], exposures)
    assert followed == {"a": ["one"], "b": ["two", "three"]}
    with pytest.raises(AlignmentError, match=r"no drizzled image was made from two, three"):
        members_of_all([named], exposures)
    with pytest.raises(AlignmentError, match=r"one is part of several drizzled images \(a, c\)"):
        members_of_all([named, replace(named, rootname="c"), by_association], exposures)
