"""TweakReg's histogram of offsets is the same from the sources near the image alone."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.campaign
@pytest.mark.parametrize("radius", [3.0, 7.8])
def test_the_histogram_is_the_same(radius: float, monkeypatch: pytest.MonkeyPatch) -> None:
    from drizzlepac import imgclasses  # takes seconds to import

    from skymosaic.drizzlepac_calls.near_pairs import count_near_pairs_alone

    every = imgclasses._xy_2dhist
    monkeypatch.setattr(imgclasses, "_xy_2dhist", every)  # and is put back at the end
    count_near_pairs_alone()
    random = np.random.default_rng(1)
    catalogue = random.uniform(-2000, 2000, (5000, 2))
    for low, high in ((-100, 300), (1900, 2100), (5000, 5100)):
        image = random.uniform(low, high, (200, 2))
        counted, expected = (
            imgclasses._xy_2dhist(image, catalogue, radius),
            every(image, catalogue, radius),
        )
        assert counted.tolist() == expected.tolist()
    assert imgclasses._xy_2dhist is not every
