"""Another user of this host: what it hears from us, and what it can do to us; needs root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

USER = 65534  # nobody

_ASK = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
asked = json.load(sys.stdin)
def ask(question):
    kind, where, words = question
    heard = b""
    try:
        if kind == "unix":
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(2)
            connection.connect(where)
        else:
            host, _, port = where.rpartition(":")
            connection = socket.create_connection((host, int(port)), 2)
        connection.settimeout(2)
        connection.sendall(words.encode("latin-1"))
        while block := connection.recv(65536):
            heard += block
    except OSError:
        pass
    return heard.decode("latin-1")
with ThreadPoolExecutor(32) as threads:
    json.dump(list(threads.map(ask, asked)), sys.stdout)
"""
GREETINGS = {
    "nothing": "",  # a Dask server without TLS says at once who it is
    "http": "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "health": "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "json": "GET /json/identity.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "metrics": "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "drizzlepac": "{}\n",
}


def become(*command: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command as another user; skip the test where that is not possible."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    return subprocess.run(
        list(map(str, command)),
        user=USER,
        group=USER,
        extra_groups=[],
        cwd="/",
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
    )


def python(code: str, *arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program in Python as another user, with nothing but the standard library."""
    for interpreter in (sys.executable, "/usr/bin/python3"):
        try:
            done = become(interpreter, "-I", "-S", "-c", code, *arguments, given=given)
        except PermissionError:  # in a home that others may not enter
            continue
        if done.returncode == 0:
            return done
        raise RuntimeError(done.stderr)
    pytest.skip("another user has no Python here")


def answers(
    found: Mapping[str, Sequence[str]],
    run: Callable[..., subprocess.CompletedProcess[str]] = python,
) -> dict[str, str]:
    """Return what sockets say to a stranger, by socket and greeting; silence is left out.

    Parameters
    ----------
    found : mapping
        As `listening` returns it.
    run : callable
        Who runs a program as a stranger, as `python` does for another user of this host.
    """
    questions = [
        (kind, place, name)
        for kind, places in found.items()
        for place in places
        for name in GREETINGS
    ]
    greetings = json.dumps([(kind, place, GREETINGS[name]) for kind, place, name in questions])
    heard = json.loads(run(_ASK, given=greetings).stdout)
    return {
        f"{place} {name}": said
        for (_, place, name), said in zip(questions, heard, strict=True)
        if said and not _is_alert(said)
    }


def _is_alert(said: str) -> bool:
    """Whether this is TLS's word for 'I do not understand', and nothing else."""
    return len(said) == 7 and said.startswith("\x15\x03")


def listening(family: list[psutil.Process]) -> dict[str, list[str]]:
    """Return what processes listen at: ``tcp`` as HOST:PORT, and the ``unix`` sockets' paths."""
    found: dict[str, set[str]] = {"tcp": set(), "unix": set()}
    for process in family:
        try:
            for socket in process.net_connections(kind="tcp"):
                if socket.status == psutil.CONN_LISTEN:
                    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(
                        socket.laddr.ip, socket.laddr.ip
                    )
                    found["tcp"].add(f"{host}:{socket.laddr.port}")
            for socket in process.net_connections(kind="unix"):
                if socket.laddr:
                    found["unix"].add(socket.laddr)
        except psutil.NoSuchProcess:
            continue
    return {kind: sorted(places) for kind, places in found.items()}
