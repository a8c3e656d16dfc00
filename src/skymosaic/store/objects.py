"""Any object of a bucket, read in parts: of a large file its headers alone."""

from __future__ import annotations

import io
from typing import Any

from skymosaic.errors import MissingError
from skymosaic.store.s3_settings import S3Settings

_BUFFER = 1 << 16  # bytes that are asked for at once, at least: a header has some ten thousand


class _Object(io.RawIOBase):
    """An object as a file that can be sought in."""

    def __init__(self, uri: str, settings: S3Settings, size: int) -> None:
        self._uri, self._settings, self._size, self._at = uri, settings, size, 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that one can go to any place."""
        return True

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, and return it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read as much as there is room for; return the bytes that were read."""
        from skymosaic.store.s3_client import blocks_of  # as in `_do`

        last = min(self._at + len(buffer), self._size) - 1
        if last < self._at:
            return 0
        wanted = f"bytes={self._at}-{last}"
        data = _do(
            self._uri,
            self._settings,
            lambda s3, there: b"".join(blocks_of(s3.get_object(**there, Range=wanted), _BUFFER)),
        )
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def open_object(uri: str, settings: S3Settings) -> io.BufferedReader | None:
    """Return an object for reading; None where there is none.

    Parameters
    ----------
    uri : str
        ``s3://BUCKET/KEY``.
    settings : S3Settings
        How to reach it.

    Raises
    ------
    ForbiddenError, UnreachableError
        It may not be read; the server does not answer.
    """
    try:
        head = _do(uri, settings, lambda s3, there: s3.head_object(**there))
    except MissingError:
        return None
    return io.BufferedReader(_Object(uri, settings, int(head["ContentLength"])), _BUFFER)


def tag_of(uri: str, settings: S3Settings) -> str | None:
    """Return what tells an object's content from another: its tag and size; None: there is none.

    Parameters and errors as of `open_object`.
    """
    try:
        head = _do(uri, settings, lambda s3, there: s3.head_object(**there))
    except MissingError:
        return None
    return f"{str(head['ETag']).strip(chr(34))} {int(head['ContentLength'])}"


def names_below(uri: str, settings: S3Settings) -> list[str]:
    """Return what there is below a folder of a bucket, by names relative to it, sorted.

    Parameters and errors as of `open_object`.
    """

    def act(s3: Any, there: dict[str, str]) -> list[str]:
        start = f"{there['Key'].rstrip('/')}/"
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=there["Bucket"], Prefix=start)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return sorted(key.removeprefix(start) for key in keys)

    return list(_do(uri, settings, act))


def _do(uri: str, settings: S3Settings, act: Any) -> Any:
    # Only who uses S3 pays for importing boto3.
    from skymosaic.store.s3_client import client, patiently
    from skymosaic.store.s3_errors import s3_errors

    bucket, _, key = uri.removeprefix("s3://").partition("/")

    def translated() -> Any:
        with s3_errors(uri):
            return act(client(settings), {"Bucket": bucket, "Key": key})

    return patiently(settings, translated)
