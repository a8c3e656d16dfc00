"""Calls that give at once what finished steps gave, and leave all others to workers.

When an exposure is added to a thousand, nearly all steps are finished. To look one up takes half a
millisecond; as a task it costs client, scheduler and worker several times that.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from distributed import Future

from skymosaic.errors import SkymosaicError
from skymosaic.steps.execution import Calls
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import NotFinishedError, names_of_finished
from skymosaic.steps.place import Place
from skymosaic.steps.tasks import CALLS
from skymosaic.store.local import LocalStore

_THREADS = 16
"""Requests to a distant store at once."""
_NO_TIME = ("1ms", "10ms")
"""Of calls that make no step and are made here, too."""


class FinishedFirst:
    """Calls that look steps up before they become tasks; see `execution.Calls`.

    A step is looked up where all that it is made from is known already. Nobody is told of it: this
    is for steps that are parts of a task.

    Parameters
    ----------
    calls : Calls
        Makes all others.
    place : Place
        The campaign's. What has no manifest there now is not looked up. In a distant store steps
        are looked up many at once, and none alone.
    """

    def __init__(self, calls: Calls, place: Place) -> None:
        self._calls = calls
        self._names = names_of_finished(place)
        self._is_near = isinstance(place.store, LocalStore)

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        name: str = "",
        of: str = "",
        near: str = "",
    ) -> Any:
        """Return what a finished step gives, or make the call."""
        if self._is_near:
            found = self._found(function, arguments, name)
            if found is not None:
                return found
        with warnings.catch_warnings():
            # What finished steps gave goes with the task: some kilobytes of each.
            warnings.filterwarnings("ignore", "Sending large graph")
            return self._calls.call(function, *arguments, name=name, of=of, near=near)

    def each(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        of: Sequence[str] = (),
        near: Sequence[str] = (),
    ) -> list[Any]:
        """Return what finished steps give, and make the calls for all other items."""
        results = self._look_up(function, items)
        left = [number for number, one in enumerate(results) if one is None]
        calls = self._calls.each(
            function,
            [items[number] for number in left],
            of=[of[number] for number in left] if of else (),
            near=[near[number] for number in left] if near else (),
        )
        for number, one in zip(left, calls, strict=True):
            results[number] = one
        return results

    def hosts(self) -> list[str]:
        """Return the host of each worker."""
        return self._calls.hosts()

    def makes(self) -> bool:
        """Tell that calls make what has not finished."""
        return self._calls.makes()

    def result(self, call: Any) -> Any:
        """Return what a call gives; what is known already as it is."""
        return self._calls.result(call) if isinstance(call, Future) else call

    def _look_up(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        if not self._names:
            return [None] * len(items)

        def found(item: Any) -> Any:
            return self._found(function, (item,))

        if self._is_near:
            return list(map(found, items))
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(found, items))

    def _found(self, function: Callable[..., Any], arguments: Sequence[Any], name: str = "") -> Any:
        """Return what a step gave; None where it has to be made, or is not known yet."""
        if not self._names or _has_future(arguments):
            return None
        looking = self._looking(function)
        if looking is None:
            # What makes no step: it only leads from one to the next.
            plain = function.func if isinstance(function, partial) else function
            if CALLS.get(name or plain.__name__) not in _NO_TIME:
                return None
            looking = function
        try:
            found = looking(*arguments)
        except (NotFinishedError, SkymosaicError):  # the worker that makes it tells
            return None
        return found if looking is function or isinstance(found, Finished) else None

    def _looking(self, function: Callable[..., Any]) -> Callable[..., Any] | None:
        """Return a call that only looks its step up; None where it makes none that is known to."""
        if not isinstance(function, partial):
            return None
        if not any(isinstance(one, Place) for one in function.args):
            return None
        arguments = (
            one.only_finished(self._names) if isinstance(one, Place) else one
            for one in function.args
        )
        return partial(function.func, *arguments, **function.keywords)


def _has_future(values: Iterable[Any]) -> bool:
    """Tell whether anything in what a call gets is still to come."""
    for one in values:
        if isinstance(one, Future):
            return True
        inner = one.values() if isinstance(one, Mapping) else one
        if isinstance(one, list | tuple | Mapping) and _has_future(inner):
            return True
    return False
