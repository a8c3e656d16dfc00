"""One of the scenarios of `scripts/chaos` in every test run, all of them among the slow tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import chaos
from tests.trials import NotTriedError

QUICK = {"flipped byte in a stored object"}


@pytest.fixture(scope="module")
def stage(undisturbed: bytes) -> Iterator[chaos.Stage]:
    with chaos.stage(undisturbed) as stage:
        yield stage


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(s, marks=pytest.mark.campaign if s in QUICK else pytest.mark.slow)
        for s in chaos.SCENARIOS
    ],
)
def test_after_a_fault_all_is_as_if_nothing_was(stage: chaos.Stage, scenario: str) -> None:
    try:
        assert chaos.play_scenario(stage, scenario)
    except NotTriedError as why:
        pytest.skip(f"{scenario}: {why}")
