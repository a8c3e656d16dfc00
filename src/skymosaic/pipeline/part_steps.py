"""What the steps cost that a mosaic is made from, all of a kind together, for the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skymosaic.steps.finished import Finished

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

_TOLD = ("runs", "aligned")
"""Steps that have a row of their own in the report."""


@dataclass(frozen=True)
class PartSteps:
    """All steps of one kind."""

    kind: str
    """How the names of their manifests begin, such as ``singles``."""
    steps: int
    seconds: float
    """Wall time of all of them, s."""
    peak_memory: int
    """Largest resident set of a drizzlepac process in one, bytes; 0 where none ran."""
    products: int
    size: int
    """Of all products, bytes."""
    up: int
    """Bytes moved to the store."""
    down: int
    """Bytes moved from the store."""
    hosts: list[str]
    """Where they ran."""


_LOT = 100  # calls that are summed up by one task
_COUNTS = ("steps", "products", "size", "up", "down")


class Noted:
    """Calls that are made by another one, and remembered; see `execution.Calls`.

    Parameters
    ----------
    calls : Calls
        Makes them.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.every: list[Any] = []

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        name: str = "",
        of: str = "",
        near: str = "",
    ) -> Any:
        """Make one call."""
        self.every.append(self._calls.call(function, *arguments, name=name, of=of, near=near))
        return self.every[-1]

    def each(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        of: Sequence[str] = (),
        near: Sequence[str] = (),
    ) -> list[Any]:
        """Make a call for each item."""
        futures = self._calls.each(function, items, of=of, near=near)
        self.every += futures
        return futures

    def hosts(self) -> list[str]:
        """Return the host of each worker."""
        return self._calls.hosts()

    def makes(self) -> bool:
        """Tell whether the calls make what has not finished."""
        return self._calls.makes()

    def result(self, call: Any) -> Any:
        """Return what a call gives."""
        return self._calls.result(call)


def sum_up_calls(calls: Calls, done: Sequence[Any]) -> Any:
    """Make the tasks that sum up what calls cost; return the one that gives it.

    Each takes some of them, so that no worker waits in the end for thousands of results.
    """
    lots = [calls.call(sum_up, list(done[at : at + _LOT])) for at in range(0, len(done), _LOT)]
    return calls.call(merge_sums, lots, name="sum_up")


def merge_sums(lots: Sequence[Sequence[PartSteps]]) -> list[PartSteps]:
    """Return what the steps of all lots cost, as `sum_up` does; no step is in two of them."""
    kinds: dict[str, list[PartSteps]] = {}
    for lot in lots:
        for one in lot:
            kinds.setdefault(one.kind, []).append(one)
    return [
        PartSteps(
            kind=kind,
            seconds=round(sum(one.seconds for one in its), 3),
            peak_memory=max(one.peak_memory for one in its),
            hosts=sorted({host for one in its for host in one.hosts}),
            **{name: sum(getattr(one, name) for one in its) for name in _COUNTS},
        )
        for kind, its in kinds.items()
    ]


def sum_up(done: Sequence[Any]) -> list[PartSteps]:
    """Return what steps cost, by kinds, in the order in which kinds come first.

    Parameters
    ----------
    done : sequence
        What calls gave; what is no step, made nothing or has a row of its own is passed over.
    """
    kinds: dict[str, dict[str, Finished[Any]]] = {}
    for one in done:
        if isinstance(one, Finished) and one.key and (kind := _kind_of(one)) not in _TOLD:
            kinds.setdefault(kind, {})[one.step] = one
    return [_sum(kind, list(steps.values())) for kind, steps in kinds.items()]


def _kind_of(step: Finished[Any]) -> str:
    return step.step.partition("/")[0]


def _sum(kind: str, steps: Sequence[Finished[Any]]) -> PartSteps:
    products = [product for step in steps for product in step.products.values()]
    return PartSteps(
        kind=kind,
        steps=len(steps),
        seconds=round(sum(step.seconds for step in steps), 3),
        peak_memory=max(step.peak_memory for step in steps),
        products=len(products),
        size=sum(product.size for product in products),
        up=sum(step.moved.up for step in steps),
        down=sum(step.moved.down for step in steps),
        hosts=sorted({step.host for step in steps}),
    )
