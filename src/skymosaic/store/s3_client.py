"""boto3 clients, and what S3 says in the project's own words.

Credentials, profile, region and endpoint come from where AWS's own tools look for them (the
environment, ``~/.aws``, the host's role); nothing of them is kept, logged or sent elsewhere.
"""

from __future__ import annotations

import functools
import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from s3transfer.exceptions import RetriesExceededError, S3ValidationError
from urllib3.exceptions import HTTPError

from skymosaic.errors import (
    ForbiddenError,
    MissingError,
    SkymosaicError,
    StoreError,
    UnreachableError,
)
from skymosaic.host.disk import SCRATCH_REMEDY, no_space
from skymosaic.store import clock, traffic

log = logging.getLogger(__name__)

PART_SIZE = 16 << 20
"""Bytes of a part of a multipart transfer, and of the longest one that needs no parts."""
THREADS = 4
"""Parts of a file that travel at once."""
_ATTEMPTS = 4  # of one request, by botocore, before we wait ourselves
_LONGEST_PAUSE = 5.0  # s
_MISSING = {"NoSuchKey", "NoSuchBucket", "NotFound", "404"}
_FORBIDDEN = {
    *("AccessDenied", "Forbidden", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    *("ExpiredToken", "InvalidToken", "AllAccessDisabled", "AccountProblem"),
}
_BUSY = {
    *("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling"),
    *("ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded", "OperationAborted"),
    *("ConditionalRequestConflict", "BadDigest", "IncompleteBody"),
}
_AWAY = (
    *(HTTPClientError, NoConnectionError, IncompleteReadError),  # botocore's
    *(
        RetriesExceededError,
        S3ValidationError,
        HTTPError,
        ConnectionError,
    ),  # s3transfer's, urllib3's, the system's
)
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class S3Settings:
    """How to reach S3, beyond what AWS's own configuration says."""

    profile: str | None = None
    """Profile of ``~/.aws``."""
    region: str | None = None
    endpoint_url: str | None = None
    """Address of a server other than AWS's."""
    unsigned: bool = False
    """Read a public bucket without credentials."""
    encryption: str | None = None
    """Server-side encryption of what is written: ``AES256`` or ``aws:kms``."""
    kms_key: str | None = None
    """Key of ``aws:kms``, if not the bucket's."""
    patience: float = field(default=120.0, compare=False)
    """How long to wait for a server that does not answer, s."""

    def encryption_arguments(self) -> dict[str, str]:
        """Return the arguments of each request that writes."""
        given = {"ServerSideEncryption": self.encryption, "SSEKMSKeyId": self.kms_key}
        return {name: value for name, value in given.items() if value}


def client(settings: S3Settings) -> Any:
    """Return this process' client; one is made for each process and settings."""
    return _client(settings, os.getpid())


def transfers(settings: S3Settings) -> Any:
    """Return this process' s3transfer manager, which sends and copies large files in parts."""
    return _transfers(settings, os.getpid())


@functools.cache
def _client(settings: S3Settings, _process: int) -> Any:
    try:
        session = boto3.Session(profile_name=settings.profile, region_name=settings.region)
        client = session.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            config=Config(
                retries={"mode": "adaptive", "total_max_attempts": _ATTEMPTS},
                max_pool_connections=2 * THREADS,
                connect_timeout=5,
                read_timeout=30,
                # Every byte that is read is checked against the manifest's SHA-256.
                response_checksum_validation="when_required",
                **({"signature_version": UNSIGNED} if settings.unsigned else {}),
            ),
        )
    except ProfileNotFound as error:
        raise ForbiddenError(f"S3: {error}; name one of ~/.aws/config, or none") from None
    except (BotoCoreError, ValueError) as error:
        raise StoreError(f"S3 cannot be used: {error}") from None
    client.meta.events.register("before-send.s3", _count_sent)
    client.meta.events.register("response-received.s3", _count_received)
    clock.follow(client)
    return client


@functools.cache
def _transfers(settings: S3Settings, process: int) -> Any:
    return create_transfer_manager(
        _client(settings, process),
        TransferConfig(
            multipart_threshold=PART_SIZE + 1,
            multipart_chunksize=PART_SIZE,
            max_concurrency=THREADS,
        ),
    )


def _count_sent(request: Any, **_: Any) -> None:
    # Over TLS the body goes in chunks with its checksum behind it.
    length = request.headers.get("Content-Length") or request.headers.get(
        "X-Amz-Decoded-Content-Length"
    )
    traffic.count(up=int(length or 0))


def _count_received(response_dict: Any, event_name: str, **_: Any) -> None:
    # The answer to a HEAD tells a length, and has no content.
    is_head = event_name.rsplit(".", 1)[-1].startswith("Head")
    if response_dict and response_dict.get("status_code") in (200, 206) and not is_head:
        traffic.count(down=int(response_dict["headers"].get("content-length") or 0))


def patiently(settings: S3Settings, act: Callable[[], _Result]) -> _Result:
    """Do something, again and again while the server cannot be reached.

    Raises
    ------
    UnreachableError
        It could not for as long as `settings` says.
    """
    end, pause = time.monotonic() + settings.patience, 0.2
    while True:
        try:
            return act()
        except UnreachableError as error:
            if time.monotonic() + pause > end:
                raise UnreachableError(
                    f"{error}; waited {settings.patience:.0f} s (store.patience)"
                ) from None
            log.info("%s; trying again within %.1f s", error, pause)
            # Jitter, so that workers that failed together do not come back together.
            time.sleep(random.uniform(0.1, pause))  # noqa: S311 (no cryptography)
            pause = min(2 * pause, _LONGEST_PAUSE)


@contextmanager
def s3_errors(address: str, path: Path | None = None) -> Iterator[None]:
    """Turn what boto3 and the operating system say into the store's own words.

    Parameters
    ----------
    address : str
        Bucket and key, as people write them.
    path : Path or None
        The local file that is read or written.
    """
    try:
        yield
    except SkymosaicError:
        raise
    except ClientError as error:
        raise _from_response(address, error) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise ForbiddenError(
            f"{address}: no AWS credentials found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or store.unsigned for a public bucket"
        ) from None
    except _AWAY as error:
        raise UnreachableError(
            f"{address}: the S3 server does not answer ({_brief(error)})"
        ) from None
    except BotoCoreError as error:
        raise StoreError(f"{address}: {_brief(error)}") from None
    except OSError as error:
        full = no_space(error, address, path.parent if path else Path.cwd(), SCRATCH_REMEDY)
        raise full or StoreError(
            f"{address}: {path or error.filename}: {error.strerror or error}"
        ) from None


def error_code(error: ClientError) -> str:
    """Return the code that the server gave, or the HTTP status where it gave none."""
    answer = error.response
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
    return str(answer.get("Error", {}).get("Code") or status)


def _from_response(address: str, error: ClientError) -> StoreError:
    """Return the error of an answer: its code, not its text, which may hold an access key."""
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return MissingError(f"{address}: there is no such bucket; make it, or name another")
    if code in _MISSING:
        return MissingError(f"{address} is not in the store; run again to make it")
    if code in _FORBIDDEN or status in (401, 403):
        if code == "RequestTimeTooSkewed":
            return ForbiddenError(f"{address}: the S3 server refuses its own time; set its clock")
        return ForbiddenError(
            f"{address}: no permission ({code}); check the credentials (AWS_PROFILE, "
            "AWS_ACCESS_KEY_ID) and what they may do with this bucket"
        )
    if code in _BUSY or (status >= 500 and status != 501):
        return UnreachableError(f"{address}: the S3 server is too busy ({code})")
    return StoreError(f"{address}: the S3 server refused {error.operation_name} ({code})")


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
