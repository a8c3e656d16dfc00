"""A stand-in for Gaia's archive: TAP over a real socket, with a table of stars behind it.

It speaks what astroquery's client uses of the protocol: ``/tap/sync``, ``/tap/async`` with job
documents, phases, results and errors (UWS 1.1), VOTable answers with QUERY_STATUS, and does on
demand what servers do. Of ADQL it reads TOP, CIRCLE and POLYGON, and limits of columns.

``python -m tests.gaia_standin CATALOGUE`` serves a file that ``skymosaic simulate --gaia`` wrote,
and prints the address for ``align.reference.url``.
"""

from __future__ import annotations

import gzip
import io
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import numpy as np
from astropy.io import votable
from astropy.io.votable.tree import Info
from astropy.table import Table

CONTEXT = "/tap-server/tap"
_TOP = re.compile(r"SELECT TOP (\d+) ", re.I)
_CIRCLE = re.compile(r"CIRCLE\('ICRS', ([-\d.e]+), ([-\d.e]+), ([-\d.e]+)\)", re.I)
_POLYGON = re.compile(r"POLYGON\('ICRS', ([-\d.e, ]+)\)", re.I)
_LIMIT = re.compile(r"(?<![(\w])(\w+) (>=|<=) ([-\d.e]+)", re.I)
_RUWE = re.compile(r"\(ruwe <= ([\d.]+) OR ruwe IS NULL\)", re.I)
_NOT_NULL = re.compile(r"(\w+) IS NOT NULL", re.I)
_NAMES = re.compile(r"SELECT (?:TOP \d+ )?(.+) FROM (\S+)", re.I)


class Server:
    """What the stand-in holds, what it does wrong, and what was asked of it."""

    def __init__(self, stars: Table, table: str = "gaiadr3.gaia_source") -> None:
        self.stars, self.table = stars, table
        self.faults: list[str] = []
        """What goes wrong at the next jobs, one after the other: 500, hang, truncated, error,
        unavailable, aborted."""
        self.max_rows: int | None = None
        """Rows after which the server cuts answers, and says so."""
        self.queries: list[str] = []
        self.requests: list[str] = []
        self.removed: list[str] = []
        self.jobs: dict[str, str] = {}
        self.fault_of: dict[str, str] = {}
        self.url = ""
        self.lock = threading.Lock()

    def answer(self, query: str) -> bytes:
        """Return the VOTable that answers a query, or tells why there is none."""
        try:
            table, cut = self._select(query)
        except ValueError as error:
            return error_document(str(error))
        document = votable.from_table(table)
        [resource] = document.resources
        resource.type = "results"
        resource.infos.append(Info(name="QUERY_STATUS", value="OK"))
        if cut:
            resource.infos.append(Info(name="QUERY_STATUS", value="OVERFLOW"))
        data = io.BytesIO()
        document.to_xml(data)
        return data.getvalue()

    def _select(self, query: str) -> tuple[Table, bool]:
        names = _NAMES.search(query)
        if names is None or names[2].lower() != self.table:
            what = names[2] if names else query[:40]
            raise ValueError(f"Cannot find table '{what}'")
        columns = [name.strip() for name in names[1].split(",")]
        for name in columns:
            if name not in self.stars.colnames:
                raise ValueError(f"Cannot find column '{name}'")
        table = self.stars[self._fine(query)]
        top = _TOP.search(query)
        table = table[: int(top[1])] if top else table
        cut = self.max_rows is not None and len(table) > self.max_rows
        return (table[: self.max_rows] if cut else table)[columns], cut

    def _fine(self, query: str) -> Any:
        fine = _inside(query, np.asarray(self.stars["ra"]), np.asarray(self.stars["dec"]))
        if ruwe := _RUWE.search(query):
            values = _filled(self.stars["ruwe"])
            fine &= np.isnan(values) | (values <= float(ruwe[1]))
        for name, sign, limit in _LIMIT.findall(_RUWE.sub("", query)):
            values = _filled(self.stars[name])
            with np.errstate(invalid="ignore"):
                fine &= values >= float(limit) if sign == ">=" else values <= float(limit)
        for name in _NOT_NULL.findall(query):
            fine &= ~np.isnan(_filled(self.stars[name]))
        return fine


def _filled(column: Any) -> Any:
    return np.ma.filled(np.ma.asarray(column).astype(float), np.nan)


def _vectors(ra: Any, dec: Any) -> Any:
    a, d = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def _inside(query: str, ra: Any, dec: Any) -> Any:
    """Tell which places lie in the circle or the (convex) polygon of a query."""
    if circle := _CIRCLE.search(query):
        centre = _vectors(float(circle[1]), float(circle[2]))
        return _vectors(ra, dec) @ centre >= np.cos(np.radians(float(circle[3])))
    if polygon := _POLYGON.search(query):
        corners = np.array([float(one) for one in polygon[1].split(",")]).reshape(-1, 2)
        vectors, places = _vectors(corners[:, 0], corners[:, 1]), _vectors(ra, dec)
        sides = np.cross(vectors, np.roll(vectors, -1, axis=0))
        signs = np.sign(places @ sides.T)
        return (signs >= 0).all(axis=1) | (signs <= 0).all(axis=1)
    raise ValueError("no region that this server knows")


def error_document(message: str) -> bytes:
    """Return a VOTable that tells of an error, as TAP 1.1 has it."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
        f'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">{escape(message)}</INFO>'
        "</RESOURCE></VOTABLE>\n"
    ).encode()


def _job_document(job: str, phase: str, url: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1">\n'
        f"<uws:jobId>{job}</uws:jobId><uws:phase>{phase}</uws:phase>\n"
        f'<uws:results><uws:result id="result" xlink:href="{url}/async/{job}/results/result"/>'
        "</uws:results></uws:job>\n"
    ).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "GaiaStandIn"
    held: Server
    stopping: threading.Event

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        given = {name.upper(): values[0] for name, values in parse_qs(body).items()}
        path = self._path()
        if path == "/async":
            self._begin(given)
        elif path == "/sync":
            with self.held.lock:
                self.held.queries.append(given["QUERY"])
            self._results(self.held.answer(given["QUERY"]), given.get("FORMAT", ""))
        elif path == "/deletejobs":
            with self.held.lock:
                self.held.removed += given["JOB_IDS"].split(",")
            self._send(200, b"")
        elif path.endswith("/phase"):
            self._send(303, b"", location=f"{self.held.url}{path.removesuffix('/phase')}")
        else:
            self._send(404, b"no such resource")

    def do_GET(self) -> None:
        path = self._path()
        parts = path.strip("/").split("/")
        job = parts[1] if len(parts) > 1 and parts[0] == "async" else ""
        if job not in self.held.jobs:
            self._send(404, b"no such resource")
            return
        fault, rest = self.held.fault_of.get(job, ""), "/".join(parts[2:])
        phase = {"error": "ERROR", "aborted": "ABORTED"}.get(fault, "COMPLETED")
        if rest == "":
            self._send(200, _job_document(job, phase, self.held.url), kind="text/xml")
        elif rest == "phase":
            self._send(200, phase.encode())
        elif rest == "error":
            self._send(200, error_document("the job ran out of time"), kind="text/xml")
        elif rest == "results/result":
            query, _, form = self.held.jobs[job].partition("\0")
            self._results(self.held.answer(query), form, fault)
        else:
            self._send(404, b"no such resource")

    def _path(self) -> str:
        path = urlsplit(self.path).path
        with self.held.lock:
            self.held.requests.append(f"{self.command} {path}")
        return path.removeprefix(CONTEXT) if path.startswith(CONTEXT) else f"!{path}"

    def _begin(self, given: dict[str, str]) -> None:
        with self.held.lock:
            self.held.queries.append(given["QUERY"])
            fault = self.held.faults.pop(0) if self.held.faults else ""
            job = f"{len(self.held.queries)}O"
            self.held.jobs[job] = f"{given['QUERY']}\0{given.get('FORMAT', '')}"
            self.held.fault_of[job] = fault
        if fault == "hang":
            self.stopping.wait(60)
            self.close_connection = True
        elif fault == "500":
            self._send(500, b"<html>Internal Server Error</html>")
        elif fault == "unavailable":
            self._send(503, b"down for maintenance")
        elif fault == "refused":
            self._send(400, error_document("Cannot parse query"), kind="text/xml")
        else:
            self._send(303, b"", location=f"{self.held.url}/async/{job}")

    def _results(self, document: bytes, form: str, fault: str = "") -> None:
        if form == "votable_gzip":
            document = gzip.compress(document)
        if b'value="ERROR"' in document:
            self._send(400, document, kind="application/x-votable+xml")
        elif fault == "truncated":
            self._send(200, document, kind="application/x-votable+xml", sent=len(document) // 2)
        elif fault == "cut":  # a proxy gave up, and made it look whole
            self._send(200, document[: len(document) // 2], kind="application/x-votable+xml")
        else:
            self._send(200, document, kind="application/x-votable+xml")

    def _send(
        self,
        status: int,
        body: bytes,
        *,
        kind: str = "text/plain",
        location: str = "",
        sent: int | None = None,
    ) -> None:
        head = [f"HTTP/1.1 {status} {self.responses[status][0]}", f"Content-Length: {len(body)}"]
        head += [f"Content-Type: {kind}", *([f"Location: {location}"] if location else [])]
        if sent is not None:
            body, self.close_connection = body[:sent], True
            head.append("Connection: close")
        with suppress(ConnectionError):
            # One write: http.server's own two cost 40 ms of delayed acknowledgement.
            self.wfile.write("\r\n".join([*head, "", ""]).encode() + body)


@contextmanager
def serving(held: Server) -> Iterator[Server]:
    """Serve on a free port of this machine; `held.url` is the address of the TAP service."""
    stopping = threading.Event()
    handler = type("Handler", (_Handler,), {"held": held, "stopping": stopping})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    held.url = f"http://127.0.0.1:{server.server_port}{CONTEXT}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield held
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def main() -> None:
    """Serve a catalogue until a signal comes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with serving(Server(Table.read(sys.argv[1]))) as held:
        print(held.url, flush=True)
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
