"""Stars of a copy of the Gaia catalogue: what is read of it, from a folder and from a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from astropy.table import Table

from skymosaic.archive.gaia.circles import Circle
from skymosaic.archive.gaia.files import read_stars
from skymosaic.archive.gaia.folders import BucketFolder, DiskFolder, Folder
from skymosaic.archive.gaia.layout import open_catalogue
from skymosaic.archive.gaia.selection import COLUMNS, Selection, distinct
from skymosaic.errors import InputError
from skymosaic.store.s3_client import S3Settings
from tests.hats import path_of, write_frame, write_hats
from tests.moto_server import moto_server
from tests.unit.gaia_stars import gaia_stars

CIRCLES = (Circle(85.0, -2.4, 0.08), Circle(85.1, -2.4, 0.05))


@pytest.fixture(scope="module")
def server() -> Iterator[S3Settings]:
    with pytest.MonkeyPatch.context() as patch, moto_server() as url:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield S3Settings(endpoint_url=url)


def upload(folder: Path, settings: S3Settings, bucket: str) -> BucketFolder:
    client = boto3.client("s3", endpoint_url=settings.endpoint_url)
    client.create_bucket(Bucket=bucket)
    for path in folder.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), bucket, f"gaia/{path.relative_to(folder)}")
    return BucketFolder(f"s3://{bucket}/gaia", settings)


def test_a_bucket_has_the_same_layout_as_a_folder(server, tmp_path) -> None:
    write_frame(tmp_path, {(3, 7): 2}, info=False)
    path = path_of(tmp_path, 3, 7)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    there = upload(tmp_path, server, "layout")
    on_disk, in_bucket = open_catalogue(DiskFolder(tmp_path)), open_catalogue(there)
    assert in_bucket.partitions == on_disk.partitions
    assert there.names(".") == DiskFolder(tmp_path).names(".")
    assert there.open("absent") is None
    with pytest.raises(InputError, match=r"s3://layout/none holds no catalogue"):
        open_catalogue(BucketFolder("s3://layout/none", server))


@pytest.fixture(scope="module")
def stars() -> Table:
    pytest.importorskip("pyarrow")
    return gaia_stars(40_000, size=4.0)


@pytest.fixture(params=["folder", "bucket"])
def folder(request, stars, tmp_path) -> Folder:
    write_hats(tmp_path, stars)
    if request.param == "folder":
        return DiskFolder(tmp_path)
    settings = request.getfixturevalue("server")
    return upload(tmp_path, settings, f"b{request.node.name.encode().hex()[-40:]}")


def test_a_small_part_of_the_files_is_read(folder, stars, tmp_path) -> None:
    selection = Selection(CIRCLES, max_mag=20.0, max_ruwe=1.4)
    found = read_stars(open_catalogue(folder), selection)
    expected = stars[selection.holds(stars)]
    assert len(expected) > 20
    assert sorted(found["source_id"]) == sorted(expected["source_id"])
    row = {int(one["source_id"]): one for one in expected}
    for one in found:
        assert one["ra"] == row[int(one["source_id"])]["ra"]
        assert bool(np.ma.is_masked(one["pmra"])) == np.ma.is_masked(
            row[int(one["source_id"])]["pmra"]
        )
    whole = sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    assert folder.bytes_read < 0.2 * whole


@pytest.mark.parametrize("in_folders", [False, True])
@pytest.mark.parametrize("place", [False, True])
def test_other_layouts_give_the_same_stars(stars, tmp_path, in_folders, place) -> None:
    write_hats(tmp_path, stars, 5, data="", in_folders=in_folders, place=place)
    selection = Selection(CIRCLES)
    found = read_stars(open_catalogue(DiskFolder(tmp_path)), selection)
    assert set(found["source_id"]) == set(stars["source_id"][selection.holds(stars)])


def test_where_no_partition_is_touched_there_is_no_star(stars, tmp_path) -> None:
    write_hats(tmp_path, stars)
    found = read_stars(open_catalogue(DiskFolder(tmp_path)), Selection((Circle(10.0, 40.0, 0.1),)))
    assert len(found) == 0


def test_more_stars_than_allowed_are_refused(stars, tmp_path) -> None:
    write_hats(tmp_path, stars)
    with pytest.raises(InputError, match=r"more than 5 stars in the field"):
        read_stars(open_catalogue(DiskFolder(tmp_path)), Selection(CIRCLES, max_rows=5))


def test_damaged_and_other_tables_are_named(stars, tmp_path) -> None:
    write_hats(tmp_path, stars)
    touched = sorted(tmp_path.rglob("*.parquet"))
    for path in touched:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"Npix=\d+\.parquet cannot be read as Parquet"):
        read_stars(open_catalogue(DiskFolder(tmp_path)), Selection(CIRCLES))
    other = stars.copy()
    other.rename_column("ref_epoch", "year")
    write_hats(tmp_path, other)
    with pytest.raises(InputError, match=r"has no column ref_epoch: it is no copy of Gaia's"):
        read_stars(open_catalogue(DiskFolder(tmp_path)), Selection(CIRCLES))


def test_units_of_a_server_are_kept(stars) -> None:
    table = stars[list(COLUMNS)]
    table["pmra"].unit = "arcsec / yr"
    assert str(distinct([table, table])["pmra"].unit) == "arcsec / yr"
