"""Simulated exposures of ACS/WFC and WFC3/UVIS: files, headers, truth, what must stay the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.archive.simulated.ccd.cameras import camera_of, chips_of
from skymosaic.archive.simulated.ccd.detector import READ_TIME, SATURATED, bad_pixels, read_noise
from skymosaic.archive.simulated.ccd.exposures import simulate_exposure
from skymosaic.archive.simulated.ccd.pointing import plan_exposure
from skymosaic.archive.simulated.drizzled import parameters
from skymosaic.archive.simulated.exposures import Simulation, simulate_visit, visit_files
from skymosaic.archive.simulated.names import CCDS
from skymosaic.errors import CampaignError
from skymosaic.hst.reading import read_exposure

SEED = 7
STEP = 0.02
VISITS = {"acs-wfc": "jskm02", "wfc3-uvis": "iskm02"}


def simulation_of(instrument: str, **options: object) -> Simulation:
    return Simulation(**{"instrument": instrument, "size": "small", "seed": SEED, **options})


@pytest.fixture(scope="module", params=CCDS)
def instrument(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(instrument: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One exposure of the second visit, with chips whose skies differ."""
    folder = tmp_path_factory.mktemp(instrument)
    simulate_exposure(simulation_of(instrument, chip_step=STEP), VISITS[instrument], 0, folder)
    return folder


def truth_of(folder: Path) -> dict:
    [path] = folder.glob("*_truth.json")
    return json.loads(path.read_text())


def test_there_are_two_visits_of_three_exposures(instrument: str) -> None:
    files = visit_files(simulation_of(instrument))
    letter = camera_of(simulation_of(instrument)).letter
    assert list(files) == [f"{letter}skm01", f"{letter}skm02"]
    assert [len(names) for names in files.values()] == [3, 3]
    many = visit_files(simulation_of(instrument, tiles=("01", "09"), dithers=28))
    names = [name for visit in many.values() for name in visit]
    assert len(set(names)) == 56
    assert all(len(name) == 9 and name[:6] in many for name in names)


def test_the_files_of_a_visit(instrument: str, tmp_path: Path) -> None:
    visit = VISITS[instrument]
    paths = simulate_visit(simulation_of(instrument, dithers=1), visit, tmp_path)
    kinds = ("flc.fits", "truth.json", "scene.fits", "cosmic_rays.fits")
    assert {path.name for path in paths} == {f"{visit}a1q_{kind}" for kind in kinds}
    assert all(path.exists() for path in paths)


def test_an_flc_has_what_the_pipelines_write(folder: Path, instrument: str) -> None:
    [path] = folder.glob("*_flc.fits")
    with fits.open(path) as hdus:
        hdus.verify("exception")
        names = [(hdu.name, hdu.ver) for hdu in hdus[1:]]
        tables = [(name, ver) for name in ("D2IMARR", "WCSDVARR") for ver in (1, 2, 3, 4)]
        chips = [(name, ver) for ver in (1, 2) for name in ("SCI", "ERR", "DQ")]
        assert names == chips + tables
        assert hdus[0].header["NEXTEND"] == len(names)
        assert [hdus["SCI", ver].header["CCDCHIP"] for ver in (1, 2)] == [2, 1]
        for ver in (1, 2):
            science, error, flags = (hdus[name, ver] for name in ("SCI", "ERR", "DQ"))
            assert science.header["BUNIT"] == error.header["BUNIT"] == "ELECTRONS"
            assert {hdu.data.shape for hdu in (science, error, flags)} == {(256, 512)}
            assert flags.data.dtype.newbyteorder("=") == np.int16
            assert science.header["MDRIZSKY"] > 0  # stale
            assert science.header["LTV1"] == -1792.0
            good = int((flags.data == 0).sum())
            assert {hdu.header["NGOODPIX"] for hdu in (science, error, flags)} == {good}
            # Found by AstroDrizzle, not flagged by who made the file.
            assert not (flags.data & (4096 | 8192)).any()
            for keyword in ("OCX10", "OCX11", "OCY10", "OCY11", "IDCSCALE", "MEANDARK", "WCSNAME"):
                assert keyword in science.header
        assert all(hdus[table].data.shape == (32, 64) for table in tables)
        rows = camera_of(simulation_of(instrument)).shape[0]
        assert hdus["SCI", 1].header["LTV2"] == -(rows - 256.0)
        assert hdus["SCI", 2].header["LTV2"] == 0.0
        # A pixel of the part has the value of the table that it has in the whole chip.
        assert hdus["D2IMARR", 1].header["CRVAL2"] == -(rows - 256.0)


def test_our_reader_takes_it(folder: Path, instrument: str) -> None:
    [path] = folder.glob("*_flc.fits")
    exposure = read_exposure(path)
    expected = {"acs-wfc": ("ACS", "WFC", "F814W"), "wfc3-uvis": ("WFC3", "UVIS", "F606W")}
    assert (exposure.instrument, exposure.detector, exposure.filter) == expected[instrument]
    assert exposure.name == path.name
    assert [(chip.extver, chip.counts) for chip in exposure.chips] == [(1, True), (2, True)]


def test_a_full_frame_has_both_chips_whole(instrument: str) -> None:
    simulation = Simulation(instrument=instrument)
    rows = 2048 if instrument == "acs-wfc" else 2051
    assert [chip.shape for chip in chips_of(simulation)] == [(rows, 4096), (rows, 4096)]
    assert [chip.corner for chip in chips_of(simulation)] == [(0, 0), (0, 0)]


def test_the_data_are_scene_sky_and_cosmic_rays_with_their_noise(
    folder: Path, instrument: str
) -> None:
    truth = truth_of(folder)
    name, seconds = truth["rootname"], truth["exptime"]
    camera = camera_of(simulation_of(instrument))
    with (
        fits.open(folder / f"{name}_flc.fits") as hdus,
        fits.open(folder / f"{name}_scene.fits") as scene,
        fits.open(folder / f"{name}_cosmic_rays.fits") as hits,
    ):
        found = []
        for chip, true_chip in zip(
            chips_of(simulation_of(instrument)), truth["chips"], strict=True
        ):
            ver = chip.extver
            assert (true_chip["extver"], true_chip["ccdchip"]) == (ver, chip.number)
            assert true_chip["sky_electrons"] == pytest.approx(true_chip["sky"] * seconds)
            light = scene["SCI", ver].data * seconds + true_chip["sky_electrons"]
            good = (hdus["DQ", ver].data == 0) & (scene["SCI", ver].data < 0.01)
            left = hdus["SCI", ver].data - hits["CR", ver].data - light
            dark = camera.dark * (seconds + READ_TIME)
            noise = np.sqrt(light + dark + read_noise(chip) ** 2)
            pull = (left / noise)[good]
            assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
            assert pull.std() == pytest.approx(1.0, abs=0.01)
            sky = hdus["SCI", ver].data - hits["CR", ver].data - scene["SCI", ver].data * seconds
            # A median of few electrons lies up to 0.17 below their mean.
            assert np.median(sky[good]) == pytest.approx(true_chip["sky_electrons"], abs=0.3)
            quiet = good & (hits["CR", ver].data == 0)
            reported_noise = np.sqrt(np.mean(hdus["ERR", ver].data[quiet] ** 2.0))
            assert reported_noise == pytest.approx(np.sqrt(np.mean(noise[quiet] ** 2)), rel=0.01)
            found.append(sky[good].mean())
    assert (found[0] - found[1]) / np.mean(found) == pytest.approx(STEP, abs=0.004)
    skies = [chip["sky"] for chip in truth["chips"]]
    assert (skies[0] - skies[1]) / truth["sky"] == pytest.approx(STEP)
    assert np.mean(skies) == pytest.approx(truth["sky"])


def test_the_same_seed_gives_the_same_pixels_whichever_others_are_made(
    folder: Path, instrument: str, tmp_path: Path
) -> None:
    again = simulation_of(instrument, chip_step=STEP, tiles=("02", "05"), dithers=2)
    simulate_exposure(again, VISITS[instrument], 0, tmp_path)
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    other = simulation_of(instrument, chip_step=STEP, seed=SEED + 1)
    simulate_exposure(other, VISITS[instrument], 0, tmp_path)
    [name] = [path.name for path in folder.glob("*_flc.fits")]
    for ver in (1, 2):
        first, second = (fits.getdata(place / name, ("SCI", ver)) for place in (folder, tmp_path))
        assert not np.array_equal(first, second)


def test_bad_pixels_are_those_of_the_whole_chip(instrument: str) -> None:
    small, full = simulation_of(instrument), simulation_of(instrument, size="full")
    for part, whole in zip(chips_of(small), chips_of(full), strict=True):
        flags = bad_pixels(small, part)[0]
        left, low = part.corner
        same = bad_pixels(full, whole)[0][low : low + 256, left : left + 512]
        np.testing.assert_array_equal(flags, same)
        assert {int(flag) for flag in (4, 16, 32, 64, 1024) if (flags & flag).any()} == {
            *(4, 16, 32, 64, 1024)
        }
    assert any((bad_pixels(full, chip)[0] & 128).any() for chip in chips_of(full))


def test_a_saturated_star_is_flagged_and_cut_at_the_full_well(
    instrument: str, tmp_path: Path
) -> None:
    simulation = simulation_of(instrument, scene="saturated")
    visit = VISITS[instrument]
    simulate_exposure(simulation, visit, 0, tmp_path)
    [path] = tmp_path.glob("*_flc.fits")
    with fits.open(path) as hdus:
        full = [(hdus["DQ", ver].data & SATURATED) > 0 for ver in (1, 2)]
        assert sum(int(one.sum()) for one in full) > 20
        for ver, one in zip((1, 2), full, strict=True):
            held = hdus["SCI", ver].data[one]
            assert (np.abs(held - camera_of(simulation).full_well) < 200).all()


def test_sky_and_exposure_times(instrument: str) -> None:
    simulation = simulation_of(instrument)
    planned = [
        plan_exposure(simulation, visit, dither)
        for visit in visit_files(simulation)
        for dither in range(3)
    ]
    assert [exposure.exptime for exposure in planned] == [360.0, 500.0, 360.0] * 2
    usual = camera_of(simulation).sky
    assert all(0.4 * usual < exposure.sky < 1.6 * usual for exposure in planned)
    assert len({exposure.sky for exposure in planned}) == 6
    bright = simulation_of(instrument, sky=3 * usual)
    assert plan_exposure(bright, VISITS[instrument], 1).sky == pytest.approx(3 * planned[4].sky)
    assert all(view.sky == exposure.sky for exposure in planned for view in exposure.views)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"instrument": "acs-hrc"}, "'acs-hrc'.*choose from wfc3-ir, acs-wfc, wfc3-uvis"),
        ({"instrument": "acs-wfc", "tiles": ("54",)}, "'54'.*choose from 01"),
        ({"instrument": "acs-wfc", "chip_step": 1.0}, "1.0"),
        ({"instrument": "acs-wfc", "sky": -0.1}, "-0.1"),
        ({"instrument": "acs-wfc", "sky": float("nan")}, "nan"),
        ({"chip_step": 0.01}, "leave them out, or choose acs-wfc or wfc3-uvis"),
        ({"cosmic_rays": False}, "leave them out"),
    ],
)
def test_a_wrong_simulation_is_refused_by_name(options: dict, named: str) -> None:
    with pytest.raises(CampaignError, match=named):
        Simulation(**options)


def test_a_visit_outside_the_simulation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match=r"jskm03.*choose from jskm01, jskm02"):
        simulate_visit(Simulation(instrument="acs-wfc"), "jskm03", tmp_path)


def test_the_drizzled_file_is_cleaned_where_there_is_what_to_compare() -> None:
    steps = ("driz_separate", "median", "blot", "driz_cr")
    usual = parameters(Simulation(instrument="acs-wfc"))
    assert all(usual[step] for step in steps)
    assert (usual["resetbits"], usual["combine_type"]) == (4096, "minmed")
    assert not any(parameters(Simulation(instrument="acs-wfc", dithers=1))[s] for s in steps)
    assert parameters(Simulation(instrument="wfc3-uvis", dithers=6))["combine_type"] == "median"
