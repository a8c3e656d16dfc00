"""What changes is written soon, not too often, and at the end; a store that is away is no error."""

from __future__ import annotations

import logging
import threading

import pytest

from skymosaic.errors import StoreError
from skymosaic.host.periodic import PeriodicWriter

_NEVER = 3600.0  # s; an interval that no test waits for


class Paper:
    """What is written down, and when it was."""

    def __init__(self) -> None:
        self.state, self.fails = "", False
        self.written = list[str]()
        self.came = threading.Semaphore(0)

    def write(self) -> None:
        self.written.append(self.state)
        fails = self.fails
        self.came.release()
        if fails:
            raise StoreError("away")

    def wait(self) -> None:
        assert self.came.acquire(timeout=30), "nothing was written"


@pytest.fixture
def paper() -> Paper:
    return Paper()


def change(paper: Paper, writer: PeriodicWriter, state: str) -> None:
    paper.state = state
    writer.changed()


def test_nothing_is_written_before_something_changed(paper) -> None:
    writer = PeriodicWriter("the record", paper.write, 0.0)
    assert paper.written == []
    writer.now()
    assert paper.written == [""]
    writer.end()


def test_a_change_is_written_by_itself_and_again_after_the_interval(paper) -> None:
    writer = PeriodicWriter("the record", paper.write, 0.0)
    for state in ("first", "second"):
        change(paper, writer, state)
        paper.wait()
    assert paper.written == ["first", "second"]
    writer.end()


def test_many_changes_within_the_interval_are_one_writing(paper) -> None:
    writer = PeriodicWriter("the record", paper.write, _NEVER)
    change(paper, writer, "first")
    paper.wait()
    for number in range(100):
        change(paper, writer, f"change {number}")
    assert paper.written == ["first"]
    writer.end()
    assert paper.written == ["first", "change 99"]


def test_the_end_writes_what_nobody_announced(paper) -> None:
    writer = PeriodicWriter("the record", paper.write, _NEVER)
    paper.state = "ended"
    writer.end()
    assert paper.written == ["ended"]


def test_a_store_that_is_away_is_logged_and_asked_again(paper, caplog) -> None:
    writer = PeriodicWriter("the record", paper.write, 0.0)
    paper.fails = True
    with caplog.at_level(logging.WARNING):
        change(paper, writer, "lost")
        paper.wait()
        paper.fails = False
        change(paper, writer, "kept")
        paper.wait()
        paper.fails = True
        paper.state = "lost, too"
        writer.end()
    assert paper.written == ["lost", "kept", "lost, too"]
    assert [one.getMessage() for one in caplog.records] == [
        "the record could not be written: away"
    ] * 2


def test_after_a_writing_that_took_long_the_next_one_is_put_off(paper) -> None:
    write = paper.write

    def slowly() -> None:
        threading.Event().wait(0.5)
        write()

    writer = PeriodicWriter("the record", slowly, 0.0)
    change(paper, writer, "first")
    paper.wait()
    change(paper, writer, "second")
    assert not paper.came.acquire(timeout=1.0)
    writer.end()
    assert paper.written == ["first", "second"]
