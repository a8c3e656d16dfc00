"""Steps across the seams of a mosaic, and what the exposures call for there."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.evidence.levels import solve
from skymosaic.evidence.pairs import all_differences
from skymosaic.evidence.seams import find_edges, measure_seams, steps
from tests.unit.small_field import SHAPE, grid, make, two_by_two

SKIES = {"a": 1.0, "b": 1.2, "c": 1.05, "d": 1.1}


def nebula(row, column):
    return 0.8 * np.exp(-((row - 30) ** 2 + (column - 35) ** 2) / 1000.0)


def seams_of(field, subtracted):
    names = [one.rootname for one in field.cells]
    levels = solve(names, [tuple(names)], all_differences(field.cells).measured)
    left = levels.values - np.array([subtracted[name] for name in names])
    edges = find_edges(field.cells, SHAPE)
    return measure_seams("localmin", field.mosaic(subtracted), edges, field.cells, left, grid())


def test_every_edge_of_two_exposures_is_found_once() -> None:
    field = make({"a": (10, 10), "b": (10, 40)}, {"a": 1.0, "b": 1.0})
    edges = find_edges(field.cells, SHAPE)
    assert [(edge.exposure, edge.others) for edge in edges] == [(0, (1,)), (1, (0,))]
    # The rim of 1 cell on each side is covered in part; both edges run along 40 rows.
    assert all(len(edge.gap) == 38 for edge in edges)


def test_an_injected_step_is_found_and_located() -> None:
    """0.01 e-/s more is left in b than in a: a fifth of the noise of one pixel."""
    field = make({"a": (10, 10), "b": (10, 40)}, {"a": 1.0, "b": 1.0}, nebula, seed=3)
    found = seams_of(field, {"a": 1.0, "b": 0.99})
    by_exposure = {seam.exposure: seam for seam in found}
    # Entering b from a, the mean rises by half of the step; entering a from b, it falls.
    assert by_exposure["b"].step == pytest.approx(0.005, abs=3.5 * by_exposure["b"].error)
    assert by_exposure["a"].step == pytest.approx(-0.005, abs=3.5 * by_exposure["a"].error)
    assert all(seam.error < 0.005 for seam in found)
    larger = seams_of(field, {"a": 1.0, "b": 0.96})
    assert all(seam.significance > 5 for seam in larger)
    place = {seam.exposure: grid().positions(np.array([[seam.ra, seam.dec]]))[0] for seam in larger}
    assert place["b"] == pytest.approx([40.0, 29.5], abs=1.5)
    assert place["a"] == pytest.approx([49.0, 29.5], abs=1.5)


def test_a_step_of_a_hundredth_is_significant_where_seams_are_long() -> None:
    """The mean over the six seams of a square of exposures tells 0.01 e-/s."""
    field = make(two_by_two(), SKIES, nebula, seed=5)
    wrong = {**SKIES, "a": SKIES["a"] + 0.02}
    found = seams_of(field, wrong)
    mine = [seam for seam in found if "a" in (seam.exposure, *seam.others)]
    others = [seam for seam in found if seam not in mine]
    assert mine and others
    weight = np.array([seam.error**-2 for seam in mine])
    expected = np.array([seam.expected for seam in mine])
    steps_found = np.array([seam.step for seam in mine])
    slope = (weight * expected * steps_found).sum() / (weight * expected**2).sum()
    error = (weight * expected**2).sum() ** -0.5
    assert slope == pytest.approx(1.0, abs=3 * error)
    assert slope > 4 * error
    assert all(abs(seam.step) < 4 * seam.error for seam in others)


def test_seams_and_exposures_agree_within_their_errors() -> None:
    field = make(two_by_two(), SKIES, nebula, seed=7, weights={"a": 700.0, "b": 350.0})
    found = seams_of(field, dict.fromkeys(SKIES, 1.0))
    assert len(found) >= 8
    assert max(abs(seam.step) for seam in found) > 0.05
    chi = [(seam.step - seam.expected) / seam.error for seam in found]
    assert np.std(chi) < 1.6
    assert np.abs(chi).max() < 4


def test_a_gradient_of_the_scene_is_no_step() -> None:
    field = make({"a": (10, 10), "b": (10, 40)}, {"a": 1.0, "b": 1.0}, lambda r, c: 0.05 * c)
    image = field.mosaic({"a": 1.0, "b": 1.0})
    for step, error, _ in steps(image, find_edges(field.cells, SHAPE)):
        assert abs(step) < 4 * error


def test_a_seam_without_mosaic_is_left_out() -> None:
    field = make({"a": (10, 10), "b": (10, 40)}, {"a": 1.0, "b": 1.0})
    image = np.full(SHAPE, np.nan)
    edges = find_edges(field.cells, SHAPE)
    assert measure_seams("match", image, edges, field.cells, np.zeros(2), grid()) == []
