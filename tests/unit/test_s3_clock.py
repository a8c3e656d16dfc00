"""Signing with the server's time, against a server whose clock is an hour ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from skymosaic.archive.bucket import Bucket
from skymosaic.archive.download import Patience, fetch
from skymosaic.archive.origin import Version
from skymosaic.archive.s3 import S3Object
from skymosaic.errors import ForbiddenError
from skymosaic.store import clock
from skymosaic.store.s3 import S3Store
from skymosaic.store.s3_settings import S3Settings

REFUSAL = b"<Error><Code>RequestTimeTooSkewed</Code><Message>too large</Message></Error>"
ALLOWED = timedelta(minutes=15)


class Ahead(BaseHTTPRequestHandler):
    """Answers GET with ``text`` where the signature's time is near its own."""

    protocol_version = "HTTP/1.1"
    refused = 0
    unsigned = 0

    def log_message(self, *_: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(self.now(), usegmt=True)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)

    def do_GET(self) -> None:
        if "X-Amz-Date" not in self.headers:
            type(self).unsigned += 1
            return self._answer(200, b"text")
        signed = datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        good = abs(self.now() - signed) < ALLOWED
        type(self).refused += not good
        return self._answer(200, b"text") if good else self._answer(403, REFUSAL)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(clock, "_offsets", {})
    monkeypatch.setattr(Ahead, "refused", 0)
    monkeypatch.setattr(Ahead, "unsigned", 0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ahead)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_the_servers_time_is_learned_once_and_told(server: str, caplog) -> None:
    store = S3Store("s3://bucket/x", S3Settings(endpoint_url=server, region="us-east-1"))
    assert store.read_text("a") == "text"
    assert store.read_text("b") == "text"
    assert Ahead.refused == 1
    assert "clock is -3600 s off" in caplog.text or "clock is -3599 s off" in caplog.text


def test_a_server_that_refuses_its_own_time_is_named(server: str, monkeypatch) -> None:
    monkeypatch.setattr(Ahead, "date_time_string", lambda *_: "Thu, 01 Jan 2015 00:00:00 GMT")
    settings = S3Settings(endpoint_url=server, region="us-east-1", patience=60.0)
    with pytest.raises(ForbiddenError, match="refuses its own time"):
        S3Store("s3://bucket/x", settings).read_text("a")


WANTED = S3Object("ibxl51eoq_flt.fits", 4, "a/ibxl51eoq_flt.fits", "")


def test_a_source_of_ones_own_is_signed_with_the_servers_time_too(server: str) -> None:
    bucket = Bucket("b", server, unsigned=False)
    with bucket.open(WANTED, 0, Version(), 5.0) as reply:
        assert b"".join(reply.blocks) == b"text"
    assert Ahead.refused == 1


def test_a_public_bucket_is_read_unsigned_beside_a_store_whose_time_was_learned(
    server: str,
) -> None:
    store = S3Store("s3://bucket/x", S3Settings(endpoint_url=server, region="us-east-1"))
    assert store.read_text("a") == "text"
    assert Ahead.unsigned == 0
    with Bucket("b", server).open(WANTED, 0, Version(), 5.0) as reply:
        assert b"".join(reply.blocks) == b"text"
    assert Ahead.unsigned == 1


def test_a_source_that_refuses_its_own_time_is_not_tried_again(
    server: str, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr(Ahead, "date_time_string", lambda *_: "Thu, 01 Jan 2015 00:00:00 GMT")
    bucket = Bucket("b", server, unsigned=False)
    with pytest.raises(ForbiddenError, match=r"s3://b: the S3 server refuses its own time"):
        fetch(bucket, WANTED, tmp_path / "fetched", tmp_path / "parts", Patience(tries=9))
