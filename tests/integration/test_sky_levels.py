"""Skies of any level, in electrons: no right value is refused by the reference engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import skymosaic, write_campaign
from tests.frames import Frame, write_two_chip_frames

SECONDS = 500.0
LEVELS = [float(level) for level in np.geomspace(5.0, 500.0, 20)]  # electrons
QUICK = (LEVELS[13],)


@pytest.mark.campaign
@pytest.mark.parametrize(
    "electrons",
    [
        pytest.param(level, marks=() if level in QUICK else pytest.mark.slow, id=f"{level:.0f}")
        for level in LEVELS
    ],
)
def test_no_sky_is_refused(tmp_path: Path, electrons: float) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rate = electrons / SECONDS
    frames = [Frame(0, 0, 0, rate, exptime=SECONDS), Frame(9, 7, 0, 1.1 * rate, exptime=360.0)]
    write_two_chip_frames(data, frames, seed=round(electrons))
    path = write_campaign(
        tmp_path / "levels.yaml",
        source={"kind": "directory", "path": str(data)},
        align="none",
        sky={"methods": ["localmin", "match"]},
        drizzle={
            "parameters": dict.fromkeys(("driz_separate", "median", "blot", "driz_cr"), False)
        },
    )
    ended = skymosaic("run", path, "--store", tmp_path / "store", "--workers", "1")
    assert ended.code == 0, ended.err
