"""The methods of this project's own, on drizzled exposures: by both engines, and in a campaign."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skymosaic.drizzle import astrodrizzle
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.limits import require_linear
from skymosaic.drizzle.onepass.run import Options, drizzle_all
from skymosaic.drizzle.onepass.skies import AppliedSky
from skymosaic.hst.reading import read_exposure
from skymosaic.methods import METHODS, OWN, column
from skymosaic.pipeline.differences import linear
from tests.conftest import manifests, skymosaic, write_campaign
from tests.frames import Frame, plan, write_frames, write_two_chip_frames
from tests.integration.test_onepass import require_equal_mosaics

FRAMES = [
    Frame(0, 0, 0, 1.0),
    Frame(30.3, 10.7, 5, 1.3, exptime=300.0),
    Frame(-30, -30.4, 80, 0.9),
    Frame(300, 250, 3, 2.0),  # meets no other
]
SKIES = np.array([frame.sky for frame in FRAMES])


@pytest.mark.parametrize(
    "write", [write_frames, pytest.param(write_two_chip_frames, marks=pytest.mark.slow)]
)
def test_both_engines_subtract_them(
    tmp_path: Path, write: Callable[[Path, Sequence[Frame]], list[str]]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    names = write(data, FRAMES)
    parameters = pars.resolve({"final_bits": 64})
    grid = plan(data, names)
    exposures = [read_exposure(data / name) for name in names]
    work = tmp_path / "onepass"
    shutil.copytree(data, work)
    methods = ("localmin", *OWN)
    mosaics = drizzle_all(
        *(work, work / "log", exposures, {m: f"out_{column(m)}" for m in methods}),
        *({m: SkyChoice(m) for m in methods}, grid, parameters),
    )
    chips = exposures[0].chips
    ours = mosaics["match-differences"].sky[:: len(chips)]
    counts = np.array([e.exptime if chips[0].counts else 1.0 for e in exposures])
    values = np.array([np.nan if v.mdrizsky is None else v.mdrizsky for v in ours]) / counts
    errors = np.array([np.nan if v.error is None else v.error for v in ours]) / counts
    assert np.isnan(values[3]) and np.isnan(errors[3])
    assert values[:3].min() == 0.0
    if write is write_frames:  # the sky of the second of two chips is another, by what they do
        off = (values - values[:3].mean() - SKIES + SKIES[:3].mean())[:3]
        assert np.abs(off / errors[:3]).max() < 4
        assert errors[:3].max() < 0.002
    # Their constant is the lowest sky that is left.
    local, both = mosaics["localmin"].sky, mosaics["globalmin+match-differences"].sky
    rest = [
        a.brightness - (b.brightness or 0.0)
        for a, b in zip(local, mosaics["match-differences"].sky, strict=True)
    ]
    shift = [
        a.brightness - b.brightness
        for a, b in zip(both, mosaics["match-differences"].sky, strict=True)
        if b.brightness is not None
    ]
    if len(chips) == 1:
        np.testing.assert_allclose(shift, min(rest), rtol=1e-6)
    else:  # localmin is the lowest of two chips, the constant that of all chips
        assert np.ptp(shift) < 1e-6 * np.mean(shift)
        assert min(shift) > min(rest)
        own = mosaics["match-differences"].sky
        steps = [
            (own[i + 1].mdrizsky - own[i].mdrizsky) / exposures[i // 2].exptime for i in (0, 2, 4)
        ]
        np.testing.assert_allclose(steps, 0.1, atol=0.01)
    assert both[0].error == mosaics["match-differences"].sky[0].error
    # AstroDrizzle takes the same skies, and makes the same mosaic.
    for method in OWN:
        sky = mosaics[method].sky
        table = fits.getdata(mosaics[method].science, "HDRTAB")["MDRIZSKY"]
        given = AppliedSky(sky, tuple(np.nan_to_num(table).tolist()), tuple(table.tolist()))
        theirs_folder = tmp_path / column(method)
        shutil.copytree(data, theirs_folder)
        theirs = astrodrizzle.drizzle(
            *(theirs_folder, theirs_folder / "log", exposures, "out", method, grid, parameters),
            given,
        )
        require_equal_mosaics(theirs, mosaics[method])
        assert theirs.sky == sky
        assert all(check.agree for check in theirs.checks)


def test_parameters_that_are_no_sum_do_not_hinder_them() -> None:
    parameters = pars.resolve(
        {"driz_cr": True, "final_kernel": "lanczos3", "final_wht_type": "IVM"}
    )
    require_linear(linear(parameters))
    assert parameters["final_kernel"] == "lanczos3"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onepass", "astrodrizzle"])
def test_a_campaign_compares_them(simulated_files: Path, tmp_path: Path, engine: str) -> None:
    file = write_campaign(
        tmp_path / "own.yaml",
        source={"kind": "directory", "path": str(simulated_files)},
        align="none",
        drizzle={"engine": engine},
        sky={"methods": [*METHODS, *OWN]},
    )
    arguments = ("run", file, "--store", tmp_path / "store", "--workers", "2")
    ended = skymosaic(*arguments)
    assert ended.code == 0, ended.err
    folder = tmp_path / "store" / "own"
    table = Table.read(folder / "comparison" / "mdrizsky.ecsv")
    errors = table["match_differences_error"]
    assert 0.0 < errors.min() < errors.max() < 0.01
    apart = table["match_differences"] - table["match"]
    assert np.ptp(apart) < 0.05
    constant = table["globalmin_match_differences"] - table["match_differences"]
    assert np.ptp(constant) < 1e-6
    page = (folder / "comparison" / "report.html").read_text()
    assert "match-differences *" in page
    assert "from differences of the exposures on the common grid" in page
    report = json.loads((folder / "comparison" / "report.json").read_text())
    assert "match_differences_starts_at_zero" in json.dumps(report)
    assert (folder / "comparison" / "preview_match_differences.png").exists()
    assert ("differences" in manifests(folder)) == (engine == "astrodrizzle")
    again = skymosaic(*arguments)
    assert again.code == 0, again.err


def test_sources_are_left_out_by_all_methods(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    names = write_frames(data, FRAMES[:3])
    parameters = pars.resolve({"final_bits": 64})
    grid = plan(data, names)
    exposures = [read_exposure(data / name) for name in names]
    methods = ("localmin", "match", "match-differences")
    found = {}
    for masked in (False, True):
        work = tmp_path / str(masked)
        shutil.copytree(data, work)
        mosaics = drizzle_all(
            *(work, work / "log", exposures, {m: f"out_{column(m)}" for m in methods}),
            *({m: SkyChoice(m) for m in methods}, grid, parameters),
            Options(mask_sources=masked, planes=masked),
        )
        found[masked] = {m: np.array([v.mdrizsky for v in mosaics[m].sky]) for m in methods}
        differences = mosaics["match-differences"].differences
        assert differences is not None and differences.planes_subtracted == masked
    for method in methods:
        apart = np.ptp(found[True][method] - found[False][method])
        assert 0.0 < apart < 0.02
