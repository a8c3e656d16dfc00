"""Static masks that ask for repeated lowness, in both engines, and AstroDrizzle's as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle import astrodrizzle
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.run import drizzle_all
from skymosaic.drizzle.static_masks import masks_of_files
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from tests.frames import Frame, plan, write_frames, write_two_chip_frames
from tests.integration.test_onepass import require_equal_products

COUNT = 10
BAD = (20, 33)  # row, column of the pixel that is low in all exposures, in each chip
METHOD = "globalmin+match"
Write = Callable[[Path, Sequence[Frame]], list[str]]


def frames() -> list[Frame]:
    random = np.random.default_rng(8)
    return [
        Frame(*random.uniform(-14, 14, 2), float(random.uniform(0, 20)), float(sky), pixels=64)
        for sky in random.uniform(0.8, 1.4, COUNT)
    ]


def spoil(path: Path, seed: int, share: float = 0.01) -> None:
    """Make random pixels of each chip low, and one that is low in all exposures."""
    random = np.random.default_rng([9, seed])
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name == "SCI":
                level, low = np.median(hdu.data), random.uniform(size=hdu.shape) < share
                hdu.data[low] = -level
                hdu.data[BAD] = 0.2 * level


def both(
    folder: Path, write: Write, parameters: Mapping[str, Any]
) -> tuple[Drizzled, Drizzled, list[Exposure]]:
    """Drizzle the same exposures by AstroDrizzle and by onepass."""
    data = folder / "data"
    data.mkdir()
    names = write(data, frames())
    for seed, name in enumerate(names):
        spoil(data / name, seed)
    chosen = pars.resolve({"final_bits": "64", **parameters})
    grid = plan(data, names)
    exposures = [read_exposure(data / name) for name in names]
    work = Path(shutil.copytree(data, folder / "astrodrizzle"))
    theirs = astrodrizzle.drizzle(work, work / "log", exposures, "out", METHOD, grid, chosen)
    work = Path(shutil.copytree(data, folder / "onepass"))
    ours = drizzle_all(
        *(work, work / "log", exposures),
        {METHOD: "out"},
        {METHOD: SkyChoice(METHOD)},
        *(grid, chosen),
    )[METHOD]
    return theirs, ours, exposures


def require_one_sky(theirs: Drizzled, ours: Drizzled) -> None:
    for a, b in zip(theirs.sky, ours.sky, strict=True):
        assert a.mdrizsky is not None
        spacing = float(np.spacing(np.float32(abs(a.mdrizsky))))
        assert b.mdrizsky == pytest.approx(a.mdrizsky, abs=max(spacing, 1e-7)), a


@pytest.mark.parametrize(
    ("write", "parameters"),
    [
        (write_frames, {}),
        pytest.param(
            write_two_chip_frames,
            {"use_static": False, "sky_bits": "4,512", "final_bits": "65535"},
            marks=pytest.mark.slow,
        ),
        pytest.param(write_frames, {"sky_bits": None, "final_bits": None}, marks=pytest.mark.slow),
        pytest.param(write_two_chip_frames, {}, marks=pytest.mark.slow),
        pytest.param(write_frames, {"use_static": False}, marks=pytest.mark.slow),
        pytest.param(
            write_two_chip_frames,
            {**dict.fromkeys(pars.CR_STEPS, True), "combine_type": "median", "resetbits": "4096"},
            marks=pytest.mark.slow,
        ),
    ],
    ids=[
        "one chip",
        "for the drizzle alone",
        "no flags",
        "two chips",
        "not the sky",
        "cosmic rays",
    ],
)
def test_both_engines_mask_what_is_low_repeatedly(
    write: Write, parameters: dict[str, Any], tmp_path: Path
) -> None:
    theirs, ours, exposures = both(tmp_path, write, {"static": "repeated", **parameters})
    assert theirs.static == ours.static
    assert [one.chip for one in ours.static] == [chip.extver for chip in exposures[0].chips]
    for one in ours.static:
        assert (one.rule, one.exposures) == ("repeated", COUNT)
        # 1% of low pixels, and 1% of flagged ones that are low, in other places of each exposure.
        assert one.needed in (4, 5)
        assert one.masked == 1
    masks = masks_of_files(tmp_path / "data", exposures, {"static": "repeated"})
    for mask in masks.masks.values():
        assert np.argwhere(mask.low).tolist() == [list(BAD)]
    require_one_sky(theirs, ours)
    require_equal_products(theirs, ours)


def test_astrodrizzles_rule_stays_what_it_was(tmp_path: Path) -> None:
    theirs, ours, _ = both(tmp_path, write_frames, {})
    assert theirs.static == ours.static
    [one] = ours.static
    # 1% of low pixels, 1% of bad ones that are low: 18% of ten exposures together.
    assert (one.rule, one.needed) == ("once", 1)
    assert one.share == pytest.approx(1 - 0.98**COUNT, abs=0.02)
    require_one_sky(theirs, ours)
    require_equal_products(theirs, ours)
    # AstroDrizzle got its copies as they were.
    for name in (path.name for path in (tmp_path / "data").glob("*_flt.fits")):
        with (
            fits.open(tmp_path / "data" / name) as before,
            fits.open(tmp_path / "astrodrizzle" / name) as after,
        ):
            for kind in ("SCI", "DQ"):
                np.testing.assert_array_equal(before[kind].data, after[kind].data)
