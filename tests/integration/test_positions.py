"""Exposures whose WCS do not fit together, unaligned and aligned, as a user runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from astropy.io import fits

import skymosaic as package
from tests.conftest import skymosaic, write_campaign

OTHER = "IDC_w3m18525i-FIT_IMG_GAIADR1"
MOVED = 0.4  # arcsec


@pytest.fixture
def files(simulated_files: Path, tmp_path: Path) -> Path:
    """Exposures of tiles 54 and 51 with their drizzled images; one exposure has another WCS."""
    folder = tmp_path / "files"
    shutil.copytree(simulated_files, folder)
    with fits.open(folder / "ibxl54bgq_flt.fits", mode="update") as hdus:
        hdus["SCI"].header["CRVAL2"] += MOVED / 3600.0
        hdus["SCI"].header["WCSNAME"] = OTHER
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["astrodrizzle", "onepass"])
def test_what_does_not_fit_is_told_by_log_load_and_report(
    tmp_path: Path, files: Path, engine: str
) -> None:
    file = write_campaign(
        tmp_path / "apart.yaml",
        source={"kind": "directory", "path": str(files)},
        align="none",
        sky={"methods": ["match"]},
        drizzle={"engine": engine},
    )
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "1")
    assert ended.code == 0, ended.err
    run = package.load(tmp_path / "store" / "apart")
    assert run.complete
    kinds = f"IDC_w3m18525i (ibxl51eoq, ibxl51etq and ibxl54blq) and {OTHER} (ibxl54bgq)"
    for text in (ended.err, run.report("md"), " ".join(json.loads(run.report("json"))["warnings"])):
        assert kinds in text
        assert "Positions of stars differ in 5 of 6 overlaps" in text
    assert "positions of stars, compared in all overlaps" in ended.out
    table = run.table("positions")
    within = table[[{row["a"], row["b"]} == {"ibxl54bgq", "ibxl54blq"} for row in table]]
    # One visit has one pointing error: there the planted displacement is all there is.
    assert abs(within["north"][0]) == pytest.approx(MOVED, abs=0.005)
    assert within["east"][0] == pytest.approx(0.0, abs=0.005)
    again = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "1")
    assert again.code == 0, again.err
    assert "Positions of stars differ" in again.err


@pytest.mark.slow
def test_after_the_alignment_kinds_within_a_tile_are_told(tmp_path: Path, files: Path) -> None:
    file = write_campaign(
        tmp_path / "tile.yaml",
        source={"kind": "directory", "path": str(files)},
        align={"order": ["54", "51"]},
        sky={"methods": ["localmin"]},
    )
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "1")
    assert ended.code == 0, ended.err
    assert f"ibxl54030: {OTHER} (ibxl54bgq) and IDC_w3m18525i (ibxl54blq)" in ended.err
    assert "The exposures have WCS solutions" not in ended.err
