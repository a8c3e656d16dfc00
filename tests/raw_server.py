"""A server that sends the bytes that a test chooses: what no HTTP library would let it send."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Request:
    """What a client asked."""

    line: str
    headers: dict[str, str]
    """By name in small letters."""

    @property
    def start(self) -> int:
        """First byte of the range that is asked for; 0 where none is."""
        requested = self.headers.get("range", "")
        return int(requested.removeprefix("bytes=").removesuffix("-")) if requested else 0


Answer = Callable[[Request], Iterable[bytes | float]]
"""Gives what is sent to a request: bytes, and pauses in seconds."""


@dataclass
class RawServer:
    """A server, and what it is to answer."""

    url: str = ""
    answer: Answer = lambda _request: ()
    requests: list[Request] = field(default_factory=list)


@contextmanager
def raw_server() -> Iterator[RawServer]:
    """Yield a server on this host; a connection ends with its answer."""
    served = RawServer()
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    served.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = _read(connection)
            if request is None:
                return
            served.requests.append(request)
            for piece in served.answer(request):
                if isinstance(piece, float):
                    if ended.wait(piece):
                        return
                else:
                    connection.sendall(piece)
            # Else unread bytes would reset the connection, and what was sent with it.
            connection.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    running = threading.Thread(target=accept, daemon=True)
    running.start()
    try:
        yield served
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        running.join()


def _read(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        block = connection.recv(65536)
        if not block:
            return None
        received += block
    line, *lines = received.decode("latin1").split("\r\n\r\n")[0].split("\r\n")
    pairs = (one.partition(":") for one in lines)
    return Request(line, {name.lower(): value.strip() for name, _, value in pairs})


def head(status: int | str, *headers: tuple[str, str | int]) -> bytes:
    """Return the head of an answer."""
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin1", "replace")


def honest(content: bytes, *version: tuple[str, str]) -> Answer:
    """Return the answers of a server that does as it should.

    Parameters
    ----------
    content : bytes
        The file.
    version : (name, value) pairs
        Headers that tell the file's version.
    """
    names = {value for _name, value in version}

    def answer(request: Request) -> Iterator[bytes]:
        start = request.start
        wanted = request.headers.get("if-range")
        if wanted is not None and wanted not in names:
            start = 0
        if request.headers.get("if-match", "*") not in (*names, "*"):
            yield head(412, ("Content-Length", 0))
            return
        rest = content[start:]
        if start >= len(content):
            yield head(416, ("Content-Range", f"bytes */{len(content)}"), ("Content-Length", 0))
        elif start:
            content_range = f"bytes {start}-{len(content) - 1}/{len(content)}"
            lengths = (("Content-Length", len(rest)), ("Content-Range", content_range))
            yield head(206, *lengths, *version) + rest
        else:
            yield head(200, ("Content-Length", len(content)), *version) + rest

    return answer
