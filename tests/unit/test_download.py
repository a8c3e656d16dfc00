"""Downloads from a server on a real socket that does what servers must not do."""

from __future__ import annotations

import fcntl
import hashlib
import multiprocessing
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import keyring
import pytest

from skymosaic.archive import sharing
from skymosaic.archive.bucket import Bucket
from skymosaic.archive.download import Patience, fetch
from skymosaic.archive.mast import http
from skymosaic.archive.mast.files import ArchiveFile
from skymosaic.archive.mast.http import Http
from skymosaic.archive.mast.redirects import followed
from skymosaic.archive.origin import Origin, requested_pause
from skymosaic.archive.parts import parts_folder
from skymosaic.errors import ForbiddenError, InputError, StoreError, UnreachableError
from tests.raw_server import Answer, RawServer, Request, head, honest, raw_server
from tests.small_disk import small_disk

NAME = "ibxl51eoq_flt.fits"
QUICK = Patience(tries=3, longest_pause=0.0, longest_requested=0.0, window=0.4, least=1)


def fits(seed: int) -> bytes:
    """Bytes that begin as FITS does, in its blocks, none of them zero."""
    return (b"SIMPLE  =" + bytes((seed + i) % 251 + 1 for i in range(2880)) * 21)[: 2880 * 20]


A, B = fits(1), fits(90)


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


TAG_A, TAG_B = ("ETag", etag(A)), ("ETag", etag(B))
MODIFIED = ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
HALF = len(A) // 2


def wanted(size: int = len(A)) -> ArchiveFile:
    return ArchiveFile(NAME, size, "FLT", "12812", "T", "WFC3/IR", "F160W", "PUBLIC", "")


@pytest.fixture
def server() -> Iterator[RawServer]:
    with raw_server() as served:
        yield served


@pytest.fixture
def bucket(server: RawServer, monkeypatch) -> Bucket:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return Bucket("b", server.url)


def in_turn(*answers: Answer) -> Answer:
    """Answer one request after the other; the last answer is for all that follow."""
    left = list(answers)

    def answer(request: Request):
        return (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


def sends(*pieces: bytes | float) -> Answer:
    return lambda _request: pieces


def broken_off(content: bytes, *version: tuple[str, str]) -> Answer:
    """Half of a file, and the end of the connection."""
    return sends(head(200, ("Content-Length", len(content)), *version) + content[:HALF])


def got(place: Origin, folder: Path, size: int = len(A), patience: Patience = QUICK) -> bytes:
    fetch(place, wanted(size), folder / "fetched", folder / "parts", patience)
    assert list((folder / "parts").iterdir()) == []
    return (folder / "fetched").read_bytes()


@pytest.mark.parametrize("version", [(TAG_A,), (MODIFIED,), (TAG_A, MODIFIED)])
def test_what_broke_off_is_gone_on_with(server, tmp_path, version) -> None:
    server.answer = in_turn(broken_off(A, *version), honest(A, *version))
    assert got(Http(server.url), tmp_path) == A
    assert [request.start for request in server.requests] == [0, HALF]
    assert server.requests[1].headers["if-range"] == version[0][1]


@pytest.mark.parametrize("version", [(), (("ETag", 'W/"weak"'),)])
def test_without_a_strong_version_a_file_is_fetched_from_its_beginning(
    server, tmp_path, version
) -> None:
    server.answer = in_turn(broken_off(A, *version), honest(A, *version))
    assert got(Http(server.url), tmp_path) == A
    assert [request.start for request in server.requests] == [0, 0]


def test_another_version_is_not_appended(server, tmp_path) -> None:
    server.answer = in_turn(broken_off(A, TAG_A), honest(B, TAG_B))
    assert got(Http(server.url), tmp_path) == B


def part_of(content: bytes, start: int, *version: tuple[str, str], total: int = len(A)) -> Answer:
    content_range = ("Content-Range", f"bytes {start}-{len(content) - 1}/{total}")
    rest = content[start:]
    return sends(head(206, ("Content-Length", len(rest)), content_range, *version) + rest)


@pytest.mark.parametrize(
    "second",
    [
        part_of(B, HALF, TAG_B),  # the right part of another file, which If-Range forbids
        part_of(A, HALF),  # it does not say of which
        part_of(A, HALF + 100, TAG_A),  # 100 zeros would be left
        part_of(A, HALF - 100, TAG_A),
        part_of(A, HALF, TAG_A, total=len(A) + 1),
        sends(head(206, ("Content-Length", HALF), TAG_A) + A[HALF:]),
        sends(head(206, ("Content-Range", "bytes 9-3/5"), TAG_A) + A[HALF:]),
        sends(head(206, ("Content-Range", f"bytes {HALF}-{len(A) - 1}/{len(A)}"),
                   ("Content-Length", 5), TAG_A) + A[HALF:]),
        sends(head(416)),
    ],
)  # fmt: skip
def test_a_part_that_does_not_fit_is_dropped(server, tmp_path, second) -> None:
    server.answer = in_turn(broken_off(A, TAG_A), second, honest(A, TAG_A))
    assert got(Http(server.url), tmp_path) == A
    assert [request.start for request in server.requests] == [0, HALF, 0]


def test_a_page_that_was_taken_for_the_beginning_is_dropped(server, tmp_path) -> None:
    page = b"<html>" + bytes(HALF - 6)
    page_of_the_version = sends(head(200, ("Content-Length", len(A)), TAG_A) + page)
    server.answer = in_turn(page_of_the_version, honest(A, TAG_A))
    assert got(Http(server.url), tmp_path) == A


def test_an_unasked_part_leaves_no_hole(server, tmp_path) -> None:
    server.answer = in_turn(part_of(A, 3000, TAG_A), honest(A, TAG_A))
    assert got(Http(server.url), tmp_path) == A


def test_an_unasked_part_from_the_beginning_is_gone_on_with(server, tmp_path) -> None:
    first = ("Content-Range", f"bytes 0-99/{len(A)}")
    server.answer = in_turn(
        sends(head(206, ("Content-Length", 100), first, TAG_A) + A[:100]), honest(A, TAG_A)
    )
    assert got(Http(server.url), tmp_path) == A
    assert server.requests[1].start == 100


@pytest.mark.parametrize("length", ["abc", "-1", "", "1e3", "9" * 30, "5, 7"])
def test_a_bad_length_is_told(server, tmp_path, length) -> None:
    server.answer = sends(head(200, ("Content-Length", length), TAG_A) + A)
    with pytest.raises(UnreachableError, match=f"{NAME} could not be fetched from MAST in 3 tries"):
        got(Http(server.url), tmp_path)
    server.answer = honest(A, TAG_A)
    assert got(Http(server.url), tmp_path) == A


@pytest.mark.parametrize("size", [len(A), 0])
def test_no_length_at_all(server, tmp_path, size) -> None:
    server.answer = sends(head(200) + A)
    assert got(Http(server.url), tmp_path, size) == A


def test_without_a_length_an_end_within_a_block_is_no_end(server, tmp_path) -> None:
    server.answer = in_turn(sends(head(200) + A[:3000]), honest(A))
    assert got(Http(server.url), tmp_path, 0) == A


def test_chunks_that_break_off(server, tmp_path) -> None:
    begin = head(200, ("Transfer-Encoding", "chunked")) + b"1000\r\n" + A[:0x1000] + b"\r\n"
    server.answer = in_turn(sends(begin + b"1000\r\n" + A[0x1000:5760]), honest(A))
    assert got(Http(server.url), tmp_path, 0) == A


def test_another_length_than_the_list_says_is_told_before_it_is_fetched(server, tmp_path) -> None:
    server.answer = sends(head(200, ("Content-Length", 1 << 40)), A, 60.0)
    with pytest.raises(InputError, match=f"{1 << 40} bytes came, but the list says {len(A)}"):
        got(Http(server.url), tmp_path)


def test_more_than_any_file_has_is_not_fetched(server, tmp_path) -> None:
    server.answer = sends(head(200, ("Content-Length", 1 << 40)), A, 60.0)
    with pytest.raises(InputError, match="at most 64000000000 are fetched"):
        got(Http(server.url), tmp_path, 0)


def test_more_than_the_file_is_cut_off(server, tmp_path) -> None:
    def endless(_request: Request):
        yield head(200)
        while True:
            yield A

    server.answer = endless
    with pytest.raises(UnreachableError, match=f"it sent more than the expected {len(A)} bytes"):
        got(Http(server.url), tmp_path)


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ((("Content-Length", len(A)),), len(A)),  # refused before anything comes
        ((), 0),  # nobody tells the size: it comes until the disk is full
    ],
)
def test_a_disk_without_room_for_what_comes(server, tmp_path, headers, size) -> None:
    server.answer = sends(head(200, *headers), A)
    full = r"no space left .* \(0 MB free\).* XDG_CACHE_HOME to a folder with more"
    with small_disk(tmp_path / "parts", "32k") as parts, pytest.raises(StoreError, match=full):
        fetch(Http(server.url), wanted(size), tmp_path / "fetched", parts, QUICK)


def test_a_scratch_folder_without_room_for_what_came(server, tmp_path) -> None:
    server.answer = honest(A, TAG_A)
    with small_disk(tmp_path / "full", "32k") as full:
        message = rf"no space left .* in {full} \(0 MB free\).* compute\.scratch"
        with pytest.raises(StoreError, match=message):
            fetch(Http(server.url), wanted(), full / "fetched", tmp_path / "parts", QUICK)
    # It is still there to be gone on with.
    assert got(Http(server.url), tmp_path) == A


def drip(*begin: bytes) -> Answer:
    def answer(_request: Request):
        yield from begin
        while True:
            yield b"x"
            yield 0.05

    return answer


@pytest.mark.parametrize(
    "stalls",
    [
        drip(),  # a status line without end
        drip(b"HTTP/1.1 200 OK\r\nX: "),
        drip(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 "),
        drip(head(200, ("Transfer-Encoding", "chunked")) + b"1;"),
        sends(5.0),
        sends(head(200, ("Content-Length", len(A)), TAG_A) + A[:HALF], 5.0),
    ],
)
def test_what_stalls_is_cut_off_wherever_it_does(server, tmp_path, stalls) -> None:
    server.answer = in_turn(stalls, honest(A, TAG_A))
    assert got(Http(server.url), tmp_path) == A


@pytest.mark.parametrize("place", ["MAST", "bucket"])
def test_what_comes_too_slowly_is_cut_off_and_gone_on_with(server, bucket, tmp_path, place) -> None:
    def slow(_request: Request):
        yield head(200, ("Content-Length", len(A)), TAG_A)
        for i in range(0, len(A), 50):
            yield A[i : i + 50]
            yield 0.05

    server.answer = in_turn(slow, honest(A, TAG_A))
    patience = Patience(tries=2, longest_pause=0.0, window=0.3, least=5000)
    whence = bucket if place == "bucket" else Http(server.url)
    assert got(whence, tmp_path, patience=patience) == A
    assert 0 < server.requests[1].start < HALF


@pytest.mark.parametrize("after", ["99999999", "9" * 400, "Wed, 21 Oct 2099 07:28:00 GMT", "soon"])
def test_a_pause_that_is_asked_for_is_bounded(server, tmp_path, after) -> None:
    server.answer = in_turn(
        sends(head(429, ("Retry-After", after), ("Content-Length", 0))), honest(A)
    )
    assert got(Http(server.url), tmp_path) == A


def test_how_long_a_place_asks_to_wait() -> None:
    assert requested_pause("7") == 7.0
    later = datetime.now(UTC) + timedelta(seconds=100)
    assert 90 < requested_pause(format_datetime(later, usegmt=True)) <= 100
    assert requested_pause("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    for nothing in ("", "soon", "-5", "1.5", "٣"):
        assert requested_pause(nothing) is None


@pytest.mark.parametrize("encoding", ["gzip", "br", "nonsense"])
def test_an_encoding_that_is_a_lie(server, tmp_path, encoding) -> None:
    headers = (("Content-Length", len(A)), ("Content-Encoding", encoding), TAG_A)
    server.answer = sends(head(200, *headers) + A)
    assert got(Http(server.url), tmp_path) == A
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_an_encoding_that_was_not_asked_for(server, tmp_path) -> None:
    packed = b"\x1f\x8b" + A[2:]
    server.answer = sends(head(200, ("Content-Encoding", "gzip")) + packed)
    with pytest.raises(InputError, match="compressed, although this was not requested"):
        got(Http(server.url), tmp_path)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("file:///etc/passwd", "not HTTP"),
        ("ftp://127.0.0.1/x.fits", "not HTTP"),
        ("http://127.0.0.2:8080/x.fits", "only this host"),
        ("http://169.254.169.254/latest/meta-data", "only this host"),
        ("http://user:secret@127.0.0.1/", "not an address"),
        ("http://[", "not an address"),
        ("http://127.0.0.1:x/", "not an address"),
    ],
)
def test_a_redirect_into_this_network_is_not_followed(server, tmp_path, target, why) -> None:
    server.answer = sends(head(302, ("Location", target), ("Content-Length", 0)))
    with pytest.raises(InputError, match=why):
        got(Http(server.url), tmp_path)
    assert len(server.requests) == 1


def test_redirects(server, tmp_path, monkeypatch) -> None:
    def there(request: Request):
        if "elsewhere" in request.line:
            return honest(A, TAG_A)(request)
        return [head(302, ("Location", "/elsewhere"), ("Content-Length", 0))]

    server.answer = there
    assert got(Http(server.url), tmp_path) == A
    server.answer = sends(head(302, ("Location", "/x"), ("Content-Length", 0)))
    with pytest.raises(InputError, match="redirects without end"):
        got(Http(server.url), tmp_path)


def test_who_asks_is_not_told_to_another_server(server, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MAST_API_TOKEN", "tokenOfSkyMosaic")
    with raw_server() as other:
        away = head(302, ("Location", f"{other.url}/x"), ("Content-Length", 0))
        server.answer = in_turn(sends(head(401, ("Content-Length", 0))), sends(away))
        other.answer = honest(A)
        assert got(Http(server.url), tmp_path) == A
        assert server.requests[1].headers["authorization"] == "token tokenOfSkyMosaic"
        assert "authorization" not in other.requests[0].headers


def test_a_token_that_was_stored_after_a_refusal_counts(server, tmp_path, monkeypatch) -> None:
    stored: list[str] = []

    def answer(request: Request):
        known = request.headers.get("authorization") == "token tokenOfLater"
        return honest(A)(request) if known else [head(401, ("Content-Length", 0))]

    monkeypatch.delenv("MAST_API_TOKEN", raising=False)
    monkeypatch.setattr(keyring, "get_password", lambda *_: stored[-1] if stored else None)
    http._from_keyring.cache_clear()
    server.answer = answer
    with pytest.raises(ForbiddenError, match="store one in the keyring"):
        got(Http(server.url), tmp_path)
    stored.append("tokenOfLater")
    try:
        assert got(Http(server.url), tmp_path) == A
    finally:
        http._from_keyring.cache_clear()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://mast.stsci.edu/x", "http://mast.stsci.edu/x"),  # without TLS
        ("https://mast.stsci.edu/x", "https://localhost/x"),
        ("https://mast.stsci.edu/x", "https://127.0.0.1/x"),
        ("https://mast.stsci.edu/x", "https://[::1]/x"),
        ("https://mast.stsci.edu/x", "https://[::ffff:127.0.0.1]/x"),
        ("https://mast.stsci.edu/x", "https://10.0.0.7/x"),
        ("https://mast.stsci.edu/x", "https://2130706433/x"),
    ],
)
def test_redirects_that_are_refused(url: str, target: str) -> None:
    with pytest.raises(InputError, match="not followed"):
        followed(url, target, NAME)


def test_redirects_that_are_followed() -> None:
    home = "https://mast.stsci.edu/y"
    assert followed("http://mast.stsci.edu/x", home, NAME) == home
    assert followed("https://mast.stsci.edu/x", "/y", NAME) == home
    assert followed(home, "https://8.8.8.8/y", NAME) == "https://8.8.8.8/y"


def test_a_bucket_that_breaks_off_and_one_that_lies(server, bucket, tmp_path) -> None:
    server.answer = in_turn(broken_off(A, TAG_A), part_of(A, HALF + 100, TAG_A), honest(A, TAG_A))
    assert got(bucket, tmp_path) == A
    assert [request.start for request in server.requests] == [0, HALF, 0]


def test_a_tag_of_an_encrypted_object_is_no_md5_sum(server, bucket, tmp_path, caplog) -> None:
    kms = ("x-amz-server-side-encryption", "aws:kms")
    caplog.set_level("INFO")
    server.answer = honest(A, TAG_B, kms)
    assert got(bucket, tmp_path) == A
    assert len(server.requests) == 1
    assert "ETag is no MD5 sum" in caplog.text and "its content with no checksum" in caplog.text


def test_what_comes_twice_is_not_damaged_whatever_its_tag_looks_like(
    server, bucket, tmp_path, caplog
) -> None:
    server.answer = in_turn(honest(A, TAG_B), honest(A, TAG_B))
    assert got(bucket, tmp_path) == A
    assert len(server.requests) == 2
    assert "came twice with the same bytes" in caplog.text and NAME in caplog.text


def test_what_comes_otherwise_each_time_is_damaged(server, bucket, tmp_path) -> None:
    server.answer = in_turn(*(honest(fits(seed), TAG_B) for seed in (1, 2, 3)))
    with pytest.raises(UnreachableError, match="not the one that the server gives"):
        got(bucket, tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        sends(head(200, ("Content-Length", "abc"), TAG_A) + A),
        sends(head(200, ("Content-Length", len(A)), ("Last-Modified", "x")) + A[:HALF]),
        sends(b"\xff\xfe\r\n\r\n"),
        sends(head(500, ("Content-Length", 4)) + b"<<&>"),
        sends(head(302, ("Location", "file:///etc/passwd"), ("Content-Length", 0))),
    ],
)
def test_a_bucket_that_does_not_speak_s3(server, bucket, tmp_path, answer) -> None:
    server.answer = answer
    with pytest.raises(UnreachableError, match="could not be fetched from s3://b"):
        got(bucket, tmp_path)


def _fetch(url: str, folder: Path, name: str, patience: Patience) -> None:
    fetch(Http(url), wanted(), folder / name, folder / "parts", patience)


def _together(server: RawServer, folder: Path, patience: Patience, count: int) -> list[bytes]:
    spawn = multiprocessing.get_context("fork")
    names = [f"fetched{i}" for i in range(count)]
    running = [
        spawn.Process(target=_fetch, args=(server.url, folder, name, patience)) for name in names
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
        assert process.exitcode == 0
    return [(folder / name).read_bytes() for name in names]


def slowly(content: bytes, *version: tuple[str, str]) -> Answer:
    def answer(_request: Request):
        yield head(200, ("Content-Length", len(content)), *version) + content[:HALF]
        yield 1.0
        yield content[HALF:]

    return answer


def test_processes_that_want_the_same_file_fetch_it_once(server, tmp_path) -> None:
    server.answer = slowly(A, TAG_A)
    patience = Patience(tries=1, longest_wait=60.0)
    assert _together(server, tmp_path, patience, 3) == [A, A, A]
    assert len(server.requests) == 1
    assert list((tmp_path / "parts").iterdir()) == []


def test_who_waits_in_vain_fetches_the_file_by_itself(server, tmp_path) -> None:
    server.answer = slowly(A, TAG_A)
    patience = Patience(tries=1, longest_wait=0.0)
    assert _together(server, tmp_path, patience, 2) == [A, A]
    assert len(server.requests) == 2
    assert list((tmp_path / "parts").iterdir()) == []


def test_the_next_goes_on_where_one_was_killed(server, tmp_path) -> None:
    server.answer = in_turn(
        sends(head(200, ("Content-Length", len(A)), TAG_A) + A[:HALF], 60.0), honest(A, TAG_A)
    )
    process = multiprocessing.get_context("fork").Process(
        target=_fetch, args=(server.url, tmp_path, "killed", Patience())
    )
    process.start()
    while not any(p.stat().st_size >= HALF for p in tmp_path.glob("parts/*.part")):
        time.sleep(0.01)
    process.kill()
    process.join()
    assert got(Http(server.url), tmp_path) == A
    assert server.requests[1].start == HALF


def _left_there(folder: Path, name: str, days: float) -> None:
    """Leave what a killed process leaves, so many days ago."""
    changed = time.time() - days * 86400
    for suffix in (".part", ".about", ".lock"):
        path = folder / (name + suffix)
        path.write_text("x")
        os.utime(path, (changed, changed))


def test_what_was_abandoned_a_day_ago_is_swept_away_and_no_more(server, tmp_path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    _left_there(parts, "old_flt.fits.0123", 1.01)
    _left_there(parts, "young_flt.fits.0123", 0.9)
    _left_there(parts, "held_flt.fits.0123", 30)
    stranger, folder = parts / "notes.txt", parts / "mine.part"
    stranger.write_text("x")
    folder.mkdir()
    for path in (stranger, folder):
        os.utime(path, (0, 0))
    with (parts / "held_flt.fits.0123.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        server.answer = honest(A, TAG_A)
        fetch(Http(server.url), wanted(), tmp_path / "fetched", parts, QUICK)
    names = {path.name for path in parts.iterdir()}
    assert not [name for name in names if name.startswith("old")]
    assert sum(name.startswith("young") for name in names) == 3
    assert sum(name.startswith("held") for name in names) == 3
    assert {"notes.txt", "mine.part"} < names
    assert sharing.sweep_now(parts) == 1  # once it is let go
    assert not list(parts.glob("held*"))


def test_what_one_left_for_another_that_was_killed_is_not_taken(server, tmp_path) -> None:
    server.answer = honest(A, TAG_A)
    assert got(Http(server.url), tmp_path) == A
    # The names of a file's parts begin with what tells it from all others.
    server.answer = in_turn(broken_off(A, TAG_A), honest(A, TAG_A))
    with pytest.raises(UnreachableError):
        fetch(
            *(Http(server.url), wanted(), tmp_path / "fetched", tmp_path / "parts"),
            Patience(tries=1),
        )
    [part] = tmp_path.glob("parts/*.part")
    part.with_suffix(".whole").write_bytes(B)
    assert got(Http(server.url), tmp_path) == A


def test_another_servers_part_is_another_file(server, tmp_path) -> None:
    server.answer = broken_off(A, TAG_A)
    with pytest.raises(UnreachableError):
        got(Http(server.url), tmp_path)
    with raw_server() as other:
        other.answer = honest(A, TAG_A)
        fetch(Http(other.url), wanted(), tmp_path / "fetched", tmp_path / "parts", QUICK)
        assert other.requests[0].start == 0


def test_the_scratch_folder_may_be_on_another_file_system(server, tmp_path) -> None:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system at /dev/shm")
    server.answer = honest(A, TAG_A)
    target = memory / f"skymosaic-test-{os.getpid()}.fits"
    try:
        fetch(Http(server.url), wanted(), target, tmp_path / "parts", QUICK)
        assert target.read_bytes() == A
    finally:
        target.unlink(missing_ok=True)
    assert list((tmp_path / "parts").iterdir()) == []


def test_a_folder_of_parts_that_cannot_be_made(server, tmp_path) -> None:
    (tmp_path / "parts").write_text("")
    with pytest.raises(StoreError, match="XDG_CACHE_HOME to a folder of yours"):
        fetch(Http(server.url), wanted(), tmp_path / "f", tmp_path / "parts", QUICK)


def test_the_folder_of_parts(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert parts_folder() == tmp_path / "skymosaic" / "downloads"
