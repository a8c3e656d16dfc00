"""The first and the last lines of a command's process, around all imports."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Until there is a better one: without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from skymosaic.host import outputs, signals


def skymosaic(arguments: Sequence[str] | None = None) -> None:
    """Run `skymosaic`."""

    def command() -> Callable[..., Any]:
        from skymosaic.cli.main import main

        return main

    _run(command, arguments, "skymosaic")


def dask_submit() -> None:
    """Run `dask-submit`."""

    def command() -> Callable[..., Any]:
        from skymosaic.cli.clusters import dask_submit

        return dask_submit

    _run(command, None, "dask-submit")


def _run(
    command: Callable[[], Callable[..., Any]], arguments: Sequence[str] | None, name: str
) -> None:
    ended: list[int] = []
    # The first that is registered is the last that is done.
    atexit.register(_end_by_signal, ended)
    outputs.forgive()
    signals.end_at_once()
    try:
        command()(arguments, prog_name=name)
    except SystemExit as end:
        if isinstance(end.code, int) and end.code > signals.exit_code(0):
            ended.append(end.code)
            # Libraries that were interrupted half-way fail to tidy up, and Python tells of each.
            sys.unraisablehook = lambda _what: None
        raise


def _end_by_signal(ended: list[int]) -> None:
    """End with the exit code of a signal: Python may end itself by Ctrl-C's signal instead."""
    for code in ended:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)
