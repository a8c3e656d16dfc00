"""Where files come from, and what an origin says of a file: what a download knows of both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol, TypeVar


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
