"""The process that asks a TAP server by astroquery: ``python -m skymosaic.archive.gaia.asking``.

astroquery's client waits without end for a server that does not answer, prints, and asks ESA for
messages when it is imported. In a process of its own each of these does no harm.

It reads an `Order` as JSON from its input, writes the answer to each query as VOTable into a
folder, and one line of JSON to its output: nothing, or what went wrong.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sys
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from skymosaic.host.processes import end_with_parent

_ATTEMPTS = 3
_PAUSES = (1.0, 4.0)  # s
_PASSING = (408, 429, 500, 502, 503, 504)


class _RefusedError(Exception):
    """What the server says is wrong with a query; asking again is of no use."""


class _FailedError(Exception):
    """What went wrong, and may not the next time."""


def main() -> None:
    """Ask what the input says."""
    order = json.load(sys.stdin)
    end_with_parent(int(order["parent"]), signal.SIGKILL)
    socket.setdefaulttimeout(float(order["patience"]))
    answer: dict[str, Any] = {}
    # What astroquery prints goes to the log of its caller.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            client = _client(order["url"])
            for number, query in enumerate(order["queries"]):
                _ask_patiently(client, query, Path(order["folder"]) / f"{number}.vot")
        except _RefusedError as error:
            answer = {"refused": str(error)}
        except _FailedError as error:
            answer = {"failed": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")


def _client(url: str) -> Any:
    with _without_messages():
        from astroquery.gaia import GaiaClass
    parts = urlsplit(url)
    context = parts.path.strip("/").removesuffix("tap").strip("/")
    return GaiaClass(
        gaia_tap_server=f"{parts.scheme}://{parts.netloc}",
        gaia_data_server=f"{parts.scheme}://{parts.netloc}",
        tap_server_context=context,
        show_server_messages=False,
    )


@contextlib.contextmanager
def _without_messages() -> Iterator[None]:
    """Keep astroquery from asking ESA for messages, which it does when it is imported."""
    from astroquery.utils.tap.conn.tapconn import TapConn

    asks = TapConn.execute_tapget

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("nobody is asked for messages")

    TapConn.execute_tapget = refuse
    try:
        yield
    finally:
        TapConn.execute_tapget = asks


def _ask_patiently(client: Any, query: str, path: Path) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            _ask(client, query, path)
            return
        except _FailedError as error:
            print(f"attempt {attempt + 1}: {error}")  # noqa: T201 (the log)
            if attempt + 1 == _ATTEMPTS:
                raise
            time.sleep(_PAUSES[attempt])


def _ask(client: Any, query: str, path: Path) -> None:
    """Ask a query as an asynchronous job, and write its answer once it is whole."""
    part = path.with_suffix(".part")
    try:
        # The format that is not packed: a part of a packed answer may look whole.
        job = client.launch_job_async(query, output_format="votable_plain", background=True)
        _, phase = job.wait_for_job_end()
        if phase == "COMPLETED":
            job.outputFile = job.outputFileUser = str(part)
            job.save_results()
        elif phase == "ERROR":
            raise _RefusedError(_first_line(job.get_error()))
        else:
            raise _FailedError(f"the job ended as {phase}")
        with contextlib.suppress(Exception):  # a server that keeps a job does no harm
            client.remove_jobs([job.jobid])
    except (_RefusedError, _FailedError):
        raise
    except (OSError, HTTPException, ValueError, AttributeError) as error:
        _raise_by_status(client, error)
    _require_whole(part)
    part.replace(path)


def _raise_by_status(client: Any, error: Exception) -> None:
    """Tell a query that is refused from a server that is not well, by the HTTP status."""
    from requests.exceptions import HTTPError

    handler = client._TapPlus__getconnhandler()
    status = handler.get_response_status() if isinstance(error, HTTPError) else 0
    text = f"{_first_line(error)} ({status})" if status else f"{type(error).__name__}: {error}"
    if status and status not in _PASSING:
        raise _RefusedError(text) from error
    raise _FailedError(text) from error


def _first_line(error: Any) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _require_whole(path: Path) -> None:
    """Raise where an answer is no whole VOTable, or tells of an error in its place."""
    from skymosaic.archive.gaia.answers import read_answer

    try:
        answer = read_answer(path)
    except Exception as error:
        raise _FailedError(f"the answer is no whole VOTable: {_first_line(error)}") from error
    if answer.error:
        raise _RefusedError(answer.error)


if __name__ == "__main__":
    main()
