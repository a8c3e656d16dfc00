"""Chains of points with fewer corners, against scikit-image's."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import approximate_polygon

from skymosaic.sky.polylines import simplified


@pytest.mark.parametrize("count", [2, 5, 1000])
@pytest.mark.parametrize("tolerance", [0.5, 1.5, 12.0])
def test_the_same_corners_are_kept(count: int, tolerance: float) -> None:
    steps = np.random.default_rng(count).integers(-1, 2, size=(count, 2))
    chain = np.cumsum(steps, axis=0) * 0.5
    ring = np.concatenate([chain, chain[:1]])
    np.testing.assert_array_equal(simplified(ring, tolerance), approximate_polygon(ring, tolerance))
