"""Files of a folder that a campaign has retrieved are not read again, until they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from skymosaic.archive.base import Parcel
from skymosaic.config import load_campaign
from skymosaic.errors import InputError
from skymosaic.pipeline.graph import retrieve_each
from skymosaic.pipeline.places import open_place
from skymosaic.pipeline.sources import open_source
from skymosaic.steps.execution import Here
from tests.unit.small_fits import write_exposure

FILE = """
campaign: {name: field}
source: {kind: directory, path: data}
align: none
store: {uri: store}
compute: {scratch: scratch}
"""


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    """A campaign of three exposures, of which two were retrieved before the third came."""
    for folder in ("data", "scratch"):
        (tmp_path / folder).mkdir()
    for name in ("ibxl54aaq", "ibxl54bbq"):
        write_exposure(tmp_path / "data" / f"{name}_flt.fits")
    file = tmp_path / "field.yaml"
    file.write_text(FILE)
    campaign = load_campaign(file)
    place, source = open_place(campaign), open_source(campaign.source)
    retrieve_each(Here(), campaign, place, source, source.parcels())
    write_exposure(tmp_path / "data" / "ibxl54ccq_flt.fits")
    return file


def parcels(file: Path, *, known: bool = True) -> list[Parcel]:
    campaign = load_campaign(file)
    place = open_place(campaign) if known else None
    return open_source(campaign.source, place=place).parcels()


def spoil(path: Path, *, later: int = 0) -> None:
    """Make a file unreadable whose size and time stay, but for some ns."""
    status = path.stat()
    path.write_bytes(b"X" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + later))


def test_parcels_are_the_same(campaign: Path) -> None:
    assert parcels(campaign) == parcels(campaign, known=False)
    assert len(parcels(campaign)) == 3


def test_a_file_that_is_known_is_not_read(campaign: Path) -> None:
    wanted = parcels(campaign)
    spoil(campaign.parent / "data" / "ibxl54aaq_flt.fits")
    assert parcels(campaign) == wanted
    with pytest.raises(InputError, match="ibxl54aaq"):
        parcels(campaign, known=False)


@pytest.mark.parametrize("name", ["ibxl54aaq", "ibxl54ccq"])
def test_a_file_that_has_changed_or_is_new_is_read(campaign: Path, name: str) -> None:
    spoil(campaign.parent / "data" / f"{name}_flt.fits", later=1)
    with pytest.raises(InputError, match=name):
        parcels(campaign)


def test_a_damaged_manifest_tells_nothing(campaign: Path) -> None:
    wanted = parcels(campaign)
    (campaign.parent / "store/field/manifests/pristine/ibxl54aaq_flt.json").write_text("{")
    assert parcels(campaign) == wanted
