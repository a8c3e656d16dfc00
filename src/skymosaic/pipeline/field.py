"""The steps that the groups of a field share: each is made once, however many groups need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any

from skymosaic.archive.base import Parcel, Source
from skymosaic.config import Campaign
from skymosaic.pipeline.catalogue import list_sources
from skymosaic.pipeline.graph import FirstTasks, begin
from skymosaic.pipeline.group import Field
from skymosaic.pipeline.shared_grid import shared_grid
from skymosaic.steps.execution import Calls, has_failed
from skymosaic.steps.foresight import Foreseeing
from skymosaic.steps.place import Place

At = Callable[[Place], Place]
"""What a place becomes for those who make calls there."""


@dataclass(frozen=True)
class Member:
    """A group of a field: what its steps are made from."""

    name: str
    campaign: Campaign
    place: Place
    source: Source
    parcels: Sequence[Parcel]


class FieldGraph:
    """The part of the graph in which the groups of a field meet.

    Each group is made in a thread of its own; whichever comes first makes the calls of a step, and
    the others go on from what these give.

    Parameters
    ----------
    field : Field
        What is shared.
    members : sequence of Member
        Its groups, without those that cannot be, and those that depend on one of them.
    program : Place
        The program's.
    """

    def __init__(self, field: Field, members: Sequence[Member], program: Place) -> None:
        self.field, self._program = field, program
        self._members = {member.name: member for member in members}
        self._shared: dict[tuple[type, str, str], Any] = {}
        self._lock = RLock()

    def begin(self, calls: Calls, name: str, at: At) -> FirstTasks:
        """Return how the graph of a group begins."""
        member = self._members[name]

        def make() -> FirstTasks:
            follows = self.field.aligned and name != self.field.reference
            catalogue = self._catalogue(calls, at) if follows else None
            own, place = _of_group(calls, name), at(member.place)
            return begin(own, member.campaign, place, member.source, member.parcels, catalogue)

        first: FirstTasks = self._once(calls, "begin", name, make)
        return first

    def grid(self, calls: Calls, name: str, at: At) -> Any:
        """Return the grid that a group shares; None where it has its own."""
        on_grid = self.field.on_grid
        if name not in on_grid:
            return None

        def make() -> Any:
            reference = self._members[on_grid[0]].campaign
            aligned = [self.begin(calls, each, at).aligned for each in on_grid]
            return calls.call(shared_grid, at(self._program), self.field.name, reference, aligned)

        return self._once(calls, "grid", "", make)

    def others(self, calls: Calls, name: str, at: At) -> dict[str, Any]:
        """Return the alignments of the other groups that a group depends on, by their names."""
        names = self.field.needed_by(name)
        return {each: self.begin(calls, each, at).aligned for each in names}

    def _catalogue(self, calls: Calls, at: At) -> Any:
        reference = self._members[self.field.reference]

        def make() -> Any:
            first = self.begin(calls, reference.name, at)
            settings, place = reference.campaign.align, at(reference.place)
            steps = (first.inspected, first.aligned, list(first.sources))
            return _of_group(calls, reference.name).call(list_sources, place, settings, *steps)

        return self._once(calls, "catalogue", "", make)

    def _once(self, calls: Calls, what: str, name: str, make: Callable[[], Any]) -> Any:
        """Return what was made before, unless it has failed: then who needs it tries again."""
        key = (type(calls), what, name)
        with self._lock:
            if key not in self._shared or has_failed(_futures_of(self._shared[key])):
                self._shared[key] = make()
            return self._shared[key]


def _of_group(calls: Calls, name: str) -> Calls:
    """Return the same calls; where nothing is run, those which tell of this group."""
    return calls.of_group(name) if isinstance(calls, Foreseeing) else calls


def _futures_of(result: Any) -> list[Any]:
    if isinstance(result, FirstTasks):
        return [*result.retrieved, result.inspected, result.aligned]
    return [result]
