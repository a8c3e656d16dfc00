"""Bring one file here, by HTTP or from a bucket: resumed, checked, tried again."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from skymosaic.errors import ForbiddenError, InputError, UnreachableError

log = logging.getLogger(__name__)

TRIES = 6
_TRIES_ELSEWHERE = 2  # where there is another place to ask
_LONGEST_PAUSE = 20.0  # s
_BLOCK = 1 << 18
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_FITS = b"SIMPLE  ="


@dataclass(frozen=True)
class Reply:
    """What a place answers: the rest of a file."""

    etag: str
    """The file's tag; equal tags mean equal content. Empty where the place gives none."""
    start: int
    """Where the rest begins: as asked for, or 0 where the place cannot do that."""
    size: int | None
    """Bytes of the whole file, as the place says."""
    blocks: Iterator[bytes]
    """The content from `start` on."""


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


class Place(Protocol[File]):
    """Where files come from."""

    @property
    def name(self) -> str:
        """What people call it."""

    def open(self, file: File, start: int, etag: str) -> AbstractContextManager[Reply]:
        """Ask for a file from a byte on, provided that it has this tag, if any is given.

        Raises
        ------
        AgainError
            It failed in a way that may pass.
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


def fetch(place: Place[File], file: File, target: Path, parts: Path, tries: int = TRIES) -> None:
    """Fetch a file, going on with what an earlier try left in `parts`.

    Parameters
    ----------
    place : Place
        Where from.
    file : Wanted
        What.
    target : Path
        Where to; it appears whole.
    parts : Path
        Folder of unfinished files.
    tries : int
        How often to try what may pass.

    Raises
    ------
    UnreachableError
        The place did not answer, or broke off, at every try.
    InputError
        What came is not the file: another size, another checksum, no FITS.
    ForbiddenError
        It is not public yet.
    """
    parts.mkdir(parents=True, exist_ok=True)
    part = parts / f"{file.name}.{file.size}.part"
    for tries_left in reversed(range(tries)):
        try:
            _try(place, file, part)
            part.replace(target)
            part.with_suffix(".etag").unlink(missing_ok=True)
            return
        except AgainError as error:
            if error.afresh:
                part.unlink(missing_ok=True)
            if not tries_left:
                raise UnreachableError(
                    f"{file.name} did not come from {place.name} in {tries} tries: {error}; run "
                    "again, and it goes on from where it stopped"
                ) from None
            pause = error.pause if error.pause is not None else _pause(tries - tries_left)
            log.info("%s from %s: %s; again in %.1f s", file.name, place.name, error, pause)
            time.sleep(pause)


def _pause(tries: int) -> float:
    # Full jitter: those that failed together do not come back together.
    return random.uniform(0.1, min(_LONGEST_PAUSE, 0.5 * 2**tries))  # noqa: S311


def _try(place: Place[File], file: File, part: Path) -> None:
    tag = part.with_suffix(".etag")
    have = part.stat().st_size if part.exists() and tag.exists() else 0
    with place.open(file, have, tag.read_text() if have else file.etag) as reply:
        if reply.etag:
            tag.write_text(reply.etag)
        with part.open("r+b" if reply.start else "wb", buffering=0) as writer:
            writer.seek(reply.start)
            for block in reply.blocks:
                writer.write(block)
            writer.truncate()
        size, etag = reply.size, reply.etag
    try:
        _check(file, part, size, etag)
    except InputError:
        part.unlink()
        raise


def _check(file: Wanted, part: Path, size: int | None, etag: str) -> None:
    found = part.stat().st_size
    if size is not None and found < size:
        raise AgainError(f"it broke off after {found} of {size} bytes")
    with part.open("rb") as reader:
        if reader.read(len(_FITS)) != _FITS:
            raise InputError(
                f"{file.name}: what came is not FITS (a page of the archive, perhaps); is the "
                "archive under maintenance? Try again later"
            )
    if file.size and found != file.size:
        raise InputError(
            f"{file.name}: {found} bytes came, the list says {file.size}; the archive is being "
            "changed, try again later"
        )
    told = _MD5.fullmatch(etag)
    if told:
        with part.open("rb") as reader:
            md5 = hashlib.file_digest(reader, lambda: hashlib.md5(usedforsecurity=False))
        if md5.hexdigest() != told[1]:
            raise AgainError("what came is not what the place's checksum says", afresh=True)


def parts_folder() -> Path:
    """Return the user's folder of unfinished downloads, which survives runs that were killed."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "skymosaic" / "downloads"


def first_that_can(places: Sequence[Place[File]], file: File, target: Path, parts: Path) -> str:
    """Fetch a file from the first place that has it; return that place's name.

    Raises
    ------
    UnreachableError, InputError, ForbiddenError
        What the last place said, as `fetch`.
    """
    *first, last = places
    for place in first:
        try:
            fetch(place, file, target, parts, _TRIES_ELSEWHERE)
            return place.name
        except (InputError, UnreachableError, ForbiddenError) as error:
            log.warning("%s; asking the next place", error)
    fetch(last, file, target, parts)
    return last.name
