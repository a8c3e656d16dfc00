"""Whether this container is fit for work; exit code 0 or 1, and one line that says why not.

Its scratch folder must take a file, and where HEALTH_PORT is set, what it serves must answer: a
Dask scheduler or worker answers ``/health`` on the port of its dashboard.
"""

from __future__ import annotations

import os
import sys
import tempfile
import urllib.request

_PATIENCE = 5  # s


def _problem() -> str | None:
    scratch = os.environ.get("TMPDIR", "/tmp")
    try:
        with tempfile.TemporaryFile(dir=scratch) as file:
            file.write(b"\0" * 4096)
    except OSError as error:
        return f"{scratch} cannot be written: {error.strerror}"
    port = os.environ.get("HEALTH_PORT")
    if port:
        address = f"http://127.0.0.1:{int(port)}/health"
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                address, timeout=_PATIENCE
            ).close()
        except OSError as error:
            return f"{address} does not answer: {error}"
    return None


if __name__ == "__main__":
    sys.exit(_problem())
