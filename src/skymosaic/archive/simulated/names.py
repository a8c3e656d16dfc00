"""The names of the simulated scenes; cheap to import, for those who only offer them."""

from __future__ import annotations

from typing import Literal, get_args

SceneName = Literal[
    "horsehead", "sparse", "nebula", "equal-skies", "one-sided", "filled", "saturated"
]
SCENES: tuple[SceneName, ...] = get_args(SceneName)
