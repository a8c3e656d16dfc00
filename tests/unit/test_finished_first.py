"""Steps that are finished become no tasks: what they gave is known at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from distributed import Future

from skymosaic.errors import InputError
from skymosaic.steps.execution import Calls, Here
from skymosaic.steps.finished import Finished
from skymosaic.steps.finished_first import FinishedFirst
from skymosaic.steps.manifests import names_of_finished
from skymosaic.steps.step import Bench, Place, run_step
from skymosaic.store import open_store
from skymosaic.store.cache import CachedStore
from tests.unit.small_store import plain


@dataclass
class Counted(Here):
    """Calls that are made here, and what they were about."""

    of: list[str] = field(default_factory=list)

    def call(self, function: Callable[..., Any], *arguments: Any, of: str = "", **_: str) -> Any:
        self.of.append(of)
        return function(*arguments)

    def each(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        of: Sequence[str] = (),
        near: Sequence[str] = (),
    ) -> list[Any]:
        assert len(of) == len(near) == len(items)
        self.of += of
        return [function(item) for item in items]


def double(place: Place, version: int, number: int) -> Finished[dict[str, Any]]:
    """Make a step of a number."""

    def work(bench: Bench) -> dict[str, Any]:
        if number == 13:
            raise InputError("unlucky")
        (bench.out / "x.txt").write_text(str(2 * number))
        return {"value": 2 * number}

    return run_step(
        place,
        plain(f"doubles/{number}"),
        inputs={},
        parameters={"version": version},
        versions={},
        work=work,
    )


def add(place: Place, ones: Sequence[Finished[dict[str, Any]]]) -> Finished[dict[str, Any]]:
    """Make a step of others."""
    return run_step(
        place,
        plain("sum"),
        inputs={one.step: one.products["x.txt"] for one in ones},
        parameters={},
        versions={},
        work=lambda _: {"value": sum(one.result["value"] for one in ones)},
    )


@pytest.fixture(params=["near", "far"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """Return an empty place in a folder, and in a store behind a cache, as distant ones are."""
    store = open_store(str(tmp_path / "store"))
    if request.param == "far":
        store = CachedStore(store, tmp_path, tmp_path / "cache", 10**9)
    return Place(store, "field", None)


def play(calls: Calls, place: Place, numbers: Sequence[int], version: int = 1) -> list[Any]:
    """Make the calls; return what the steps gave, the sum last."""
    names = [f"n{number}" for number in numbers]
    ones = calls.each(partial(double, place, version), numbers, of=names, near=names)
    whole = calls.call(partial(add, place), ones, name="add", of="sum")
    return [calls.result(one).result["value"] for one in (*ones, whole)]


def test_finished_steps_are_no_tasks(place: Place) -> None:
    counted = Counted()
    assert play(FinishedFirst(counted, place), place, [1, 2, 3]) == [2, 4, 6, 12]
    assert counted.of == ["n1", "n2", "n3", "sum"]
    counted = Counted()
    assert play(FinishedFirst(counted, place), place, [1, 2, 3]) == [2, 4, 6, 12]
    # In a distant store none is looked up alone.
    assert counted.of == (["sum"] if isinstance(place.store, CachedStore) else [])
    counted = Counted()
    assert play(FinishedFirst(counted, place), place, [1, 4, 2, 3]) == [2, 8, 4, 6, 20]
    assert counted.of == ["n4", "sum"]
    counted = Counted()
    assert play(FinishedFirst(counted, place), place, [1, 2], version=2) == [2, 4, 6]
    assert counted.of == ["n1", "n2", "sum"]


def test_what_fails_fails_where_it_is_made(place: Place) -> None:
    counted = Counted()
    with pytest.raises(InputError, match="unlucky"):
        play(FinishedFirst(counted, place), place, [1, 13])
    assert counted.of == ["n1", "n13"]


def test_a_product_that_is_gone_is_made_again(place: Place) -> None:
    play(Here(), place, [1, 2])
    assert names_of_finished(place) == {"doubles/1", "doubles/2", "sum"}
    place.store.delete("field/doubles/2/x.txt")
    counted = Counted()
    assert play(FinishedFirst(counted, place), place, [1, 2]) == [2, 4, 6]
    assert "n2" in counted.of
    assert "n1" not in counted.of


def test_what_waits_for_a_task_is_a_task(place: Place) -> None:
    play(Here(), place, [1, 2])
    counted = Counted()
    quick = FinishedFirst(counted, place)
    quick.call(lambda _: None, {"a": [Future("a task of no client")]}, of="task")
    assert counted.of == ["task"]
