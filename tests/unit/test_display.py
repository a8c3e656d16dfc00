"""What people see of a run: a line for each task that ended, bars on a terminal."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from skymosaic.cli.display import Display, status_lines
from skymosaic.journal.runs import RunState, Status, TaskState
from skymosaic.steps.progress import Event


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def plain(screen) -> Console:
    """No terminal, as in a batch job."""
    return Console(file=screen, force_terminal=False, width=100)


@pytest.fixture
def terminal(screen) -> Console:
    return Console(file=screen, force_terminal=True, width=100)


@pytest.mark.parametrize(
    ("state", "word"), [("finished", "done"), ("reused", "reused"), ("failed", "FAILED")]
)
def test_a_task_that_ended_is_one_line(plain, screen, state, word) -> None:
    with Display(plain) as display:
        display.expect(1)
        display.show(Event("retrieve ibxl54", "started"))
        display.show(Event("retrieve ibxl54", "doing", "drizzling"))
        display.show(Event("retrieve ibxl54", state, seconds=12.34))
    [line] = screen.getvalue().strip().splitlines()
    assert line.split() == ["retrieve", "ibxl54", *word.split(), "12.3", "s"]


def test_without_a_terminal_there_are_no_bars(plain, screen) -> None:
    with Display(plain) as display:
        display.expect(3)
        display.show(Event("align", "started"))
        display.show(Event("align", "doing", "TweakReg"))
    assert screen.getvalue().strip() == ""


def test_on_a_terminal_running_tasks_and_the_total_are_shown(terminal, screen) -> None:
    with Display(terminal) as display:
        display.expect(14)
        display.show(Event("align", "doing", "TweakReg on 9 drizzled images"))
        display.show(Event("plan", "finished", seconds=1.0))  # each line draws the bars anew
        shown = screen.getvalue()
    assert "all tasks" in shown
    assert "1/14" in shown
    assert "align: TweakReg on 9 drizzled images" in shown


def bars(screen: io.StringIO) -> str:
    """Return what was drawn below the last line about a task that ended."""
    return screen.getvalue().rpartition(" done ")[2].partition("\n")[2]


def test_an_ended_task_leaves_the_bars(terminal, screen) -> None:
    with Display(terminal) as display:
        display.expect(3)
        display.show(Event("align", "started"))
        display.show(Event("plan", "finished"))
        assert "align" in bars(screen)
        assert "1/3" in bars(screen)
        display.show(Event("align", "finished"))
        assert "align" not in bars(screen)
        assert "2/3" in bars(screen)


@pytest.mark.parametrize("kind", ["plain", "terminal"])
def test_quiet_shows_nothing(kind, request, screen) -> None:
    with Display(request.getfixturevalue(kind), quiet=True) as display:
        display.expect(1)
        display.show(Event("align", "started"))
        display.show(Event("align", "failed", "why"))
    assert screen.getvalue() == ""


def test_markup_in_names_is_text(plain, screen) -> None:
    with Display(plain) as display:
        display.show(Event("drizzle ib6o21qmq[SCI,1]", "finished"))
    assert "ib6o21qmq[SCI,1]" in screen.getvalue()


def test_events_come_from_any_thread(plain, screen) -> None:
    with Display(plain) as display:
        display.expect(40)

        def run(worker: int) -> None:
            for i in range(10):
                display.show(Event(f"task{worker}-{i}", "started"))
                display.show(Event(f"task{worker}-{i}", "finished"))

        threads = [threading.Thread(target=run, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = [line.split()[0] for line in screen.getvalue().strip().splitlines()]
    assert len(lines) == 40
    assert set(lines) == {f"task{worker}-{i}" for worker in range(4) for i in range(10)}


def test_the_terminal_is_given_back_after_an_exception(terminal, screen) -> None:
    hide, show = "\x1b[?25l", "\x1b[?25h"  # the cursor
    with pytest.raises(ZeroDivisionError), Display(terminal):
        assert hide in screen.getvalue() and show not in screen.getvalue()
        raise ZeroDivisionError
    assert show in screen.getvalue().rpartition(hide)[2]


def test_a_status_fits_the_terminal_and_tells_all_of_a_failure() -> None:
    why = "ibxl54bgq_flt.fits is damaged: " + "its header is cut off " * 8
    tasks = [TaskState("align", "running", 3.0, "TweakReg"), TaskState("plan", "failed", 1.0, why)]
    status = Status(RunState.RUNNING, "2026-01-01T00:00:00", None, "", 2, tasks, None)
    lines = status_lines(status)
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].split() == ["align", "running", "3.0", "s", "TweakReg"]
    assert lines[2].split() == ["plan", "failed", "1.0", "s"]
    assert " ".join(" ".join(lines[3:]).split()) == why.strip()


@pytest.mark.parametrize("state", ["finished", "reused"])
def test_a_task_whose_time_another_has_tells_no_time_of_its_own(plain, screen, state) -> None:
    with Display(plain) as display:
        display.show(Event("drizzle match", state, "in one with drizzle localmin"))
    [line] = screen.getvalue().strip().splitlines()
    assert line.endswith("in one with drizzle localmin")
    assert " s" not in line.replace("in one", "")
    word = {"finished": "done"}.get(state, state)
    task = TaskState("drizzle match", word, 0.0, "in one with drizzle localmin")
    status = Status(RunState.DONE, "2026-01-01T00:00:00", None, "", 1, [task], None)
    assert status_lines(status)[1].split() == line.split()
