"""What boto3 and S3 say when something fails: one reading of it, and the words of a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError
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

_MISSING = {"NoSuchKey", "NotFound", "404"}
_CHANGED = {"PreconditionFailed", "InvalidRange", "412", "416"}
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
    *(RetriesExceededError, S3ValidationError),  # s3transfer's
    *(HTTPError, ConnectionError),  # urllib3's, the system's
)
# Of answers that are not S3's; botocore follows a redirect that leads to itself until Python's
# stack is full.
_NOT_S3 = (ResponseParserError, ValueError, KeyError, RecursionError)


class FailureKind(Enum):
    """What is to be done about a failure."""

    NO_BUCKET = auto()
    MISSING = auto()
    CHANGED = auto()
    """The object is not the version, or has not the bytes, that were requested."""
    NO_CREDENTIALS = auto()
    FORBIDDEN = auto()
    TIME = auto()
    """The server refuses its own time."""
    BUSY = auto()
    """It may do it later."""
    AWAY = auto()
    """It did not answer, or not as S3 does; or it broke off."""
    REFUSED = auto()
    """It never will."""


@dataclass(frozen=True)
class Failure:
    """Why S3 did not do something."""

    kind: FailureKind
    why: str
    """The server's code, or what boto3 says: never the server's text, which may hold a key."""
    operation: str = ""
    """What S3 calls what was requested, where it answered."""


def failure_of(error: BaseException) -> Failure | None:
    """Return what an error says of S3; None where it says nothing of it."""
    if isinstance(error, ClientError):
        return Failure(_kind_of(error), error_code(error), error.operation_name)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return Failure(FailureKind.NO_CREDENTIALS, _brief(error))
    if isinstance(error, (*_AWAY, *_NOT_S3)):
        return Failure(FailureKind.AWAY, _brief(error))
    if isinstance(error, BotoCoreError):
        return Failure(FailureKind.REFUSED, _brief(error))
    return None


def error_code(error: ClientError) -> str:
    """Return the code that the server gave, or the HTTP status where it gave none."""
    return str(error.response.get("Error", {}).get("Code") or _status(error) or "")


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _kind_of(error: ClientError) -> FailureKind:
    code, status = error_code(error), _status(error)
    if code == "NoSuchBucket":
        return FailureKind.NO_BUCKET
    if code in _MISSING:
        return FailureKind.MISSING
    if code in _CHANGED or status in (412, 416):
        return FailureKind.CHANGED
    if code == "RequestTimeTooSkewed":
        return FailureKind.TIME
    if code in _FORBIDDEN or status in (401, 403):
        return FailureKind.FORBIDDEN
    if code in _BUSY or (status >= 500 and status != 501):
        return FailureKind.BUSY
    return FailureKind.REFUSED


def no_credentials(address: str, section: str) -> ForbiddenError:
    """Return the error of who has no credentials; `section`: of the campaign file."""
    return ForbiddenError(
        f"{address}: no AWS credentials found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
        f"AWS_SECRET_ACCESS_KEY, or {section}.unsigned for a public bucket"
    )


def refused_time(address: str) -> ForbiddenError:
    """Return the error of a server that refuses what is signed with its own time."""
    return ForbiddenError(f"{address}: the S3 server refuses its own time; set its clock")


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
    except Exception as error:
        failure = failure_of(error)
        if failure is not None:
            raise _in_words(address, failure) from None
        if not isinstance(error, OSError):
            raise
        full = no_space(error, address, path.parent if path else Path.cwd(), SCRATCH_REMEDY)
        raise full or StoreError(
            f"{address}: {path or error.filename}: {error.strerror or error}"
        ) from None


def _in_words(address: str, failure: Failure) -> SkymosaicError:
    why = failure.why
    match failure.kind:
        case FailureKind.NO_BUCKET:
            return MissingError(f"{address}: there is no such bucket; make it, or name another")
        case FailureKind.MISSING:
            return MissingError(f"{address} is not in the store; run again to make it")
        case FailureKind.NO_CREDENTIALS:
            return no_credentials(address, "store")
        case FailureKind.TIME:
            return refused_time(address)
        case FailureKind.FORBIDDEN:
            return ForbiddenError(
                f"{address}: no permission ({why}); check the credentials (AWS_PROFILE, "
                "AWS_ACCESS_KEY_ID) and what they may do with this bucket"
            )
        case FailureKind.BUSY:
            return UnreachableError(f"{address}: the S3 server is too busy ({why})")
        case FailureKind.AWAY:
            return UnreachableError(f"{address}: the S3 server does not answer ({why})")
    if failure.operation:
        return StoreError(f"{address}: the S3 server refused {failure.operation} ({why})")
    return StoreError(f"{address}: {why}")


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
