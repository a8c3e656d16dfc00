"""A bucket that files come from: MAST's public one, or one's own; by the client of the stores."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from skymosaic.archive.origin import AgainError, Reply, Version, Wanted
from skymosaic.errors import ForbiddenError, InputError, SkymosaicError, UnreachableError
from skymosaic.store.s3_client import beginning_of, blocks_of, client
from skymosaic.store.s3_errors import Failure, FailureKind, failure_of, no_credentials, refused_time
from skymosaic.store.s3_settings import S3Settings

_BLOCK = 1 << 16  # what is lost at most when a connection breaks off
_WINDOW = 60.0  # s for a page of a list to begin
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")


@dataclass(frozen=True)
class Entry:
    """An object, as a bucket's list tells of it."""

    key: str
    size: int
    """Bytes."""
    etag: str
    """The server's tag of its content."""


@dataclass(frozen=True)
class Bucket:
    """A bucket, read without credentials unless told otherwise.

    Parameters
    ----------
    bucket : str
        Its name.
    endpoint_url : str or None
        Address of a server other than AWS's.
    region : str or None
        Its region; None: what AWS's own settings say.
    profile : str or None
        Profile of ``~/.aws``; None: what AWS's own settings say.
    unsigned : bool
        Whether to ask as nobody.
    """

    bucket: str = "stpubdata"
    endpoint_url: str | None = None
    region: str | None = "us-east-1"
    profile: str | None = None
    unsigned: bool = True

    @property
    def name(self) -> str:
        """What people call it."""
        return f"s3://{self.bucket}"

    @property
    def address(self) -> str:
        """The server's, and the bucket's name."""
        return f"{self.endpoint_url or ''} {self.bucket}"

    @contextmanager
    def open(self, file: Wanted, start: int, version: Version, window: float) -> Iterator[Reply]:
        """Ask for a file from a byte on; as `origin.Origin` says."""
        conditions = {"Range": f"bytes={start}-"} if start else {}
        if version.etag:
            conditions["IfMatch"] = version.etag
        try:
            answer = self._client(window).get_object(Bucket=self.bucket, Key=file.key, **conditions)
        except Exception as error:
            raise self._in_words(file.name, _failure(error)) from None
        with answer["Body"] as raw:  # as a context it gives its raw stream, not itself
            # A block is what came, as soon as it came: to fill it, a slow server could take days.
            raw.read = partial(raw.read1, decode_content=False)
            yield _reply(answer, bool(start))

    def beginning(self, key: str, count: int) -> bytes:
        """Return the first bytes of a file; all of a shorter one.

        Raises
        ------
        InputError, ForbiddenError, UnreachableError
            There is no such file; it may not be read; the server does not answer.
        """
        name = key.rsplit("/", 1)[-1]
        try:
            answer = self._client(_WINDOW).get_object(
                Bucket=self.bucket, Key=key, Range=f"bytes=0-{count - 1}"
            )
            return beginning_of(answer, count)
        except Exception as error:
            known = self._in_words(name, _failure(error))
            if isinstance(known, AgainError):
                known = UnreachableError(
                    f"{name} in {self.name} cannot be read ({known}); try again"
                )
            raise known from None

    def list(self, prefix: str) -> Iterator[Entry]:
        """Yield what is below a prefix, by key.

        Raises
        ------
        InputError, ForbiddenError, UnreachableError
            There is no such bucket; it may not be listed; it does not answer.
        """
        try:
            pages = self._client(_WINDOW).get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield Entry(item["Key"], item["Size"], item["ETag"])
        except Exception as error:
            known = self._in_words("the list of files", _failure(error))
            if isinstance(known, AgainError):
                known = UnreachableError(
                    f"{self.name} cannot be listed ({known}); are region, endpoint_url and AWS's "
                    "settings right? Else try again"
                )
            raise known from None

    def _client(self, window: float) -> Any:
        # Tries are counted by `download.fetch`, and no manifest has the sums of what comes.
        return client(
            S3Settings(
                self.profile,
                self.region,
                self.endpoint_url,
                self.unsigned,
                window=window,
                attempts=None,
                their_checksums=True,
                counted=False,
            )
        )

    def _in_words(self, what: str, failure: Failure) -> Exception:
        match failure.kind:
            case FailureKind.MISSING | FailureKind.NO_BUCKET:
                return InputError(f"{what} is not in {self.name}")
            case FailureKind.NO_CREDENTIALS:
                return no_credentials(self.name, "source")
            case FailureKind.TIME:
                return refused_time(self.name)
            case FailureKind.FORBIDDEN:
                return ForbiddenError(f"{what} may not be read in {self.name} ({failure.why})")
            case FailureKind.CHANGED:
                return AgainError("it changed meanwhile", afresh=True)
        return AgainError(failure.why)


def _failure(error: Exception) -> Failure:
    """Return what an error says of a server: each does here, where no file is at work."""
    if isinstance(error, SkymosaicError):
        raise error
    if (failure := failure_of(error)) is not None:
        return failure
    if isinstance(error, OSError):
        return Failure(FailureKind.AWAY, type(error).__name__)
    raise error


def _reply(answer: Mapping[str, Any], is_part: bool) -> Reply:
    start, size = 0, answer.get("ContentLength")
    if content_range := answer.get("ContentRange"):
        found = _RANGE.fullmatch(content_range)
        if found is None:
            raise AgainError("it sent a part without saying which", afresh=True)
        start, size = int(found[1]), int(found[2])
    elif is_part and answer["ResponseMetadata"].get("HTTPStatusCode") == 206:
        raise AgainError("it sent a part without saying which", afresh=True)
    changed = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("last-modified", "")
    version = Version(answer.get("ETag", ""), changed)
    return Reply(version, start, size, _blocks(answer), _has_a_key(answer))


def _has_a_key(answer: Mapping[str, Any]) -> bool:
    """Tell whether an object is encrypted by a key of its owner: then its ETag is no MD5 sum."""
    way = str(answer.get("ServerSideEncryption", ""))  # AES256, aws:kms, aws:kms:dsse
    return way.startswith("aws:kms") or "SSECustomerAlgorithm" in answer


def _blocks(answer: Mapping[str, Any]) -> Iterator[bytes]:
    try:
        yield from blocks_of(answer, _BLOCK)
    except Exception as error:
        raise AgainError(f"it broke off ({_failure(error).why})") from None
