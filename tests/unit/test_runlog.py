"""The log of a run: as JSON lines, with run and step, kept in its store."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import pytest

from skymosaic.errors import MissingError, StoreError
from skymosaic.host import logs
from skymosaic.host.logs import in_run
from skymosaic.journal import runlog
from skymosaic.steps import progress
from skymosaic.steps.place import Place
from skymosaic.store import LocalStore

log = logging.getLogger("skymosaic.test")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(LocalStore(tmp_path / "store"), "demo", None, topic="skymosaic-ours")


@pytest.fixture(autouse=True)
def informed():
    logger = logging.getLogger("skymosaic")
    before = logger.level
    logger.setLevel(logging.INFO)
    yield
    logger.setLevel(before)


def as_of_a_worker(record: logging.LogRecord) -> logging.LogRecord:
    """A record as distributed's forwarding delivers it: all attributes, in another process."""
    return logging.makeLogRecord({**record.__dict__, "worker": "tcp://127.0.0.1:1"})


def test_each_line_tells_campaign_run_and_step(place) -> None:
    with in_run(place.topic, "demo", 3), runlog.kept(place, 3):
        log.info("begun")
        with progress.task("drizzle match", place.topic):
            log.warning("pixels: %d", 5)
            try:
                raise ValueError("inner")
            except ValueError:
                log.exception("it happened")
        log.debug("not wanted")
    entries = [json.loads(line) for line in runlog.lines(place, None, as_json=True)]
    messages = [(e["campaign"], e["run"], e.get("step"), e["level"], e["message"]) for e in entries]
    assert messages == [
        ("demo", 3, None, "INFO", "begun"),
        ("demo", 3, "drizzle match", "WARNING", "pixels: 5"),
        ("demo", 3, "drizzle match", "ERROR", "it happened"),
    ]
    assert "ValueError: inner" in entries[2]["exception"]
    readable = list(runlog.lines(place, 3))
    assert readable[1].endswith("WARNING drizzle match: pixels: 5")


def test_lines_of_other_runs_on_the_same_workers_are_left_out(place) -> None:
    caught: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = caught.append  # type: ignore[method-assign]
    log.addHandler(handler)
    try:
        for topic in ("skymosaic-theirs", place.topic):
            with progress.task("align", topic):
                log.warning("a line of %s", topic)
    finally:
        log.removeHandler(handler)
    with in_run(place.topic, "demo", 1), runlog.kept(place, 1):
        for record in caught:
            logging.getLogger(record.name).handle(as_of_a_worker(record))
    [line] = runlog.lines(place, None, as_json=True)
    entry = json.loads(line)
    assert entry["message"] == f"a line of {place.topic}"
    assert (entry["step"], entry["worker"]) == ("align", "tcp://127.0.0.1:1")


def test_a_long_log_is_kept_in_parts(place, monkeypatch) -> None:
    monkeypatch.setattr(runlog, "_PART", 1000)
    monkeypatch.setattr(runlog, "_PARTS", 3)
    with in_run(place.topic, "demo", 1), runlog.kept(place, 1):
        for number in range(100):
            log.info("line %d", number)
    parts = [key for key in place.store.list("demo/logs") if key.endswith(".jsonl")]
    assert len(parts) == 3
    kept = [json.loads(line)["message"] for line in runlog.lines(place, None, as_json=True)]
    assert kept == [f"line {number}" for number in range(len(kept))]
    assert 9 < len(kept) < 40  # and no more, however much is logged


def test_a_campaign_without_a_log(place) -> None:
    with pytest.raises(MissingError, match="holds no log"):
        list(runlog.lines(place, None))
    with in_run(place.topic, "demo", 1), runlog.kept(place, 1):
        log.info("a line")
    with pytest.raises(MissingError, match=r"of run 2 \(there are \[1\]\)"):
        list(runlog.lines(place, 2))


def test_a_store_that_is_away_does_not_stop_the_run(place, monkeypatch) -> None:
    write, refused = type(place.store).write_text, list[StoreError]()

    def seen(store: LocalStore, key: str, text: str) -> None:
        try:
            write(store, key, text)
        except StoreError as error:
            refused.append(error)
            raise

    monkeypatch.setattr(type(place.store), "write_text", seen)
    with in_run(place.topic, "demo", 1), runlog.kept(place, 1):
        Path(place.store.uri).write_text("not a folder")
        log.info("nobody can keep this")
    assert refused


def test_outside_of_a_run_lines_tell_none() -> None:
    record = logging.getLogger("skymosaic.test").makeRecord(
        "skymosaic.test", logging.INFO, __file__, 1, "hello", (), None
    )
    assert logs.is_ours(record)
    assert set(logs.entry_of(record)) == {"time", "level", "logger", "message"}


class Away(LocalStore):
    """A store that is away, and says so while others log."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.writing, self.logged = threading.Event(), threading.Event()

    def hurried(self, patience: float) -> Away:
        return self

    def write_text(self, key: str, text: str) -> None:
        self.writing.set()
        assert self.logged.wait(20), "who logs waits for the store"
        log.info("the store does not answer; trying again")
        super().write_text(key, text)


@pytest.mark.timeout(60)
def test_who_logs_never_waits_for_a_store_that_logs_itself(tmp_path) -> None:
    store = Away(tmp_path / "store")
    place = Place(store, "demo", None, topic="skymosaic-ours")
    with in_run(place.topic, "demo", 1), runlog.kept(place, 1):
        log.info("begun")
        assert store.writing.wait(20)
        log.info("meanwhile")
        store.logged.set()
    messages = [json.loads(line)["message"] for line in runlog.lines(place, 1, as_json=True)]
    assert {"begun", "meanwhile"} <= set(messages)
