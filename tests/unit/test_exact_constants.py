"""Exposures that differ by an exact constant, and images without noise: nothing divides by 0."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from skymosaic.drizzle.onepass.grid_differences import boxes_of, measure_patches
from skymosaic.drizzle.onepass.sums import CutOut
from skymosaic.evidence import overlap_graph
from skymosaic.evidence.estimate import Called, estimate
from skymosaic.evidence.evidence import Measurements, gather_evidence
from skymosaic.evidence.levels import solve
from skymosaic.evidence.pairs import all_differences
from skymosaic.evidence.quality import residuals
from skymosaic.evidence.residuals import Residual
from skymosaic.evidence.rounding import LEAST, rounding_of
from skymosaic.sky.difference_fit import match_differences
from skymosaic.sky.planes import fit_planes
from tests.unit.small_field import SCALE, grid, make

ADDED = 0.25


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def copies(noise: float = 1.0):
    """Return an exposure, a copy of it plus a constant, and another one."""
    field = make({"a": (0, 0), "c": (10, 12)}, {"a": 1.0, "c": 1.1})
    first, other = field.cells
    level = np.round(first.level * 2.0**14).astype(np.float32) / np.float32(2.0**14)
    if not noise:
        level = np.ones_like(level)
    first = replace(first, level=level, noise=first.noise * noise)
    copy = replace(first, rootname="b", level=level + np.float32(ADDED))
    return [first, copy, other]


def test_the_difference_is_the_constant_and_its_error_that_of_rounding() -> None:
    one = next(d for d in all_differences(copies()).measured if (d.a, d.b) == ("a", "b"))
    assert one.difference == -ADDED
    assert 0.0 < one.error < 1e-6
    assert 0.0 < one.noise < 1e-6


@pytest.mark.parametrize("noise", [1.0, 0.0])
def test_what_follows_from_it_is_finite(noise: float) -> None:
    cells = copies(noise)
    differences = all_differences(cells).measured
    graph = overlap_graph.build("abc", differences, dict.fromkeys("abc", 1000))
    assert all(np.isfinite(cut.error) for cut in graph.weakest)
    levels = solve("abc", graph.components, differences)
    assert levels.values[0] - levels.values[1] == pytest.approx(-ADDED, abs=1e-6)
    assert np.isfinite(levels.covariance).all() and np.isfinite(levels.misfit)
    skies = {"a": 0.0, "b": ADDED, "c": 0.1}
    for one in residuals("match", differences, skies):
        assert np.isfinite([one.significance, one.of_noise]).all()
    measured = Measurements(cells, grid(), {"match": skies}, SCALE, 8 * SCALE)
    found = gather_evidence(measured).summary.to_dict()
    assert found["advice"]["verdict"]


def test_two_copies_alone_can_be_compared() -> None:
    cells = copies(0.0)[:2]
    measured = Measurements(cells, grid(), {"match": {"a": 0.0, "b": ADDED}}, SCALE, 8 * SCALE)
    advice = gather_evidence(measured).advice
    assert not {f.code for f in advice.findings} & {"not-constant", "no-constants"}


def test_no_error_and_no_residual_are_0_standard_errors() -> None:
    assert Residual("match", "a", "b", 0.0, 0.0, 0.0).significance == 0.0
    assert Residual("match", "a", "b", 0.1, 0.0, 0.0).significance == float("inf")


def test_an_estimate_without_noise_and_error_is_0() -> None:
    exact = estimate(Called(np.zeros(2), np.zeros((2, 2))), np.zeros(2))
    assert (exact.error, exact.uncertainty) == (0.0, 0.0)


def test_rounding_is_that_of_single_precision() -> None:
    assert rounding_of(np.ones(3)) == np.spacing(np.float32(1.0))
    assert rounding_of(np.zeros(3)) == LEAST
    assert rounding_of(np.full(3, np.nan)) == LEAST


@pytest.mark.parametrize("noise", [0.03, 0.0])
def test_differences_on_the_grid_find_the_constant(noise: float) -> None:
    data = np.random.default_rng(1).normal(1.0, noise, (160, 160)).astype(np.float32)
    data = np.round(data * 2.0**14) / np.float32(2.0**14)
    cut_outs = [CutOut(n, 0, 0, 160, 160, 1.0) for n in range(2)]
    weight = np.full(data.shape, 500.0, dtype=np.float32)
    loaded = {0: (data, weight), 1: (data + np.float32(ADDED), weight)}
    patches, known = measure_patches((160, 160), cut_outs, lambda c: loaded[c.number], range(2))
    found = match_differences(2, patches, known)
    assert found.offsets[1] - found.offsets[0] == pytest.approx(ADDED, abs=1e-6)
    assert np.isfinite(found.errors).all()
    planes = fit_planes(2, patches, *boxes_of(cut_outs, range(2), 2), found.groups)
    assert planes is None or not planes.significant
