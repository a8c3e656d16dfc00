"""A star beside pixels without data, which drizzlepac's finder gives NaN for a position."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_FIND = """
import json, sys
import numpy as np
from drizzlepac import findobj
from skymosaic.drizzlepac_calls.finite_positions import leave_out_positions_without_a_number
if sys.argv[1] == "ours":
    leave_out_positions_without_a_number()
    leave_out_positions_without_a_number()
y, x = np.mgrid[:60, :60]
image = np.zeros((60, 60), dtype=np.float32)
for column, row in ((15.2, 15.1), (40.3, 40.2), (15.4, 40.1)):
    image += 100 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 0.8).astype(np.float32)
image[42, 42] = np.nan
found, _ = findobj.findstars(image, 3.5, 1.0, 0.0)
print(json.dumps([[float(v) for v in source[:2]] for source in found]))
"""


def found(which: str) -> list[list[float]]:
    done = subprocess.run(
        [sys.executable, "-c", _FIND, which], capture_output=True, text=True, check=True
    )
    positions: list[list[float]] = json.loads(done.stdout.splitlines()[-1])
    return positions


def is_finite(position: list[float]) -> bool:
    return all(value == value for value in position)


def test_no_position_is_nan() -> None:
    positions = sorted(found("ours"))
    assert len(positions) == 2
    assert positions[0] == pytest.approx([15.2, 15.1], abs=0.1)
    assert positions[1] == pytest.approx([15.4, 40.1], abs=0.1)


def test_drizzlepac_still_needs_it() -> None:
    """When this fails, drizzlepac leaves them out itself: `finite_positions` can go."""
    assert [is_finite(position) for position in found("plain")].count(False) == 1
