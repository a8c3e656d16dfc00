"""Campaigns of CCD exposures whose files say nothing of cosmic rays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.config.hap_parameters import hap_parameters
from skymosaic.drizzle.parameters import CR_STEPS
from tests.conftest import manifests, skymosaic, write_campaign
from tests.frames import Frame, write_frames, write_two_chip_frames

DEEP = [Frame(0, 0, 0, 1.0), Frame(3, 2, 0, 1.2), Frame(2, 5, 0, 0.8), Frame(5, 4, 0, 0.9)]
SHALLOW = [Frame(0, 0, 0, 1.0), Frame(70, 2, 0, 1.2), Frame(3, 75, 0, 0.8)]
HIT = 5e6  # electrons: 10,000 e-/s, no star of the field has a hundredth of it


def ccd_campaign(folder: Path, frames: Sequence[Frame], **drizzle: Any) -> Path:
    """Write exposures with a cosmic ray in each chip, and a file with no more than it must have."""
    data = folder / "data"
    data.mkdir()
    for index, name in enumerate(write_two_chip_frames(data, frames)):
        with fits.open(data / name, mode="update") as hdus:
            for extver in (1, 2):
                hdus["SCI", extver].data[20, 40 + 4 * index : 43 + 4 * index] += HIT
    return write_campaign(
        folder / "ccd.yaml",
        source={"kind": "directory", "path": str(data)},
        align="none",
        sky={"methods": ["localmin", "match"]},
        drizzle=drizzle,
    )


def mosaics(folder: Path) -> dict[str, np.ndarray]:
    found = {path.name: fits.getdata(path) for path in folder.glob("runs/*/*_sci.fits")}
    assert len(found) == 2
    return found


@pytest.mark.campaign
@pytest.mark.parametrize(
    "engine", ["onepass", pytest.param("astrodrizzle", marks=pytest.mark.slow)]
)
def test_cosmic_rays_of_ccds_are_removed_by_default(engine: str, tmp_path: Path) -> None:
    file = ccd_campaign(tmp_path, DEEP, engine=engine)
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "1")
    assert ended.code == 0, ended.err
    folder = tmp_path / "store" / "ccd"
    for name, mosaic in mosaics(folder).items():
        assert np.nanmax(mosaic) < 0.01 * HIT / 500.0, name
    steps, hap = manifests(folder), hap_parameters("acs_wfc", 4)
    run = steps["runs/match"]
    used = run["parameters"]["astrodrizzle"]
    assert {step: used[step] for step in CR_STEPS} == dict.fromkeys(CR_STEPS, True)
    assert {name: used[name] for name in hap.parameters} == dict(hap.parameters)
    report = json.loads((folder / "comparison" / "report.json").read_text())
    sources = {row[0]: row[2] for row in report["tables"]["defaults"]["rows"]}
    assert hap.file in sources["driz_cr_snr"]
    assert "median depth of 2 on; it is 4" in sources["driz_cr"]
    alone = [one for one in report["warnings"] if "of the area, which one exposure alone" in one]
    assert len(alone) == 1
    assert f"warning: {alone[0]}" in ended.err
    assert "How the drizzle was set up" in (folder / "comparison" / "report.html").read_text()


def test_a_witness_is_refused_before_the_drizzle(tmp_path: Path) -> None:
    file = ccd_campaign(tmp_path, DEEP[:2], witness=True)
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "1")
    assert ended.code == 6
    assert "drizzle.witness: there is no witness of runs that look for cosmic rays" in ended.err
    assert "driz_cr is on by default: ACS/WFC is a CCD" in ended.err
    assert not list((tmp_path / "store").glob("ccd/runs/*"))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onepass", "astrodrizzle"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_single_layer_runs_and_keeps_them(engine: str, count: int, tmp_path: Path) -> None:
    file = ccd_campaign(tmp_path, SHALLOW[:count], engine=engine, sample=2)
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "1")
    assert ended.code == 0, ended.err
    assert "warning: Cosmic rays stay in the mosaics: most of the area has one" in ended.err
    for name, mosaic in mosaics(tmp_path / "store" / "ccd").items():
        assert np.nanmax(mosaic) > 0.1 * HIT / 500.0, name


@pytest.mark.slow
def test_a_witness_is_heard_once_the_steps_are_off(tmp_path: Path) -> None:
    off = dict.fromkeys(CR_STEPS, False)
    file = ccd_campaign(tmp_path, DEEP, witness=True, parameters=off)
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "1")
    assert ended.code == 0, ended.err
    assert (
        "witness: each of 2 mosaics agrees with what onepass predicts from the MDRIZSKY values"
        in ended.out
    )


@pytest.mark.slow
def test_an_engine_that_cannot_do_what_was_asked_for_is_told_at_plan(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write_frames(tmp_path / "data", DEEP[:2])  # of WFC3/IR, whose other steps stay off
    file = write_campaign(
        tmp_path / "ir.yaml",
        source={"kind": "directory", "path": str(tmp_path / "data")},
        align="none",
        drizzle={"engine": "onepass", "parameters": {"driz_cr": True}},
    )
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "1")
    assert ended.code == 6
    assert "onepass does not do driz_cr without driz_separate" in ended.err
