"""What tells the exposures of a program apart: from headers, whatever the source is."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from astropy.io import fits

from skymosaic.archive.bucket import Bucket, Entry
from skymosaic.archive.directory import Directory
from skymosaic.archive.s3 import S3Folder
from skymosaic.config import load_campaign_text
from skymosaic.errors import InputError
from skymosaic.hst.facts import FACTS_BYTES, FileFacts, read_facts
from skymosaic.pipeline.groups import groups_of
from skymosaic.pipeline.sources import open_source
from tests.unit.small_fits import write_drizzled, write_exposure

TARGET = {"PROPOSID": 12812, "TARGNAME": "M 16", "EXPSTART": 56222.5, "ASN_ID": "IBXL54030"}
FACTS = FileFacts("12812", "M 16", "WFC3/IR", "F160W", 56222.5, "ibxl54030")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A field in two filters: an exposure and its drizzled image of each."""
    folder = tmp_path / "data"
    folder.mkdir()
    for visit, filter_ in (("ibxl54", "F160W"), ("ibxlc4", "F110W")):
        header = {**TARGET, "FILTER": filter_, "ASN_ID": f"{visit}030".upper()}
        write_exposure(folder / f"{visit}aaq_flt.fits", primary=header)
        write_drizzled(folder / f"{visit}030_drz.fits", primary=header)
    return folder


@dataclass(frozen=True)
class Files(Bucket):
    """A bucket that is a folder."""

    folder: Path = Path()

    def list(self, prefix: str) -> Iterator[Entry]:
        return (Entry(f"{prefix}{path.name}", 9, '"e"') for path in self.folder.iterdir())

    def beginning(self, key: str, count: int) -> bytes:
        return (self.folder / key.rsplit("/", 1)[-1]).read_bytes()[:count]


def test_the_primary_header_tells_them(folder: Path) -> None:
    path = folder / "ibxl54aaq_flt.fits"
    assert read_facts(path.read_bytes(), path.name) == FACTS


def test_they_are_known_from_the_beginning_of_a_long_header(folder: Path) -> None:
    """A drizzled image of many exposures lists them all."""
    path = folder / "ibxl54030_drz.fits"
    with fits.open(path, mode="update") as hdus:
        for number in range(1, 1000):
            hdus[0].header[f"D{number:03d}DATA"] = f"exposure {number}"
    assert path.stat().st_size > FACTS_BYTES
    found = read_facts(path.read_bytes()[:FACTS_BYTES], path.name)
    assert (found.target, found.filter, found.start) == ("M 16", "F160W", 56222.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"<html>", "is not FITS"), (b"", "is not FITS"), (b"SIMPLE  =".ljust(80), "no INSTRUME")],
)
def test_what_is_no_exposure_is_refused_by_name(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"x_flt.fits {message}|x_flt.fits has {message}"):
        read_facts(content, "x_flt.fits")


def test_a_folder_of_two_filters_is_two_groups(folder: Path) -> None:
    path = folder / "ibxl54aaq_flt.fits"
    (folder / "ibxl54aaq_flt.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    text = f"campaign: {{name: p}}\nsource: {{kind: directory, path: {folder}}}\ngroups: {{}}\n"
    campaign = load_campaign_text(text, "p.yaml", {})
    groups = groups_of(campaign, open_source(campaign.source, mixed=True).parcels())
    assert [(g.name, g.folder, [p.name for p in g.parcels]) for g in groups] == [
        ("M 16/F110W", "12812/M_16/F110W", ["ibxlc4030_drz", "ibxlc4aaq_flt"]),
        ("M 16/F160W", "12812/M_16/F160W", ["ibxl54030_drz", "ibxl54aaq_flt"]),
    ]


def test_a_folder_of_one_mosaic_is_read_as_before(folder: Path) -> None:
    with pytest.raises(InputError, match=r"F110W and F160W|F160W and F110W"):
        Directory(folder).parcels()
    facts = {p.facts for p in Directory(folder, filter="F160W").parcels()}
    assert facts == {None}


def test_a_bucket_tells_what_a_folder_does(folder: Path) -> None:
    here = {p.name: p.facts for p in Directory(folder, mixed=True).parcels()}
    there = S3Folder(Files("b", folder=folder), "a/", mixed=True).parcels()
    assert {parcel.name: parcel.facts for parcel in there} == here
    assert here["ibxl54aaq_flt"] == FACTS
    assert {p.facts for p in S3Folder(Files("b", folder=folder), "a/").parcels()} == {None}
