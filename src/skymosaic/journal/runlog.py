"""What a run logs, kept in its store: for who looks from elsewhere, or later.

Stores do not append. The log is a folder of numbered parts, ``logs/NNNNNN/NNNN.jsonl``, of which
only the last one is written again as lines come in.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NotRequired

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from skymosaic.errors import MissingError, StoreError
from skymosaic.host.logs import entry_of, is_ours
from skymosaic.host.periodic import PeriodicWriter
from skymosaic.host.shown import shown, shown_lines
from skymosaic.journal import submission as submissions
from skymosaic.steps.place import Place


class _Line(TypedDict):
    """A line of the log."""

    time: str
    level: str
    message: str
    step: NotRequired[str]
    exception: NotRequired[str]


_LINE = TypeAdapter(_Line)
_NAMED = re.compile(r"/logs/([0-9]{6,18})/[0-9]{4,18}\.jsonl$")
_PART = 200_000  # characters of a part
_PARTS = 100  # more are not kept: something logs without end
_PAUSE = 2.0  # s between two writings
_PATIENCE = 10.0  # s; a log is not worth more waiting


class RunLog(logging.Handler):
    """Keeps lines of the log in a campaign's store.

    Parameters
    ----------
    place : Place
        The campaign's.
    number : int
        Number of the run.
    """

    def __init__(self, place: Place, number: int) -> None:
        super().__init__()
        self._store = place.store.hurried(_PATIENCE)
        self._folder = _folder(place, number)
        self._part, self._lines, self._size = 1, list[str](), 0
        self._full = list[tuple[int, list[str]]]()
        """Parts that get no more lines, and are not written yet."""
        self._lines_lock = threading.Lock()
        self._writer = PeriodicWriter("the log of the run", self._write, _PAUSE)
        self.addFilter(is_ours)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        line = json.dumps(entry_of(record))
        with self._lines_lock:
            if self._size > _PART and self._part < _PARTS:
                self._full.append((self._part, self._lines))
                self._part, self._lines, self._size = self._part + 1, [], 0
            if self._size <= _PART:
                self._lines.append(line)
                self._size += len(line)
        self._writer.changed()

    def end(self) -> None:
        """Write what is not written yet."""
        self._writer.end()

    def _write(self) -> None:
        """Write what changed. The store logs, too, when it is away: no lock is held meanwhile."""
        with self._lines_lock:
            due, self._full = [*self._full, (self._part, list(self._lines))], []
        for done, (part, lines) in enumerate(due):
            key, text = f"{self._folder}/{part:04d}.jsonl", "\n".join(lines) + "\n"
            try:
                if lines:
                    self._store.write_text(key, text)
            except StoreError:  # a warning would be one more line to write, again and again
                with self._lines_lock:
                    self._full = [*due[done:-1], *self._full]
                return


@contextmanager
def kept(place: Place, number: int) -> Iterator[None]:
    """Keep in the store what this process and its workers log meanwhile."""
    handler, logger = RunLog(place, number), logging.getLogger("skymosaic")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.end()


def lines(place: Place, number: int | None, *, as_json: bool = False) -> Iterator[str]:
    """Yield the lines of a run's log.

    Parameters
    ----------
    place : Place
        The campaign's.
    number : int or None
        The run's; None is the last one, or what a submission's driver wrote before its run began.
    as_json : bool
        As they are kept, a JSON object each.

    Raises
    ------
    MissingError
        Nothing was logged.
    StoreError
        The store cannot be read.
    """
    submission = submissions.read(place) if number is None else None
    parts = _parts(place)
    numbers = sorted({number for number, _ in parts})
    if submission is not None and (not numbers or numbers[-1] <= submission.after):
        text = place.store.read_text(submissions.log_key(place, submission.id))
        if text is not None:
            yield from text.splitlines()
            return
    if not numbers or (number is not None and number not in numbers):
        which = "" if number is None else f" of run {number} (there are {numbers})"
        raise MissingError(f"{place.store.address(place.campaign)} holds no log{which}")
    wanted = numbers[-1] if number is None else number
    for part_of, key in parts:
        if part_of == wanted:
            for line in (place.store.read_text(key) or "").splitlines():
                yield line if as_json else _readable(line)


def _readable(line: str) -> str:
    """Return a line for people; one that is not as it was written stays as it is."""
    try:
        entry = _LINE.validate_json(line)
    except ValidationError:
        return line
    step = f"{entry['step']}: " if "step" in entry else ""
    exception = f"\n{shown_lines(entry['exception'])}" if "exception" in entry else ""
    return shown(f"{entry['time']} {entry['level']:<7} {step}{entry['message']}") + exception


def _parts(place: Place) -> list[tuple[int, str]]:
    """Return the number of the run, and the key, of each part of a log."""
    matches = ((_NAMED.search(key), key) for key in place.store.list(place.key("logs")))
    return [(int(match[1]), key) for match, key in matches if match]


def _folder(place: Place, number: int) -> str:
    return place.key("logs", f"{number:06d}")
