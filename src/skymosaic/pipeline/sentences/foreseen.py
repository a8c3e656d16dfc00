"""What is told before a run of the steps that it would make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from skymosaic.host.counting import counted
from skymosaic.steps.foresight import Foreseen
from skymosaic.steps.tasks import (
    CELL,
    CELLS,
    DIFFERENCES,
    ENGINES,
    KINDS,
    ONEPASS,
    POSITIONS,
    WITNESS,
    Task,
    kind_of,
)

_FEW = 3  # names of steps of one kind that are shown
_AT_WILL = {kind.name for kind in (POSITIONS, DIFFERENCES, CELL, CELLS, WITNESS, ENGINES, ONEPASS)}
"""Kinds that a campaign has where it asks for them: then they are among its tasks."""


def foreseen_lines(foreseen: Foreseen, tasks: Sequence[Task]) -> list[str]:
    """Return which steps of a mosaic a run would make and why, a line each.

    Parameters
    ----------
    foreseen : Foreseen
        What was found.
    tasks : sequence of Task
        Those of the mosaic.
    """
    kept, new = foreseen.kept, len(foreseen.to_make)
    if foreseen.refused:
        return [f"steps: {counted(kept, 'is', 'are')} finished; will fail: {foreseen.refused}"]
    if not new and not any(foreseen.open.values()):
        return [f"steps: all {kept} are finished; a run makes none"]
    if new:
        lines = [f"steps: {counted(kept, 'is', 'are')} finished; a run makes"]
    else:
        lines = [f"steps: {counted(kept, 'is', 'are')} finished; the rest follows another group"]
    by_reason: dict[tuple[str, str], list[str]] = {}
    for step, why in foreseen.to_make.items():
        by_reason.setdefault((step.split("/")[0], why), []).append(step)
    for (_, why), steps in by_reason.items():
        more = f" and {len(steps) - _FEW} more" if len(steps) > _FEW else ""
        lines.append(f"  {', '.join(steps[:_FEW])}{more}: {why}")
    if then := _open(foreseen, tasks):
        lines.append(
            f"  then, where {'they give' if new else 'that gives'} something new: {', '.join(then)}"
        )
    return lines


def _open(foreseen: Foreseen, tasks: Sequence[Task]) -> list[str]:
    """Return the kinds of steps of which it is open whether they stay, in the order of a run.

    With how many there are, as far as that is known: by the calls of the graph, by the campaign's
    tasks, or by an earlier run.
    """
    known = {step.split("/")[0] for step in (*foreseen.finished, *foreseen.to_make)}
    unseen = Counter(
        kind.name
        for kind in KINDS
        for task in tasks
        # A graph that ended early made no calls of them; steps have other names than tasks.
        if task.kind == kind.name and kind.step.split("/")[0] not in known
    )
    counts = _earlier(foreseen, tasks, known) | unseen | foreseen.open
    # What only hands on what a step gives is of its kind, and no step.
    new = {kind.name for kind in KINDS if kind.step in foreseen.to_make}
    names = {*foreseen.open, *counts} - {"", *new}
    return [
        f"{kind.title or kind.name}{f' ({counts[kind.name]})' if counts[kind.name] > 1 else ''}"
        for kind in KINDS
        if kind.name in names
    ]


def _earlier(foreseen: Foreseen, tasks: Sequence[Task], known: set[str]) -> Counter[str]:
    """Count the steps of an earlier run that may come after those to be made, by kind."""
    order = {kind.name: number for number, kind in enumerate(KINDS)}
    first = min((order.get(kind_of(step), 0) for step in foreseen.to_make), default=-1)
    came_to = {kind.name for kind in KINDS if kind.step.split("/")[0] in known}
    left_out = {*came_to, *(_AT_WILL - {task.kind for task in tasks}), ""}
    return Counter(
        {
            name: count
            for name, count in foreseen.earlier.items()
            if name not in left_out and order[name] > first
        }
    )
