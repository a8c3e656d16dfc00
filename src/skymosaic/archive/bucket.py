"""A bucket that files come from: MAST's public one, or one's own; by boto3."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from skymosaic.archive.download import AgainError, Reply, Version, Wanted
from skymosaic.errors import ForbiddenError, InputError, UnreachableError

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
        """Ask for a file from a byte on; as `download.Place` says."""
        from botocore.exceptions import ClientError

        conditions = {"Range": f"bytes={start}-"} if start else {}
        if version.etag:
            conditions["IfMatch"] = version.etag
        try:
            answer = _client(self, os.getpid(), window).get_object(
                Bucket=self.bucket, Key=file.key, **conditions
            )
        except ClientError as error:
            raise self._error(file.name, error) from None
        except _passing() as error:
            raise AgainError(type(error).__name__) from None
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
        from botocore.exceptions import ClientError

        name = key.rsplit("/", 1)[-1]
        try:
            answer = _client(self, os.getpid(), _WINDOW).get_object(
                Bucket=self.bucket, Key=key, Range=f"bytes=0-{count - 1}"
            )
            with closing(answer["Body"]) as body:
                content: bytes = body.read(count)
                return content
        except ClientError as error:
            known = self._error(name, error)
            if isinstance(known, AgainError):
                known = UnreachableError(
                    f"{name} in {self.name} cannot be read ({known}); try again"
                )
            raise known from None
        except _passing() as error:
            raise UnreachableError(
                f"{name} in {self.name} cannot be read ({type(error).__name__}: {error}); try again"
            ) from None

    def list(self, prefix: str) -> Iterator[Entry]:
        """Yield what is below a prefix, by key.

        Raises
        ------
        InputError, ForbiddenError, UnreachableError
            There is no such bucket; it may not be listed; it does not answer.
        """
        from botocore.exceptions import ClientError

        try:
            pages = _client(self, os.getpid(), _WINDOW).get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield Entry(item["Key"], item["Size"], item["ETag"])
        except ClientError as error:
            known = self._error("the list of files", error)
            if isinstance(known, AgainError):
                known = UnreachableError(f"{self.name} cannot be listed ({known}); try again")
            raise known from None
        except _passing() as error:
            raise UnreachableError(
                f"{self.name} cannot be listed ({type(error).__name__}: {error}); are region, "
                "endpoint_url and AWS's settings right?"
            ) from None

    def _error(self, what: str, error: Any) -> Exception:
        code = str(error.response.get("Error", {}).get("Code"))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in ("NoSuchKey", "404", "NoSuchBucket"):
            return InputError(f"{what} is not in {self.name}")
        if status in (401, 403):
            return ForbiddenError(f"{what} may not be read in {self.name} ({code})")
        if status in (412, 416):
            return AgainError("it changed meanwhile", afresh=True)
        return AgainError(code)


def _passing() -> tuple[type[Exception], ...]:
    """Return what boto3 raises of connections that fail, and of answers that are not S3's."""
    from botocore.exceptions import BotoCoreError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    # botocore follows a redirect that leads to itself until Python's stack is full.
    broken = (ValueError, KeyError, RecursionError)
    return (BotoCoreError, ResponseParserError, HTTPError, OSError, *broken)


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
    return Reply(version, start, size, _blocks(answer["Body"]), _has_a_key(answer))


def _has_a_key(answer: Mapping[str, Any]) -> bool:
    """Tell whether an object is encrypted by a key of its owner: then its ETag is no MD5 sum."""
    way = str(answer.get("ServerSideEncryption", ""))  # AES256, aws:kms, aws:kms:dsse
    return way.startswith("aws:kms") or "SSECustomerAlgorithm" in answer


def _blocks(body: Any) -> Iterator[bytes]:
    try:
        yield from body.iter_chunks(_BLOCK)
    except _passing() as error:
        raise AgainError(f"it broke off ({type(error).__name__})") from None


@functools.cache
def _client(bucket: Bucket, _process: int, window: float) -> Any:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(connect_timeout=10, read_timeout=window)
    if bucket.unsigned:
        config = config.merge(Config(signature_version=UNSIGNED))
    return boto3.Session(profile_name=bucket.profile).client(
        "s3", region_name=bucket.region, endpoint_url=bucket.endpoint_url, config=config
    )
