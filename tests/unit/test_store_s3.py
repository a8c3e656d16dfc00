"""The S3 store on moto's server, which is quick to start; the real server has tests of its own."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

pytest.register_assert_rewrite("tests.conformance.store")

from skymosaic.archive.bucket import Bucket  # noqa: E402
from skymosaic.errors import ForbiddenError, StoreError, UnreachableError  # noqa: E402
from skymosaic.store import open_store, s3_client, traffic  # noqa: E402
from skymosaic.store.cache import CachedStore  # noqa: E402
from skymosaic.store.s3 import S3Store  # noqa: E402
from skymosaic.store.s3_client import patiently  # noqa: E402
from skymosaic.store.s3_settings import S3Settings  # noqa: E402
from tests.certificates import write_certificates  # noqa: E402
from tests.conformance.store import StoreConformance  # noqa: E402
from tests.moto_server import moto_server  # noqa: E402
from tests.raw_server import Request, raw_server  # noqa: E402
from tests.s3_server import flip_byte  # noqa: E402

BUCKET = "skymosaic"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The address of moto's server."""
    with moto_server() as url:
        yield url


@pytest.fixture
def settings(moto: str, monkeypatch: pytest.MonkeyPatch) -> S3Settings:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    settings = S3Settings(endpoint_url=moto, region="us-east-1", patience=5.0)
    s3_client.client(settings).create_bucket(Bucket=BUCKET)
    return settings


@pytest.fixture
def s3(settings: S3Settings) -> S3Store:
    return S3Store(f"s3://{BUCKET}/{uuid.uuid4().hex}/of a test".replace(" ", "-"), settings)


class OnMoto(StoreConformance):
    """How a byte of an object is changed behind the store's back."""

    rounds = 20

    @pytest.fixture
    def corrupt(self, s3):
        client = s3_client.client(s3.settings)

        def corrupt(key: str) -> None:
            flip_byte(client, BUCKET, s3.address(key).removeprefix(f"s3://{BUCKET}/"))

        return corrupt


class TestS3Store(OnMoto):
    @pytest.fixture
    def store(self, s3) -> S3Store:
        return s3


class TestCachedStore(OnMoto):
    rounds, large = 5, 40  # what moves them is S3Store's

    @pytest.fixture
    def store(self, s3, tmp_path) -> CachedStore:
        return CachedStore(s3, tmp_path / "scratch", None, 100_000_000)


class TestWithoutConditions(OnMoto):
    """A server that does not know If-None-Match: what is documented instead of it."""

    rounds, large = 5, 40  # likewise

    @pytest.fixture(scope="class")
    def unconditional(self) -> Iterator[str]:
        with moto_server(conditions=False) as url:
            yield url

    @pytest.fixture
    def store(self, s3, unconditional, monkeypatch) -> S3Store:
        monkeypatch.setattr("skymosaic.store.s3._SETTLE", 0.5)
        return S3Store(s3.uri, replace(s3.settings, endpoint_url=unconditional))


class Teapot(BaseHTTPRequestHandler):
    """A server that does not know If-None-Match."""

    protocol_version = "HTTP/1.1"
    kept: ClassVar[dict[str, bytes]] = {}
    conditions: ClassVar[list[str]] = []
    """Of the requests that had one."""

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", *, is_head: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not is_head:
            self.wfile.write(body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "If-None-Match" in self.headers:
            self.conditions.append(self.headers["If-None-Match"])
            self.answer(501, b"<Error><Code>NotImplemented</Code></Error>")
        else:
            self.kept[self.path] = body
            self.answer(200)

    def do_GET(self) -> None:
        there = self.path in self.kept or self.path == "/bucket"
        self.answer(200 if there else 404, self.kept.get(self.path, b""))

    def do_HEAD(self) -> None:
        there = self.path in self.kept or self.path == "/bucket"
        self.answer(200 if there else 404, self.kept.get(self.path, b""), is_head=True)

    def do_DELETE(self) -> None:
        self.kept.pop(self.path, None)
        self.send_response(204)
        self.end_headers()


def test_a_server_without_conditions_is_recognised_at_once(settings, monkeypatch) -> None:
    monkeypatch.setattr("skymosaic.store.s3._SETTLE", 0.1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Teapot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    # What is sent in chunks would be kept with its checksum behind it.
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    store = S3Store("s3://bucket/x", S3Settings(endpoint_url=address, region="us-east-1"))
    try:
        assert store.create("a", "ours")
        assert not store.create("a", "theirs")
        assert store.read_text("a") == "ours"
    finally:
        server.shutdown()
        server.server_close()
    assert Teapot.conditions == ["*"]  # asked once, and not again


def test_bytes_sent_in_chunks_are_counted(s3, tmp_path, monkeypatch) -> None:
    """Over TLS there is no Content-Length; the length of the content stands elsewhere."""
    certificates = write_certificates(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates["ca"]))
    with moto_server(certificates=certificates) as url:
        store = S3Store(s3.uri, replace(s3.settings, endpoint_url=url))
        before = traffic.moved()
        store.write_text("a", "x" * 123)
        assert traffic.moved() - before == traffic.Traffic(123, 0)
        assert store.read_text("a") == "x" * 123


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/", "s3://bucket/a/b/"])
def test_the_uri_picks_the_store(uri) -> None:
    store = open_store(uri, {"region": "eu-west-1"})
    assert isinstance(store, S3Store)
    assert store.bucket == "bucket"
    assert store.uri == uri.rstrip("/")
    assert store.settings.region == "eu-west-1"


def test_a_bucket_itself_is_a_store(settings, tmp_path) -> None:
    store = S3Store(f"s3://{BUCKET}", settings)
    store.write_text("whole-bucket/a", "1")
    assert store.list("whole-bucket") == ["whole-bucket/a"]
    assert store.remove("whole-bucket") == 1


def test_no_credentials_are_said_so(moto, monkeypatch, tmp_path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    store = S3Store("s3://skymosaic/x", S3Settings(endpoint_url=moto, region="us-east-2"))
    with pytest.raises(ForbiddenError, match="no AWS credentials found; set AWS_PROFILE"):
        store.read_text("a")


def test_no_credentials_for_a_source_are_said_so(moto, monkeypatch, tmp_path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    bucket = Bucket("skymosaic", moto, "eu-west-2", unsigned=False)
    with pytest.raises(ForbiddenError, match=r"s3://skymosaic: no AWS .* or source\.unsigned"):
        list(bucket.list(""))


def test_a_server_that_does_not_speak_s3_is_named(settings) -> None:
    with raw_server() as server:
        server.answer = lambda _request: [b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nabc"]
        other = replace(settings, endpoint_url=server.url, patience=0.5)
        with pytest.raises(UnreachableError, match=r"the S3 server does not answer .*'abc'"):
            S3Store("s3://bucket/of-a-test", other).read_text("a")


def test_an_unknown_profile_is_named(moto, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    store = S3Store("s3://skymosaic/x", S3Settings(profile="nobody", endpoint_url=moto))
    with pytest.raises(ForbiddenError, match="nobody"):
        store.read_text("a")


def test_a_missing_bucket_is_not_a_missing_key(settings) -> None:
    store = S3Store("s3://never-made/x", settings)
    with pytest.raises(StoreError, match="no such bucket") as caught:
        store.read_text("a")
    assert "never-made" in str(caught.value)


def test_a_server_that_is_not_there_is_waited_for_and_named(settings) -> None:
    address = {"endpoint_url": "http://127.0.0.1:9", "region": "us-east-1"}
    away = S3Settings(**address, patience=0.5, attempts=1)
    with pytest.raises(UnreachableError, match="waited 0 s") as caught:
        S3Store("s3://bucket/x", away).read_text("a")
    assert "s3://bucket/x/a" in str(caught.value)
    assert "store.patience" in str(caught.value)


def test_what_can_pass_is_tried_again_and_what_cannot_is_not() -> None:
    tries: list[int] = []

    def comes_back() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise UnreachableError("away")
        return "back"

    assert patiently(S3Settings(patience=10.0), comes_back) == "back"
    assert len(tries) == 3
    tries.clear()

    def forbidden() -> None:
        tries.append(1)
        raise ForbiddenError("no")

    with pytest.raises(ForbiddenError):
        patiently(S3Settings(patience=10.0), forbidden)
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("zoom.html", "text/html; charset=utf-8"),
        ("0_0.jpg", "image/jpeg"),
        ("colour.png", "image/png"),
        ("mosaic.fits", None),
    ],
)
@pytest.mark.parametrize("size", [10, s3_client.PART_SIZE + 1])
def test_a_browser_shows_pages_and_pictures(s3, tmp_path, name, expected, size) -> None:
    """Without its type a page would be saved, and not be shown."""
    (tmp_path / name).write_bytes(bytes(size))
    moved = s3.move(s3.put(tmp_path / name, f"staging/{name}"), f"field/{name}")
    client = s3_client.client(s3.settings)
    told = client.head_object(Bucket=BUCKET, Key=s3.address(moved.key).split("/", 3)[3])
    if expected is not None:
        assert told["ContentType"] == expected
    else:
        assert "text" not in told["ContentType"]


def test_a_text_has_its_type_too(s3) -> None:
    s3.write_text("index.html", "<p>")
    key = s3.address("index.html").split("/", 3)[3]
    told = s3_client.client(s3.settings).head_object(Bucket=BUCKET, Key=key)
    assert told["ContentType"] == "text/html; charset=utf-8"


def test_encryption_is_asked_for(settings, s3, tmp_path) -> None:
    encrypted = S3Store(s3.uri, S3Settings(**{**vars(settings), "encryption": "AES256"}))
    path: Path = tmp_path / "a"
    path.write_bytes(b"x")
    encrypted.put(path, "a")
    head = s3_client.client(settings).head_object(
        Bucket=BUCKET, Key=s3.address("a").removeprefix(f"s3://{BUCKET}/")
    )
    assert head["ServerSideEncryption"] == "AES256"


def test_a_public_bucket_is_read_without_credentials(settings, s3, monkeypatch, tmp_path) -> None:
    s3.write_text("public/a", "for all")
    s3_client.client(settings).put_object_acl(
        Bucket=BUCKET, Key=s3.address("public/a").removeprefix(f"s3://{BUCKET}/"), ACL="public-read"
    )
    take_keys_away(monkeypatch, tmp_path / "none")
    public = S3Store(s3.uri, S3Settings(**{**vars(settings), "unsigned": True}))
    assert public.read_text("public/a") == "for all"


def take_keys_away(monkeypatch: pytest.MonkeyPatch, credentials: Path) -> None:
    """Leave a file, which may not be there yet, as the one place where keys can be."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))


def test_keys_count_from_when_they_are_there_until_they_are_gone(s3, monkeypatch, tmp_path) -> None:
    s3.write_text("a", "ours")
    credentials = tmp_path / "credentials"
    with monkeypatch.context() as without:
        take_keys_away(without, credentials)
        with pytest.raises(ForbiddenError, match="no AWS credentials found"):
            s3.read_text("a")
        # As a login does; what was refused a moment ago is done by the same process.
        credentials.write_text("[default]\naws_access_key_id = first\naws_secret_access_key = x\n")
        assert s3.read_text("a") == "ours"
        assert key_of(s3) == "first"
        credentials.write_text("[default]\naws_access_key_id = second\naws_secret_access_key = x\n")
        assert key_of(s3) == "second"
    assert key_of(s3) == "test"


def key_of(s3: S3Store) -> str:
    """Return the name of the key that signs the store's requests."""
    presigned = s3_client.client(s3.settings).generate_presigned_url("list_buckets")
    return re.search(r"(?:AWSAccessKeyId=|Credential=)(\w+)", presigned)[1]


def test_a_client_is_made_once_while_nothing_changes(settings) -> None:
    assert s3_client.client(settings) is s3_client.client(replace(settings))
    assert s3_client.transfers(settings) is s3_client.transfers(replace(settings))


def test_a_text_that_broke_off_is_asked_for_again(settings) -> None:
    text = "campaign: {name: field}\nsource: {kind: directory}\nsky: {methods: [match]}\n"

    def answer(_request: Request) -> list[bytes]:
        sent = text[:50] if len(server.requests) == 1 else text  # without the section `sky`
        return [f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{sent}".encode()]

    with raw_server() as server:
        server.answer = answer
        store = S3Store("s3://bucket/of-a-test", replace(settings, endpoint_url=server.url))
        assert store.read_text("field/campaign.yaml") == text
    assert len(server.requests) == 2


def test_what_is_not_ours_is_not_removed(settings, s3) -> None:
    key = f"{s3.uri.removeprefix(f's3://{BUCKET}/')}/failed/our notes.txt"
    s3_client.client(settings).put_object(Bucket=BUCKET, Key=key, Body=b"ours")
    s3.write_text("failed/step.log", "theirs")
    assert s3.remove("failed") == 1
    assert s3.list("failed") == ["failed/our notes.txt"]


def test_a_broken_off_upload_is_swept(settings, s3) -> None:
    client = s3_client.client(settings)
    key = s3.address("runs/a").removeprefix(f"s3://{BUCKET}/")
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=key)
    client.upload_part(
        Bucket=BUCKET, Key=key, UploadId=upload["UploadId"], PartNumber=1, Body=b"half"
    )
    assert s3.list("runs") == []
    assert s3.sweep("runs") == 1
    assert s3.sweep("runs") == 0
