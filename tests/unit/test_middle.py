"""The median of values in parts."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.sky.middle import counts_of, find_middle, median_of, values_near


@pytest.mark.parametrize("number", [1, 2, 3, 1000, 1001])
def test_the_median_of_parts_is_that_of_all(number: int) -> None:
    random = np.random.default_rng(number)
    values = np.abs(random.normal(0, 3, number)).astype(np.float32)
    parts = [np.sort(part) for part in np.array_split(values, 4)]
    middle = find_middle([counts_of(part) for part in parts])
    assert middle is not None
    near = [values_near(part, middle) for part in parts]
    assert median_of(middle, near) == float(np.median(values))
    assert sum(map(len, near)) < 60  # few of them are looked at


def test_equal_values_and_none() -> None:
    same = np.full(5, 2.5, dtype=np.float32)
    middle = find_middle([counts_of(same), counts_of(same[:0])])
    assert middle is not None
    assert median_of(middle, [values_near(same, middle)]) == 2.5
    assert find_middle([]) is None
    assert find_middle([counts_of(same[:0])]) is None
