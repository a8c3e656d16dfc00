"""Simulated cosmic rays, against what the instrument handbooks tell of real ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from skymosaic.archive.simulated.ccd.cameras import CameraChip, camera_of, chips_of
from skymosaic.archive.simulated.ccd.cosmic_rays import AFFECTED, cosmic_rays, hit_share
from skymosaic.archive.simulated.names import CCDS
from skymosaic.archive.simulated.simulation import Simulation


def half_chip(simulation: Simulation) -> CameraChip:
    """Return half of a chip, large enough for thousands of hits."""
    return CameraChip(camera_of(simulation), 1, (0, 0), (1024, 4096))


@pytest.mark.parametrize("instrument", CCDS)
def test_as_many_pixels_are_affected_as_the_handbook_tells(instrument: str) -> None:
    simulation = Simulation(instrument=instrument)
    chip = half_chip(simulation)
    least, most = {"acs-wfc": (0.015, 0.03), "wfc3-uvis": (0.05 / 1.8, 0.09 / 1.8)}[instrument]
    for rootname in ("first", "second", "third"):
        share = hit_share(simulation, rootname, chip)
        assert least <= share <= most
        affected = (cosmic_rays(simulation, rootname, chip, 500.0) > AFFECTED).mean()
        assert affected == pytest.approx(share / 2, rel=0.08)


def test_their_charge_and_size_are_those_of_real_ones() -> None:
    simulation = Simulation(instrument="acs-wfc")
    hits = cosmic_rays(simulation, "one", half_chip(simulation), 50.0)  # few touch each other
    labels, count = ndimage.label(hits > AFFECTED, structure=np.ones((3, 3)))
    assert count > 500
    charge = ndimage.sum_labels(hits, labels, np.arange(1, count + 1))
    size = np.bincount(labels.ravel())[1:]
    # ACS Instrument Handbook, section 4.3: 1,000 electrons in the median, few below 500, 4 to 5
    # pixels most often, and a long tail
    assert np.median(charge) == pytest.approx(1000.0, rel=0.1)
    assert np.mean(charge < 500.0) < 0.06
    assert 4 <= np.median(size) <= 6
    assert 0.005 < np.mean(size > 20) < 0.1
    np.testing.assert_array_equal(hits, np.rint(hits))


def test_chips_and_exposures_are_hit_elsewhere_and_the_same_ones_again() -> None:
    simulation = Simulation(instrument="acs-wfc", size="small")
    lower, upper = chips_of(simulation)
    first = cosmic_rays(simulation, "one", lower, 400.0)
    np.testing.assert_array_equal(first, cosmic_rays(simulation, "one", lower, 400.0))
    assert not np.array_equal(first, cosmic_rays(simulation, "one", upper, 400.0))
    assert not np.array_equal(first, cosmic_rays(simulation, "two", lower, 400.0))


def test_there_are_none_where_none_are_asked_for() -> None:
    simulation = Simulation(instrument="acs-wfc", size="small", cosmic_rays=False)
    assert not cosmic_rays(simulation, "one", chips_of(simulation)[0], 1000.0).any()
