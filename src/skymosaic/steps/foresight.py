"""Which steps a run would make, and why: the calls of a graph are made, and no step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from functools import partial
from typing import Any

from skymosaic.errors import SkymosaicError
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import NotFinishedError
from skymosaic.steps.place import Place
from skymosaic.steps.tasks import KINDS, kind_of


@dataclass
class Foreseen:
    """What is known of the steps of a run before it begins."""

    finished: dict[str, str] = field(default_factory=dict)
    """Names of the steps that are finished, and stay so, with their keys.

    Two names have one key where one is a view of the other, such as a method's part of the one-pass
    engine's step.
    """
    to_make: dict[str, str] = field(default_factory=dict)
    """Steps that will be made, and why, in their order."""
    open: Counter[str] = field(default_factory=Counter)
    """Kinds of steps of which it depends on what those give, and how many there are: 0 where only
    what hands on their results is known."""
    earlier: Counter[str] = field(default_factory=Counter)
    """Steps of an earlier run to which a graph that ended early did not come, by kind."""
    refused: str = ""
    """Why the run would end before them; empty where nothing is known to be wrong."""

    @property
    def kept(self) -> int:
        """How many steps are finished."""
        return len({key for key in self.finished.values() if key})


class _Unknown:
    """What a step would give that has to be made first."""


class Foreseeing:
    """Calls that tell which steps would be made; see `execution.Calls`.

    A step that depends on one which has to be made may stay as it is, if that one gives what it
    gave before: that is not known.

    Parameters
    ----------
    book : dict of str to Foreseen, optional
        What is found of each group of a program, by name. Groups that share steps share it: who
        comes first makes the calls of those steps, also of another group's.
    group : str, optional
        Whose steps are called; empty where the campaign is one mosaic.
    """

    def __init__(self, book: dict[str, Foreseen] | None = None, group: str = "") -> None:
        self._book = {} if book is None else book
        self.foreseen = self._book.setdefault(group, Foreseen())

    def of_group(self, name: str) -> Foreseeing:
        """Return calls of another group's steps, which are written down as that group's."""
        return Foreseeing(self._book, name)

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        name: str = "",
        of: str = "",
        near: str = "",
    ) -> Any:
        """Return what the function gives; unknown where a step has to be made for it."""
        if any(map(_is_unknown, arguments)):
            kind, makes = _called(function, name)
            self.foreseen.open[kind] += makes
            return _Unknown()
        try:
            done = function(*arguments)
        except NotFinishedError as step:
            self.foreseen.to_make[step.step] = step.why
            return _Unknown()
        except SkymosaicError as error:
            self.foreseen.refused = self.foreseen.refused or str(error)
            return _Unknown()
        if isinstance(done, Finished):
            self.foreseen.finished[done.step] = done.key
        return done

    def each(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        of: Sequence[str] = (),
        near: Sequence[str] = (),
    ) -> list[Any]:
        """Return what the function gives for each item."""
        return [self.call(function, item) for item in items]

    def hosts(self) -> list[str]:
        """Return nothing: where a step would be made is no matter."""
        return []

    def makes(self) -> bool:
        """Return False."""
        return False

    def result(self, call: Any) -> Any:
        """Return the same; raise NotFinishedError where it is not known: here the graph ends."""
        if _is_unknown(call):
            raise NotFinishedError("")
        return call


def _is_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_is_unknown, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_unknown, value))
    if isinstance(value, _Unknown):
        return True
    # Bundles of calls, such as those of a graph's parts; results of steps are none.
    if is_dataclass(value) and not isinstance(value, Finished | type):
        return any(isinstance(inner, _Unknown) for inner in vars(value).values())
    return False


def _called(function: Callable[..., Any], name: str) -> tuple[str, bool]:
    """Return the kind of a call, and whether it makes a step; else it hands on what one gave."""
    plain = function.func if isinstance(function, partial) else function
    called = name or plain.__name__
    kind = next((kind for kind in KINDS if called in kind.calls), None)
    return (kind.name, not kind.calls[called].endswith("ms")) if kind else ("", False)


def count_earlier(place: Place, foreseen: Foreseen) -> Counter[str]:
    """Count the steps in a store that a graph did not come to, by kind."""
    above = place.key("manifests") + "/"
    names = {
        key.removeprefix(above).removesuffix(".json")
        for key in place.store.list(place.key("manifests"))
    }
    return Counter(map(kind_of, names - {*foreseen.finished, *foreseen.to_make}))
