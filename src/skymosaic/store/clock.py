"""Requests signed with the server's time, where this host's clock is off.

S3 refuses a signature that is more than 15 minutes from its own time, and says in its answer what
that is. The difference is remembered for the server, and the request is signed and sent again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import AUTH_TYPE_MAPS, SIGV4_TIMESTAMP, S3SigV4Auth
from botocore.compat import get_current_datetime

log = logging.getLogger(__name__)

_SIGNER = "skymosaic-s3v4"
_offsets: dict[str, timedelta] = {}
"""How far the clock of a server (host and port) is ahead of ours, where it matters."""


class _ServerTimeAuth(S3SigV4Auth):
    """Signature version 4 with the server's time."""

    def _modify_request_before_signing(self, request: Any) -> None:
        offset = _offsets.get(urlsplit(request.url).netloc)
        if offset is not None:
            now = get_current_datetime() + offset
            request.context["timestamp"] = now.strftime(SIGV4_TIMESTAMP)
        super()._modify_request_before_signing(request)


AUTH_TYPE_MAPS[_SIGNER] = _ServerTimeAuth


def follow(client: Any) -> None:
    """Let a client sign with the time of a server that refused ours."""
    client.meta.events.register_first("needs-retry.s3", _learn)
    client.meta.events.register_first("choose-signer.s3", _choose_signer)


def _learn(response: Any, request_dict: Any, **_: Any) -> float | None:
    """Ask for another try, at once, where the server refused our time."""
    if response is None or response[1].get("Error", {}).get("Code") != "RequestTimeTooSkewed":
        return None
    date = response[0].headers.get("date")
    host = urlsplit(request_dict["url"]).netloc
    if date is None or host in _offsets:
        return None  # the server's time was used, or is not known: trying again is no use
    theirs, ours = parsedate_to_datetime(date), get_current_datetime()
    _offsets[host] = theirs.replace(tzinfo=None) - ours.replace(tzinfo=None)
    log.warning(
        "this host's clock is %.0f s off that of the S3 server %s; signing with the server's time",
        -_offsets[host].total_seconds(),
        host,
    )
    return 0.0


def _choose_signer(**_: Any) -> str | None:
    return _SIGNER if _offsets else None
