"""What an alignment refuses before drizzlepac is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from skymosaic.align.align import align
from skymosaic.config import Align
from skymosaic.errors import AlignmentError
from skymosaic.hst.reading import read_exposure
from tests.unit.small_fits import write_drizzled, write_exposure


def test_one_visit_alone_is_told_that_there_is_nothing_to_align_it_with(tmp_path: Path) -> None:
    exposure = read_exposure(write_exposure(tmp_path / "ibxl54aaq_flt.fits"))
    drizzled = read_exposure(write_drizzled(tmp_path / "ibxl54030_drz.fits"))
    with pytest.raises(AlignmentError, match=r"only drizzled image.*align: none") as caught:
        align(tmp_path, tmp_path / "log", [exposure], [drizzled], Align())
    assert drizzled.name in str(caught.value)
