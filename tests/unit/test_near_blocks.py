"""Which blocks of a grid a rectangle meets."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.blocks import NearBlocks, blocks_of
from skymosaic.drizzle.onepass.stored import Box


@pytest.mark.parametrize("shape", [(50, 40), (3000, 2049), (10_500, 700)])
def test_it_finds_all_that_share_pixels(shape: tuple[int, int]) -> None:
    grid = Grid((85.0, -2.0), (1.0, 1.0), 0.1, 0.0, shape)
    blocks = blocks_of(grid, [])
    assert sum(one.box.columns * one.box.rows for one in blocks) == shape[0] * shape[1]
    near, random = NearBlocks(blocks), np.random.default_rng(5)
    for _ in range(50):
        x, y = (int(random.integers(size)) for size in shape)
        columns, rows = random.integers(1, 1500, 2).tolist()
        box = Box(x, y, columns, rows)
        expected = [one.name for one in blocks if one.box.meets(box)]
        assert [one.name for one in near.of(box)] == expected


def test_a_wider_box_ends_at_the_grid_and_boxes_share_pixels() -> None:
    one = Box(3, 10, 20, 5)
    assert one.wider(8, (25, 100)) == Box(0, 2, 25, 21)
    assert one.shared(Box(20, 0, 9, 12)) == Box(20, 10, 3, 2)
    assert one.shared(Box(23, 10, 5, 5)) is None
    assert Box(20, 10, 3, 2).within(one) == (slice(0, 2), slice(17, 20))
    assert one.around(Box(1, 30, 2, 2)) == Box(1, 10, 22, 22)
