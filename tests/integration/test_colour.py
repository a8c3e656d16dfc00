"""A colour picture of two filters, by both engines: stars without fringes, and who tells of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import maximum_filter, shift

import skymosaic as package
from skymosaic.store.s3 import S3Store
from skymosaic.store.s3_settings import S3Settings
from tests.conftest import manifests, skymosaic, tree, write_campaign
from tests.integration.test_agreement import states
from tests.s3_server import BUCKET, s3_server

pytestmark = pytest.mark.slow

TILES = {"F110W": ["54"], "F160W": ["54", "51"]}
GROUPS = {"by": ["target", "filter"], "grid": "shared", "align": "shared", "reference": "F160W"}
_REACH = 3  # pixels about a star


def campaign(folder: Path, engine: str, **sections: object) -> Path:
    return write_campaign(
        folder / "colour.yaml",
        **{
            "source": {"kind": "simulated", "size": "small", "filters": TILES},
            "sky": {"methods": ["match"]},
            "drizzle": {
                "engine": engine,
                "witness": False,
                "parameters": {"final_bits": 64, "final_rot": 0},
            },
            "groups": GROUPS,
            "colour": "auto",
            **sections,
        },
    )


@pytest.fixture(scope="module", params=["astrodrizzle", "onepass"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a campaign, and return its folder in the store."""
    folder = tmp_path_factory.mktemp(request.param)
    ended = skymosaic("run", campaign(folder, request.param), "--store", folder / "store")
    assert ended.code == 0, ended.err
    return folder / "store" / "colour"


def picture(program: Path) -> NDArray[np.float64]:
    """Return the picture, shape (rows, columns, 3), the first row the lowest."""
    with Image.open(program / "colour" / "HORSEHEAD" / "colour.png") as image:
        return np.asarray(image, dtype=float)[::-1]


def planes(program: Path, kind: str) -> dict[str, NDArray[np.float64]]:
    found = {}
    for filter_ in TILES:
        [path] = (program / "HORSEHEAD" / filter_ / "runs").rglob(f"*match_drz_{kind}.fits")
        found[filter_] = fits.getdata(path).astype(float)
    return found


def test_the_picture_is_pixel_on_pixel_and_grey_where_a_filter_lacks(program: Path) -> None:
    shown, weights = picture(program), planes(program, "wht")
    assert shown.shape[:2] == weights["F160W"].shape
    both = (weights["F110W"] > 0) & (weights["F160W"] > 0)
    one = (weights["F110W"] > 0) ^ (weights["F160W"] > 0)
    none = (weights["F110W"] == 0) & (weights["F160W"] == 0)
    assert min(both.mean(), one.mean(), none.mean()) > 0.05
    free = np.ones(both.shape, dtype=bool)
    free[: len(free) // 6] = free[-len(free) // 6 :] = False  # of the bar, and of the arrow
    assert np.ptp(shown[one & free], axis=1).max() == 0
    assert shown[one & free].max() > 100
    assert shown[none & free].max() == 0
    assert np.mean(np.ptp(shown[both & free], axis=1) > 0) > 0.2


def fringes(red: NDArray[np.float64], blue: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the centroids of stars lie apart in two channels, pixels, shape (n, 2).

    Tones of stars that are white at the centre tell less; they are left out.
    """
    both = np.minimum(red, blue)
    peaks = (maximum_filter(both, 2 * _REACH + 1) == both) & (both > 80) & (both < 240)
    v, u = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1]
    found = []
    for y, x in zip(*np.nonzero(peaks), strict=True):
        centres = []
        for channel in (red, blue):
            part = channel[y - _REACH : y + _REACH + 1, x - _REACH : x + _REACH + 1]
            if part.shape != u.shape or part.max() > 250:
                break
            star = np.clip(part - np.median(part) - 0.2 * np.ptp(part), 0, None)
            centres.append(np.array([(star * u).sum(), (star * v).sum()]) / star.sum())
        else:
            found.append(centres[1] - centres[0])
    return np.array(found)


def test_stars_have_no_fringes(program: Path) -> None:
    shown = picture(program)
    red, blue = shown[..., 0], shown[..., 2]
    coloured = planes(program, "wht")["F110W"] > 0  # elsewhere all is grey
    red, blue = np.where(coloured, red, 0), np.where(coloured, blue, 0)
    apart = fringes(red, blue)
    assert len(apart) > 30
    assert np.abs(np.median(apart, axis=0)).max() < 0.05
    scatter = 1.4826 * np.median(np.abs(apart - np.median(apart, axis=0)), axis=0)
    assert scatter.max() < 0.1
    # It is seen where there are fringes.
    moved = fringes(red, shift(blue, (0.0, 0.25), order=3))
    assert np.median(moved, axis=0)[0] > 0.12


def test_both_sides_of_a_star_have_one_colour(program: Path) -> None:
    """The share of red in the light of the left half of a star, and in that of the right one."""
    science, weights = planes(program, "sci"), planes(program, "wht")
    known = (weights["F110W"] > 0) & (weights["F160W"] > 0)
    red, blue = (np.where(known, np.nan_to_num(science[f]), 0) for f in ("F160W", "F110W"))
    both = np.minimum(red, blue)
    peaks = (maximum_filter(both, 9) == both) & (both > 15)
    differences = []
    for y, x in zip(*np.nonzero(peaks), strict=True):
        parts = [c[y - 2 : y + 3, x - 2 : x + 3] for c in (red, blue)]
        if any(part.shape != (5, 5) or (part == 0).any() for part in parts):
            continue
        sides = [[part[:, side].sum() for part in parts] for side in (slice(0, 2), slice(3, 5))]
        left, right = (r / (r + b) for r, b in sides)
        differences.append(right - left)
    assert len(differences) > 50
    assert abs(np.median(differences)) < 0.02


def test_who_tells_of_the_picture(program: Path) -> None:
    told = json.loads(skymosaic("report", program, "--format", "json").out)
    [colour] = told["colours"]
    assert [(c["colour"], c["filter"], c["method"]) for c in colour["channels"]] == [
        ("red", "F160W", "match"),
        ("blue", "F110W", "match"),
    ]
    assert (program / colour["picture"]).is_file()
    assert '"name": "colour"' in (program / colour["tiles"]).read_text()
    assert (program / "colour/HORSEHEAD/colour_files/0/0_0.jpg").is_file()
    html = (program / "index.html").read_text()
    assert colour["alt"] in html
    assert 'href="colour/HORSEHEAD/colour.png"' in html
    assert all(sentence in html for sentence in colour["how"] if "&" not in sentence)
    with Image.open(program / colour["picture"]) as image:
        assert image.text["Comment"] == " ".join(colour["how"])
    address = str(program / colour["picture"])
    assert f"colour:   {address}\n" in skymosaic("report", program).out
    assert package.load(program).colours == {"HORSEHEAD": address}
    assert package.load(program / "HORSEHEAD" / "F160W").colours == {"HORSEHEAD": address}
    status = json.loads(skymosaic("status", program, "--json").out)
    assert states(status)["colour HORSEHEAD"] == "done"
    assert skymosaic("verify-store", program).code == 0
    assert skymosaic("clean", program, "--dry-run").out.strip() == ""


def mosaics(program: Path) -> dict[str, int]:
    """Return the files of all groups, but for their campaign files, with their times."""
    files = tree(program / "HORSEHEAD")
    return {path: time for path, time in files.items() if not path.endswith("campaign.yaml")}


def test_prepare_shows_the_colours(program: Path) -> None:
    file = program.parent.parent / "colour.yaml"
    told = skymosaic("prepare", file, "--store", program.parent).out
    assert "HORSEHEAD: colour picture, HORSEHEAD/F160W red, HORSEHEAD/F110W blue" in told


def test_another_stretch_makes_the_picture_alone_anew(program: Path) -> None:
    folder, store = program.parent.parent, program.parent
    engine = "onepass" if "onepass" in str(folder) else "astrodrizzle"
    before, made = mosaics(program), manifests(program)["colour/HORSEHEAD"]
    again = skymosaic("run", campaign(folder, engine), "--store", store)
    assert again.code == 0
    assert manifests(program)["colour/HORSEHEAD"] == made
    file = campaign(folder, engine, colour={"stretch": "asinh", "tiles": False})
    changed = skymosaic("run", file, "--store", store)
    assert changed.code == 0, changed.err
    assert mosaics(program) == before
    assert not (program / "colour" / "HORSEHEAD" / "zoom.html").exists()
    status = skymosaic("status", program)
    assert "not started" not in status.out
    damaged = program / "colour" / "HORSEHEAD" / "colour.png"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    assert skymosaic("verify-store", program).code == 16
    assert skymosaic("verify-store", "--repair", program).code in (0, 16)
    assert skymosaic("run", file, "--store", store).code == 0
    assert skymosaic("verify-store", program).code == 0
    without = skymosaic("run", campaign(folder, engine, colour=None), "--store", store)
    assert without.code == 0
    assert "colours" not in (program / "index.html").read_text().split("<main>")[1]
    assert package.load(program).colours == {}


def test_a_mosaic_that_changed_is_made_anew_for_the_picture(program: Path) -> None:
    folder = program.parent.parent
    engine = "onepass" if "onepass" in str(folder) else "astrodrizzle"
    [path] = (program / "HORSEHEAD" / "F110W" / "runs").rglob("*match_drz_sci.fits")
    content = bytearray(path.read_bytes())
    content[-4000] ^= 1
    path.write_bytes(content)
    file = campaign(folder, engine, colour={"stretch": "log"})
    ended = skymosaic("run", file, "--store", program.parent)
    assert ended.code == 0, ended.err
    assert manifests(program)["colour/HORSEHEAD"]["result"]["facts"]["stretch"] == "log"
    assert skymosaic("verify-store", program).code == 0


def test_grids_that_differ_are_refused_by_check(tmp_path: Path) -> None:
    ended = skymosaic("check", campaign(tmp_path, "onepass", groups={"by": ["target", "filter"]}))
    assert ended.code == 3
    assert "set groups.grid: shared" in ended.err


@pytest.mark.timeout(900)
def test_a_picture_and_cells_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference has one tile, which stays where it is; the cells of both filters are one."""
    groups = {**GROUPS, "parameters": {"HORSEHEAD/F160W": {"align": "none"}}}
    filters = {name: ["54"] for name in TILES}
    with s3_server(tmp_path / "s3") as server:
        store = f"s3://{BUCKET}/deep/store"
        file = campaign(
            tmp_path,
            "onepass",
            source={"kind": "simulated", "size": "small", "filters": filters},
            groups=groups,
            drizzle={
                "engine": "onepass",
                "witness": False,
                "parameters": {"final_bits": 64, "final_rot": 0},
                "grid": {"cells": {"layout": "square", "size": 180}},
            },
        )
        environment = server.environment
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", environment["AWS_ACCESS_KEY_ID"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", environment["AWS_SECRET_ACCESS_KEY"])
        ended = skymosaic("run", file, "--store", store, env=environment)
        assert ended.code == 0, ended.err
        address = f"{store}/colour/colour/HORSEHEAD/colour.png"
        assert f"colour:   {address}\n" in ended.out
        told = skymosaic("report", f"{store}/colour", "--format", "json", env=environment)
        [colour] = json.loads(told.out)["colours"]
        assert skymosaic("verify-store", f"{store}/colour", env=environment).code == 0
        held = S3Store(store, S3Settings(endpoint_url=server.url, region="us-east-1"))
        names = held.list("colour/colour")
        assert {f"colour/{colour['picture']}", f"colour/{colour['tiles']}"} <= set(names)
        lists = [
            json.loads(held.read_text(f"colour/HORSEHEAD/{name}/cells/cells.json"))["cells"]
            for name in TILES
        ]
    grids = [{cell["name"]: cell["wcs"] for cell in cells} for cells in lists]
    both = set(grids[0]) & set(grids[1])
    assert len(both) > 1
    assert all(grids[0][name] == grids[1][name] for name in both)
