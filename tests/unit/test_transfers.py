"""What was moved against what had to be."""

from __future__ import annotations

from skymosaic.steps.finished import Finished
from skymosaic.steps.transfers import transfers
from skymosaic.store import Product
from skymosaic.store.traffic import Traffic


def step(
    name: str, cache: str, produced: dict[str, int], fetched: dict[str, int], moved
) -> Finished:
    products = {sha: Product(f"demo/{sha}", sha, size) for sha, size in produced.items()}
    return Finished(
        name, "key", products, {}, 1.0, 0, False, fetched=fetched, moved=Traffic(*moved),
        cache=cache,
    )  # fmt: skip


def test_on_one_host_nothing_has_to_come_back() -> None:
    total = transfers(
        [
            step("pristine", "A", {"p": 100}, {}, (100, 0)),
            step("aligned", "A", {"a": 90}, {"p": 100}, (90, 0)),
            step("runs/match", "A", {"m": 50}, {"a": 90}, (50, 5)),
        ]
    )
    assert total.needed == Traffic(240, 0)
    assert total.moved == Traffic(240, 5)
    assert total.ratio == 245 / 240


def test_each_host_needs_what_others_made_once() -> None:
    total = transfers(
        [
            step("pristine", "A", {"p": 100}, {}, (100, 0)),
            step("runs/match", "B", {"m": 1}, {"p": 100}, (1, 100)),
            step("runs/localmin", "B", {"l": 1}, {"p": 100}, (1, 0)),
            step("runs/globalmin", "C", {"g": 1}, {"p": 100}, (1, 200)),
        ]
    )
    assert total.needed == Traffic(103, 200)
    assert total.moved == Traffic(103, 300)


def test_without_a_cache_each_step_needs_its_own() -> None:
    total = transfers(
        [
            step("pristine", "", {"p": 100}, {}, (0, 0)),
            step("runs/match", "", {}, {"p": 100}, (0, 100)),
            step("runs/localmin", "", {}, {"p": 100}, (0, 100)),
        ]
    )
    assert total.needed == Traffic(100, 200)


def test_nothing_to_move_is_a_ratio_of_one() -> None:
    assert transfers([]).ratio == 1.0
