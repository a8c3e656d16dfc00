"""The archive's public bucket, by boto3 without credentials."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from skymosaic.archive.mast.download import AgainError, Reply
from skymosaic.archive.mast.files import ArchiveFile
from skymosaic.errors import ForbiddenError, InputError

_BLOCK = 1 << 16  # what is lost at most when a connection breaks off


@dataclass(frozen=True)
class Bucket:
    """A bucket with the key layout of ``stpubdata``.

    Parameters
    ----------
    bucket : str
        Its name.
    endpoint_url : str or None
        Address of a server other than AWS's.
    """

    bucket: str = "stpubdata"
    endpoint_url: str | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return f"s3://{self.bucket}"

    @contextmanager
    def open(self, file: ArchiveFile, start: int, etag: str) -> Iterator[Reply]:
        """Ask for a file from a byte on; as `download.Place` says."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        rest = {"Range": f"bytes={start}-", "IfMatch": etag} if start else {}
        try:
            answer = _client(self.endpoint_url, os.getpid()).get_object(
                Bucket=self.bucket, Key=file.key, **rest
            )
        except ClientError as error:
            raise self._error(file, error) from None
        except (BotoCoreError, HTTPError) as error:
            raise AgainError(type(error).__name__) from None
        body = answer["Body"]
        with body:  # as a context it gives its raw stream, not itself
            yield Reply(answer["ETag"], start, start + answer["ContentLength"], _blocks(body))

    def _error(self, file: ArchiveFile, error: Any) -> Exception:
        code = str(error.response.get("Error", {}).get("Code"))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in ("NoSuchKey", "404", "NoSuchBucket"):
            return InputError(f"{file.name} is not in {self.name} ({file.key})")
        if status in (401, 403):
            return ForbiddenError(f"{file.name} may not be read in {self.name} ({code})")
        if status in (412, 416):
            return AgainError("it changed since its first part was fetched", afresh=True)
        return AgainError(code)


def _blocks(body: Any) -> Iterator[bytes]:
    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import HTTPError

    try:
        yield from body.iter_chunks(_BLOCK)
    except (BotoCoreError, HTTPError, ConnectionError):
        return  # it broke off: what came is kept, and the size tells


@functools.cache
def _client(endpoint_url: str | None, _process: int) -> Any:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    return boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint_url,
        config=Config(signature_version=UNSIGNED, connect_timeout=10, read_timeout=60),
    )
