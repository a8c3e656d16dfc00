"""Cosmic rays found an exposure and a block at a time: the masks of AstroDrizzle's own run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.blocks import blocks_of
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.cosmic_rays import find_cosmic_rays, read_hits
from skymosaic.drizzle.onepass.medians import Combination, find_median
from skymosaic.drizzle.onepass.separate import (
    find_hits,
    read_separate,
    separate,
    separate_grid,
    skies_of_chips,
)
from skymosaic.drizzle.onepass.skies import find_skies
from skymosaic.drizzle.onepass.stored import Box, read_pieces, store_exposure
from skymosaic.drizzle.static_masks import ChipArea, masks_of_files
from skymosaic.hst.extent import read_extent
from skymosaic.hst.reading import read_exposure
from skymosaic.methods import word
from tests.conftest import manifests
from tests.frames import Frame
from tests.integration.test_blocks import FEW, Field, cards
from tests.many_frames import write_many

SIDE = 80  # of a block
METHOD = "match"
STEPS = dict.fromkeys(("driz_separate", "median", "blot", "driz_cr"), True)
OLD = {"combine_type": "median", "combine_nhigh": 1}


def median_of(
    folder: Path, grid: Grid, how: Combination, parts: list[Any], exposures: list[Any]
) -> np.ndarray:
    """Return the median of all blocks, put together."""
    whole = np.full(grid.shape[::-1], np.nan, dtype=np.float32)
    blocks = blocks_of(grid, exposures, side=SIDE)
    assert len(blocks) > 1
    for block in blocks:
        around = how.around(block.box, grid)
        stack = []
        for found, stored, path in parts:
            with path.open("rb") as file:
                stack.append((found, list(read_pieces(file, stored, around))))
        stack = [(found, pieces) for found, pieces in stack if pieces]
        find_median(folder, folder / "log", "median.npy", block.box, around, stack, how)
        box = block.box
        whole[box.y : box.bottom, box.x : box.right] = np.load(folder / "median.npy")
    return whole


def test_masks_are_those_of_one_astrodrizzle(tmp_path: Path) -> None:
    frames = [Frame(0, 0, sky=0.7), Frame(40, 5, 8.0, sky=1.1), Frame(-30, 45, 20.0, sky=0.9)]
    names = write_many(tmp_path, frames, chips=2)
    exposures = [read_exposure(tmp_path / name) for name in names]
    parameters = pars.resolve({**STEPS, "combine_type": "minmed", "final_bits": 64})
    log, static = tmp_path / "log", masks_of_files(tmp_path, exposures, parameters)
    extents = [read_extent(tmp_path / one.name, [1, 2]) for one in exposures]
    corners = [chip for extent in extents for chip in extent.corners]
    grid = separate_grid(tmp_path, log, exposures[0], parameters, corners)
    rays = find_cosmic_rays(tmp_path, log, exposures, METHOD, grid, parameters, static)
    theirs = {key: fits.getdata(tmp_path / name) == 0 for key, name in rays.masks.items()}
    [sky] = find_skies(tmp_path, exposures, {METHOD: SkyChoice(METHOD)}, parameters).values()
    skies, parts = skies_of_chips(METHOD, exposures, sky), []
    for exposure in exposures:
        low = {}
        for extver in (1, 2):
            header = fits.getheader(tmp_path / exposure.name, ("SCI", extver))
            low[extver] = f"low_{extver}.npy"
            np.save(tmp_path / low[extver], static.low(ChipArea.of(exposure, extver, header)))
        own = skies[exposure.rootname]
        found, _ = separate(tmp_path, log, exposure, grid, parameters, own, low)
        path = tmp_path / f"{exposure.rootname}.npy"
        parts.append((found, store_exposure(path, found.box, *read_separate(tmp_path), 0.0), path))
    how = Combination.of(parameters, exposures, grid, double=True)
    median = median_of(tmp_path, grid, how, parts, exposures)
    for exposure, (found, _, _) in zip(exposures, parts, strict=True):
        regions: dict[int, tuple[str, Box]] = {}
        for chip in found.chips:
            box, name = chip.box, f"region_{chip.extver}.npy"
            np.save(tmp_path / name, median[box.y : box.bottom, box.x : box.right])
            regions[chip.extver] = name, box
        own = skies[exposure.rootname]
        masks, _ = find_hits(tmp_path, log, exposure, grid, parameters, own, regions)
        for extver, path in masks.items():
            ours = fits.getdata(path) == 0
            assert ours.any()
            np.testing.assert_array_equal(ours, theirs[f"{exposure.name}_{extver}"])


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("chips", "methods", "parameters"),
    [
        (2, FEW, {"driz_sep_scale": 0.035, "combine_type": "minmed"}),
        (1, "[localmin, globalmin+match]", {**OLD, "driz_cr_ctegrow": 2}),
    ],
)
def test_masks_and_mosaics_are_those_of_one_task(
    tmp_path: Path, chips: int, methods: str, parameters: dict[str, Any]
) -> None:
    field = Field(tmp_path, chips, 0.1, methods, **STEPS, **parameters)
    tasks = field.drizzled(field.exposures)
    medians = [one for one in manifests(field.folder) if one.startswith("medians/")]
    assert (len(medians) > 1) == ("driz_sep_scale" in parameters)
    work = tmp_path / "work"
    expected = field.at_once(work)
    for exposure in field.exposures:
        root = exposure.rootname
        for chip in exposure.chips:
            with (field.folder / f"hits/{root}/{root}_{chip.extver}_hits.npz").open("rb") as file:
                ours = read_hits(file)
            theirs = fits.getdata(work / f"{root}_sci{chip.extver}_crmask.fits") == 0
            assert theirs.any()
            np.testing.assert_array_equal(ours, theirs)
    for name, one in expected.items():
        run = tasks.runs[name]
        assert run.result.sky == one.sky, name
        assert run.result.cosmic_rays == one.cosmic_rays
        for ours, file in ((run.result.science, one.science), (run.result.weight, one.weight)):
            with fits.open(field.folder / f"runs/{word(name)}" / ours) as a, fits.open(file) as b:
                np.testing.assert_allclose(a[0].data, b[0].data, rtol=1e-6, atol=1e-7)
                theirs = cards(b[0].header)
                assert [card for card in cards(a[0].header) if card in theirs] == theirs
