"""Following a run that goes on elsewhere, by what its store tells."""

from __future__ import annotations

import time
from collections.abc import Callable

from skymosaic.errors import CancelledError
from skymosaic.journal.runs import RunState, Status, TaskState
from skymosaic.runs import asking
from skymosaic.steps.place import Place
from skymosaic.steps.progress import Event, State

_POLL = 2.0  # s between two looks at the store
_PAUSE = 30.0  # s between two questions to the cluster
_GRACE = 90.0  # s for a run that lost its driver to be taken up by another
_STATES: dict[str, State] = {
    "running": "doing",
    "done": "finished",
    "reused": "reused",
    "failed": "failed",
    "lost": "failed",
}


def follow(
    place: Place, tell: Callable[[Event], None], expect: Callable[[int], None]
) -> tuple[Status, int]:
    """Wait for the end of a campaign's run; return its status and the exit code of the run.

    Parameters
    ----------
    place : Place
        The campaign's.
    tell : callable
        Gets an event for each task whose state has changed.
    expect : callable
        Gets the number of tasks, once it is known.

    Raises
    ------
    MissingError
        The campaign was never run nor submitted, or its submission was taken back.
    StoreError
        The store cannot be read.
    """
    seen: dict[str, TaskState] = {}
    expected, alive, next_question = 0, time.monotonic(), 0.0
    while True:
        ask = time.monotonic() >= next_question
        status = asking.status_of(place, ask=ask)
        if not ask and status.state is RunState.FAILED and asking.may_go_on(status):
            # Before it is given up: the cluster may go on by itself.
            ask, status = True, asking.status_of(place)
        next_question = time.monotonic() + _PAUSE if ask else next_question
        if status.expected != expected:
            expected = status.expected
            expect(expected)
        for task in status.tasks:
            if (before := seen.get(task.name)) != task:
                seen[task.name] = task
                if before is None or before.state != task.state or task.state == "running":
                    tell(_event_of(task))
        if status.state in (RunState.RUNNING, RunState.SUBMITTED):
            alive = time.monotonic()
        elif status.state is not RunState.INTERRUPTED or time.monotonic() - alive > _GRACE:
            return status, _exit_code(status)
        time.sleep(_POLL)


def _event_of(task: TaskState) -> Event:
    return Event(
        task.name,
        _STATES[task.state],
        task.detail,
        task.seconds,
        kind=task.kind,
        group=task.group,
        step=task.step,
    )


def _exit_code(status: Status) -> int:
    """Return the exit code that the run ended with."""
    if status.state is RunState.CANCELLED:
        return CancelledError.exit_code
    if status.state is RunState.FAILED and status.error is not None:
        return int(status.error["exit_code"])
    return status.state.exit_code
