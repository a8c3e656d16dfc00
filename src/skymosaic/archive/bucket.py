"""A bucket that files come from: MAST's public one, or one's own; by boto3."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from skymosaic.archive.download import AgainError, Reply, Wanted
from skymosaic.errors import ForbiddenError, InputError, UnreachableError

_BLOCK = 1 << 16  # what is lost at most when a connection breaks off


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

    @contextmanager
    def open(self, file: Wanted, start: int, etag: str) -> Iterator[Reply]:
        """Ask for a file from a byte on; as `download.Place` says."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        asked = {"Range": f"bytes={start}-"} if start else {}
        if etag:
            asked["IfMatch"] = etag
        try:
            answer = _client(self, os.getpid()).get_object(
                Bucket=self.bucket, Key=file.key, **asked
            )
        except ClientError as error:
            raise self._error(file.name, error) from None
        except (BotoCoreError, HTTPError) as error:
            raise AgainError(type(error).__name__) from None
        body = answer["Body"]
        with body:  # as a context it gives its raw stream, not itself
            yield Reply(answer["ETag"], start, start + answer["ContentLength"], _blocks(body))

    def list(self, prefix: str) -> Iterator[Entry]:
        """Yield what is below a prefix, by key.

        Raises
        ------
        InputError, ForbiddenError, UnreachableError
            There is no such bucket; it may not be listed; it does not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        try:
            pages = _client(self, os.getpid()).get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield Entry(item["Key"], item["Size"], item["ETag"])
        except ClientError as error:
            known = self._error("the list of files", error)
            if isinstance(known, AgainError):
                known = UnreachableError(f"{self.name} cannot be listed ({known}); try again")
            raise known from None
        except (BotoCoreError, HTTPError) as error:
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


def _blocks(body: Any) -> Iterator[bytes]:
    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import HTTPError

    try:
        yield from body.iter_chunks(_BLOCK)
    except (BotoCoreError, HTTPError, ConnectionError):
        return  # it broke off: what came is kept, and the size tells


@functools.cache
def _client(bucket: Bucket, _process: int) -> Any:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(connect_timeout=10, read_timeout=60)
    if bucket.unsigned:
        config = config.merge(Config(signature_version=UNSIGNED))
    return boto3.Session(profile_name=bucket.profile).client(
        "s3", region_name=bucket.region, endpoint_url=bucket.endpoint_url, config=config
    )
