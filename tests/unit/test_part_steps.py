"""What many steps cost, all of a kind together; and how many of them have begun."""

from __future__ import annotations

from dataclasses import replace

from skymosaic.pipeline.part_steps import Noted, PartSteps, sum_up, sum_up_calls
from skymosaic.steps.execution import Here
from skymosaic.steps.finished import Finished
from skymosaic.steps.progress import Event, with_counts
from skymosaic.store import Product
from skymosaic.store.traffic import Traffic


def step(name: str, seconds: float, host: str) -> Finished[None]:
    """Return a step that made one product."""
    products = {"a.npy": Product(f"field/{name}/a.npy", "", 1000)}
    moved = Traffic(up=1000, down=500)
    return Finished(name, "1", products, None, seconds, 7, False, moved=moved, host=host)


def test_steps_are_summed_up_by_their_kinds() -> None:
    singles = [step("singles/a", 1.5, "n2"), step("singles/b", 2.0, "n1")]
    done = [*singles, 64, step("skies", 0.5, "n1"), singles[0], step("runs/match", 9.0, "n1")]
    done.append(replace(step("singles/others", 0.0, "n1"), key=""))  # it had nothing to do
    assert sum_up(done) == [
        PartSteps("singles", 2, 3.5, 7, 2, 2000, 2000, 1000, ["n1", "n2"]),
        PartSteps("skies", 1, 0.5, 7, 1, 1000, 1000, 500, ["n1"]),
    ]


def test_lots_of_steps_come_to_the_same() -> None:
    done = [
        step(f"{kind}/{number}", 0.25 * number, f"n{number % 3}")
        for number in range(130)
        for kind in ("singles", "blocks")
    ]
    assert sum_up_calls(Here(), done) == sum_up(done)
    assert sum_up_calls(Here(), []) == []


def test_calls_are_noted_and_made_all_the_same() -> None:
    noted = Noted(Here())
    assert noted.each(str, [1, 2]) == ["1", "2"]
    assert noted.result(noted.call(max, 3, 4, name="largest", near="a")) == 4
    assert noted.every == ["1", "2", 4]
    assert noted.hosts() == []


def test_who_listens_learns_how_many_have_begun() -> None:
    heard: list[Event] = []
    tell = with_counts(heard.append)
    tell(Event("drizzle match", "started"))
    for name in ("singles/a", "singles/b", "blocks/x01y01"):
        tell(Event("drizzle match", "doing", name, part=name.partition("/")[0]))
    assert [event.detail for event in heard] == [
        "",
        "singles/a (singles begun: 1)",
        "singles/b (singles begun: 2)",
        "blocks/x01y01 (blocks begun: 1)",
    ]
