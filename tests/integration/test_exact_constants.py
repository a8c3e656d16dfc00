"""Two exposures that differ by an exact constant: the test that anybody makes first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skymosaic.methods import METHODS
from tests.conftest import skymosaic, write_campaign

ADDED = 0.25  # e-/s; exact in single precision
COPY = "ibxl99aaq"


@pytest.fixture(scope="module")
def copied(simulated_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two exposures, the second of which is the first plus a constant."""
    folder = tmp_path_factory.mktemp("copied")
    first = sorted(simulated_files.glob("*_flt.fits"))[0]
    (folder / first.name).write_bytes(first.read_bytes())
    with fits.open(first) as hdus:
        # To quarters of 2^-16, so that the sum is exact, too.
        data = (np.round(hdus["SCI"].data * 2.0**16) / 2.0**16).astype(np.float32)
        hdus["SCI"].data = data
        hdus.writeto(folder / first.name, overwrite=True)
        hdus["SCI"].data = data + np.float32(ADDED)
        hdus[0].header["ROOTNAME"] = COPY
        hdus[0].header["FILENAME"] = f"{COPY}_flt.fits"
        hdus.writeto(folder / f"{COPY}_flt.fits")
    return folder


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("engine", "methods"),
    [
        ("onepass", ["match", "match-differences"]),
        pytest.param(
            *("onepass", [*METHODS, "match-differences", "globalmin+match-differences"]),
            marks=pytest.mark.slow,
        ),
        pytest.param(*("astrodrizzle", [*METHODS, "match-differences"]), marks=pytest.mark.slow),
    ],
)
def test_a_campaign_ends_and_finds_the_constant(
    copied: Path, tmp_path: Path, engine: str, methods: list[str]
) -> None:
    file = write_campaign(
        tmp_path / "constant.yaml",
        source={"kind": "directory", "path": str(copied)},
        align="none",
        drizzle={"engine": engine},
        sky={"methods": methods},
    )
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "1")
    assert ended.code == 0, ended.err
    folder = tmp_path / "store" / "constant" / "comparison"
    table = Table.read(folder / "mdrizsky.ecsv")
    for column in ("match", "match_differences"):
        assert np.ptp(table[column]) == pytest.approx(ADDED, abs=1e-5), column
    assert all(np.isfinite(table["match_differences_error"]))
    assert max(table["match_differences_error"]) < 1e-3
    overlaps = Table.read(folder / "overlaps.ecsv")
    assert abs(overlaps["difference"][0]) == pytest.approx(ADDED, abs=1e-5)
    assert 0.0 < overlaps["error"][0] < 1e-4
    for name in ("advice.json", "report.json"):
        # NaN and Infinity are no JSON.
        json.loads((folder / name).read_text(), parse_constant=lambda word: pytest.fail(word))
    advice = json.loads((folder / "advice.json").read_text())["advice"]
    codes = {finding["code"] for finding in advice["findings"]}
    assert not codes & {"not-constant", "no-constants", "statistic-disagrees", "seams-disagree"}
