"""The bytes of one object of a bucket: sent, copied and fetched, in parts where it is large.

An object is named by boto3's arguments: a mapping of ``Bucket`` and ``Key``. Errors are boto3's.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from skymosaic.store.s3_client import PART_SIZE, THREADS, blocks_of, client, transfers
from skymosaic.store.s3_settings import S3Settings

_BLOCK = 1 << 20
_LARGEST_COPY = 256 << 20  # bytes in one request, which is silent until all are copied

Object = Mapping[str, str]
_TYPES = {
    **{".html": "text/html; charset=utf-8", ".css": "text/css", ".json": "application/json"},
    **{".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif", ".pdf": "application/pdf"},
    **{".md": "text/markdown; charset=utf-8", ".csv": "text/csv"},
}


def type_of(key: str) -> dict[str, str]:
    """Return what a browser must know to show an object, as boto3's argument."""
    known = _TYPES.get(PurePosixPath(key).suffix)
    return {} if known is None else {"ContentType": known}


def send(settings: S3Settings, target: Object, path: Path, size: int) -> str:
    """Send a file of `size` bytes, and return its SHA-256; the server checks what arrives."""
    if size <= PART_SIZE:
        return _send_whole(settings, target, path)
    return _send_parts(settings, target, path)


def _send_whole(settings: S3Settings, target: Object, path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        file.seek(0)
        client(settings).put_object(
            **target,
            **settings.encryption_arguments(),
            **type_of(target["Key"]),
            Body=file,
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
        )
    return digest.hexdigest()


def _send_parts(settings: S3Settings, target: Object, path: Path) -> str:
    # The checksum of the whole is computed while the parts travel.
    with ThreadPoolExecutor(1) as pool, path.open("rb") as file:
        digest = pool.submit(hashlib.file_digest, file, "sha256")
        transfers(settings).upload(
            str(path),
            target["Bucket"],
            target["Key"],
            {
                **settings.encryption_arguments(),
                **type_of(target["Key"]),
                "ChecksumAlgorithm": "SHA256",
            },
        ).result()
        return digest.result().hexdigest()


def copy(settings: S3Settings, source: Object, target: Object, size: int) -> str:
    """Let the server copy an object of `size` bytes, and return the ETag of the copy."""
    encryption = settings.encryption_arguments()
    if size <= _LARGEST_COPY:
        answer = client(settings).copy_object(**target, **encryption, CopySource=source)
        copied = answer["CopyObjectResult"]
    else:
        transfers(settings).copy(source, target["Bucket"], target["Key"], encryption).result()
        copied = client(settings).head_object(**target)
    return str(copied.get("ETag", ""))


def fetch(settings: S3Settings, source: Object, path: Path, size: int) -> str:
    """Fetch an object of `size` bytes to a file, and return the SHA-256 of what was written."""
    digest = hashlib.sha256()
    starts = range(0, size, PART_SIZE) or [0]
    with path.open("w+b") as file, ThreadPoolExecutor(min(THREADS, len(starts))) as pool:
        fetched = [
            pool.submit(_fetch_part, settings, source, file, start, whole=size <= PART_SIZE)
            for start in starts
        ]
        try:
            # Hashed in order, while later parts still travel.
            for start, done in zip(starts, fetched, strict=True):
                end = done.result()
                for at in range(start, end, _BLOCK):
                    digest.update(os.pread(file.fileno(), min(_BLOCK, end - at), at))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return digest.hexdigest()


def _fetch_part(
    settings: S3Settings, source: Object, file: BinaryIO, start: int, *, whole: bool
) -> int:
    """Write a part of an object to its place in a file; return where it ended."""
    part = {} if whole else {"Range": f"bytes={start}-{start + PART_SIZE - 1}"}
    for block in blocks_of(client(settings).get_object(**source, **part), _BLOCK):
        start += os.pwrite(file.fileno(), block, start)
    return start


def checksum(settings: S3Settings, source: Object) -> str:
    """Return the SHA-256 of an object, which is read for it."""
    digest = hashlib.sha256()
    for block in blocks_of(client(settings).get_object(**source), _BLOCK):
        digest.update(block)
    return digest.hexdigest()
