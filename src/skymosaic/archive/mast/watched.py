"""A session whose answers are cut off when they stall, wherever in the answer that is.

A timeout of `requests` begins anew with each byte: a server that sends one now and then, in the
head of its answer or within it, would be waited for without end.
"""

from __future__ import annotations

import functools
import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_here = threading.local()


class Watchdog:
    """Cuts the connection that this thread uses when it was not fed for some time.

    Parameters
    ----------
    window : float
        How long, s.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._fed = time.monotonic()
        self._ended = threading.Event()
        self.connection: HTTPConnection | None = None
        self.socket: socket.socket | None = None
        self.has_bitten = False

    def feed(self) -> None:
        """Tell that something came."""
        self._fed = time.monotonic()

    def __enter__(self) -> Watchdog:
        _here.watchdog = self
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        _here.watchdog = None

    def _watch(self) -> None:
        while not self._ended.wait(max(0.01, self._fed + self._window - time.monotonic())):
            if time.monotonic() - self._fed < self._window:
                continue
            self.has_bitten = True
            used = self.socket or (self.connection and self.connection.sock)
            if used:
                # The reader, in another thread, sees the end of the connection. Of a socket of TLS
                # only what is below it is touched: its state is the reader's.
                with suppress(OSError):  # it has ended by itself
                    socket.socket.shutdown(used, socket.SHUT_RDWR)
            self.feed()


class _Watched:
    """What a connection tells the watchdog of its thread."""

    sock: socket.socket | None

    def connect(self) -> None:
        if dog := getattr(_here, "watchdog", None):
            dog.connection, dog.socket = self, None
        super().connect()  # type: ignore[misc]

    def getresponse(self) -> Any:
        if dog := getattr(_here, "watchdog", None):
            dog.socket = self.sock
        return super().getresponse()  # type: ignore[misc]


class _Connection(_Watched, HTTPConnection):
    pass


class _SecureConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):  # those have connections of their own
            manager.pool_classes_by_scheme = _POOLS
        return manager


def get(url: str, headers: Mapping[str, str], timeout: tuple[float, float]) -> requests.Response:
    """Ask for what is at an address; its content is not read, and a redirect not followed.

    Parameters
    ----------
    url : str
        The address.
    headers : mapping of str to str
        Headers of the request.
    timeout : tuple of float
        Time to connect, and between two bytes, s.

    Raises
    ------
    requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError
        There is no answer, or it is not HTTP as it should be.
    """
    session = _session(os.getpid())
    request = session.prepare_request(requests.Request("GET", url, headers))
    # What the user's environment says of proxies and certificates.
    options = session.merge_environment_settings(request.url, {}, True, None, None)
    # The session itself would read where a redirect leads to, and all that comes with it.
    return session.get_adapter(str(request.url)).send(request, timeout=timeout, **options)


@functools.cache
def _session(_process: int) -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session
