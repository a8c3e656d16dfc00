"""Equations of many skies: solved as dense ones are, and the same on every processor."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial import cKDTree

from skymosaic.sky.difference_fit import match_differences
from skymosaic.sky.ldl import factored
from skymosaic.sky.patches import Patch
from skymosaic.sky.small_matrices import inverses, lengths
from skymosaic.sky.solving import Difference, solve
from tests.unit.ccd_field import CcdField
from tests.unit.test_equations import FIELD


def pairs_of(exposures: int) -> np.ndarray:
    """Return which exposures of a survey overlap: some dozen with each."""
    places = np.random.default_rng(3).uniform(0, np.sqrt(exposures), (exposures, 2))
    return np.array(sorted(cKDTree(places).query_pairs(2.2)))


def survey(exposures: int) -> list[Difference]:
    random = np.random.default_rng(5)
    skies = random.uniform(0.5, 2.0, exposures)
    return [
        Difference(int(a), int(b), float(skies[a] + random.normal(0, 0.01)), float(skies[b]), 90, n)
        for (a, b), n in zip(
            pairs_of(exposures), random.integers(50, 5000, 9 * exposures).tolist(), strict=False
        )
    ]


def patches_of(exposures: int) -> tuple[list[Patch], np.ndarray]:
    """Return patches of pairs that overlap, and the skies that they tell."""
    random = np.random.default_rng(6)
    skies, found = random.uniform(0.5, 2.0, exposures), []
    laplacian = np.array([[1.0, -1.0], [-1.0, 1.0]])
    for pair in pairs_of(exposures):
        for _ in range(3):
            weight = random.uniform(1e4, 1e6)
            difference = skies[pair[0]] - skies[pair[1]] + random.normal(0, weight**-0.5)
            right = weight * difference * np.array([1.0, -1.0])
            found.append(Patch(pair, weight * laplacian, right, 0.0, 0.0, used=100, rejected=0))
    return found, skies


def laplacian(exposures: int) -> sparse.csr_array:
    a, b = pairs_of(exposures).T
    weights = np.random.default_rng(7).uniform(0.1, 10.0, len(a))
    links = sparse.coo_array((weights, (a, b)), shape=(exposures, exposures)).tocsr()
    links = links + links.T
    return (sparse.diags_array(np.asarray(links.sum(axis=1)) + 0.5) - links).tocsr()


@pytest.mark.parametrize("exposures", [2, 40, 300])
def test_factors_give_what_the_dense_inverse_gives(exposures: int) -> None:
    matrix = laplacian(exposures)
    inverse = np.linalg.inv(matrix.toarray())
    factors = factored(matrix)
    right = np.random.default_rng(1).normal(size=(exposures, 3))
    np.testing.assert_allclose(factors.solve(right), inverse @ right, rtol=0, atol=1e-12)
    np.testing.assert_allclose(factors.solve(right[:, 0]), inverse @ right[:, 0], atol=1e-12)
    np.testing.assert_allclose(factors.variances(), np.diag(inverse), rtol=1e-12)


def test_all_may_overlap_all() -> None:
    matrix = sparse.csr_array(np.full((60, 60), -1.0) + np.diag(np.full(60, 61.0)))
    inverse = np.linalg.inv(matrix.toarray())
    np.testing.assert_allclose(factored(matrix).variances(), np.diag(inverse), rtol=1e-12)


def test_equations_that_do_not_tell_all_are_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="do not tell all"):
        factored(sparse.csr_array(np.array([[1.0, -1.0], [-1.0, 1.0]])))


def test_skies_are_the_same_from_any_order_of_exposures() -> None:
    differences, exposures = survey(300), 300
    one = solve(exposures, differences)
    turn = np.random.default_rng(2).permutation(exposures)
    other = solve(
        exposures,
        [
            Difference(int(turn[d.a]), int(turn[d.b]), d.sky_a, d.sky_b, d.pixels_a, d.pixels_b)
            for d in differences[::-1]
        ],
    )
    np.testing.assert_allclose(other.offsets[turn], one.offsets, rtol=0, atol=1e-12)


def test_variances_are_the_diagonal_of_the_covariance() -> None:
    patches, skies = patches_of(120)
    known = np.zeros(120)
    alone = match_differences(120, patches, known)
    full = match_differences(120, patches, known, covariance=True)
    assert alone.covariance is None
    np.testing.assert_array_equal(alone.offsets, full.offsets)
    np.testing.assert_allclose(alone.errors, full.errors, rtol=1e-9)
    off = alone.offsets - (skies - skies.mean())
    assert np.sqrt(np.mean((off - off.mean()) ** 2)) < 2.0 * np.sqrt(np.mean(alone.errors**2))


def test_thousands_of_exposures_take_no_dense_matrix() -> None:
    exposures = 2500
    patches, _ = patches_of(exposures)
    tracemalloc.start()
    matched = match_differences(exposures, patches, np.zeros(exposures))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.isfinite(matched.errors).sum() == sum(len(g) for g in matched.groups if len(g) > 1)
    assert most < 8 * exposures**2


def test_inverses_measure_as_the_pseudo_inverse_does() -> None:
    random = np.random.default_rng(8)
    links = random.uniform(0.5, 2.0, (20, 5, 5))
    links = links + links.transpose(0, 2, 1)
    links[10:, :2, 2:] = links[10:, 2:, :2] = 0.0  # of these two groups are not related
    links[:, np.arange(5), np.arange(5)] = 0.0
    matrices = np.eye(5) * links.sum(axis=2)[:, None, :] - links
    vectors = np.einsum("kij,kj->ki", matrices, random.normal(size=(20, 5)))
    found, rank = inverses(matrices)
    assert rank.tolist() == [4] * 10 + [3] * 10
    expected = [v @ np.linalg.pinv(m) @ v for m, v in zip(matrices, vectors, strict=True)]
    np.testing.assert_allclose(lengths(found, vectors), expected, rtol=1e-10)


def digest() -> str:
    """Return a checksum of skies and errors, by the differences of overlaps and of patches."""
    from skymosaic.drizzle.onepass.grid_differences import measure_patches

    one_sky: CcdField = FIELD
    cut_outs, loaded = one_sky.chips()
    patches, known = measure_patches(
        one_sky.shape, cut_outs, lambda c: loaded[c.number], one_sky.owners
    )
    matched = match_differences(6, patches, known)
    values = [solve(200, survey(200)).offsets, matched.offsets, matched.errors]
    return hashlib.sha256(b"".join(one.tobytes() for one in values)).hexdigest()


def test_skies_do_not_depend_on_the_kernels_of_blas() -> None:
    found = set()
    # Of processors that are older than any of today's, and of this one.
    for kernel in ("Nehalem", "Sandybridge", ""):
        call = [sys.executable, "-m", "tests.unit.test_sparse_skies"]
        done = subprocess.run(
            call,
            env={**os.environ, "OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == 64


if __name__ == "__main__":
    sys.stdout.write(digest())


def test_blocks_of_the_inverse_are_those_of_a_dense_one() -> None:
    """Of unknowns that come in threes, as of an image: all of a block are linked."""
    count, size = 12, 3
    random = np.random.default_rng(8)
    dense = np.zeros((count * size, count * size))
    for a in range(count):
        for b in (a + 1, a + 4):
            rows = random.normal(size=(9, 2 * size))
            at = np.concatenate([np.arange(size) + size * a, np.arange(size) + size * (b % count)])
            dense[np.ix_(at, at)] += rows.T @ rows
    found = factored(sparse.csr_array(dense)).blocks(size)
    inverse = np.linalg.inv(dense).reshape(count, size, count, size)
    for a in range(count):
        assert found[a] == pytest.approx(inverse[a, :, a], rel=1e-9)
