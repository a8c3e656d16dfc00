"""boto3 clients, of stores and of buckets that exposures come from.

Credentials, profile, region and endpoint come from where AWS's own tools look for them (the
environment, ``~/.aws``, the host's role); nothing of them is kept, logged or sent elsewhere.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import random
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, IncompleteReadError, ProfileNotFound

from skymosaic.errors import ForbiddenError, StoreError, UnreachableError
from skymosaic.store import clock, traffic
from skymosaic.store.s3_settings import S3Settings

log = logging.getLogger(__name__)

PART_SIZE = 16 << 20
"""Bytes of a part of a multipart transfer, and of the longest one that needs no parts."""
THREADS = 4
"""Parts of a file that travel at once."""
_BLOCK = 1 << 16  # bytes
_LONGEST_PAUSE = 5.0  # s
_CLIENTS = 16  # of a process at once: settings, each with the credentials of its time
_FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
}
"""Files of AWS's own settings: the variable that names each, and where it is without that."""
_Result = TypeVar("_Result")


def client(settings: S3Settings) -> Any:
    """Return this process' client.

    One is made for each process and settings, and another when AWS's own settings change: keys that
    are set, or written anew by a login, count from then on, without a new process.
    """
    return _client(settings, os.getpid(), _own_settings())


def transfers(settings: S3Settings) -> Any:
    """Return this process' s3transfer manager, which sends and copies large files in parts."""
    return _transfers(settings, os.getpid(), _own_settings())


def _own_settings() -> str:
    """Return a digest of what AWS's own settings say here: it tells that they changed, not what."""
    variables = {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
    files = [_stamp(variables.get(name, usual)) for name, usual in _FILES.items()]
    return hashlib.sha256(repr((sorted(variables.items()), files)).encode()).hexdigest()


def _stamp(file: str) -> tuple[int, ...]:
    """Return what changes with a file's content; nothing where it cannot be looked at."""
    try:
        found = Path(file).expanduser().stat()
    except (OSError, RuntimeError):  # RuntimeError: nobody knows where home is
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


@functools.lru_cache(maxsize=_CLIENTS)
def _client(settings: S3Settings, _process: int, _own: str) -> Any:
    try:
        session = boto3.Session(profile_name=settings.profile, region_name=settings.region)
        client = session.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            config=Config(
                max_pool_connections=2 * THREADS,
                connect_timeout=5,
                read_timeout=settings.window,
                response_checksum_validation=(
                    "when_supported" if settings.their_checksums else "when_required"
                ),
                **_retries(settings),
                **({"signature_version": UNSIGNED} if settings.unsigned else {}),
            ),
        )
    except ProfileNotFound as error:
        raise ForbiddenError(f"S3: {error}; name one of ~/.aws/config, or none") from None
    except (BotoCoreError, ValueError) as error:
        raise StoreError(f"S3 cannot be used: {error}") from None
    if settings.counted:
        client.meta.events.register("before-send.s3", _count_sent)
        client.meta.events.register("response-received.s3", _count_received)
    if not settings.unsigned:  # it would sign what must not be signed
        clock.follow(client)
    return client


def _retries(settings: S3Settings) -> dict[str, Any]:
    if settings.attempts is None:
        return {}
    return {"retries": {"mode": "adaptive", "total_max_attempts": settings.attempts}}


@functools.lru_cache(maxsize=_CLIENTS)
def _transfers(settings: S3Settings, process: int, own: str) -> Any:
    return create_transfer_manager(
        _client(settings, process, own),
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


def blocks_of(answer: Mapping[str, Any], size: int) -> Generator[bytes, None, None]:
    """Yield the content of an answer to its end, then close it.

    Parameters
    ----------
    answer : mapping
        Of ``get_object``.
    size : int
        Most bytes of a block.

    Raises
    ------
    botocore.exceptions.IncompleteReadError
        It has not the length that the answer says.
    """
    body, came = answer["Body"], 0
    with closing(body):
        for block in body.iter_chunks(size):
            came += len(block)
            yield block
    announced = answer.get("ContentLength", came)
    if came != announced:
        raise IncompleteReadError(actual_bytes=came, expected_bytes=announced)


def beginning_of(answer: Mapping[str, Any], count: int) -> bytes:
    """Return the first bytes of an answer, all of a shorter one; errors as of `blocks_of`."""
    content = bytearray()
    with closing(blocks_of(answer, _BLOCK)) as blocks:
        for block in blocks:
            content += block
            if len(content) >= count:
                break
    return bytes(content[:count])


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
