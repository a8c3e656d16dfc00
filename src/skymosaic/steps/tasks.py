"""The tasks of a campaign, listed once: who counts, names or reads them back goes by this list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from skymosaic.methods import METHODS, OWN, column

if TYPE_CHECKING:
    from skymosaic.archive.base import Parcel
    from skymosaic.config import Campaign

ONEPASS = "runs/onepass"
"""The one step in which the engine onepass makes the mosaics of all methods."""

_TITLES = {"engines": "both engines", "positions": "compare positions"}
"""What people call a kind, where that is not its own name."""
_STEPS = {"inspect": "inspection", "align": "aligned", "gather": "comparison"}
"""What a kind's step is called, where that is not the kind's name."""


class Task(NamedTuple):
    """One task, as runs and their readers name it."""

    kind: str
    """Such as ``drizzle``: what its like are counted by."""
    of: str = ""
    """The file or sky method that it is about; empty where there is one of its kind."""

    @property
    def title(self) -> str:
        """What people know it as, such as ``drizzle match``."""
        return f"{_TITLES.get(self.kind, self.kind)} {self.of}".rstrip()

    def step(self, engine: str) -> str:
        """Return the name of the step that it makes, which is that of its manifest."""
        if self.kind == "retrieve":
            return f"pristine/{self.of}"
        if self.kind == "drizzle":
            return ONEPASS if engine == "onepass" else f"runs/{column(self.of)}"
        return _STEPS.get(self.kind, self.kind)


def tasks_of(campaign: Campaign, parcels: Sequence[Parcel]) -> list[Task]:
    """Return the tasks that a campaign of one mosaic is told of, in the order of their results.

    Parameters
    ----------
    campaign : Campaign
        Its engine, methods and checks decide.
    parcels : sequence of Parcel
        What is retrieved, a task each.
    """
    methods = campaign.sky.methods
    # The one-pass engine has the exposures on the common grid anyway.
    apart = campaign.drizzle.engine == "astrodrizzle" and not {*OWN}.isdisjoint(methods)
    return [
        *(Task("retrieve", parcel.name) for parcel in parcels),
        *(Task("inspect"), Task("align"), Task("plan")),
        *([Task("positions")] if campaign.align.method == "none" else []),
        *([Task("differences")] if apart else []),
        *(Task("drizzle", method) for method in methods),
        *(Task(check) for check in campaign.drizzle.checks),
        Task("gather"),
    ]


def count_kinds(tasks: Sequence[Task]) -> Mapping[str, int]:
    """Return how many tasks there are of each kind, in their order."""
    return Counter(task.kind for task in tasks)


def looks_at_pairs(method: str) -> bool:
    """Whether AstroDrizzle measures every pair of exposures that overlap, which takes long."""
    return method in METHODS and "match" in method


CALLS = {
    "retrieve": "3s",
    "inspect": "1s",
    "align": "30s",
    "plan": "5s",
    "find": "1s",
    "positions": "3s",
    "differences": "20s",
    "given_sky": "1ms",
    "drizzle": "20s",
    "drizzle_pairs": "30s",
    "drizzle_all": "30s",
    "as_run": "1ms",
    "witness": "20s",
    "engines": "40s",
    "gather": "10s",
}
"""By the name under which a call of the graph goes to the scheduler: about how long it takes.

Without an estimate the scheduler takes tasks for short, gives them to the worker that holds their
input, and lets the others idle until it has seen better.
"""
