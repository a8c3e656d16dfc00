"""Simulated CCD exposures under stwcs and AstroDrizzle: distortion, cosmic rays, no other file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.archive.simulated.drizzled import parameters
from skymosaic.archive.simulated.exposures import Simulation, simulate_visit, visit_files
from skymosaic.archive.simulated.names import CCDS
from skymosaic.drizzlepac_calls import process

CR_FLAG = 4096


@pytest.fixture(scope="module", params=CCDS)
def simulation(request: pytest.FixtureRequest) -> Simulation:
    return Simulation(instrument=request.param, size="small", dithers=2, tiles=("01",))


@pytest.fixture(scope="module")
def folder(simulation: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp(simulation.instrument)
    [visit] = visit_files(simulation)
    simulate_visit(simulation, visit, target)
    return target


def test_stwcs_and_astropy_read_one_distortion(folder: Path) -> None:
    from stwcs.wcsutil import HSTWCS

    x, y = np.meshgrid(np.linspace(-0.5, 511.5, 41), np.linspace(-0.5, 255.5, 23))
    with fits.open(min(folder.glob("*_flc.fits"))) as hdus:
        for ver in (1, 2):
            by_astropy = WCS(hdus["SCI", ver].header, hdus)
            by_stwcs = HSTWCS(hdus, ext=("SCI", ver))
            assert all((by_astropy.det2im1, by_astropy.det2im2, by_astropy.cpdis1))
            here = np.array(by_astropy.all_pix2world(x, y, 0))
            there = np.array(by_stwcs.all_pix2world(x, y, 0))
            assert np.abs(here - there).max() < 1e-9
            assert by_stwcs.idcscale == hdus["SCI", ver].header["IDCSCALE"]


def test_the_headers_have_the_form_of_a_real_flc(folder: Path) -> None:
    """The real one, of UVIS, is in drizzlepac's wheel; its arrays are cut to 10 x 10."""
    import drizzlepac

    real = Path(drizzlepac.__file__).parents[1] / "tests" / "hap" / "sample_svm_flc.fits"
    if not real.exists():
        pytest.skip("this drizzlepac comes without sample_svm_flc.fits")
    with fits.open(real) as theirs, fits.open(min(folder.glob("*_flc.fits"))) as ours:
        for ver in (1, 2):
            for name in ("SCI", "ERR", "DQ"):
                assert ours[name, ver].header["BITPIX"] == theirs[name, ver].header["BITPIX"]
                assert ours[name, ver].header["BUNIT"] == theirs[name, ver].header["BUNIT"]
            mine, other = ours["SCI", ver].header, theirs["SCI", ver].header
            assert mine["CCDCHIP"] == other["CCDCHIP"]
            kinds = ("CPDIS", "CPERR", "DP", "D2IMDIS", "D2IMERR", "D2IM1", "D2IM2", "CD", "OC")
            wanted = {card.keyword for card in other.cards if card.keyword.startswith(kinds)}
            wanted |= {"IDCSCALE", "IDCTHETA", "IDCV2REF", "VAFACTOR", "MEANDARK", "MDRIZSKY"}
            wanted = {key for key in wanted if not key.endswith(("A", "B", "C", "O"))}
            assert wanted <= set(mine.keys())
            for keyword in (key for key in wanted if key.startswith(("DP", "D2IM1", "D2IM2"))):
                assert float(mine[keyword]) == float(other[keyword])
        for name in ("D2IMARR", "WCSDVARR"):
            for ver in (1, 2, 3, 4):
                mine, other = ours[name, ver].header, theirs[name, ver].header
                for keyword in ("BITPIX", "CRPIX1", "CRPIX2", "CDELT1", "CDELT2"):
                    assert mine[keyword] == other[keyword]
        amplifiers = [f"{key}{amp}" for key in ("ATODGN", "READNSE") for amp in "ABCD"]
        for keyword in (*amplifiers, "CCDAMP", "CCDGAIN", "EXPSTART", "EXPEND", "PA_V3"):
            assert keyword in theirs[0].header
            assert keyword in ours[0].header


def test_astrodrizzle_finds_the_cosmic_rays(
    folder: Path, simulation: Simulation, tmp_path: Path
) -> None:
    names = sorted(path.name for path in folder.glob("*_flc.fits"))
    for name in names:
        shutil.copy(folder / name, tmp_path / name)
    arguments = {**parameters(simulation), "runfile": "drizzle.log"}
    process.call(
        "astrodrizzle",
        tmp_path,
        {"files": names, "output": "visit", "parameters": arguments},
        tmp_path / "call.log",
    )
    drizzled = tmp_path / "visit_drc.fits"
    assert drizzled.exists()
    masks, hits = {}, {}
    for name in names:
        rootname = name.removesuffix("_flc.fits")
        truth = json.loads((folder / f"{rootname}_truth.json").read_text())
        with (
            fits.open(tmp_path / name) as hdus,
            fits.open(folder / f"{rootname}_cosmic_rays.fits") as rays,
        ):
            for true in truth["chips"]:
                ver = true["extver"]
                sky = hdus["SCI", ver].header["MDRIZSKY"]
                assert sky == pytest.approx(true["sky_electrons"], abs=0.8)
                masks[name, ver] = (hdus["DQ", ver].data & CR_FLAG) > 0
                hits[name, ver] = rays["CR", ver].data
                quiet = hits[name, ver] == 0
                assert masks[name, ver][quiet].mean() < 0.01
    # The rows that the other exposure sees, too: the second one looks higher up, by one dither.
    first, second = names
    seen = [(first, 1, slice(70, 200)), (second, 2, slice(10, 180))]
    for name, ver, rows in seen:
        strong = hits[name, ver][rows, 20:490] > 150.0
        assert strong.sum() > 100
        assert masks[name, ver][rows, 20:490][strong].mean() > 0.9
