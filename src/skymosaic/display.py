"""Progress for people: what each task is doing and how long, from the events of the tasks."""

from __future__ import annotations

import threading
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import TaskID as Row

from skymosaic.progress import Event


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
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._all = self._bars.add_task("all tasks", total=None)

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def expect(self, tasks: int) -> None:
        """Set the number of tasks that there are in all."""
        self._bars.update(self._all, total=tasks)

    def show(self, event: Event) -> None:
        """Show one event; may be called from any thread."""
        if self._quiet:
            return
        with self._lock:
            if event.state in ("started", "doing"):
                self._running(event)
            else:
                self._ended(event)

    def _running(self, event: Event) -> None:
        text = f"  {event.task}" + (f": {event.detail}" if event.detail else "")
        if event.task not in self._rows:
            self._rows[event.task] = self._bars.add_task(text, total=1)
        else:
            self._bars.update(self._rows[event.task], description=text)

    def _ended(self, event: Event) -> None:
        row = self._rows.pop(event.task, None)
        if row is not None:
            self._bars.remove_task(row)
        self._bars.advance(self._all)
        what = {"finished": "done", "reused": "had been done", "failed": "FAILED"}[event.state]
        self._console.print(
            f"  {event.task:<22} {what:<14} {event.seconds:6.1f} s", highlight=False
        )
