"""Where a campaign lives, as each task is given it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from skymosaic.errors import StoreError
from skymosaic.steps import progress
from skymosaic.steps.tasks import Step, Task
from skymosaic.store import Product, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a campaign lives: what every task needs to know."""

    store: Store
    campaign: str
    scratch: Path | None
    must_be_finished: bool = False
    """Whether a step may only be looked up, never run."""
    names: frozenset[str] | None = None
    """Of the steps that are looked up; None: all."""
    topic: str = progress.TOPIC
    """Where the tasks of a run tell what they do."""
    label: str = ""
    """What the names of a group's tasks begin with."""
    computing: int = 0
    """How many tasks may compute at once on a host; 0: as many as there are workers."""
    downloads: int | None = None
    """How many tasks may download at once; 0: all; None: these are no downloads, but computed."""
    part_of: tuple[Task, Step[object]] | None = None
    """The task, and the step that it makes, that tells of steps here that have no task of their
    own; None: nobody is told of them."""

    def only_finished(self, names: frozenset[str] | None = None) -> Place:
        """Return the same place, in which steps are looked up and never run.

        `names`: of the steps that have a manifest, where that is known: others are not looked for.
        """
        return replace(self, must_be_finished=True, names=names)

    def announced(
        self, task: Task, step: Step[object]
    ) -> AbstractContextManager[progress.RunningTask]:
        """Tell those who listen when a task that makes a step here starts, ends or fails."""
        return progress.task(
            self.label + task.title,
            self.topic,
            kind=task.kind,
            group=self.label.strip(),
            step=step.name,
        )

    def work_of(self, task: Task, step: Step[object]) -> progress.RunningTask:
        """Return what a part of a task tells by, while the task itself waits for its parts."""
        return progress.RunningTask(
            self.label + task.title,
            self.topic,
            kind=task.kind,
            group=self.label.strip(),
            step=step.name,
        )

    @contextmanager
    def part(self, step: str) -> Iterator[None]:
        """Tell by another task that a step without one of its own is made, or fails."""
        if self.part_of is None:
            yield
            return
        whole = self.work_of(*self.part_of)
        whole.makes(step)
        try:
            yield
        except Exception as error:
            whole.tell("failed", f"{step}: {error}")
            raise

    def key(self, *parts: str) -> str:
        """Return a key below the campaign's folder."""
        return "/".join((self.campaign, *parts))

    def put_aside(self, product: Product) -> None:
        """Move a damaged product out of the way, for people to look at."""
        aside = self.key("damaged", uuid4().hex[:8], product.name)
        try:
            self.store.move(product, aside)
        except StoreError as error:
            log.warning("the damaged %s could not be moved to damaged/: %s", product.key, error)
