"""A campaign from pixels: all tiles in one solution, on a synthetic Gaia, ten years apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.astrometry_pixels import MATCHES, measure, simulation_of


@pytest.mark.campaign
def test_exposures_of_two_epochs_lie_on_gaia_to_5_mas(tmp_path: Path) -> None:
    simulation = simulation_of(500, "small")
    assert len(set(simulation.epochs.values())) == 2
    found = measure(tmp_path, simulation, "together")
    assert found["failed"] == []
    assert len(found["rows"]) == 8
    for rms, mean, matches, _ in found["rows"]:
        assert matches >= MATCHES
        assert rms < 5.0
        assert mean < 5.0
