"""The mask of sources on the common grid."""

from __future__ import annotations

import numpy as np
from astropy.wcs import WCS

from skymosaic.sky.source_mask import (
    MARGIN,
    SourceMask,
    background_in,
    box_levels,
    box_of,
    excess_over,
    filled_mesh,
    found_sources,
    sizes_of,
    source_mask,
    threshold_of,
)

SHAPE = (200, 240)
STARS = ((50.0, 60.0), (150.0, 200.0), (120.3, 30.7))  # row, column


def mosaic() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    y, x = np.indices(SHAPE).astype(float)
    weight = np.where(x < 120, 400.0, 1600.0)
    image = random.normal(0.0, 1.0, SHAPE) / np.sqrt(weight) + 1.0
    image += 0.5 * np.exp(-0.5 * ((x - 120) ** 2 + (y - 100) ** 2) / 80.0**2)  # a nebula
    for row, column in STARS:
        image += 3.0 * np.exp(-0.5 * ((x - column) ** 2 + (y - row) ** 2) / 1.5**2)
    image[:, :5], weight[:, :5] = np.nan, 0.0
    return image.astype(np.float32), weight.astype(np.float32)


def test_stars_are_masked_and_a_nebula_is_not() -> None:
    found = source_mask(*mosaic())
    y, x = np.indices(SHAPE)
    near = np.zeros(SHAPE, dtype=bool)
    for row, column in STARS:
        away = np.hypot(y - row, x - column)
        assert found[away < 5].all()
        near |= away < 16
    assert found[~near].mean() < 0.01


def test_the_background_is_photutils() -> None:
    from photutils.background import Background2D, MedianBackground

    image, weight = mosaic()
    weight[70:140, 60:130] = 0.0  # a box without pixels
    empty = ~(weight > 0)
    box = box_of(image.shape)
    mesh = filled_mesh(box_levels(image, weight, box))
    theirs = Background2D(
        *(np.where(empty, np.float32(0), image), box),
        mask=empty,
        filter_size=3,
        exclude_percentile=90.0,
        bkg_estimator=MedianBackground(),
    )
    np.testing.assert_array_equal(mesh, theirs.background_mesh)
    ours = background_in(mesh, box, (0, 0), image.shape)
    np.testing.assert_array_equal(ours, theirs.background)


def test_parts_of_a_mosaic_have_the_sources_of_the_whole() -> None:
    image, weight = mosaic()
    box = box_of(image.shape)
    parts = [
        (slice(y, min(y + 128, SHAPE[0])), slice(x, min(x + 64, SHAPE[1])))
        for y in range(0, SHAPE[0], 128)
        for x in range(0, SHAPE[1], 64)
    ]
    levels = box_levels(image, weight, box)
    for rows, columns in parts:
        own = box_levels(image[rows, columns], weight[rows, columns], box)
        place = np.s_[rows.start // 64 : rows.start // 64 + 2, columns.start // 64]
        np.testing.assert_array_equal(own[:, 0], levels[place])
    mesh = filled_mesh(levels)
    excess = np.zeros(SHAPE, dtype=np.float32)
    for part in parts:
        corner = (part[0].start, part[1].start)
        background = background_in(mesh, box, corner, image[part].shape)
        excess[part] = excess_over(image[part], weight[part], background)
    sizes = np.sort(np.concatenate([sizes_of(image[p], weight[p], excess[p]) for p in parts]))
    threshold = threshold_of(float(np.median(sizes)))
    expected = source_mask(image, weight)
    assert expected.any()
    for rows, columns in parts:
        low, left = max(rows.start - MARGIN, 0), max(columns.start - MARGIN, 0)
        wide = np.s_[low : rows.stop + MARGIN, left : columns.stop + MARGIN]
        found = found_sources(excess[wide], threshold)
        own = found[rows.start - low :, columns.start - left :]
        own = own[: rows.stop - rows.start, : columns.stop - columns.start]
        np.testing.assert_array_equal(own, expected[rows, columns])


def test_nothing_to_see() -> None:
    nothing = np.zeros((30, 30), dtype=np.float32)
    assert not source_mask(nothing, nothing).any()
    assert not source_mask(nothing + 1, nothing + 1).any()


def test_the_mask_on_the_pixels_of_a_chip() -> None:
    grid = WCS(naxis=2)
    grid.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    grid.wcs.crval, grid.wcs.crpix = [85.0, -2.4], [51.0, 51.0]
    grid.wcs.cdelt = [-1e-4, 1e-4]
    chip = grid.deepcopy()
    chip.wcs.crpix = [51.0 - 20.0, 51.0 - 10.0]  # its first pixel is the grid's (20, 10)
    mask = np.zeros((100, 100), dtype=bool)
    mask[40:45, 60:62] = True  # rows, columns
    usable = SourceMask(mask, grid).usable(chip, (100, 100))
    row, column = np.nonzero(~usable)
    assert (row.min(), row.max(), column.min(), column.max()) == (30, 34, 40, 41)
    assert usable[95:, :].all()  # beyond the grid nothing is masked
