"""MAST's own download, by HTTP."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from skymosaic.archive.mast.files import ArchiveFile
from skymosaic.archive.mast.redirects import followed
from skymosaic.archive.mast.watched import Watchdog, get
from skymosaic.archive.origin import AgainError, Reply, Version, requested_pause
from skymosaic.errors import ForbiddenError, InputError

_CONNECT = 10.0  # s
_BLOCK = 1 << 18
_BUSY = {408, 425, 429}
_REDIRECTS = 5
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_LENGTH = re.compile(r"\d{1,18}")
_TOKEN = "MAST_API_TOKEN"  # noqa: S105 (the variable's name)
_PASSING = (requests.RequestException, HTTPError, OSError, ValueError)
"""What requests and urllib3 raise of answers that are not HTTP as it should be."""


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

    @property
    def address(self) -> str:
        """The server's."""
        return self.server

    @contextmanager
    def open(
        self, file: ArchiveFile, start: int, version: Version, window: float
    ) -> Iterator[Reply]:
        """Ask for a file from a byte on; as `origin.Origin` says."""
        rest = {}
        if start:
            # The rest only if it is the rest of the same file; else all of it.
            rest = {"Range": f"bytes={start}-", "If-Range": version.strong or version.modified}
        with Watchdog(window) as dog:
            try:
                answer = self._ask(file, rest, window)
            except _PASSING as error:
                raise AgainError(_why(error, dog)) from None
            with closing(answer):
                _require_good(answer, file)
                yield _reply(answer, dog)

    def _ask(self, file: ArchiveFile, headers: dict[str, str], window: float) -> requests.Response:
        """Ask, and say who asks where that is wanted: public data are for all."""
        answer = self._follow(file, headers, {}, window)
        if answer.status_code in (401, 403) and (who := _authorization()):
            answer.close()
            return self._follow(file, headers, who, window)
        return answer

    def _follow(
        self, file: ArchiveFile, headers: dict[str, str], who: dict[str, str], window: float
    ) -> requests.Response:
        """Ask where the answer leads to; who asks is told to MAST itself only."""
        request = requests.Request(
            "GET", f"{self.server}/api/v0.1/Download/file", params={"uri": file.uri}
        )
        url = str(request.prepare().url)
        for _ in range(_REDIRECTS + 1):
            at_home = urlsplit(url)[:2] == urlsplit(self.server)[:2]
            request_headers = {**headers, "Accept-Encoding": "identity", **(who if at_home else {})}
            answer = get(url, request_headers, (_CONNECT, window))
            if not answer.is_redirect:
                return answer
            answer.close()
            url = followed(url, answer.headers["Location"], file.name)
        raise InputError(
            f"{file.name}: MAST redirects without end (last to {url[:200]!r}); try again later"
        )


def _why(error: Exception, dog: Watchdog) -> str:
    return "it is too slow" if dog.has_bitten else type(error).__name__


def _reply(answer: requests.Response, dog: Watchdog) -> Reply:
    start, size = 0, _length(answer)
    if answer.status_code == 206:
        part = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if part is None:
            raise AgainError("it sent a part without saying which", afresh=True)
        start, last = int(part[1]), int(part[2])
        if last < start or size not in (None, last + 1 - start):
            raise AgainError("it sent another part than it says", afresh=True)
        size = None if part[3] == "*" else int(part[3])
        if size is not None and last >= size:
            raise AgainError("it sent another part than it says", afresh=True)
    version = Version(answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", ""))
    return Reply(version, start, size, _blocks(answer, dog))


def _length(answer: requests.Response) -> int | None:
    """Return the bytes that the answer is said to carry, None where that is not said."""
    length = answer.headers.get("Content-Length")
    if length is None or "Transfer-Encoding" in answer.headers:
        return None
    if not _LENGTH.fullmatch(length):
        raise AgainError(f"its Content-Length is {length[:40]!r}", afresh=True)
    return int(length)


def _blocks(answer: requests.Response, dog: Watchdog) -> Iterator[bytes]:
    try:
        # Unlike iter_content, this loses nothing of what came before it broke off. Whatever
        # encoding it claims to have, the bytes themselves are looked at.
        while block := answer.raw.read1(_BLOCK, decode_content=False):
            dog.feed()
            yield block
    except _PASSING as error:
        raise AgainError(f"it broke off ({_why(error, dog)})") from None


def _require_good(answer: requests.Response, file: ArchiveFile) -> None:
    status = answer.status_code
    if status in _BUSY or status >= 500:
        raise AgainError(f"HTTP {status}", requested_pause(answer.headers.get("Retry-After", "")))
    if status in (401, 403):
        _from_keyring.cache_clear()  # for another try, after its user has stored a token
        release = f", public from {file.release}" if file.release else ""
        raise ForbiddenError(
            f"{file.name} may not be fetched (HTTP {status}): its rights are "
            f"{file.rights}{release}. If it is yours, set {_TOKEN} to a token from "
            "https://auth.mast.stsci.edu, or store one in the keyring with astroquery's "
            "Observations.login(store_token=True)"
        )
    if status == 416:
        raise AgainError("it knows no such part", afresh=True)
    if status not in (200, 206):
        raise InputError(f"{file.name}: MAST answers HTTP {status}; run `skymosaic query` again")


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
