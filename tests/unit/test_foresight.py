"""Which steps a run would make, and why, told before it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from skymosaic.errors import InputError
from skymosaic.pipeline.sentences.foreseen import foreseen_lines
from skymosaic.steps.finished import Finished
from skymosaic.steps.foresight import Foreseeing, Foreseen, count_earlier
from skymosaic.steps.manifests import NotFinishedError
from skymosaic.steps.step import Bench, Place, run_step
from skymosaic.steps.tasks import KINDS, Step, Task, kind_of
from skymosaic.store import Product
from skymosaic.store.local import LocalStore


@dataclass
class Trial:
    """What a small graph of three steps is asked for."""

    place: Place
    size: Any = 1
    version: str = "1.0"
    source: Product = field(default_factory=lambda: Product("data/x", "1" * 64, 1))
    refuses: bool = False

    def plan(self) -> Finished[dict[str, Any]]:
        return self._step("plan", {"x": self.source}, {"grid": {"size": self.size, "rot": 0}})

    def drizzle(self, before: Finished[Any]) -> Finished[dict[str, Any]]:
        if self.refuses:
            raise InputError("x is no image; leave it out")
        return self._step("runs/match", before.products, {})

    def compare_methods(self, runs: list[Finished[Any]]) -> Finished[dict[str, Any]]:
        return self._step("comparison", runs[0].products, {})

    def _step(self, name: str, inputs: Any, parameters: dict[str, Any]) -> Finished[dict[str, Any]]:
        def work(bench: Bench) -> dict[str, Any]:
            (bench.out / f"{name.replace('/', '-')}.txt").write_text(f"{parameters}")
            return {}

        return run_step(
            self.place,
            Step(name, dict[str, Any], name),
            inputs=inputs,
            parameters=parameters,
            versions={"drizzlepac": self.version},
            work=work,
        )

    def make(self) -> None:
        self.compare_methods([self.drizzle(self.plan())])

    def foresee(self) -> list[str]:
        self.place = self.place.only_finished()
        calls = Foreseeing()
        run = calls.call(self.drizzle, calls.call(self.plan))
        calls.call(self.compare_methods, [run])
        tasks = [Task("plan"), Task("drizzle", "match"), Task("gather")]
        return foreseen_lines(calls.foreseen, tasks)


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(Place(LocalStore(tmp_path / "store"), "demo", tmp_path / "scratch"))


LATER = "  then, where they give something new: drizzle, gather"


def test_views_of_a_step_count_once(trial: Trial) -> None:
    trial.make()
    calls = Foreseeing()
    done = calls.call(trial.plan)
    calls.call(lambda: replace(done, step="runs/view"))
    calls.call(lambda: replace(done, step="stars/none", key=""))
    assert (len(calls.foreseen.finished), calls.foreseen.kept) == (3, 1)


def test_all_is_finished(trial: Trial) -> None:
    trial.make()
    assert trial.foresee() == ["steps: all 3 are finished; a run makes none"]


def test_nothing_was_ever_made(trial: Trial) -> None:
    first = "steps: 0 are finished; a run makes"
    assert trial.foresee() == [first, "  plan: never made", LATER]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"size": 2}, "parameter grid.size: 1, now 2"),
        ({"size": None}, "parameter grid.size: 1, now none"),
        ({"version": "1.1"}, "version of drizzlepac: 1.0, now 1.1"),
        ({"source": Product("data/x", "2" * 64, 1)}, "input x changed"),
        (
            {"size": 2, "version": "3"},
            "parameter grid.size: 1, now 2; version of drizzlepac: 1.0, now 3",
        ),
    ],
)
def test_what_changed_is_named(trial: Trial, changes: dict[str, Any], why: str) -> None:
    trial.make()
    for name, value in changes.items():
        setattr(trial, name, value)
    assert trial.foresee() == ["steps: 0 are finished; a run makes", f"  plan: {why}", LATER]


def test_a_tuple_is_the_list_that_its_manifest_has(trial: Trial) -> None:
    trial.size = (1, 2)
    trial.make()
    trial.version = "2"
    assert trial.foresee()[1] == "  plan: version of drizzlepac: 1.0, now 2"


def test_what_is_lost_or_failed_is_named(trial: Trial) -> None:
    trial.make()
    product = trial.plan().products["plan.txt"]
    trial.place.store.delete(product.key)
    assert trial.foresee()[1] == "  plan: its product plan.txt is gone, or changed"
    trial.place.store.write_text("demo/manifests/plan.json", "{}")
    assert trial.foresee()[1] == "  plan: its manifest is damaged"
    trial.place.store.delete("demo/manifests/plan.json")
    trial.place.store.write_text("demo/failed/plan.json", "{}")
    assert trial.foresee()[1] == "  plan: it failed"


def test_steps_that_stay_are_counted_and_later_ones_made(trial: Trial) -> None:
    trial.make()
    trial.place.store.delete("demo/manifests/runs/match.json")
    assert trial.foresee() == [
        "steps: 1 is finished; a run makes",
        "  runs/match: never made",
        "  then, where they give something new: gather",
    ]


def test_a_run_that_would_be_refused(trial: Trial) -> None:
    trial.make()
    trial.refuses = True
    assert trial.foresee() == ["steps: 1 is finished; will fail: x is no image; leave it out"]


def test_what_is_waited_for_ends_the_graph_where_it_is_not_known(trial: Trial) -> None:
    trial.place = trial.place.only_finished()
    calls = Foreseeing()
    planned = calls.call(trial.plan)
    with pytest.raises(NotFinishedError):
        calls.result({"planned": [planned]})
    assert calls.result(3) == 3


def test_steps_with_one_reason_are_one_line(trial: Trial) -> None:
    calls = Foreseeing()
    calls.foreseen.to_make.update({f"pristine/e{i}": "never made" for i in range(5)})
    lines = foreseen_lines(calls.foreseen, [Task("retrieve", "e0")])
    assert lines[1] == "  pristine/e0, pristine/e1, pristine/e2 and 2 more: never made"


def test_the_kind_of_a_step_is_known_by_its_name() -> None:
    for kind in KINDS:
        assert kind_of(kind.step_of("x")) == kind.name, kind
    assert kind_of("errors/noise") == "noise"
    assert kind_of("errors/1-2") == "errors"
    assert kind_of("elsewhere") == ""


def test_what_follows_is_counted_by_the_last_run_where_the_graph_ends(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    made = ["pristine/old", "plan", "low/a", "singles/a", "singles/b", "singles/c", "witness"]
    made += ["blocks/1-1", "blocks/1-2", "runs/match", "comparison", "cells/index", "figures/x"]
    for name in made:
        store.write_text(f"demo/manifests/{name}.json", "{}")
    foreseen = Foreseen({"pristine/a": "key"}, {"plan": "parameter final.rot: 0, now 12"})
    place = Place(store, "demo", tmp_path / "scratch")
    foreseen.earlier = count_earlier(place, foreseen)
    assert foreseen.earlier["single"] == 3 and foreseen.earlier["plan"] == 0
    tasks = [*(Task("drizzle", method) for method in ("match", "localmin")), Task("gather")]
    assert foreseen_lines(foreseen, [Task("retrieve", "a"), *tasks])[2] == (
        "  then, where they give something new: low, single (3), block (2), figure, drizzle (2), "
        "gather"
    )
    # Checks are among the tasks where they are asked for.
    assert "witness" in foreseen_lines(foreseen, [*tasks, Task("witness")])[2]


def test_a_group_whose_steps_wait_for_another_group_is_not_called_finished() -> None:
    foreseen = Foreseen({"pristine/a": "key"})
    foreseen.open["solution"] += 1
    foreseen.earlier = Counter(single=3)
    assert foreseen_lines(foreseen, [Task("retrieve", "a"), Task("gather")]) == [
        "steps: 1 is finished; the rest follows another group",
        "  then, where that gives something new: solution, single (3), gather",
    ]


def test_what_hands_on_a_result_is_no_step() -> None:
    def differences(_before: object) -> None: ...
    def given_sky(_before: object) -> None: ...

    calls = Foreseeing()

    def lost() -> None:
        raise NotFinishedError("plan", "never made")

    unknown = calls.call(lost)
    calls.call(differences, unknown)
    for _ in range(3):
        calls.call(given_sky, unknown)
    assert calls.foreseen.open == {"differences": 1}
