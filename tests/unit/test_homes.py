"""Homes: the hosts that the steps of exposures and blocks are best made on."""

from __future__ import annotations

from skymosaic.pipeline.homes import Homes, find_homes
from skymosaic.steps.execution import in_order


def test_in_their_order_workers_get_equal_shares() -> None:
    assert in_order(["a", "a", "b"], 6) == ["a", "a", "a", "a", "b", "b"]
    assert in_order(["a", "b"], 1) == ["a"]
    assert in_order([], 5) == []


def test_exposures_are_at_home_where_they_were_retrieved() -> None:
    homes = find_homes(["a", "b"], ["e4", "e1", "e3", "e2"])
    assert homes.each(["e1", "e2", "e3", "e4"]) == in_order(["a", "b"], 4)


def test_a_block_is_at_home_with_most_of_its_exposures() -> None:
    homes = Homes({"x": "a", "y": "b", "z": "b"})
    assert homes.of(["x", "y", "z"]) == "b"
    assert homes.of(["y", "x"]) == homes.of(["x", "y"]) == "a"  # the same each time
    assert homes.of(["x", "unknown"]) == "a"
    assert homes.of([]) == ""


def test_on_one_host_the_place_is_no_matter() -> None:
    homes = find_homes([], ["e1", "e2"])
    assert homes.each(["e1", "e2"]) == []
    assert homes.of(["e1"]) == ""
