"""`drizzle.grid`: mosaics on a grid of the user's own, by both engines, as AstroDrizzle's are."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic import load
from skymosaic.config.skycell_table import tessellation
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.reference_image import read_reference
from skymosaic.errors import CampaignError, InputError
from skymosaic.sky.skycells import cell, cells_at
from tests.conftest import manifests, reading, skymosaic, tree, write_campaign
from tests.first_steps import plan_of
from tests.frames import SKY_STEP_ONLY, Frame, astrodrizzle, name_of, write_frames

WCS_KEYS = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")
PLAIN = {**SKY_STEP_ONLY, "driz_combine": True, "final_wcs": True, "skymethod": "match"}
NEAR = (Frame(0, 0), Frame(30, 10, 5.0))
FAR = Frame(900, 0)


@dataclass(frozen=True)
class Elsewhere:
    """Two exposures, one far from them, and a mosaic that a plain AstroDrizzle made."""

    folder: Path
    data: Path
    mosaic: Path
    plain: Path
    """What AstroDrizzle makes of the two with the mosaic as final_refimage."""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    folder = tmp_path_factory.mktemp("grids")
    data, others, plain = (folder / name for name in ("data", "others", "plain"))
    for one in (data, others, plain):
        one.mkdir()
    write_frames(data, [*NEAR, FAR])
    names = write_frames(others, [Frame(10, 0, 33.0), Frame(20, 20, 30.0)])
    astrodrizzle(others, names, **{**PLAIN, "final_rot": 22.0, "final_scale": 0.1})
    mosaic = shutil.copy(others / "out_drz_sci.fits", folder / "theirs.fits")
    names = write_frames(plain, NEAR)
    astrodrizzle(plain, names, **{**PLAIN, "final_rot": None, "final_refimage": str(mosaic)})
    return Elsewhere(folder, data, mosaic, plain / "out_drz_sci.fits")


def campaign(
    path: Path, data: Path, *, store: dict[str, str] | None = None, **drizzle: Any
) -> Path:
    return write_campaign(
        path,
        source={"kind": "directory", "path": str(data)},
        align="none",
        sky={"methods": ["match"]},
        store=store or {"uri": "store"},
        drizzle=drizzle,
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "engine", ["astrodrizzle", pytest.param("onepass", marks=pytest.mark.campaign)]
)
def test_a_mosaic_on_the_grid_of_another_is_what_astrodrizzle_makes(
    elsewhere: Elsewhere, tmp_path: Path, engine: str
) -> None:
    shutil.copy(elsewhere.mosaic, tmp_path)
    file = campaign(
        tmp_path / f"{engine}.yaml",
        elsewhere.data,
        engine=engine,
        grid={"like": elsewhere.mosaic.name},
    )
    ended = skymosaic("run", file, "--workers", "1")
    assert ended.code == 0, ended.err
    (science,) = (tmp_path / "store" / engine / "runs").rglob("*_match_drz_sci.fits")
    header, theirs = fits.getheader(science), fits.getheader(elsewhere.mosaic)
    assert [header[key] for key in ("NAXIS1", "NAXIS2")] == [theirs["NAXIS1"], theirs["NAXIS2"]]
    for key in WCS_KEYS:
        assert header[key] == pytest.approx(theirs[key], rel=1e-12, abs=1e-18), key
    mosaic, expected = fits.getdata(science), fits.getdata(elsewhere.plain)
    assert np.isfinite(expected).sum() > 10_000
    np.testing.assert_allclose(mosaic, expected, rtol=2e-6, atol=1e-6)
    weights = (str(path).replace("_sci", "_wht") for path in (science, elsewhere.plain))
    np.testing.assert_allclose(*map(fits.getdata, weights), rtol=1e-5)
    # The exposure that lies elsewhere is left out, and everybody says so.
    gone = f"{name_of(2)}_flt.fits"
    said = f"Left out: {gone} does not touch the output grid (drizzle.grid)."
    assert f"warning: {said}" in ended.err
    assert said in (tmp_path / "store" / engine / "comparison" / "report.html").read_text()
    place = tmp_path / "store" / engine
    assert list(load(place).mdrizsky["rootname"]) == [name_of(0), name_of(1)]
    if engine == "astrodrizzle":  # what reads a store has no engine of its own
        for command in ("report", "status", "verify-store"):
            assert reading(command, place).code == 0, command
    else:
        before = tree(tmp_path / "store")
        assert skymosaic("run", file, "--workers", "1").code == 0
        assert tree(tmp_path / "store") == before  # everything had been done


def test_forms_of_one_grid_plan_one_grid(elsewhere: Elsewhere, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_frames(data, NEAR)
    auto = plan_of(campaign(tmp_path / "auto.yaml", data)).result.grid
    assert auto.cd is not None
    values = auto.to_dict()
    by_matrix = {name: values[name] for name in ("crval", "crpix", "cd", "shape")}
    numbers = {
        **{"final_ra": auto.crval[0], "final_dec": auto.crval[1]},
        **{"final_crpix1": auto.crpix[0], "final_crpix2": auto.crpix[1]},
        **{"final_outnx": auto.shape[0], "final_outny": auto.shape[1]},
    }
    forms = {
        "matrix": {"grid": by_matrix},
        "campaign": {"grid": {"like": "store/auto"}},
        "numbers": {"parameters": numbers},
    }
    for name, drizzle in forms.items():
        planned = plan_of(campaign(tmp_path / f"{name}.yaml", data, **drizzle)).result
        assert planned.left_out is None
        assert planned.grid.shape == auto.shape
        assert planned.grid.crval == auto.crval
        assert planned.grid.crpix == auto.crpix
        assert planned.grid.scale == pytest.approx(auto.scale, rel=1e-13), name
        assert planned.grid.rot == pytest.approx(auto.rot, abs=1e-12), name
    around = {"ra": 85.25, "dec": -2.45, "columns": 301, "rows": 201, "rotation": 10.0}
    grid = plan_of(campaign(tmp_path / "around.yaml", data, grid=around)).result.grid
    assert (grid.shape, grid.rot, grid.crpix) == ((301, 201), 10.0, (151.0, 101.0))
    assert grid.centre == pytest.approx((85.25, -2.45), abs=1e-12)
    assert grid.scale == pytest.approx(auto.scale, rel=1e-13)  # that of the detector


def test_like_an_image_and_a_campaign_in_a_bucket(
    elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
        client.create_bucket(Bucket="sky")
        client.upload_file(str(elsewhere.mosaic), "sky", "deep/theirs.fits")
        data = tmp_path / "data"
        data.mkdir()
        write_frames(data, NEAR)
        store = {"uri": "s3://sky/store", "endpoint_url": address, "region": "us-east-1"}

        def planned(name: str, **drizzle: Any) -> Any:
            return plan_of(campaign(tmp_path / f"{name}.yaml", data, store=store, **drizzle))

        theirs = planned("image", grid={"like": "s3://sky/deep/theirs.fits[0]"})
        assert theirs.result.grid == read_reference(elsewhere.mosaic, "").grid
        assert theirs.result.grid_from == "s3://sky/deep/theirs.fits[0]"
        auto = planned("auto", parameters={"final_rot": 20.0, "final_scale": 0.1})
        again = planned("again", grid={"like": "s3://sky/store/auto"})
        assert again.result.grid == auto.result.grid
        assert again.result.grid_from == "s3://sky/store/auto"
        assert planned("again", grid={"like": "s3://sky/store/auto"}).reused
        with pytest.raises(CampaignError, match=r"s3://sky/store/again is this campaign"):
            planned("again", grid={"like": "s3://sky/store/again"})
    finally:
        server.stop()


PLACED = {"final_ra": 85.2505, "final_dec": -2.4502, "final_outnx": 200, "final_outny": 180}


@pytest.mark.parametrize(
    ("like", "changes"),
    [
        (True, {"final_rot": 40.0, "final_scale": 0.2}),
        (True, {**PLACED, "final_scale": 0.15}),
        (False, {**PLACED, "final_rot": 10.0, "final_crpix1": 20.0, "final_crpix2": 150.5}),
    ],
)
def test_astrodrizzles_names_mean_what_they_mean_there(
    elsewhere: Elsewhere, tmp_path: Path, like: bool, changes: dict[str, Any]
) -> None:
    """Its own mosaic tells: of changes of final_refimage, and of the grid of the exposures."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    names = write_frames(folder, NEAR)
    parameters = {**changes, **({"final_refimage": str(elsewhere.mosaic)} if like else {})}
    # An image tells the angle of its pixels; of other grids this project's default is north up.
    usual = {"final_rot": None} if like else {}
    astrodrizzle(folder, names, **{**PLAIN, **usual, **parameters})
    header = fits.getheader(folder / "out_drz_sci.fits")
    data = tmp_path / "data"
    data.mkdir()
    write_frames(data, NEAR)
    planned = plan_of(campaign(tmp_path / "own.yaml", data, parameters=parameters)).result
    found = planned.grid.header_keywords()
    assert [found[key] for key in ("NAXIS1", "NAXIS2")] == [header["NAXIS1"], header["NAXIS2"]]
    for key in WCS_KEYS:
        assert found[key] == pytest.approx(header[key], rel=1e-11, abs=1e-15), key


@pytest.mark.parametrize("centre", [(0.0, 10.0), (359.9999, -35.0), (120.0, 89.4), (40.0, -89.7)])
def test_at_ra_0_and_near_the_poles(tmp_path: Path, centre: tuple[float, float]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_frames(data, [*NEAR, Frame(0, 900)], stars=0, centre=centre)
    around = {"ra": centre[0], "dec": centre[1], "columns": 200, "rows": 160, "rotation": 30.0}
    planned = plan_of(campaign(tmp_path / "own.yaml", data, grid=around)).result
    assert planned.left_out == [f"{name_of(2)}_flt.fits"]
    assert planned.pairs[0][:2] == (name_of(0), name_of(1))
    wcs = planned.grid.wcs()
    first = WCS(fits.getheader(data / f"{name_of(0)}_flt.fits", "SCI"))
    middle = first.all_pix2world(48.5, 48.5, 1)
    # The first exposure has its middle in that of the grid.
    assert wcs.all_world2pix(*middle, 1) == pytest.approx([100.5, 80.5], abs=2.0)
    assert planned.grid.scale == pytest.approx(0.1283, rel=0.01)
    name = cells_at(*centre, "coarse", tessellation())[0].name
    cropped = plan_of(campaign(tmp_path / "cell.yaml", data, grid={"skycell": name})).result
    whole = cell(name, "coarse", tessellation()).grid
    assert cropped.cell is not None
    assert cropped.cell.name == name
    assert (cropped.cell.whole.crpix, cropped.cell.whole.shape) == (whole.crpix, whole.shape)
    assert cropped.grid.crval == whole.crval
    corner = np.array(cropped.cell.corner)
    assert tuple(np.array(whole.crpix) - corner) == cropped.grid.crpix
    assert (corner >= 0).all()
    assert (corner + cropped.grid.shape <= whole.shape).all()
    # All of the first exposure lies on it, and little else.
    x, y = cropped.grid.wcs().all_world2pix(first.calc_footprint(), 1).T
    assert x.min() > 0.5
    assert y.min() > 0.5
    assert x.max() < cropped.grid.shape[0] + 0.5
    assert y.max() < cropped.grid.shape[1] + 0.5


def test_a_grid_that_holds_no_exposure_is_refused(elsewhere: Elsewhere, tmp_path: Path) -> None:
    grid = {"ra": 20.0, "dec": 30.0, "columns": 100, "rows": 100, "scale": 0.1}
    file = campaign(tmp_path / "nowhere.yaml", elsewhere.data, grid=grid)
    with pytest.raises(InputError) as caught:
        plan_of(file)
    said = str(caught.value)
    assert "no exposure touches the output grid, whose centre is RA 20.000000" in said
    corner = re.search(r" degrees away, with a corner at RA ([\d.]+), Dec ([-\d.]+)\. ", said)
    assert corner
    assert np.allclose([float(value) for value in corner.groups()], (85.25, -2.45), atol=0.1)
    assert "Correct drizzle.grid" in said
    assert not (tmp_path / "store" / "nowhere" / "plan").exists()


def test_a_changed_file_is_planned_anew(elsewhere: Elsewhere, tmp_path: Path) -> None:
    shutil.copy(elsewhere.mosaic, tmp_path / "ref.fits")
    file = campaign(tmp_path / "again.yaml", elsewhere.data, grid={"like": "ref.fits"})
    first = plan_of(file)
    assert plan_of(file).reused
    with fits.open(tmp_path / "ref.fits", mode="update") as hdus:
        hdus[0].header["CRPIX1"] += 3
    second = plan_of(file)
    assert not second.reused
    assert second.result.grid.crpix[0] == first.result.grid.crpix[0] + 3
    assert second.result.grid_from == f"{tmp_path / 'ref.fits'}[0]"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_chips_off_the_grid(tmp_path: Path) -> None:
    """ACS, two chips: on a part of a grid the mosaic is that part of it, cosmic rays and all."""
    data = tmp_path / "data"
    arguments = ("--instrument", "acs-wfc", "--size", "small", "--tile", "01", "--tile", "02")
    assert skymosaic("simulate", data, *arguments, "--dithers", "2").code == 0
    mosaics: dict[str, tuple[Any, Any]] = {}

    def run(name: str, engine: str, **drizzle: Any) -> None:
        file = campaign(tmp_path / f"{name}.yaml", data, engine=engine, **drizzle)
        ended = skymosaic("run", file, "--workers", "1")
        assert ended.code == 0, ended.err
        (science,) = (tmp_path / "store" / name / "runs").rglob("*_match_drc_sci.fits")
        weight = str(science).replace("_sci", "_wht")
        mosaics[name] = fits.getdata(science), fits.getdata(weight)

    run("auto", "onepass")
    auto = Grid.from_call(json.loads((tmp_path / "store/auto/plan/grid.json").read_text()))
    assert auto.cd is not None
    grid = {
        "crval": list(auto.crval),
        "crpix": [auto.crpix[0] - 120, auto.crpix[1] - 59],
        "cd": [list(row) for row in auto.cd],
        "shape": [300, 300],
    }
    run("part", "onepass", grid=grid)
    run("theirs", "astrodrizzle", grid=grid)
    part = np.s_[59:359, 120:420]
    for own, expected in zip(mosaics["part"], mosaics["auto"], strict=True):
        np.testing.assert_allclose(own, expected[part], rtol=2e-7, atol=1e-7)
    assert (mosaics["part"][1] > 0).mean() > 0.4
    np.testing.assert_allclose(mosaics["theirs"][1], mosaics["part"][1], rtol=1e-6)
    np.testing.assert_allclose(mosaics["theirs"][0], mosaics["part"][0], rtol=2e-6, atol=1e-6)
    steps = manifests(tmp_path / "store" / "part")
    assert steps["plan"]["result"]["grid"]["shape"] == [300, 300]
