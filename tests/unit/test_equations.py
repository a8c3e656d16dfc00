"""The equations of blocks of the grid are those of one block, whatever blocks there are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from skymosaic.drizzle.onepass.equations import (
    Equations,
    FirstSkies,
    Guesses,
    equations_of,
    first_skies,
    guesses_of,
    merge,
)
from skymosaic.drizzle.onepass.grid_differences import measure_patches
from skymosaic.drizzle.onepass.patch_stacks import LARGEST, Area, Piece, patch_side
from skymosaic.drizzle.onepass.sums import CutOut
from skymosaic.sky.chips import match_chips
from tests.unit.ccd_field import CcdField, Chips

FIELD = CcdField(step=0.03, hits=0.002)
NAMES = [f"e{number // 2}[SCI,{number % 2 + 1}]" for number in range(12)]


def pieces_of(chips: Chips, area: Area) -> tuple[dict[str, CutOut], dict[int, Piece]]:
    """Return what a task of a block has: the chips that meet it, and no pixel beyond."""
    cut_outs, loaded = chips
    right, top = area.x + area.columns + LARGEST, area.y + area.rows + LARGEST
    met, pieces = {}, {}
    for name, chip in zip(NAMES, cut_outs, strict=True):
        x0, x1 = max(chip.x, area.x), min(chip.x + chip.columns, right)
        y0, y1 = max(chip.y, area.y), min(chip.y + chip.rows, top)
        if x0 < x1 and y0 < y1:
            rows, columns = slice(y0 - chip.y, y1 - chip.y), slice(x0 - chip.x, x1 - chip.x)
            science, weight = loaded[chip.number]
            met[name] = chip
            pieces[chip.number] = Piece(x0, y0, science[rows, columns], weight[rows, columns])
    return met, pieces


def in_blocks(chips: Chips, areas: list[Area], folder: Path) -> Equations:
    """Return the equations of blocks, each by way of its files."""
    side = patch_side(chips[0])
    parts = [(area, *pieces_of(chips, area)) for area in areas]
    guesses = []
    for number, (area, met, pieces) in enumerate(parts):
        found = guesses_of(FIELD.shape, area, side, met, lambda c, own=pieces: own[c.number])
        found.save(folder / f"{number}.npz")
        guesses.append(Guesses.load(io.BytesIO((folder / f"{number}.npz").read_bytes())))
    first_skies(guesses, NAMES).save(folder / "first.npz")
    first = FirstSkies.load(io.BytesIO((folder / "first.npz").read_bytes()))
    every = []
    for number, (area, met, pieces) in enumerate(parts):
        found = equations_of(
            FIELD.shape, area, side, met, lambda c, own=pieces: own[c.number], first
        )
        found.save(folder / f"{number}.npz")
        every.append(Equations.load(io.BytesIO((folder / f"{number}.npz").read_bytes())))
    return merge(every)


ONE = [Area(0, 0, 440, 440)]
FOUR = [Area(x, y, 220, 220) for y in (0, 220) for x in (0, 220)]
UNEVEN = [Area(0, 0, 440, 37), Area(0, 37, 101, 403), Area(101, 37, 339, 403)]


@pytest.mark.parametrize("areas", [ONE, FOUR, FOUR[::-1], UNEVEN])
def test_blocks_give_what_all_patches_at_once_give(tmp_path: Path, areas: list[Area]) -> None:
    chips = FIELD.chips()
    patches, known = measure_patches(
        FIELD.shape, chips[0], lambda c: chips[1][c.number], range(len(chips[0]))
    )
    cut_outs, found, offsets = in_blocks(chips, areas, tmp_path).ordered(NAMES)
    assert cut_outs == chips[0]
    np.testing.assert_array_equal(offsets, known)
    assert len(found) == len(patches) > 50
    for one, other in zip(found, patches, strict=True):
        np.testing.assert_array_equal(one.members, other.members)
        np.testing.assert_array_equal(one.normal, other.normal)
        np.testing.assert_array_equal(one.right, other.right)
        assert (one.x, one.y, one.used, one.rejected) == (
            other.x,
            other.y,
            other.used,
            other.rejected,
        )
    expected = match_chips(FIELD.owners, patches, known, "auto")
    skies = match_chips(FIELD.owners, found, offsets, "auto")
    assert skies.used == expected.used
    np.testing.assert_array_equal(skies.matched.offsets, expected.matched.offsets)
    np.testing.assert_array_equal(skies.matched.errors, expected.matched.errors)


def test_chips_may_be_numbered_anew(tmp_path: Path) -> None:
    equations = in_blocks(FIELD.chips(), FOUR, tmp_path)
    _, plain, known = equations.ordered(NAMES)
    _, turned, offsets = equations.ordered(NAMES[::-1])
    np.testing.assert_array_equal(offsets, known[::-1])
    for one, other in zip(plain, turned, strict=True):
        np.testing.assert_array_equal(one.members, 11 - other.members[::-1])
        np.testing.assert_array_equal(one.normal, other.normal[::-1, ::-1])
        np.testing.assert_array_equal(one.right, other.right[::-1])
