"""Standard output and standard error whose reader may go away: a pipe, or a closed terminal.

What is not read any more is dropped, and the command goes on to its end: a run makes its products,
and the exit code is what it would have been. Only the standard library is imported here.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

_GONE = (errno.EPIPE, errno.EIO, errno.ECONNRESET)


class _Output(io.FileIO):
    """A file that drops what cannot be written."""

    def __init__(self, number: int, *, all_errors: bool) -> None:
        super().__init__(number, "wb", closefd=False)
        self._all_errors = all_errors

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            _to_nowhere(self.fileno())
            if error.errno not in _GONE and not self._all_errors:
                # Said once: what is still buffered goes nowhere.
                raise OutputError(error.errno, error.strerror) from None
            return memoryview(data).nbytes


class OutputError(OSError):
    """Standard output cannot be written."""


def forgive() -> None:
    """Let this process write on after its readers have gone."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed: else the next file that is opened would get what is printed
            _to_nowhere(number)
    sys.stdout = _forgiving(sys.stdout, 1, all_errors=False)
    # Progress and warnings that nobody reads are no reason to end.
    sys.stderr = _forgiving(sys.stderr, 2, all_errors=True)


def _forgiving(stream: Any, number: int, *, all_errors: bool) -> Any:
    if stream is None or not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(number, all_errors=all_errors)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
