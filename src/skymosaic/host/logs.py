"""What is logged, for people or as JSON lines, each with the run and the step that it is about.

A line that a worker logs comes to the driver by distributed's forwarding, with all attributes of
its record. Runs that share a scheduler hear each other's lines so; each keeps to its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from skymosaic.host import signals
from skymosaic.host.shown import shown, shown_lines

STEPS = "skymosaic.steps.step"
"""The logger that tells what steps do; people are told by a display instead."""
_ABOUT = "about"  # the attribute of a record

_step: ContextVar[tuple[str, str]] = ContextVar("step", default=("", ""))
"""Topic of the run, and name of the step that is at work here."""
_run: dict[str, Any] = {}
"""The run that this process drives: topic, campaign, run (its number)."""


@contextmanager
def in_step(topic: str, step: str) -> Iterator[None]:
    """Let what is logged meanwhile be about a step of the run with a topic."""
    _make_records_tell()
    token = _step.set((topic, step))
    try:
        yield
    finally:
        _step.reset(token)


@contextmanager
def in_run(topic: str, campaign: str, number: int) -> Iterator[None]:
    """Let what this process logs meanwhile be about a run."""
    _make_records_tell()
    _run.update(topic=topic, campaign=campaign, run=number)
    try:
        yield
    finally:
        _run.clear()


@cache
def _make_records_tell() -> None:
    """Give each record the topic and the step that it is about, once a process."""
    make = logging.getLogRecordFactory()

    def tell(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        setattr(record, _ABOUT, _step.get())
        return record

    logging.setLogRecordFactory(tell)


def is_ours(record: logging.LogRecord) -> bool:
    """Whether a line is not about a run that another process drives."""
    topic, _step = getattr(record, _ABOUT, ("", ""))
    return not topic or not _run or topic == _run["topic"]


def entry_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return a line of the log as plain values."""
    _topic, step = getattr(record, _ABOUT, ("", ""))
    entry = {
        "time": _FORMATTER.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage(),
        **{name: value for name, value in _run.items() if name != "topic"},
    }
    if step:
        entry["step"] = step
    if worker := getattr(record, "worker", None):  # distributed tells who forwarded it
        entry["worker"] = str(worker)
    if record.exc_info:
        entry["exception"] = _FORMATTER.formatException(record.exc_info)
    elif record.exc_text:
        entry["exception"] = record.exc_text
    return entry


_FORMATTER = logging.Formatter()


class _Lines(logging.Formatter):
    """Lines for people, each safe to show; a traceback has several, further to the right."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's)
        return shown(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return shown_lines(super().formatException(ei))


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(entry_of(record))


def log_to_stderr(verbose: int, quiet: bool, as_json: bool) -> None:
    """Let the project's log go to standard error.

    Parameters
    ----------
    verbose : int
        0: warnings; 1: what is done, too; 2: everything.
    quiet : bool
        Errors only.
    as_json : bool
        A JSON object a line, for what steps do, too.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if as_json else _Lines("%(levelname)s: %(message)s"))
    level = (
        logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    )

    def is_wanted(record: logging.LogRecord) -> bool:
        if record.name == STEPS:
            return as_json and not quiet
        if not record.name.startswith("skymosaic"):
            # Dask tells of its own workings, and libraries that they were interrupted; what
            # matters to users comes as events and errors.
            is_noise = record.name.startswith("distributed") or signals.was_interrupted()
            return verbose >= 2 or not is_noise
        return record.levelno >= level

    handler.addFilter(is_ours)
    handler.addFilter(is_wanted)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # The record of a run wants more than people do.
    logging.getLogger("skymosaic").setLevel(min(level, logging.INFO))
