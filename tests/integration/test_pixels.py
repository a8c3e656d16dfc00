"""Pixels that are no number, and exposures without a pixel to measure, in both engines."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle import astrodrizzle
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.run import drizzle_all
from skymosaic.drizzlepac_calls import process
from skymosaic.errors import SkyError
from skymosaic.hst.reading import read_exposure
from tests.frames import Frame, write_frames, write_two_chip_frames

FRAMES = [Frame(0, 0, sky=1.0), Frame(7, 5, sky=1.2), Frame(3, 9, sky=1.4)]
BOTH = [
    pytest.param("onepass"),
    pytest.param("astrodrizzle", marks=pytest.mark.slow),
]


def drizzle(
    engine: str, folder: Path, names: Sequence[str], methods: Sequence[str], **given: Any
) -> dict[str, Drizzled]:
    """Drizzle copies of the exposures in a folder; return what each method made."""
    exposures = [read_exposure(folder / name) for name in names]
    call = process.call(
        "output_grid", folder, {"files": list(names), "final": {"rot": 0.0}}, folder / "log"
    )
    grid, parameters = Grid.from_call(call.value), pars.resolve(given)
    mosaics = {}
    for number, method in enumerate(methods if engine == "astrodrizzle" else [""]):
        work = folder / f"{engine}{number}"
        work.mkdir()
        for name in names:
            shutil.copy(folder / name, work)
        if engine == "astrodrizzle":
            log = work / "log"
            mosaics[method] = astrodrizzle.drizzle(
                work, log, exposures, f"out{number}", method, grid, parameters
            )
            continue
        mosaics = drizzle_all(
            work,
            work / "log",
            exposures,
            {one: f"out_{index}" for index, one in enumerate(methods)},
            {one: SkyChoice(one) for one in methods},
            grid,
            parameters,
        )
    return mosaics


@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize("chips", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_flagged_pixels_without_a_number_do_not_reach_the_mosaic(tmp_path, engine, chips) -> None:
    write = write_frames if chips == 1 else write_two_chip_frames
    mosaics = []
    for word, value in (("nan", np.nan), ("inf", np.inf), ("median", None), ("zero", 0.0)):
        folder = tmp_path / word
        folder.mkdir()
        names = write(folder, FRAMES)
        with fits.open(folder / names[1], mode="update") as hdus:
            pixels = hdus["SCI", chips].data
            others = np.ones(pixels.shape, bool)
            others[20:26, 30:36] = False
            pixels[~others] = np.median(pixels[others]) if value is None else value
            hdus["DQ", chips].data[20:26, 30:36] = 4
        before = (folder / names[1]).read_bytes()
        [mosaic] = drizzle(engine, folder, names, ["match"]).values()
        science, weight = fits.getdata(mosaic.science), fits.getdata(mosaic.weight)
        assert np.isfinite(science[weight > 0]).all()
        assert (folder / names[1]).read_bytes() == before
        mosaics.append((science, weight, [value.mdrizsky for value in mosaic.sky]))
    for science, weight, skies in mosaics[:2]:
        np.testing.assert_array_equal(science, mosaics[2][0])
        np.testing.assert_array_equal(weight, mosaics[2][1])
        assert skies == mosaics[2][2]
    # A low value is another matter: the static mask takes the pixel from the other exposures, too.
    assert mosaics[0][1].sum() > mosaics[3][1].sum()


@pytest.mark.parametrize("engine", BOTH)
def test_an_exposure_without_a_pixel_has_no_sky(tmp_path, engine) -> None:
    """Here all of its pixels are above skyupper: the inspection cannot know that."""
    frames = [*FRAMES[:2], replace(FRAMES[2], sky=60.0)]
    names = write_frames(tmp_path, frames)
    mosaic = drizzle(engine, tmp_path, names, ["localmin"], skyupper=30.0)["localmin"]
    skies = [value.mdrizsky for value in mosaic.sky]
    assert skies[2] is None
    assert skies[0] == pytest.approx(1.0, abs=0.05) and skies[1] == pytest.approx(1.2, abs=0.05)
    with fits.open(mosaic.science) as hdus:  # it tells what was subtracted
        assert list(hdus["HDRTAB"].data["MDRIZSKY"])[2] == 0


@pytest.mark.parametrize("engine", BOTH)
def test_where_all_skies_are_needed_the_one_without_is_named(tmp_path, engine) -> None:
    names = write_frames(tmp_path, [*FRAMES[:2], replace(FRAMES[2], sky=60.0)])
    with pytest.raises(SkyError, match=r"no sky can be measured in ibxl02aaq.*\[SCI,1\].*skyupper"):
        drizzle(engine, tmp_path, names, ["globalmin"], skyupper=30.0)
