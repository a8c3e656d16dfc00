"""A stand-in for MAST: its protocol over a real socket, with simulated data behind it.

It answers what astroquery posts (the column configuration, ``Mast.Caom.Filtered``,
``Mast.Caom.Filtered.Position``, ``Mast.Caom.Products``) and the download service with ranges, and
does on demand what networks and archives do. astroquery runs unpatched: it is pointed here by its
own configuration file, in the folder that `configuration` writes.

``python -m tests.mast_standin FOLDER`` serves a folder of exposures and drizzled images, and prints
the environment that makes astroquery and skymosaic ask it.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
import shlex
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from astropy.io import fits

from skymosaic.hst.exposure import suffix_of

_BLOCK = 1 << 16
_OBSERVATION = {
    "obsid": "string", "obs_id": "string", "obs_collection": "string", "proposal_id": "string",
    "target_name": "string", "instrument_name": "string", "filters": "string", "s_ra": "float",
    "s_dec": "float", "t_min": "float", "t_obs_release": "float", "project": "string",
    "dataRights": "string",
}  # fmt: skip
_PRODUCT = {
    "obsID": "string", "obs_collection": "string", "obs_id": "string", "dataURI": "string",
    "productFilename": "string",
    "productSubGroupDescription": "string", "project": "string", "size": "int",
    "parent_obsid": "string", "proposal_id": "string", "dataRights": "string",
}  # fmt: skip


class Archive:
    """What the stand-in holds, what it does wrong, and what was asked of it."""

    def __init__(self, proposal: str = "12812") -> None:
        self.proposal = proposal
        self.observations: list[dict[str, Any]] = []
        self.products: list[dict[str, Any]] = []
        self.files: dict[str, Path] = {}
        self.faults: dict[str, list[str]] = {}
        """By file name: what goes wrong at its next requests, one after the other."""
        self.private: dict[str, str] = {}
        """By file name: the token that one must show."""
        self.latency = 0.0
        """Seconds before each answer."""
        self.sent: Counter[str] = Counter()
        """Bytes of content sent, by file name."""
        self.requests: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def add_folder(self, folder: Path, *, target: str | None = None) -> None:
        """Take the exposures and drizzled images of a folder, each association an observation."""
        paths = sorted(path for path in folder.glob("*.fits") if suffix_of(path.name))
        headers = {path: fits.getheader(path) for path in paths}
        drizzled = {p: h for p, h in headers.items() if p.stem.endswith(("_drz", "_drc"))}
        for path, header in drizzled.items():
            members = [
                p for p, h in headers.items()
                if p not in drizzled and h["ASN_ID"].lower() == header["ASN_ID"].lower()
            ]  # fmt: skip
            sky = fits.getheader(path, 1)
            self.add(
                [path, *members], header, target or str(header.get("TARGNAME", "HORSEHEAD")),
                (sky["CRVAL1"], sky["CRVAL2"]),
            )  # fmt: skip

    def add(self, paths: list[Path], header: Any, target: str, sky: tuple[float, float]) -> None:
        """Add an observation with its products."""
        obsid = str(23_000_000 + len(self.observations))
        rootname = paths[0].name.split("_")[0]
        self.observations.append(
            {
                "obsid": obsid, "obs_id": rootname, "obs_collection": "HST",
                "proposal_id": self.proposal, "target_name": target,
                "instrument_name": f"{header['INSTRUME']}/{header['DETECTOR']}",
                "filters": header.get("FILTER", "F160W"), "s_ra": sky[0], "s_dec": sky[1],
                "t_min": 56000.0 + len(self.observations), "t_obs_release": 56365.0,
                "project": "HST", "dataRights": "PUBLIC",
            }
        )  # fmt: skip
        for path in paths:
            self.files[path.name] = path
            self.products.append(
                {
                    "obsID": obsid, "obs_collection": "HST", "obs_id": path.name.split("_")[0],
                    "dataURI": f"mast:HST/product/{path.name}", "productFilename": path.name,
                    "productSubGroupDescription": path.stem[-3:].upper(), "project": "CALWF3",
                    "size": path.stat().st_size, "parent_obsid": obsid,
                    "proposal_id": self.proposal, "dataRights": "PUBLIC",
                }
            )  # fmt: skip
        # The archive's own mosaics of the same data, which a campaign must not take.
        self.products.append({**self.products[-1], "project": "HAP",
                              "dataURI": f"mast:HST/product/hst_{rootname}_drz.fits",
                              "productFilename": f"hst_{rootname}_drz.fits",
                              "productSubGroupDescription": "DRZ"})  # fmt: skip

    def product(self, name: str) -> dict[str, Any]:
        """Return the entry of a file, to be changed."""
        return next(p for p in self.products if p["productFilename"] == name)


def configuration(folder: Path, url: str) -> dict[str, str]:
    """Write astroquery's configuration file, and return the environment that makes it read."""
    file = folder / "astropy" / "astroquery.cfg"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[mast]\nserver = {url}\n")
    return {"XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}


def _matches(observation: dict[str, Any], wanted: dict[str, Any]) -> bool:
    value = observation[wanted["paramName"]]
    if wanted.get("freeText"):
        return fnmatch.fnmatch(str(value), wanted["freeText"].replace("%", "*"))
    for one in wanted["values"]:
        if isinstance(one, dict):
            if float(one["min"]) <= value <= float(one["max"]):
                return True
        elif str(value) == one:
            return True
    return False


def _near(observation: dict[str, Any], position: str) -> bool:
    ra, dec, radius = map(float, position.split(","))
    return abs(observation["s_ra"] - ra) < radius and abs(observation["s_dec"] - dec) < radius


def _handler(archive: Archive) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else the content waits for the client's delayed acknowledgement of the head: 40 ms more.
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def _send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _json(self, value: Any) -> None:
            self._send(200, json.dumps(value).encode(), "application/json")

        def do_POST(self) -> None:
            time.sleep(archive.latency)
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if urlsplit(self.path).path.endswith("/columnsconfig"):
                types = {"string": "char", "float": "double", "int": "long"}
                self._json({n: {"vot.datatype": types[t]} for n, t in _OBSERVATION.items()})
                return
            request = json.loads(unquote(form.removeprefix("request=")))
            archive.requests[request["service"]] += 1
            if request["service"] == "Mast.Caom.Products":
                wanted = request["params"]["obsid"].split(",")
                self._table(_PRODUCT, [p for p in archive.products if p["parent_obsid"] in wanted])
                return
            found = [
                o for o in archive.observations
                if all(_matches(o, f) for f in request["params"]["filters"])
                and ("position" not in request["params"] or _near(o, request["params"]["position"]))
            ]  # fmt: skip
            self._table(_OBSERVATION, found)

        def _table(self, types: dict[str, str], rows: list[dict[str, Any]]) -> None:
            paging = {"page": 1, "pageSize": 50000, "pagesFiltered": 1, "rows": len(rows),
                      "rowsFiltered": len(rows), "rowsTotal": len(rows)}  # fmt: skip
            fields = [{"name": name, "type": type_} for name, type_ in types.items()]
            self._json({"status": "COMPLETE", "msg": "", "data": rows, "fields": fields,
                        "paging": paging})  # fmt: skip

        def do_GET(self) -> None:
            with archive.lock:
                archive.at_once += 1
                archive.most_at_once = max(archive.most_at_once, archive.at_once)
            try:
                time.sleep(archive.latency)
                self._download()
            finally:
                with archive.lock:
                    archive.at_once -= 1

        do_HEAD = do_GET

        def _download(self) -> None:
            [uri] = parse_qs(urlsplit(self.path).query)["uri"]
            name = uri.rsplit("/", 1)[-1]
            archive.requests[name] += 1
            path = archive.files.get(name)
            faults = archive.faults.get(name, [])
            fault = faults.pop(0) if faults and self.command == "GET" else ""
            token = archive.private.get(name)
            if token is not None and self.headers.get("Authorization") != f"token {token}":
                fault = "403"
            if path is None:
                self._send(404, b"no such file", "text/plain")
            elif fault in ("503", "429", "403"):
                more = {"Retry_After": "1"} if fault == "429" else {}
                self._send(int(fault), b"not now", "text/plain", **more)
            elif fault == "html":
                self._send(200, b"<html>Down for maintenance</html>", "text/html")
            else:
                self._content(name, path, fault)

        def _content(self, name: str, path: Path, fault: str) -> None:
            content = path.read_bytes()
            etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
            if fault == "wrong checksum":
                content = content[:-1] + bytes([content[-1] ^ 0xFF])
            start, status = 0, 200
            requested = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if requested and self.headers.get("If-Range", etag) == etag:
                start, status = int(requested[1]), 206
            rest = content[start:]
            self.send_response(status)
            self.send_header("Content-Type", "application/fits")
            self.send_header("Content-Length", str(len(rest)))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", etag)
            if status == 206:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            self.end_headers()
            if self.command == "HEAD":
                return
            end = len(rest) // 2 if fault in ("drop", "hang") else len(rest)
            for first in range(0, end, _BLOCK):
                block = rest[first : min(first + _BLOCK, end)]
                self.wfile.write(block)
                archive.sent[name] += len(block)
            if fault == "hang":
                self.wfile.flush()
                time.sleep(30)
            if fault:
                self.close_connection = True

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that are killed break their connections off."""


@contextmanager
def mast_standin(archive: Archive) -> Iterator[str]:
    """Yield the address of a server of an archive."""
    server = _Server(("127.0.0.1", 0), _handler(archive))
    running = threading.Thread(target=server.serve_forever, daemon=True)
    running.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        running.join()


def main() -> None:
    """Serve a folder until it is interrupted."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    folder = Path(sys.argv[1])
    archive = Archive()
    archive.add_folder(folder)
    with mast_standin(archive) as url:
        for name, value in configuration(folder / "configuration", url).items():
            print(f"export {name}={shlex.quote(value)}")
        print("# a stand-in for MAST; Ctrl-C or SIGTERM stops it", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
