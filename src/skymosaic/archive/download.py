"""Bring one file here, by HTTP or from a bucket: resumed, checked, tried again, within bounds.

A place may break off, stall, send another file or another part than it was asked for, or more than
there is. What came is gone on with only where the place says that it is still the same file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import random
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from io import RawIOBase
from pathlib import Path
from typing import Protocol, TypeVar

from skymosaic.archive.sharing import Unfinished, fetched_once, sweep
from skymosaic.errors import ForbiddenError, InputError, StoreError, UnreachableError
from skymosaic.host.disk import free_space, no_space

log = logging.getLogger(__name__)

_MOST_BYTES = 64 * 10**9
"""The largest file that is fetched: HST's largest drizzled images have a tenth of that."""
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_NOT_COMPARED = (
    "the place's ETag is no MD5 sum of it, as with encryption by SSE-KMS or SSE-C; its size was "
    "compared, its content with no checksum"
)
_FITS, _GZIP = b"SIMPLE  =", b"\x1f\x8b"
_FITS_BLOCK = 2880  # bytes


@dataclass(frozen=True)
class Patience:
    """How long a place is waited for."""

    tries: int = 6
    """How often what may pass is tried."""
    longest_pause: float = 20.0
    """Longest pause between two tries, s."""
    longest_requested: float = 60.0
    """Longest pause that a place may ask for, s."""
    window: float = 60.0
    """Time in which an answer begins, and then `least` bytes come, s."""
    least: int = 60_000
    """Bytes that come within `window` at least, unless the file is at its end."""
    longest_wait: float = 300.0
    """How long to wait for another process that fetches the same file and gets nothing, s."""


PATIENCE = Patience()
_ELSEWHERE = Patience(tries=2)  # where there is another place to ask


@dataclass(frozen=True)
class Version:
    """What a place says of a file's content, to tell it from another one of the same name."""

    etag: str = ""
    """The file's tag; equal tags mean equal content, but for weak ones (``W/``)."""
    modified: str = ""
    """When it was changed last, as the place writes that."""

    @property
    def strong(self) -> str:
        """The tag, if equal tags mean equal bytes."""
        return "" if self.etag.startswith("W/") else self.etag

    def is_same(self, other: Version) -> bool:
        """Tell whether both are certainly the same bytes."""
        if self.strong and other.strong:
            return self.strong == other.strong
        return bool(self.modified) and self.modified == other.modified and self.etag == other.etag


@dataclass(frozen=True)
class Reply:
    """What a place answers: the rest of a file."""

    version: Version
    start: int
    """Where the rest begins: as asked for, or 0 where the place cannot do that."""
    size: int | None
    """Bytes of the whole file, as the place says."""
    blocks: Iterator[bytes]
    """The content from `start` on; raises AgainError where it breaks off."""
    is_encrypted: bool = False
    """Whether the place keeps the file so that its tag is no MD5 sum of it, though it looks so."""


class Wanted(Protocol):
    """A file to be fetched."""

    @property
    def name(self) -> str:
        """File name; safe as a path."""

    @property
    def size(self) -> int:
        """Bytes, as the list says that it was found in; 0 where that does not."""

    @property
    def key(self) -> str:
        """Its key in a bucket."""

    @property
    def etag(self) -> str:
        """The tag that it must have; empty where that is not known."""


File = TypeVar("File", bound=Wanted, contravariant=True)


class Origin(Protocol[File]):
    """Where files come from."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def address(self) -> str:
        """What tells it from all other places."""

    def open(
        self, file: File, start: int, version: Version, window: float
    ) -> AbstractContextManager[Reply]:
        """Ask for a file from a byte on, provided that it is this version, if any is given.

        Raises
        ------
        AgainError
            It failed in a way that may pass; or the answer did not begin within `window` (s).
        InputError, ForbiddenError
            It is not there; it may not be had.
        """


class AgainError(Exception):
    """A try that failed, where the next one may not."""

    def __init__(self, why: str, pause: float | None = None, *, afresh: bool = False) -> None:
        super().__init__(why)
        self.pause = pause
        """How long the place asks us to wait, s."""
        self.afresh = afresh
        """Whether what came so far is of no use to go on with."""


def fetch(
    place: Origin[File], file: File, target: Path, parts: Path, patience: Patience = PATIENCE
) -> None:
    """Fetch a file, going on with what an earlier try left in `parts`.

    Where another process fetches the same file into the same `parts`, this one waits for it and
    takes what came.

    Parameters
    ----------
    place : Place
        Where from.
    file : Wanted
        What.
    target : Path
        Where to; it is whole when this returns.
    parts : Path
        Folder of unfinished files.
    patience : Patience
        How long to wait, and how often to try.

    Raises
    ------
    UnreachableError
        The place did not answer, broke off, or was too slow, at every try.
    InputError
        What came is not the file: another size, another checksum, no FITS.
    ForbiddenError
        It is not public yet.
    StoreError
        There is no room for it, or the folder of unfinished files cannot be used.
    """
    with (
        _disk_errors(file, target, parts),
        fetched_once(parts, part_name(place, file), target, patience.longest_wait) as mine,
    ):
        if mine is None:
            log.info("%s was fetched by another process meanwhile", file.name)
            return
        seen: set[str] = set()
        for tries_left in reversed(range(patience.tries)):
            try:
                _try(place, file, mine, patience, seen)
                break
            except AgainError as error:
                if error.afresh:
                    mine.forget()
                if not tries_left:
                    raise UnreachableError(
                        f"{file.name} could not be fetched from {place.name} in {patience.tries} "
                        f"tries: {error}; run again to resume the download"
                    ) from None
                pause = _pause(error.pause, patience.tries - tries_left, patience)
                log.info("%s from %s: %s; again in %.1f s", file.name, place.name, error, pause)
                time.sleep(pause)


def requested_pause(retry_after: str) -> float | None:
    """Return how long a ``Retry-After`` asks to wait, s; None where it says nothing that is known.

    Parameters
    ----------
    retry_after : str
        Seconds, or a date as HTTP writes it.
    """
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError, OSError):
        return None


def _pause(requested: float | None, tries: int, patience: Patience) -> float:
    if requested is not None:
        return min(requested, patience.longest_requested)
    # Full jitter: those that failed together do not come back together.
    longest = min(patience.longest_pause, 0.5 * 2**tries)
    return random.uniform(min(0.1, longest), longest)  # noqa: S311


def part_name(place: Origin[File], file: File) -> str:
    """Return a name for the unfinished file; another place's is another file."""
    identity = json.dumps([place.address, file.key, file.size, file.etag])
    return f"{file.name}.{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def _try(
    place: Origin[File], file: File, mine: Unfinished, patience: Patience, seen: set[str]
) -> None:
    """Fetch what is missing of a file, and check it; `seen`: as for `_compare_with_tag`."""
    have, known, size_before = _left(mine)
    wanted = known if have else Version(file.etag)
    with place.open(file, have, wanted, patience.window) as reply:
        _require_fitting(reply, file, have, known, size_before)
        size = reply.size if reply.size is not None else file.size or None
        _require_room(mine.part, (size or 0) - reply.start)
        if not reply.start:
            mine.about.unlink(missing_ok=True)
        with mine.part.open("r+b" if reply.start else "wb", buffering=0) as writer:
            if not reply.start and (reply.version.strong or reply.version.modified):
                # Now that nothing of another version is left.
                about = {**asdict(reply.version), "size": reply.size}
                mine.about.write_text(json.dumps(about))
            end = writer.seek(reply.start)
            for block in _not_too_slow(reply.blocks, patience):
                end += len(block)
                if end > (most := size or _MOST_BYTES):
                    raise AgainError(f"it sent more than the expected {most} bytes", afresh=True)
                _write_all(writer, block)
            writer.truncate()
    try:
        _check(file, mine.part, size)
        _compare_with_tag(file, mine.part, reply, seen)
    except InputError as error:
        mine.forget()
        if reply.start:
            why = f"what came behind the {have} bytes of an earlier try is not the file ({error})"
            raise AgainError(why, afresh=True) from None
        raise


def _write_all(writer: RawIOBase, block: bytes) -> None:
    # Unbuffered, so that a killed process loses nothing; then a disk that is nearly full takes less
    # than it is given.
    rest = memoryview(block)
    while rest:
        rest = rest[writer.write(rest) :]


def _left(mine: Unfinished) -> tuple[int, Version, int | None]:
    """Return the bytes that an earlier try left, of which version, and of how many."""
    try:
        about = json.loads(mine.about.read_text())
        size = about["size"]
        version = Version(str(about["etag"]), str(about["modified"]))
        have = mine.part.stat().st_size
    except (OSError, ValueError, TypeError, KeyError):
        return 0, Version(), None
    return have, version, size if isinstance(size, int) else None


def _require_fitting(
    reply: Reply, file: Wanted, have: int, known: Version, size_before: int | None
) -> None:
    """Require that a reply goes on with what is there, or begins anew, with the file wanted."""
    if reply.start not in (0, have):
        raise AgainError(
            f"it sent the bytes from {reply.start} on, but those from {have} on were requested",
            afresh=True,
        )
    if reply.start and not known.is_same(reply.version):
        raise AgainError("it does not say that its file is the same as before", afresh=True)
    if reply.start and size_before is not None and reply.size != size_before:
        raise AgainError(f"its file had {size_before} bytes, and has {reply.size} now", afresh=True)
    if file.size and reply.size is not None and reply.size > file.size:
        raise InputError(_other_size(file, reply.size))  # less may be a page that tells why
    if max(reply.size or 0, file.size) > _MOST_BYTES:
        raise InputError(
            f"{file.name}: it should have {max(reply.size or 0, file.size)} bytes; at most "
            f"{_MOST_BYTES} are fetched. Is it an HST file? Leave it out of the "
            "query"
        )


def _require_room(part: Path, more: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if more > free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part))


def _not_too_slow(blocks: Iterator[bytes], patience: Patience) -> Iterator[bytes]:
    """Yield blocks while at least `patience.least` bytes come within each window."""
    came, since = 0, time.monotonic()
    for block in blocks:
        yield block
        came += len(block)
        now = time.monotonic()
        if now - since > patience.window:
            if came < patience.least:
                raise AgainError(f"it is too slow: {came} bytes in {now - since:.0f} s")
            came, since = 0, now


def _check(file: Wanted, part: Path, size: int | None) -> None:
    found = part.stat().st_size
    if size is not None and found < size:
        raise AgainError(f"it broke off after {found} of {size} bytes")
    with part.open("rb") as reader:
        begin = reader.read(len(_FITS))
    # Of the size that the list tells it is the file that lies there, and nothing in its place.
    lies_there = bool(file.size) and found == file.size
    if begin.startswith(_GZIP):
        raise InputError(
            f"{file.name}: the answer is compressed, although this was not requested. Does a "
            "proxy compress it? Set no_proxy for the archive's server",
            of_file=lies_there,
        )
    if begin != _FITS:
        raise InputError(
            f"{file.name}: the answer is not FITS (perhaps it is a web page of the archive). Is "
            "the archive under maintenance? Try again later",
            of_file=lies_there,
        )
    if file.size and found != file.size:
        raise InputError(_other_size(file, found))
    if not file.size and found % _FITS_BLOCK:
        raise AgainError(f"it broke off after {found} bytes: FITS comes in blocks of {_FITS_BLOCK}")


def _compare_with_tag(file: Wanted, part: Path, reply: Reply, seen: set[str]) -> None:
    """Compare what came with the place's tag, where that is an MD5 sum.

    S3's tags look like MD5 sums where they are none: of objects that are encrypted by SSE-KMS or
    SSE-C, and nothing may say that they are. So what comes a second time, byte by byte, lies there.

    Parameters
    ----------
    file : Wanted
        Which.
    part : Path
        What came.
    reply : Reply
        Of the place.
    seen : set of str
        MD5 sums of what came before; that of what came now is added.
    """
    tag = _MD5.fullmatch(reply.version.etag)
    if tag is None:
        return
    if reply.is_encrypted:
        log.info("%s: %s", file.name, _NOT_COMPARED)
        return
    with part.open("rb") as reader:
        md5 = hashlib.file_digest(reader, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if md5 == tag[1]:
        return
    if md5 not in seen:
        seen.add(md5)
        raise AgainError("its checksum is not the one that the server gives", afresh=True)
    log.warning(
        "%s came twice with the same bytes, whose MD5 sum is %s: %s", file.name, md5, _NOT_COMPARED
    )


def _other_size(file: Wanted, size: int) -> str:
    return (
        f"{file.name}: {size} bytes came, but the list says {file.size}; the archive is being "
        "changed, try again later"
    )


@contextmanager
def _disk_errors(file: Wanted, target: Path, parts: Path) -> Iterator[None]:
    """Make the folder of unfinished files, and tell what the disk refuses."""
    try:
        parts.mkdir(parents=True, exist_ok=True)
        sweep(parts)
        yield
    except StoreError:  # said in our words already; some are OSErrors, too
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        named = error.filename2 or error.filename
        if full or named is None:
            # What was written is not named, as a rule: it is the one with the least room.
            folder = min((parts, target.parent), key=lambda path: free_space(path))
        else:
            folder = parts if Path(os.fsdecode(named)).is_relative_to(parts) else target.parent
        remedy = "set compute.scratch to a folder with more"
        if folder == parts:
            remedy = "set the environment variable XDG_CACHE_HOME to a folder with more"
        raise (
            no_space(error, file.name, folder, remedy)
            or StoreError(
                f"{file.name} cannot be saved in {named or folder} ({error.strerror}); "
                + remedy.replace(" with more", " of yours")
            )
        ) from None


def parts_folder() -> Path:
    """Return the user's folder of unfinished downloads, which survives runs that were killed.

    Raises
    ------
    StoreError
        The user has no home folder.
    """
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a container may run as a number without a home
        raise StoreError(
            "this user has no home folder for unfinished downloads; set XDG_CACHE_HOME to a folder "
            "of yours"
        ) from None
    return base / "skymosaic" / "downloads"


def first_that_can(places: Sequence[Origin[File]], file: File, target: Path, parts: Path) -> str:
    """Fetch a file from the first place that has it; return that place's name.

    Raises
    ------
    UnreachableError, InputError, ForbiddenError, StoreError
        What the last place said, as `fetch`.
    """
    *first, last = places
    for place in first:
        try:
            fetch(place, file, target, parts, _ELSEWHERE)
            return place.name
        except (InputError, UnreachableError, ForbiddenError) as error:
            log.warning("%s; trying the next server", error)
    fetch(last, file, target, parts)
    return last.name
