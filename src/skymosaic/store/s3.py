"""A prefix of an S3 bucket as store."""

from __future__ import annotations

import functools
import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from uuid import uuid4

from botocore.exceptions import ClientError

from skymosaic.errors import DamagedError, MissingError, StoreError
from skymosaic.store.base import (
    LONGEST_TEXT,
    PART,
    Product,
    Store,
    checked_key,
    decoded,
    is_ours,
    require_unchanged,
)
from skymosaic.store.s3_client import beginning_of, client, patiently
from skymosaic.store.s3_errors import error_code, s3_errors
from skymosaic.store.s3_objects import checksum, copy, fetch, send, type_of
from skymosaic.store.s3_settings import S3Settings

log = logging.getLogger(__name__)

_DELETED_AT_ONCE = 1000
_SETTLE = 2.0  # s in which a competing write arrives, where the server knows no conditions
_NO_CONDITIONS = {"NotImplemented", "InvalidArgument", "501"}
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class S3Store(Store):
    """A store below a prefix of a bucket, on AWS or any server that speaks S3.

    Parameters
    ----------
    uri : str
        Such as ``s3://bucket/prefix``.
    settings : S3Settings
        How to reach it.
    """

    uri: str
    settings: S3Settings = field(default_factory=S3Settings)

    def __post_init__(self) -> None:
        bucket, _, prefix = self.uri.removeprefix("s3://").strip("/").partition("/")
        if not bucket:
            raise StoreError(f"{self.uri!r} names no bucket; write s3://BUCKET/PREFIX")
        object.__setattr__(self, "uri", f"s3://{bucket}" + (f"/{prefix}" if prefix else ""))

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self.uri.split("/")[2]

    def put(self, path: Path, key: str, *, take: bool = False) -> Product:
        """Store a file: either the whole object appears under its key, or nothing.

        The server checks what arrives against SHA-256 checksums: of the file, or of each part.
        """

        def act() -> Product:
            size = path.stat().st_size
            return Product(key, send(self.settings, self._object(key), path, size), size)

        return self._do(key, act, path)

    def move(self, product: Product, key: str) -> Product:
        """Give a product another key: the server copies it, then the old one is deleted."""

        def act() -> Product:
            source, target = self._object(product.key), self._object(key)
            try:
                etag = copy(self.settings, source, target, product.size)
            except ClientError as error:
                if error_code(error) in ("NoSuchKey", "404"):
                    raise MissingError(f"{self.address(product.key)} is not in the store") from None
                raise
            return Product(key, product.sha256, product.size, etag)

        checked_key(product.key)
        moved = self._do(key, act)
        self.delete(product.key)
        return moved

    def get(self, product: Product, path: Path) -> None:
        """Fetch a product to a private, writable copy, verifying its checksum."""
        part = path.with_name(path.name + PART)

        def act() -> None:
            try:
                sha256 = fetch(self.settings, self._object(product.key), part, product.size)
                require_unchanged(product, sha256, self.address(product.key))
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise

        try:
            try:
                self._do(product.key, act, path)
            except DamagedError as error:
                log.warning("%s; fetching it again", error)
                self._do(product.key, act, path)
        except StoreError:
            path.unlink(missing_ok=True)
            raise

    def open(self, product: Product) -> BinaryIO:
        """Open a product for reading, its checksum verified: it is fetched to a nameless file."""
        with tempfile.TemporaryDirectory(prefix="skymosaic-open-") as folder:
            path = Path(folder) / "product"
            self.get(product, path)
            return path.open("rb")

    def has(self, product: Product) -> bool:
        """Tell whether the product is there with its size; it is read where its ETag changed."""
        head = self._head(product.key)
        if head is None or head["ContentLength"] != product.size:
            return False
        # Some servers quote what they call an object, and what they call its copy they do not.
        if not product.etag or head.get("ETag", "").strip('"') == product.etag.strip('"'):
            return True
        log.info("%s has another ETag than when it was made; reading it", self.address(product.key))
        return self.sha256_of(product.key) == product.sha256

    def sha256_of(self, key: str) -> str:
        """Return the SHA-256 of an object."""
        return self._do(key, lambda: checksum(self.settings, self._object(key)))

    def write_text(self, key: str, text: str) -> None:
        """Store a text, all or nothing."""
        self._do(key, lambda: self._put_text(key, text))

    def create(self, key: str, text: str) -> bool:
        """Store a text where there is nothing yet; tell whether it was us who did.

        Where the server takes ``If-None-Match: *`` it decides. Elsewhere: if nothing is there we
        write, wait until a competing write must have arrived, and read back; the last one has won.
        The text must be unlike that of any competitor.
        """
        if not _knows_conditions(self, os.getpid()):
            return self._create_unconditionally(key, text)
        if self._do(key, lambda: self._put_if_none(key, text)):
            return True
        # A lost answer is asked again, and then refused because of the first: our own text is ours.
        return self.read_text(key) == text

    def _put_if_none(self, key: str, text: str) -> bool:
        try:
            self._put_text(key, text, IfNoneMatch="*")
        except ClientError as error:
            if error_code(error) in ("PreconditionFailed", "412"):
                return False
            if error_code(error) in _NO_CONDITIONS:
                raise _NoConditionsError from None
            raise
        return True

    def _create_unconditionally(self, key: str, text: str) -> bool:
        if self._head(key) is not None:
            return False
        self.write_text(key, text)
        time.sleep(_SETTLE)
        return self.read_text(key) == text

    def _put_text(self, key: str, text: str, **condition: str) -> None:
        self._client.put_object(
            **self._object(key),
            **self.settings.encryption_arguments(),
            **condition,
            **type_of(key),
            Body=text.encode(),
        )

    def read_text(self, key: str) -> str | None:
        """Return a text, or None where there is none."""

        def act() -> str:
            answer = self._client.get_object(**self._object(key))
            content = beginning_of(answer, LONGEST_TEXT + 1)
            return decoded(content, self.address(key))

        try:
            return self._do(key, act)
        except MissingError:
            self._require_bucket()
            return None

    def age(self, key: str) -> float | None:
        """Return the time since a key was written, s, by the server's clock."""
        head = self._head(key)
        if head is None:
            return None
        now = head["ResponseMetadata"]["HTTPHeaders"].get("date")
        if now is None:
            raise StoreError(f"{self.address(key)}: the S3 server does not give its time")
        return (parsedate_to_datetime(now) - head["LastModified"]).total_seconds()

    def delete(self, key: str) -> None:
        """Remove a key; it need not exist."""
        self._do(key, lambda: self._client.delete_object(**self._object(key)))

    def list(self, prefix: str) -> list[str]:
        """Return the keys below a folder, sorted."""
        start = len(self._raw("")) if self._prefix else 0

        def act() -> list[str]:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._raw(checked_key(prefix)) + "/"
            )
            return sorted(
                item["Key"][start:] for page in pages for item in page.get("Contents", ())
            )

        return self._do(prefix, act)

    def remove(self, prefix: str) -> int:
        """Remove every key of this project below a folder, many in one request; return how many."""
        keys = [key for key in self.list(prefix) if is_ours(key)]
        for first in range(0, len(keys), _DELETED_AT_ONCE):
            answer = self._do(prefix, partial(self._delete, keys[first : first + _DELETED_AT_ONCE]))
            for failed in answer.get("Errors", ()):
                raise StoreError(
                    f"s3://{self.bucket}/{failed['Key']} was not deleted ({failed['Code']})"
                )
        return len(keys)

    def _delete(self, keys: Sequence[str]) -> Any:
        objects = [{"Key": self._raw(key)} for key in keys]
        return self._client.delete_objects(
            Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True}
        )

    def sweep(self, prefix: str) -> int:
        """Abort the multipart uploads that never ended below a folder."""

        def act() -> int:
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket, Prefix=self._raw(checked_key(prefix)) + "/"
            )
            left = [upload for page in pages for upload in page.get("Uploads", ())]
            for upload in left:
                self._client.abort_multipart_upload(
                    Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
            return len(left)

        return self._do(prefix, act)

    def address(self, key: str) -> str:
        """Return the object's URI."""
        return f"{self.uri}/{key}"

    def hurried(self, patience: float) -> S3Store:
        """Return the same store, that waits no longer than `patience` (s) for the server."""
        return replace(self, settings=replace(self.settings, patience=patience))

    @property
    def _client(self) -> Any:
        return client(self.settings)

    @property
    def _prefix(self) -> str:
        return self.uri.removeprefix(f"s3://{self.bucket}").strip("/")

    def _raw(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self._raw(checked_key(key))}

    def _head(self, key: str) -> Any:
        """Return what the server says of a key, or None where there is none."""
        try:
            return self._do(key, lambda: self._client.head_object(**self._object(key)))
        except MissingError:
            self._require_bucket()
            return None

    def _require_bucket(self) -> None:
        """Tell a missing bucket from a missing key: a HEAD's answer does not."""
        _bucket_exists(self, os.getpid())

    def _do(self, key: str, act: Callable[[], _Result], path: Path | None = None) -> _Result:
        def translated() -> _Result:
            with s3_errors(self.address(key), path):
                return act()

        return patiently(self.settings, translated)


@functools.cache
def _bucket_exists(store: S3Store, _process: int) -> bool:
    def act() -> None:
        with s3_errors(f"s3://{store.bucket}"):
            try:
                client(store.settings).head_bucket(Bucket=store.bucket)
            except ClientError as error:
                if error_code(error) in ("404", "NoSuchBucket"):
                    raise MissingError(
                        f"{store.uri}: there is no such bucket; make it, or name another"
                    ) from None
                if error_code(error) != "403":  # it is there; looking at it is not allowed
                    raise

    patiently(store.settings, act)
    return True


@functools.cache
def _knows_conditions(store: S3Store, _process: int) -> bool:
    """Tell whether the server refuses a conditional put where there is something."""
    probe = f"probe-{uuid4().hex}"

    def put() -> bool:
        return store._do(probe, lambda: store._put_if_none(probe, "probe"))

    try:
        return put() and not put()
    except _NoConditionsError:
        return False
    finally:
        store.delete(probe)


class _NoConditionsError(Exception):
    """The server does not know If-None-Match."""
