"""Cosmic rays of CCD exposures, found with the defaults of their detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skymosaic.archive.simulated.exposures import Simulation
from tests.ccd_truth import find

SECONDS = 430.0  # mean of the exposure times


@pytest.mark.parametrize(
    ("instrument", "electrons"),
    [
        ("acs-wfc", 100.0),
        pytest.param("acs-wfc", 10.0, marks=pytest.mark.slow),
        pytest.param("wfc3-uvis", 10.0, marks=pytest.mark.slow),
        pytest.param("wfc3-uvis", 100.0, marks=pytest.mark.slow),
    ],
)
def test_cosmic_rays_are_found_and_good_pixels_kept(
    tmp_path: Path, instrument: str, electrons: float
) -> None:
    simulation = Simulation(
        instrument=instrument,  # type: ignore[arg-type]
        size="small",
        dithers=3,
        sky=electrons / SECONDS,
    )
    found = find(tmp_path, simulation)
    assert found.hit > 1000
    assert found.found > 0.9
    assert found.lost < 0.01
    assert all(np.any(mask) for mask in found.masks.values())
