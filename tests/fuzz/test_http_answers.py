"""Answers of servers, drawn at random: what comes is the file, or an error that says what is wrong.

Each file is sent as one of two versions. What a server says of them may be missing, wrong or
absurd; but where it says that two answers are of one version, they are.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skymosaic.archive.bucket import Bucket
from skymosaic.archive.download import Patience, fetch
from skymosaic.archive.mast.files import ArchiveFile
from skymosaic.archive.mast.http import Http
from skymosaic.archive.origin import Origin
from skymosaic.errors import SkymosaicError
from tests.raw_server import Answer, RawServer, Request, head, honest, raw_server

NAME = "ibxl51eoq_flt.fits"
QUICK = Patience(tries=3, longest_pause=0.0, longest_requested=0.0, window=0.3, least=1)
LONGEST = timedelta(seconds=10)


def fits(seed: int) -> bytes:
    return (b"SIMPLE  =" + bytes((seed + i) % 251 + 1 for i in range(2880)) * 5)[: 2880 * 4]


FILES = (fits(1), fits(90))
ETAGS = [f'"{hashlib.md5(one, usedforsecurity=False).hexdigest()}"' for one in FILES]
DATES = ["Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 22 Oct 2015 07:28:00 GMT"]


def seldom(usual: object, *others: object) -> st.SearchStrategy:
    """Draw what is usual as often as all the others."""
    return st.one_of(st.just(usual), st.sampled_from(others))


STATUS = seldom("as it should be", 100, 200, 204, 206, 304, 400, 403, 404, 408, 416, 429, 500, 503,
                999, "abc", "2 0 0")  # fmt: skip
LENGTH = seldom(0, None, 1, -1, 5000, "abc", "-1", "", "9" * 30, "٣", "5, 7", "0x10")
RANGE = seldom("as it should be", None, 1, -1, 2880, "bytes */5", "bytes 9-3/5", "bytes 0-0/1",
               "bytes 5-9", "lines 0-1/2", "bytes 0-99999999999999999999/9")  # fmt: skip
BODY = seldom("rest", "whole", "half", "nothing", "page", "zeros", "more", "stalls", "resets")
OTHERS = st.dictionaries(
    st.sampled_from(["Content-Encoding", "Location", "Retry-After", "Content-Type", "Date", "X"]),
    st.one_of(
        st.sampled_from(["gzip", "99999999999999999999", "Wed, 21 Oct 2099 07:28:00 GMT", "/x",
                         "file:///etc/passwd", "http://[", "//127.0.0.2:1/", "identity"]),
        st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=20),
    ),
    max_size=2,
)  # fmt: skip
ANSWERS = st.fixed_dictionaries(
    {
        "version": st.integers(0, 1),
        "status": STATUS,
        "length": LENGTH,
        "range": RANGE,
        "etag": seldom("its", None, "weak", "", "x" * 3000),
        "modified": seldom("its", None, "yesterday"),
        "chunked": seldom(False, True),
        "body": BODY,
        "others": OTHERS,
        "redirect": seldom(None, 301, 302, 307, 308),
        "noise": seldom(b"", b"\x00\xff\r\n\r\n", b"HTTP/9 200\r\n\r\n", b"ICY 200 OK\r\n\r\n"),
        "pieces": st.integers(1, 4),
    }
)


def sends(drawn: dict) -> Answer:
    """Return an answer as it was drawn."""

    def answer(request: Request) -> Iterator[bytes | float]:
        if drawn["noise"]:
            yield drawn["noise"]
            return
        content = FILES[drawn["version"]]
        names = (ETAGS[drawn["version"]], DATES[drawn["version"]])
        start = request.start if request.headers.get("if-range", names[0]) in names else 0
        if drawn["body"] == "whole":
            start = 0
        position = start + drawn["range"] if isinstance(drawn["range"], int) else start
        position = max(position, 0)
        # A part that is said to begin elsewhere does begin there; what is sent of it may be less.
        rest = content[position:]
        body = {
            "half": rest[: len(rest) // 2 + 7], "nothing": b"", "page": b"<html>Down</html>",
            "zeros": bytes(len(rest)), "more": rest + b"x" * 7, "stalls": rest[:100],
        }.get(drawn["body"], rest)  # fmt: skip
        yield _head(drawn, len(content), position, len(body))
        size = len(body) // drawn["pieces"] + 1
        for i in range(0, len(body), size):
            piece = body[i : i + size]
            yield b"%x\r\n%s\r\n" % (len(piece), piece) if drawn["chunked"] else piece
        if drawn["chunked"] and drawn["body"] != "resets":
            yield b"0\r\n\r\n"
        if drawn["body"] == "stalls":
            yield 1.0

    return answer


def _head(drawn: dict, total: int, start: int, length: int) -> bytes:
    status, headers = drawn["status"], list(drawn["others"].items())
    if status == "as it should be":
        status = drawn["redirect"] or (206 if start else 200)
    if isinstance(drawn["length"], int):
        headers.append(("Content-Length", str(length + drawn["length"])))
    elif drawn["length"] is not None:
        headers.append(("Content-Length", drawn["length"]))
    if status == 206 and drawn["range"] is not None:
        content_range = drawn["range"]
        if isinstance(content_range, int) or content_range == "as it should be":
            content_range = f"bytes {start}-{start + max(length, 1) - 1}/{total}"
        headers.append(("Content-Range", content_range))
    if drawn["chunked"]:
        headers.append(("Transfer-Encoding", "chunked"))
    version = drawn["version"]
    if drawn["etag"] is not None:
        headers.append(("ETag", {"its": ETAGS[version], "weak": f"W/{ETAGS[version]}"}.get(
            drawn["etag"], drawn["etag"] + "ab"[version])))  # fmt: skip
    if drawn["modified"] is not None:
        headers.append(("Last-Modified", DATES[version] if drawn["modified"] == "its" else
                        drawn["modified"] + "ab"[version]))  # fmt: skip
    return head(status, *headers)


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with raw_server() as served, patch.dict(os.environ, {"AWS_MAX_ATTEMPTS": "1"}):
        yield served


def play(server: RawServer, place: Origin, answers: list[dict], size: int) -> None:
    """Fetch a file from a server that answers as was drawn, then once more from an honest one."""
    file = ArchiveFile(NAME, size, "FLT", "12812", "T", "WFC3/IR", "F160W", "PUBLIC", "")
    with tempfile.TemporaryDirectory() as folder:
        target, parts = Path(folder) / "fetched", Path(folder) / "parts"
        left = [sends(drawn) for drawn in answers]
        last = honest(FILES[0], ("ETag", ETAGS[0]), ("Last-Modified", DATES[0]))
        server.answer = lambda request: (left.pop(0) if left else last)(request)
        try:
            fetch(place, file, target, parts, QUICK)
        except SkymosaicError as error:
            assert error.exit_code in (4, 12, 15), error
            assert NAME in str(error)
        else:
            assert target.read_bytes() in FILES
            assert list(parts.iterdir()) == []
        # Whatever it left: what it is gone on with comes to the right end.
        target.unlink(missing_ok=True)
        left.clear()
        fetch(place, file, target, parts, QUICK)
        assert target.read_bytes() == FILES[0]


SIZE = st.sampled_from([len(FILES[0]), 0])
NO_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=200, deadline=LONGEST, suppress_health_check=NO_CHECKS, database=None)
@given(st.lists(ANSWERS, min_size=1, max_size=3), SIZE)
def test_answers_of_http(server: RawServer, answers: list[dict], size: int) -> None:
    play(server, Http(server.url), answers, size)


@settings(max_examples=100, deadline=LONGEST, suppress_health_check=NO_CHECKS, database=None)
@given(st.lists(ANSWERS, min_size=1, max_size=3), SIZE)
def test_answers_of_a_bucket(server: RawServer, answers: list[dict], size: int) -> None:
    play(server, Bucket("b", server.url), answers, size)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=5000, deadline=LONGEST, suppress_health_check=NO_CHECKS, database=None)
@given(st.lists(ANSWERS, min_size=1, max_size=4), SIZE, st.booleans())
def test_many_answers(server: RawServer, answers: list[dict], size: int, is_bucket: bool) -> None:
    play(server, Bucket("b", server.url) if is_bucket else Http(server.url), answers, size)
