"""Progress for people: what each task is doing and how long, from the events of the tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from textwrap import wrap
from types import TracebackType

from rich.console import Console
from rich.console import Group as Parts
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import TaskID as Row

from skymosaic.archive.mast.files import ArchiveFile, groups
from skymosaic.cli.folding import terminal_width
from skymosaic.errors import OutOfMemoryError
from skymosaic.host.counting import counted
from skymosaic.host.shown import shown, shown_lines
from skymosaic.journal.runs import RunState, Status
from skymosaic.pipeline.group import Group
from skymosaic.steps.progress import Event
from skymosaic.store.shapes import ErrorRecord


def _plain_column() -> TextColumn:
    """Return a column for what a task does: brackets in a name are no markup."""
    return TextColumn("{task.description}", markup=False)


class Display:
    """Shows the events of a run on a terminal, or a line for each where there is none.

    Parameters
    ----------
    console : Console
        Where to write.
    quiet : bool
        Show nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._lock = threading.Lock()
        self._rows: dict[str, Row] = {}
        self._running = Progress(
            SpinnerColumn(), _plain_column(), TimeElapsedColumn(), console=console
        )
        self._overall = Progress(
            _plain_column(),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._all = self._overall.add_task("all tasks", total=None)
        # What is shown while tasks run is gone at the end; the lines about them stay.
        self._live = Live(Parts(self._running, self._overall), console=console, transient=True)
        self._draws = console.is_terminal and not quiet

    def __enter__(self) -> Display:
        if self._draws:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._draws:
            self._live.stop()

    def expect(self, tasks: int) -> None:
        """Set the number of tasks that there are in all."""
        self._overall.update(self._all, total=tasks)

    def show(self, event: Event) -> None:
        """Show one event; may be called from any thread."""
        if self._quiet:
            return
        event = replace(event, task=shown(event.task), detail=shown(event.detail))
        with self._lock:
            if event.state in ("started", "doing"):
                self._show_running(event)
            else:
                self._show_ended(event)

    def _show_running(self, event: Event) -> None:
        text = event.task + (f": {event.detail}" if event.detail else "")
        if event.task not in self._rows:
            self._rows[event.task] = self._running.add_task(text, total=None)
        else:
            self._running.update(self._rows[event.task], description=text)

    def _show_ended(self, event: Event) -> None:
        row = self._rows.pop(event.task, None)
        if row is not None:
            self._running.remove_task(row)
        self._overall.advance(self._all)
        what = {"finished": "done", "reused": "reused", "failed": "FAILED"}[event.state]
        # Of several tasks that are one step, one tells how long it took.
        shared = event.detail if event.state != "failed" else ""
        took = f"  {shared}" if shared else f"{event.seconds:6.1f} s"
        self._console.print(f"  {event.task:<35} {what:<10} {took}", highlight=False, markup=False)


@contextmanager
def counted_bytes(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of bytes on a terminal; yield a function that gets those done, and all of them."""
    console = Console(stderr=True)
    columns = (_plain_column(), BarColumn(bar_width=24), DownloadColumn())
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    ) as progress:
        row = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(row, completed=done, total=total)


def status_lines(status: Status) -> list[str]:
    """Return what ``skymosaic status`` prints."""
    ended = f", ended {status.ended}" if status.ended else ""
    lines = [f"{status.state.word}: started {status.started}{ended}"]
    if status.holder:
        lines.append(f"working: {status.holder}")
    if status.cluster:
        lines += wrap(f"cluster: {shown(status.cluster)}", terminal_width(), subsequent_indent="  ")
    if status.dashboard:
        lines.append(f"Dask dashboard: {status.dashboard}")
    if status.metrics:
        lines.append(f"metrics: {status.metrics}")
    for task in status.tasks:
        lines.append(f"  {task.name:<35} {task.state:<10} {task.seconds:6.1f} s")
        if task.detail and task.state in ("done", "reused"):
            lines[-1] = f"  {task.name:<35} {task.state:<10}   {task.detail}"
        elif task.detail:
            # What it does stands beside it; why it failed is longer, and stands below.
            beside = f"{lines[-1]}  {task.detail}"
            fits = len(beside) <= terminal_width() and "\n" not in task.detail
            below = wrap(task.detail, terminal_width() - 4)
            lines[-1:] = [beside] if fits else [lines[-1], *(f"    {line}" for line in below)]
    waiting = status.expected - len(status.tasks)
    if waiting > 0:
        lines.append(f"  {counted(waiting, 'task')} not started")
    if status.error:
        goes_on = status.state is RunState.SUBMITTED
        again = "" if goes_on else _next(status.error)
        last = "the last try ended by " if goes_on else ""
        said = f"{last}{status.error['class']}: {status.error['message']}{again}"
        lines += shown_lines(said).split("\n")
    return lines


def _next(error: ErrorRecord) -> str:
    """Return what to do after an error that may not come again; empty after others."""
    if error.get("exit_code") == OutOfMemoryError.exit_code:
        return "; it may succeed with more memory: `skymosaic restart`"
    if error["passes_by_itself"]:
        return "; it may succeed if run again: `skymosaic restart`"
    return ""


def query_lines(files: Sequence[ArchiveFile], refused: Sequence[str]) -> list[str]:
    """Return what ``skymosaic query`` prints."""
    lines = [f"{'file':<20} {'kind':<4} {'MB':>8}  {'instrument':<10} {'filter':<8} target"]
    for file in files:
        rights = "" if file.rights == "PUBLIC" else f"  ({file.rights}, public {file.release})"
        lines.append(
            f"{file.name:<20} {file.kind:<4} {file.size / 1e6:8.1f}  {file.instrument:<10} "
            f"{file.filter:<8} {file.target}{rights}"
        )
    return lines + [f"refused: {why}" for why in refused]


def group_lines(files: Sequence[ArchiveFile], mosaics: Sequence[Group] | None) -> list[str]:
    """Return what ``skymosaic query`` prints of groups.

    Parameters
    ----------
    files : sequence of ArchiveFile
        What there is.
    mosaics : sequence of Group or None
        The groups that the campaign file makes; None: it makes none, and files are listed by
        proposal, target, instrument and filter.
    """
    by_group: dict[str, list[ArchiveFile]] = {}
    if mosaics is None:
        for key, members in groups(files).items():
            by_group[" ".join(key)] = members
    else:
        named = {file.name: file for file in files}
        for group in mosaics:
            images = [image for parcel in group.parcels for image in parcel.images]
            by_group[group.name] = [named[image] for image in images if image in named]
    size = sum(file.size for file in files) / 1e6
    lines = ["", f"{counted(len(files), 'file')}, {size:.1f} MB, in groups:"]
    for name, members in by_group.items():
        exposures = sum(file.kind in ("FLT", "FLC") for file in members)
        drizzled = counted(len(members) - exposures, "drizzled image")
        if members:  # a refused entry of the list is a group of its own
            lines.append(f"  {name}: {counted(exposures, 'exposure')}, {drizzled}")
    return lines
