"""The archive's public bucket, on a real S3 server with its key layout; MAST stands behind it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from astropy.io import fits

from skymosaic.archive.bucket import Bucket
from skymosaic.archive.download import fetch, part_name
from skymosaic.archive.mast.files import ArchiveFile
from skymosaic.archive.sharing import Unfinished
from skymosaic.config import load_campaign
from skymosaic.errors import InputError, SkymosaicError
from skymosaic.pipeline.sources import open_source
from tests.conftest import manifests, skymosaic, write_campaign
from tests.mast_standin import Archive, configuration, mast_standin
from tests.s3_server import S3Server, s3_server

BUCKET = "stpubdata"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, simulated_files: Path) -> Iterator[S3Server]:
    """A server whose public bucket holds the files of a tile."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"],
                 "Resource": [f"arn:aws:s3:::{BUCKET}/*"]}
            ],
        }  # fmt: skip
        client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
        for path in simulated_files.glob("ibxl54*_*.fits"):
            key = f"hst/public/{path.name[:4]}/{path.name[:9]}/{path.name}"
            client.upload_file(str(path), BUCKET, key)
        yield server


def file(path: Path) -> ArchiveFile:
    return ArchiveFile(
        path.name, path.stat().st_size, "FLT", "12812", "T", "WFC3/IR", "F160W", "PUBLIC", ""
    )


def leave(server: S3Server, source: Path, parts: Path, content: bytes, md5: str) -> None:
    """Leave what a killed download leaves."""
    left = Unfinished(parts, part_name(Bucket(BUCKET, server.url), file(source)))
    parts.mkdir(exist_ok=True)
    left.part.write_bytes(content)
    about = {"etag": f'"{md5}"', "modified": "", "size": source.stat().st_size}
    left.about.write_text(json.dumps(about))


def test_a_file_comes_without_credentials_and_goes_on_where_it_stopped(
    server: S3Server, simulated_files: Path, tmp_path: Path, monkeypatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    source = simulated_files / "ibxl54bgq_flt.fits"
    content = source.read_bytes()
    parts = tmp_path / "parts"
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    leave(server, source, parts, content[:100_000], md5)
    fetch(Bucket(BUCKET, server.url), file(source), tmp_path / "fetched", parts)
    assert (tmp_path / "fetched").read_bytes() == content
    assert list(parts.iterdir()) == []


def test_a_part_of_another_version_is_not_gone_on_with(
    server: S3Server, simulated_files: Path, tmp_path: Path
) -> None:
    source = simulated_files / "ibxl54bgq_flt.fits"
    leave(server, source, tmp_path, b"x" * 100_000, "0123456789abcdef0123456789abcdef")
    fetch(Bucket(BUCKET, server.url), file(source), tmp_path / "fetched", tmp_path)
    assert (tmp_path / "fetched").read_bytes() == source.read_bytes()


def test_what_is_not_there_is_named(server: S3Server, simulated_files: Path, tmp_path) -> None:
    with pytest.raises(InputError, match=r"ibxl51eoq_flt\.fits is not in s3://stpubdata"):
        fetch(
            Bucket(BUCKET, server.url),
            file(simulated_files / "ibxl51eoq_flt.fits"),
            tmp_path / "fetched",
            tmp_path,
        )


def test_auto_takes_from_mast_what_the_bucket_lacks_and_says_so(
    server: S3Server, simulated_files: Path, tmp_path: Path
) -> None:
    data = tmp_path / "archive"
    shutil.copytree(simulated_files, data)
    archive = Archive()
    archive.add_folder(data)
    campaign = write_campaign(
        tmp_path / "auto.yaml",
        source={
            "kind": "mast",
            "proposal_id": [12812],
            "bucket_endpoint_url": server.url,
            "downloads": 2,
        },
    )
    with mast_standin(archive) as url:
        ended = skymosaic(
            *("inspect", campaign, "--store", tmp_path / "store"),
            env={**os.environ, **configuration(tmp_path / "home", url)},
        )
    assert ended.code == 0, ended.err
    fetched = {n for s in manifests(tmp_path / "store" / "auto").values() for n in s["products"]}
    assert set(archive.files) <= fetched
    assert set(archive.sent) == {name for name in archive.files if "51" in name}
    assert "ibxl51eoq_flt.fits is not in s3://stpubdata" in ended.err
    assert "trying the next server" in ended.err


@pytest.fixture
def own(server: S3Server, simulated_files: Path) -> Iterator[str]:
    """A bucket of one's own, with a tile in folders, and other things."""
    client = server.client()
    client.create_bucket(Bucket="observatory")
    for path in simulated_files.glob("ibxl54*_*.fits"):  # the truth, too, which is left
        client.upload_file(str(path), "observatory", f"horsehead/{path.name[:9]}/{path.name}")
    client.put_object(Bucket="observatory", Key="horsehead/notes.txt", Body=b"cloudy")
    client.put_object(Bucket="observatory", Key="elsewhere/ibxl99aaq_flt.fits", Body=b"not here")
    yield "s3://observatory/horsehead"
    for item in client.list_objects_v2(Bucket="observatory")["Contents"]:
        client.delete_object(Bucket="observatory", Key=item["Key"])
    client.delete_bucket(Bucket="observatory")


@pytest.mark.campaign
def test_a_campaign_takes_its_exposures_from_a_bucket(
    server: S3Server, own: str, simulated_files: Path, tmp_path: Path
) -> None:
    campaign = write_campaign(
        tmp_path / "own.yaml", source={"kind": "s3", "uri": own, "downloads": 2}
    )

    def inspect():
        return skymosaic(
            *("inspect", campaign, "--store", tmp_path / "store"),
            env={**os.environ, **server.environment, "XDG_CACHE_HOME": str(tmp_path)},
        )

    ended = inspect()
    assert ended.code == 0, ended.err
    pristine = tmp_path / "store" / "own" / "pristine"
    names = {path.name for path in simulated_files.glob("ibxl54*_[fd][lr][tz].fits")}
    assert {path.name for path in pristine.iterdir()} == names
    for name in names:
        assert (pristine / name).read_bytes() == (simulated_files / name).read_bytes()
    times = {path: path.stat().st_mtime_ns for path in pristine.iterdir()}
    # A file that changes is fetched again, and said to be; the others are not.
    content = (simulated_files / "ibxl54bgq_flt.fits").read_bytes()
    with fits.open(io.BytesIO(content)) as hdus:
        hdus[1].data[5, 5] += 1
        hdus.writeto(tmp_path / "new.fits")
    key = "horsehead/ibxl54bgq/ibxl54bgq_flt.fits"
    server.client().upload_file(str(tmp_path / "new.fits"), "observatory", key)
    again = inspect()
    assert again.code == 0, again.err
    assert "ibxl54bgq_flt.fits changed in the archive" in again.err
    new = {p.name for p, t in times.items() if p.stat().st_mtime_ns != t}
    assert new == {"ibxl54bgq_flt.fits"}


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"uri": "s3://observatory/nowhere"}, 4, "no calibrated exposures"),
        ({"uri": "s3://no-such-bucket/x"}, 4, "is not in s3://no-such-bucket"),
        ({"max_files": 2}, 4, "has more than 2 files (source.max_files)"),
        ({"names": ["ibxl99*"]}, 4, "no calibrated exposures"),
        ({"endpoint_url": "http://127.0.0.1:9"}, 12, "cannot be listed"),
    ],
)
def test_what_is_wrong_with_a_bucket_is_named(
    server: S3Server, own: str, tmp_path: Path, monkeypatch, change: dict, code: int, message: str
) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    campaign = write_campaign(tmp_path / "own.yaml", source={"kind": "s3", "uri": own, **change})
    with pytest.raises(SkymosaicError) as caught:
        open_source(load_campaign(campaign).source).parcels()
    assert caught.value.exit_code == code
    assert message in str(caught.value)
