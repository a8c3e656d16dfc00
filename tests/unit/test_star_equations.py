"""Stars eliminated from the equations of images, against all unknowns solved at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from skymosaic.align.star_equations import Eliminated, Sightings


@pytest.fixture(scope="module")
def problem() -> tuple[Sightings, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    image, star = np.repeat(np.arange(4), 6), np.tile(np.arange(6), 4)
    years = np.repeat([0.0, 0.1, 10.0, 9.0], 6) - 4.0
    sightings = Sightings(image, star, years, 4, 6)
    weights = random.uniform(0.1, 1.0, 24)
    place = np.array([0.0, 0.0, 4.0, 1.0, 0.0, 25.0])
    motion = np.array([0.04, 0.04, 1.0, 4.0, 0.04, 100.0])
    return sightings, weights, place, motion, random.normal(size=(24, 2)), random.normal(size=24)


def test_what_is_left_is_what_all_unknowns_give(problem) -> None:  # type: ignore[no-untyped-def]
    sightings, weights, place, motion, columns, values = problem
    design = np.zeros((24, 8))
    for row, image in enumerate(sightings.image):
        design[row, 2 * image : 2 * image + 2] = columns[row]
    stars = np.zeros((24, 12))
    rows = np.arange(24)
    stars[rows, 2 * sightings.star], stars[rows, 2 * sightings.star + 1] = 1.0, sightings.years
    both = np.concatenate([design, -stars], axis=1)
    prior = np.concatenate([np.zeros(8), np.stack([place, motion], axis=1).ravel()])
    normal = both.T @ (weights[:, None] * both) + np.diag(prior)
    all_at_once = np.linalg.solve(normal, both.T @ (weights * values))
    found = Eliminated.of(sightings, weights, place, motion)
    reduced, right = found.reduced(sparse.csr_array(design), values)
    assert np.linalg.solve(reduced.toarray(), right) == pytest.approx(all_at_once[:8], rel=1e-5)
    inverse = np.linalg.inv(normal)[:8, :8]
    assert np.linalg.inv(reduced.toarray()) == pytest.approx(inverse, rel=1e-5)


def test_fitted_stars_and_their_variances(problem) -> None:  # type: ignore[no-untyped-def]
    sightings, weights, place, motion, _, values = problem
    found = Eliminated.of(sightings, weights, place, motion)
    fitted = found.fitted(values)
    for star in range(6):
        mine = sightings.star == star
        rows = np.stack([np.ones(4), sightings.years[mine]], axis=1)
        normal = rows.T @ (weights[mine, None] * rows) + np.diag([place[star], motion[star]])
        best = np.linalg.solve(normal, rows.T @ (weights[mine] * values[mine]))
        assert fitted[mine] == pytest.approx(rows @ best, rel=1e-5, abs=1e-6)
        variance = np.einsum("ki,ij,kj->k", rows, np.linalg.inv(normal), rows)
        assert found.variance[mine] == pytest.approx(variance, rel=1e-5)


def test_a_star_of_which_all_sightings_count_for_nothing_is_no_division_by_zero() -> None:
    sightings = Sightings(np.array([0, 1]), np.zeros(2, dtype=int), np.zeros(2), 2, 1)
    found = Eliminated.of(sightings, np.zeros(2), np.zeros(1), np.full(1, 0.04))
    assert np.isfinite(found.fitted(np.ones(2))).all()
    assert found.fitted(np.ones(2)) == pytest.approx([0.0, 0.0])
