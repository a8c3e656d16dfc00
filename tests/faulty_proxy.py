"""A proxy in front of an S3 server that does what networks and busy servers do."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_BLOCK = 1 << 16
_BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Faults:
    """What goes wrong. Each fault is decided by counting, so that it is the same each time."""

    def __init__(self) -> None:
        self.every_nth_is_busy = 0
        """Answer 503 SlowDown to every n-th request; 0: to none."""
        self.truncate_uploads = 0
        """How many of the next uploads of more than 1 kB to cut in the middle."""
        self.requests = self.busy = self.truncated = 0
        self.fetched = Counter[tuple[str, str]]()
        """Bytes of objects that went to each client, by its address and the path of the object."""
        self._lock = threading.Lock()

    def is_busy(self) -> bool:
        """Count a request; tell whether to refuse it."""
        with self._lock:
            self.requests += 1
            refuse = bool(self.every_nth_is_busy) and self.requests % self.every_nth_is_busy == 0
            self.busy += refuse
            return refuse

    def count(self, client: str, path: str, sent: int) -> None:
        """Count bytes that went to a client."""
        with self._lock:
            self.fetched[client, urlsplit(path).path] += sent

    def truncates(self, method: str, length: int) -> bool:
        """Tell whether to cut a request in the middle."""
        with self._lock:
            cut = method == "PUT" and length > 1000 and self.truncate_uploads > 0
            self.truncate_uploads -= cut
            self.truncated += cut
            return cut


def _handler(backend: str, faults: Faults) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _body(self, length: int) -> Iterator[bytes]:
            while length > 0:
                block = self.rfile.read(min(_BLOCK, length))
                if not block:
                    return
                length -= len(block)
                yield block

        def _forward(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if faults.is_busy():
                for _block in self._body(length):
                    pass
                self.send_response(503)
                self.send_header("Content-Length", str(len(_BUSY)))
                self.end_headers()
                self.wfile.write(_BUSY)
                return
            cut = faults.truncates(self.command, length)
            there = http.client.HTTPConnection(backend, timeout=60)
            try:
                there.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in ("expect", "connection"):
                        there.putheader(name, value)
                there.endheaders()
                sent = 0
                for block in self._body(length):
                    if cut and sent > length // 2:
                        self.close_connection = True
                        return
                    there.send(block)
                    sent += len(block)
                self._answer(there.getresponse())
            except OSError:
                self.close_connection = True  # the server is away: so is the connection
            finally:
                there.close()

        def _answer(self, answer: http.client.HTTPResponse) -> None:
            self.send_response_only(answer.status, answer.reason)
            chunked = answer.getheader("Content-Length") is None and self.command != "HEAD"
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            if chunked:
                body = answer.read()
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            self.end_headers()
            while self.command != "HEAD" and (block := answer.read(_BLOCK)):
                self.wfile.write(block)
                faults.count(self.client_address[0], self.path, len(block))

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that are killed break their connections off."""


@contextmanager
def faulty_proxy(url: str, host: str = "127.0.0.1") -> Iterator[tuple[str, Faults]]:
    """Yield the address of a proxy of the server at `url`, and what is to go wrong there."""
    faults = Faults()
    server = _Server((host, 0), _handler(urlsplit(url).netloc, faults))
    running = threading.Thread(target=server.serve_forever, daemon=True)
    running.start()
    try:
        yield f"http://{host}:{server.server_address[1]}", faults
    finally:
        server.shutdown()
        server.server_close()
        running.join()
