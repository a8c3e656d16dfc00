"""The simulated exposures: files, headers, truth, and what must stay the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.archive.simulated.detector import DARK, READ_NOISE
from skymosaic.archive.simulated.drizzled import parameters
from skymosaic.archive.simulated.exposures import (
    Simulation,
    association_name,
    simulate_visit,
    visit_files,
)
from skymosaic.archive.simulated.headers import distorted_wcs
from skymosaic.archive.simulated.plane import project
from skymosaic.archive.simulated.pointing import plan_exposure
from skymosaic.archive.simulated.proposal import field_center
from skymosaic.errors import CampaignError

SHARED = Path(__file__).parents[3] / "shared" / "data" / "horsehead-12812"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    simulation = Simulation(size="small")
    for visit in ("ibxl54", "ibxl51"):
        simulate_visit(simulation, visit, folder)
    return folder


def test_all_nine_visits_have_their_two_published_exposures() -> None:
    files = visit_files(Simulation())
    assert len(files) == 9
    assert files["ibxl50"] == ["ibxl50clq", "ibxl50cqq"]
    assert files["ibxl58"] == ["ibxl58sqq", "ibxl58svq"]
    assert association_name("ibxl54") == "ibxl54030"


def test_chosen_tiles_and_generated_dithers() -> None:
    assert list(visit_files(Simulation(tiles=("54", "51")))) == ["ibxl51", "ibxl54"]
    files = visit_files(Simulation(dithers=8))
    names = [name for visit in files.values() for name in visit]
    assert len(set(names)) == 72
    assert all(
        len(name) == 9 and name.startswith(visit) for visit in files for name in files[visit]
    )
    assert files["ibxl50"][:2] == ["ibxl50clq", "ibxl50cqq"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"tiles": ("49",)}, "'49'"),
        ({"tiles": ("54", "54")}, "twice"),
        ({"displace": {"99": (1.0, 0.0)}}, "'99'"),
        ({"size": "tiny"}, "'tiny'"),
        ({"dithers": 0}, "0"),
        ({"seed": -1}, "-1"),
    ],
)
def test_a_wrong_simulation_is_refused_by_name(options: dict, named: str) -> None:
    with pytest.raises(CampaignError, match=named):
        Simulation(**options)


def test_a_visit_outside_the_simulation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match=r"ibxl51.*choose from ibxl54"):
        simulate_visit(Simulation(tiles=("54",)), "ibxl51", tmp_path)


def test_the_files_of_a_visit(folder: Path, tmp_path: Path) -> None:
    paths = simulate_visit(Simulation(size="small"), "ibxl57", tmp_path / "new")
    assert {path.name for path in paths} == {
        f"ibxl57{end}_{kind}"
        for end in ("adq", "aiq")
        for kind in ("flt.fits", "truth.json", "scene.fits")
    }
    assert all(path.exists() for path in paths)


def test_an_flt_has_what_calwf3_writes(folder: Path) -> None:
    with fits.open(folder / "ibxl54bgq_flt.fits") as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus[1:]] == ["SCI", "ERR", "DQ", "SAMP", "TIME"]
        kinds = [hdu.data.dtype.newbyteorder("=").name for hdu in hdus[1:]]
        assert kinds == ["float32", "float32", "int16", "int16", "float32"]
        assert all(hdu.data.shape == (256, 256) for hdu in hdus[1:])
        primary, science = hdus[0].header, hdus["SCI"].header
        assert primary["ROOTNAME"] == "ibxl54bgq"
        assert primary["FILENAME"] == "ibxl54bgq_flt.fits"
        assert primary["ASN_ID"] == "IBXL54030"
        assert (primary["DETECTOR"], primary["FILTER"]) == ("IR", "F160W")
        assert primary["EXPTIME"] == 702.9
        assert primary["SUBARRAY"] is True
        assert science["BUNIT"] == "ELECTRONS/S"
        assert (science["LTV1"], science["LTV2"]) == (-379.0, -379.0)
        assert (science["CRPIX1"], science["CRPIX2"]) == (128.0, 128.0)
        assert science["CTYPE1"] == "RA---TAN-SIP"
        assert science["MDRIZSKY"] == pytest.approx(1.174908, abs=1e-6)
        for keyword in ("OCX10", "OCX11", "OCY10", "OCY11", "IDCSCALE", "A_ORDER", "WCSNAME"):
            assert keyword in science
        good = int((hdus["DQ"].data == 0).sum())
        assert {hdus[name].header["NGOODPIX"] for name in ("SCI", "ERR", "DQ")} == {good}


def test_a_full_frame_is_1014_pixels_without_offset(tmp_path: Path) -> None:
    simulate_visit(Simulation(dithers=1), "ibxl54", tmp_path)
    with fits.open(tmp_path / "ibxl54bgq_flt.fits") as hdus:
        assert hdus["SCI"].data.shape == (1014, 1014)
        assert hdus["SCI"].header["LTV1"] == 0.0
        assert hdus["SCI"].header["CRPIX1"] == 507.0
        assert hdus[0].header["SUBARRAY"] is False


def test_an_exposure_is_the_same_whichever_others_are_made(folder: Path, tmp_path: Path) -> None:
    simulate_visit(Simulation(size="small", tiles=("51",), dithers=3), "ibxl51", tmp_path)
    for name in ("ibxl51eoq_flt.fits", "ibxl51etq_flt.fits", "ibxl51etq_truth.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    first, third = (
        fits.getdata(tmp_path / f"{name}_flt.fits") for name in ("ibxl51eoq", "ibxl51zaq")
    )
    assert not np.array_equal(first, third)


def test_another_seed_gives_other_pixels_and_pointing(folder: Path, tmp_path: Path) -> None:
    simulate_visit(Simulation(size="small", seed=1), "ibxl51", tmp_path)
    name = "ibxl51eoq_flt.fits"
    assert not np.array_equal(fits.getdata(tmp_path / name), fits.getdata(folder / name))
    assert fits.getval(tmp_path / name, "CRVAL1", 1) != fits.getval(folder / name, "CRVAL1", 1)


def test_the_data_are_scene_and_sky_with_the_noise_that_err_tells(folder: Path) -> None:
    truth = json.loads((folder / "ibxl51eoq_truth.json").read_text())
    scene = fits.getdata(folder / "ibxl51eoq_scene.fits")
    with fits.open(folder / "ibxl51eoq_flt.fits") as hdus:
        science, error, flags = (hdus[name].data for name in ("SCI", "ERR", "DQ"))
    assert scene.dtype.newbyteorder("=") == np.float32
    pull = ((science - scene - truth["sky"]) / error)[flags == 0]
    assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
    assert pull.std() == pytest.approx(1.0, abs=0.02)
    faint = np.median(error)
    level = np.median(scene) + truth["sky"] + DARK
    expected = np.sqrt(level * 702.9 + READ_NOISE**2) / 702.9
    assert faint == pytest.approx(expected, rel=0.02)


def test_bad_pixels_are_fixed_and_hold_wrong_values(folder: Path) -> None:
    flags = [fits.getdata(path, "DQ") for path in sorted(folder.glob("*_flt.fits"))]
    assert all(np.array_equal(flags[0], other) for other in flags[1:])
    for flag in (4, 16, 32, 512):
        assert (flags[0] & flag).any()
    truth = json.loads((folder / "ibxl54bgq_truth.json").read_text())
    expected = fits.getdata(folder / "ibxl54bgq_scene.fits") + truth["sky"]
    away = fits.getdata(folder / "ibxl54bgq_flt.fits") - expected
    assert np.median(away[flags[0] == 16]) > 1.0
    assert np.median(away[flags[0] == 4]) < -0.9


def test_the_header_is_off_from_the_truth_by_the_pointing_error(folder: Path) -> None:
    errors = []
    for name in ("ibxl51eoq", "ibxl51etq"):
        truth = json.loads((folder / f"{name}_truth.json").read_text())
        error, true = truth["pointing_error"], truth["true_wcs"]
        header = fits.getheader(folder / f"{name}_flt.fits", 1)
        shift = project(header["CRVAL1"], header["CRVAL2"], tuple(true["crval"]))
        # The roll turns an exposure about the tile's centre, 1 arcsec away: less than 1 mas.
        assert shift == pytest.approx([error["dra_cosdec"], error["ddec"]], abs=1e-3)
        orientation = np.degrees(np.arctan2(true["cd"][0][1], true["cd"][1][1]))
        assert header["ORIENTAT"] - orientation == pytest.approx(error["roll"], abs=1e-8)
        assert np.hypot(error["dra_cosdec"], error["ddec"]) > 0.01
        errors.append(error)
    assert errors[0] == errors[1]


def test_the_reference_tile_has_no_pointing_error(folder: Path) -> None:
    truth = json.loads((folder / "ibxl54blq_truth.json").read_text())
    assert set(truth["pointing_error"].values()) == {0.0}
    header = fits.getheader(folder / "ibxl54blq_flt.fits", 1)
    assert (header["CRVAL1"], header["CRVAL2"]) == pytest.approx(truth["true_wcs"]["crval"])


def test_pointing_errors_stay_within_four_pixels_and_the_roll_limit() -> None:
    errors = [
        plan_exposure(Simulation(seed=seed), visit, 0).error
        for seed in range(20)
        for visit in visit_files(Simulation())
        if visit != "ibxl54"
    ]
    shifts = np.array([np.hypot(error.dra, error.ddec) for error in errors])
    assert shifts.max() <= 0.5 + 1e-12
    assert np.sqrt(np.mean(shifts**2)) == pytest.approx(0.25, abs=0.04)
    assert max(abs(error.roll) for error in errors) <= 0.03


def test_the_scene_file_carries_the_true_wcs(folder: Path) -> None:
    exposure = plan_exposure(Simulation(size="small"), "ibxl51", 0)
    corners = np.array([[0.0, 0.0], [255.0, 0.0], [0.0, 255.0], [255.0, 255.0]])
    written = WCS(fits.getheader(folder / "ibxl51eoq_scene.fits"))
    expected = distorted_wcs(exposure.true_wcs).all_pix2world(corners, 0)
    assert written.all_pix2world(corners, 0) == pytest.approx(expected, abs=1e-9)


def test_a_displaced_tile_moves_on_the_sky_by_what_was_asked() -> None:
    center = field_center()
    there = plan_exposure(Simulation(displace={"52": (300.0, -40.0)}), "ibxl52", 0)
    here = plan_exposure(Simulation(), "ibxl52", 0)
    moved = project(*np.array(there.true_wcs.crval), center) - project(
        *np.array(here.true_wcs.crval), center
    )
    assert moved == pytest.approx([300.0, -40.0], abs=1e-6)
    assert there.error == here.error


def test_a_small_mosaic_is_the_full_one_shrunk_about_the_reference_tile() -> None:
    center = field_center()

    def place(size: str) -> np.ndarray:
        exposure = plan_exposure(Simulation(size=size), "ibxl50", 0)
        return project(*np.array(exposure.true_wcs.crval), center)

    assert place("small") == pytest.approx(place("full") * 256 / 1014, rel=1e-6)


def test_the_drizzle_parameters_avoid_what_a_simulation_has_not() -> None:
    chosen = parameters(Simulation())
    assert chosen["mdriztab"] is False
    assert chosen["resetbits"] == 0
    assert chosen["num_cores"] == 1
    assert not any(chosen[step] for step in ("median", "blot", "driz_cr"))


@pytest.mark.skipif(not SHARED.exists(), reason=f"no published tables in {SHARED}")
def test_the_proposal_is_as_published() -> None:
    table = list(csv.DictReader((SHARED / "flt_table_with_tweaked_wcs_2019.csv").open()))
    files = visit_files(Simulation())
    assert [row["rootname"] for row in table] == [n for names in files.values() for n in names]
    skies = {
        row["rootname"]: float(row["localmin"])
        for row in csv.DictReader((SHARED / "published_mdrizsky.csv").open())
        if row["date"].startswith("2019-01")
    }
    for row in table:
        visit = row["rootname"][:6]
        exposure = plan_exposure(Simulation(), visit, files[visit].index(row["rootname"]))
        assert exposure.true_wcs.crval == pytest.approx(
            (float(row["CRVAL1"]), float(row["CRVAL2"])), abs=1e-10
        )
        assert exposure.true_wcs.cd[1] == (float(row["CD2_1"]), float(row["CD2_2"]))
        assert exposure.sky == skies[row["rootname"]]
        assert exposure.stale_mdrizsky == float(row["mdrizsky_in_MAST_header_2019"])
