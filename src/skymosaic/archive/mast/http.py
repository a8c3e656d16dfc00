"""MAST's own download, by HTTP."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import requests
from urllib3.exceptions import HTTPError

from skymosaic.archive.download import AgainError, Reply
from skymosaic.archive.mast.files import ArchiveFile
from skymosaic.errors import ForbiddenError, InputError

_TIMEOUT = (10.0, 60.0)  # s to connect, and between two blocks
_BLOCK = 1 << 18
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_TOKEN = "MAST_API_TOKEN"  # noqa: S105 (the variable's name)


@dataclass(frozen=True)
class Http:
    """MAST's download service.

    Parameters
    ----------
    server : str
        Its address, without a path.
    """

    server: str
    name: ClassVar[str] = "MAST"

    @contextmanager
    def open(self, file: ArchiveFile, start: int, etag: str) -> Iterator[Reply]:
        """Ask for a file from a byte on; as `download.Place` says."""
        rest = {"Range": f"bytes={start}-", "If-Range": etag} if start else {}
        try:
            with self._ask(file, rest) as answer:
                _require_good(answer, file)
                yield _reply(answer)
        except requests.RequestException as error:
            raise AgainError(f"{type(error).__name__}") from None

    def _ask(self, file: ArchiveFile, headers: dict[str, str]) -> requests.Response:
        """Ask, and say who asks where that is wanted: public data are for all."""
        ask = functools.partial(
            _session().get,
            f"{self.server}/api/v0.1/Download/file",
            params={"uri": file.uri},
            stream=True,
            timeout=_TIMEOUT,
        )
        headers = {**headers, "Accept-Encoding": "identity"}
        answer = ask(headers=headers)
        if answer.status_code in (401, 403) and (who := _authorization()):
            answer.close()
            return ask(headers={**headers, **who})
        return answer


def _reply(answer: requests.Response) -> Reply:
    length = answer.headers.get("Content-Length")
    start, size = 0, int(length) if length else None
    if answer.status_code == 206:
        told = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if told is None:
            raise AgainError("it sent a part without saying which", afresh=True)
        start, size = int(told[1]), None if told[2] == "*" else int(told[2])
    return Reply(answer.headers.get("ETag", ""), start, size, _blocks(answer))


def _blocks(answer: requests.Response) -> Iterator[bytes]:
    try:
        # Unlike iter_content, this loses nothing of what came before it broke off.
        while block := answer.raw.read1(_BLOCK):
            yield block
    except (HTTPError, OSError):
        return  # what came is kept, and the size tells


def _require_good(answer: requests.Response, file: ArchiveFile) -> None:
    status = answer.status_code
    if status in _BUSY:
        after = answer.headers.get("Retry-After", "")
        raise AgainError(f"HTTP {status}", float(after) if after.isdecimal() else None)
    if status in (401, 403):
        release = f", public from {file.release}" if file.release else ""
        raise ForbiddenError(
            f"{file.name} may not be fetched (HTTP {status}): its "
            f"rights are {file.rights}{release}. "
            f"If it is yours, set {_TOKEN} to a token from https://auth.mast.stsci.edu, or store "
            "one in the keyring with astroquery's Observations.login(store_token=True)"
        )
    if status == 416:
        raise AgainError("it knows no such part", afresh=True)
    if status not in (200, 206):
        raise InputError(f"{file.name}: MAST answers HTTP {status}; query again")


def _authorization() -> dict[str, str]:
    """Return the header that says who asks; the token is in the environment or the keyring."""
    token = os.environ.get(_TOKEN) or _from_keyring()
    return {"Authorization": f"token {token}"} if token else {}


@functools.cache
def _from_keyring() -> str | None:
    try:
        import keyring

        # Where astroquery stores it.
        return keyring.get_password("astroquery:mast.stsci.edu.token", "masttoken")
    except Exception:  # no keyring on this host, which is as good as an empty one
        return None


@functools.cache
def _session() -> requests.Session:
    return requests.Session()
