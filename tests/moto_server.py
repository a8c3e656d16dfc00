"""moto's S3, which is quick to start: as it is, over TLS, or without conditional requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""As WSGI has it."""


@contextmanager
def moto_server(
    *, conditions: bool = True, certificates: Mapping[str, Path] | None = None
) -> Iterator[str]:
    """Yield the address of a server; all servers of a process have the same buckets.

    Parameters
    ----------
    conditions : bool
        Whether it knows If-None-Match.
    certificates : mapping or None
        `cert` and `key`, as `tests.certificates` writes them; with them it speaks TLS.
    """
    application: Application = DomainDispatcherApplication(create_backend_app)
    if not conditions:
        application = _without_conditions(application)
    tls = (str(certificates["cert"]), str(certificates["key"])) if certificates else None
    server = make_server("127.0.0.1", 0, application, threaded=True, ssl_context=tls)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        server.server_close()


def _without_conditions(application: Application) -> Application:
    """Answer as servers do that do not know If-None-Match, and pass on all else."""
    body = b"<Error><Code>NotImplemented</Code><Message>If-None-Match</Message></Error>"

    def answer(asked: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if "HTTP_IF_NONE_MATCH" not in asked:
            return application(asked, start)
        asked["wsgi.input"].read(int(asked.get("CONTENT_LENGTH") or 0))
        start("501 Not Implemented", [("Content-Type", "application/xml"),
                                      ("Content-Length", str(len(body)))])  # fmt: skip
        return [body]

    return answer
